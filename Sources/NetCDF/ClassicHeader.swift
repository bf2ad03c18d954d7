import Foundation

/// The header of a classic NetCDF file (CDF-1, CDF-2 or CDF-5), as far as it tells how long the file must be.
///
/// The library reads zeros where a file was cut off, without an error; the header knows better.
/// Source: "The NetCDF Classic Format Specification", Unidata.
public struct NetCDFClassicHeader: Equatable, Sendable {
  /// Records (along the unlimited dimension) that the header promises; nil when the file was being written as a stream.
  public let promisedRecords: Int?
  public let recordSize: Int  // Bytes of one record over all record variables
  public let recordsBegin: Int  // Where the first record starts
  public let fixedEnd: Int  // Where the last fixed-size variable ends
  public let fileSize: Int
  /// Variables along the unlimited dimension, by name.
  public let recordVariables: [String: RecordVariable]

  /// Where a variable's part of the first record stands, in bytes, and what it holds.
  public struct RecordVariable: Equatable, Sendable {
    public let begin, count: Int
    let type: Int
  }

  public var presentRecords: Int { recordSize > 0 ? max(0, (fileSize - recordsBegin) / recordSize) : 0 }

  public var isTruncated: Bool {
    guard fileSize >= fixedEnd else { return true }
    return promisedRecords.map { $0 > presentRecords } ?? false
  }

  /// nil for a file in another format (netCDF-4 is HDF5). Throws `notNetCDF` when the file ends inside its header.
  public static func read(_ url: URL) throws -> NetCDFClassicHeader? {
    guard let handle = FileHandle(forReadingAtPath: url.path) else { throw NetCDFError.noSuchFile(file: url.path) }
    defer { try? handle.close() }
    let magic = try handle.read(upToCount: 4) ?? Data()
    guard magic.count == 4, magic.prefix(3) == Data("CDF".utf8), [1, 2, 5].contains(magic[3]) else { return nil }
    let size = Int(try handle.seekToEnd())
    // Headers are a few hundred bytes; read more only where that was not enough.
    var length = 64 << 10
    while true {
      try handle.seek(toOffset: 0)
      let data = try handle.read(upToCount: length) ?? Data()
      var parser = Parser(bytes: [UInt8](data), version: magic[3])
      if let header = parser.parse(fileSize: size) { return header }
      guard data.count < size, length < 1 << 30 else {
        throw NetCDFError.notNetCDF(file: url.path, message: "the file ends inside its header or the header is damaged")
      }
      length *= 16
    }
  }

  private struct Parser {
    let bytes: [UInt8]
    let version: UInt8
    var position = 4

    private static let longest = 1 << 60

    private mutating func integer(_ width: Int) -> Int? {
      guard position + width <= bytes.count else { return nil }
      var value: UInt64 = 0
      for byte in bytes[position..<(position + width)] { value = value << 8 | UInt64(byte) }
      position += width
      return Int(exactly: value)
    }

    private mutating func count() -> Int? { integer(version == 5 ? 8 : 4) }
    private mutating func offset() -> Int? { integer(version == 1 ? 4 : 8) }

    private mutating func skip(_ length: Int) -> Bool {
      guard length >= 0, length <= bytes.count - position else { return false }
      position += (length + 3) / 4 * 4
      return position <= bytes.count
    }

    private static func size(ofType type: Int) -> Int? {
      switch type {
      case 1, 2, 7: 1
      case 3, 8: 2
      case 4, 5, 9: 4
      case 6, 10, 11: 8
      default: nil
      }
    }

    private mutating func skipAttributes() -> Bool {
      guard integer(4) != nil, let number = count() else { return false }
      for _ in 0..<number {
        guard let name = count(), skip(name), let type = integer(4), let size = Self.size(ofType: type),
          let elements = count(), elements < 1 << 32, skip(elements * size)
        else { return false }
      }
      return true
    }

    mutating func parse(fileSize: Int) -> NetCDFClassicHeader? {
      let width = version == 5 ? 8 : 4
      guard position + width <= bytes.count else { return nil }
      let streaming = bytes[position..<(position + width)].allSatisfy { $0 == 0xff }
      var records: Int?
      if streaming { position += width } else { records = count() }
      guard integer(4) != nil, let dimensionCount = count(), dimensionCount < 1 << 20 else { return nil }
      var lengths: [Int] = []
      for _ in 0..<dimensionCount {
        guard let name = count(), skip(name), let length = count() else { return nil }
        lengths.append(length)
      }
      guard skipAttributes(), integer(4) != nil, let variableCount = count(), variableCount < 1 << 20 else {
        return nil
      }
      var recordSizes: [Int] = []
      var recordVariables: [String: RecordVariable] = [:]
      var recordsBegin: Int?
      var fixedEnd = 0
      for _ in 0..<variableCount {
        guard let length = count(), case let place = position, skip(length), let rank = count(), rank < 1 << 16
        else { return nil }
        let name = String(decoding: bytes[place..<(place + length)], as: UTF8.self)
        var elements = 1
        var isRecord = false
        for axis in 0..<rank {
          guard let dimension = count(), dimension < lengths.count else { return nil }
          if axis == 0, lengths[dimension] == 0 {
            isRecord = true
          } else {
            let (product, overflow) = elements.multipliedReportingOverflow(by: lengths[dimension])
            guard !overflow, product < 1 << 40 else { return nil }
            elements = product
          }
        }
        guard skipAttributes(), let type = integer(4), let size = Self.size(ofType: type), count() != nil,
          let begin = offset()
        else { return nil }
        // The sizes in the header overflow for large variables: compute them.
        let bytes = elements * size
        // far beyond any file; keeps the sums below from overflowing
        guard begin < Self.longest, bytes < Self.longest >> 20 else { return nil }
        if isRecord {
          recordSizes.append(bytes)
          recordVariables[name] = RecordVariable(begin: begin, count: elements, type: type)
          recordsBegin = min(recordsBegin ?? begin, begin)
        } else {
          fixedEnd = max(fixedEnd, begin + bytes)
        }
      }
      // Each record variable is padded to four bytes, unless it is the only one.
      let recordSize = recordSizes.count == 1 ? recordSizes[0] : recordSizes.reduce(0) { $0 + ($1 + 3) / 4 * 4 }
      return NetCDFClassicHeader(
        promisedRecords: recordSizes.isEmpty && !streaming ? 0 : records, recordSize: recordSize,
        recordsBegin: recordsBegin ?? fixedEnd, fixedEnd: fixedEnd, fileSize: fileSize,
        recordVariables: recordVariables)
    }
  }
}
