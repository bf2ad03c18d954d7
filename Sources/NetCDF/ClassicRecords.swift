import Foundation

/// Records of a classic NetCDF file by their places, whatever the header says of their number: the library reads none where a writer
/// that was killed left the number 0 or unknown.
public final class NetCDFClassicRecords {
  private let url: URL
  private let header: NetCDFClassicHeader
  private let handle: FileHandle

  /// Throws `NetCDFError.noSuchFile`.
  public init(_ url: URL, header: NetCDFClassicHeader) throws {
    guard let handle = FileHandle(forReadingAtPath: url.path) else { throw NetCDFError.noSuchFile(file: url.path) }
    (self.url, self.header, self.handle) = (url, header, handle)
  }

  deinit { try? handle.close() }

  /// Values of a variable in a range of records, record after record. Throws `NetCDFError`.
  public func read(_ name: String, _ records: Range<Int>) throws -> [Double] {
    guard let variable = header.recordVariables[name] else { throw NetCDFError.notFound(file: url.path, name: name) }
    guard records.lowerBound >= 0, records.upperBound <= header.presentRecords,
      let width = [3: 2, 4: 4, 5: 4, 6: 8][variable.type]
    else {
      throw NetCDFError.shapeMismatch(
        file: url.path, name: name, message: "records \(records) of \(header.presentRecords) cannot be read")
    }
    var values: [Double] = []
    values.reserveCapacity(records.count * variable.count)
    for record in records {
      try handle.seek(toOffset: UInt64(variable.begin + record * header.recordSize))
      let data = try handle.read(upToCount: variable.count * width) ?? Data()
      guard data.count == variable.count * width else {
        throw NetCDFError.shapeMismatch(file: url.path, name: name, message: "the file ends within record \(record)")
      }
      data.withUnsafeBytes { bytes in
        for index in 0..<variable.count {
          let place = index * width
          switch variable.type {
          case 3: values.append(Double(Int16(bigEndian: bytes.loadUnaligned(fromByteOffset: place, as: Int16.self))))
          case 4: values.append(Double(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: place, as: Int32.self))))
          case 5:
            let bits = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
            values.append(Double(Float(bitPattern: bits)))
          default:
            let bits = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
            values.append(Double(bitPattern: bits))
          }
        }
      }
    }
    return values
  }
}
