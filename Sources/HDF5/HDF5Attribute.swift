import CHDF5
import Foundation

/// The value of an attribute. Integers of any width are read as `integer`, floats as `number`.
public enum HDF5AttributeValue: Equatable, Sendable, CustomStringConvertible {
  case string(String)
  case integer(Int)
  case number(Double)
  case integers([Int])
  case numbers([Double])
  case strings([String])

  public var description: String {
    switch self {
    case .string(let value): return value
    case .integer(let value): return "\(value)"
    case .number(let value): return "\(value)"
    case .integers(let values): return values.map { "\($0)" }.joined(separator: ",")
    case .numbers(let values): return values.map { "\($0)" }.joined(separator: ",")
    case .strings(let values): return values.joined(separator: ",")
    }
  }
}

extension HDF5File {
  /// Sets an attribute of the object at `path` ("" is the file's root), replacing one of that name.
  public func setAttribute(_ path: String, _ name: String, _ value: HDF5AttributeValue) throws {
    let object = try openObject(path)
    let place = "\(Self.absolute(path))@\(name)"
    func check<Status: SignedInteger>(_ function: String, _ body: () -> Status) throws -> Status {
      try HDF5Library.call(function, file: url.path, path: place, state: state, body)
    }
    func store(_ type: HDF5Type, isScalar: Bool, elements: Int, _ values: UnsafeRawPointer?) throws {
      if HDF5Library.locked({ H5Aexists(object.id, name) }) > 0 {
        _ = try check("H5Adelete") { H5Adelete(object.id, name) }
      }
      let space = HDF5Identifier(
        try check("H5Screate") { isScalar ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, [hsize_t(elements)], nil) })
      let stored = HDF5Identifier(try check("H5Tcopy") { type.makeIdentifier(native: false) })
      let memory = HDF5Identifier(try check("H5Tcopy") { type.makeIdentifier(native: true) })
      let attribute = HDF5Identifier(
        try check("H5Acreate") {
          H5Acreate2(object.id, name, stored.id, space.id, chdf5_default(), chdf5_default())
        }, state: state)
      _ = try check("H5Awrite") { H5Awrite(attribute.id, memory.id, values) }
    }
    switch value {
    // Of fixed length, though h5py gives those back as bytes: strings of variable length lie in the global heap, which
    // has no checksum, and the library was seen to loop for ever on a damaged one.
    case .string(let text):
      let (bytes, size) = fixedLengthBytes([text])
      try bytes.withUnsafeBytes { try store(.string(bytes: size), isScalar: true, elements: 1, $0.baseAddress) }
    case .strings(let texts):
      let (bytes, size) = fixedLengthBytes(texts)
      try bytes.withUnsafeBytes {
        try store(.string(bytes: size), isScalar: false, elements: texts.count, $0.baseAddress)
      }
    case .integer(let number): try withUnsafePointer(to: number) { try store(.int64, isScalar: true, elements: 1, $0) }
    case .integers(let numbers):
      try numbers.withUnsafeBytes { try store(.int64, isScalar: false, elements: numbers.count, $0.baseAddress) }
    case .number(let number): try withUnsafePointer(to: number) { try store(.float64, isScalar: true, elements: 1, $0) }
    case .numbers(let numbers):
      try numbers.withUnsafeBytes { try store(.float64, isScalar: false, elements: numbers.count, $0.baseAddress) }
    }
  }

  /// The value of an attribute; nil where there is none of that name.
  public func attribute(_ path: String, _ name: String) throws -> HDF5AttributeValue? {
    guard exists(path) else { throw HDF5Error.notFound(file: url.path, path: Self.absolute(path)) }
    let object = try openObject(path)
    guard HDF5Library.locked({ H5Aexists(object.id, name) }) > 0 else { return nil }
    return try readAttribute(object, path: path, name: name)
  }

  /// All attributes of the object at `path`, by name.
  public func attributes(_ path: String) throws -> [String: HDF5AttributeValue] {
    guard exists(path) else { throw HDF5Error.notFound(file: url.path, path: Self.absolute(path)) }
    let object = try openObject(path)
    var names: [String] = []
    try withUnsafeMutablePointer(to: &names) { pointer in
      _ = try HDF5Library.call("H5Aiterate", file: url.path, path: Self.absolute(path)) {
        H5Aiterate2(
          object.id, H5_INDEX_NAME, H5_ITER_NATIVE, nil,
          { _, name, _, context in
            if let name, let context {
              context.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
            }
            return 0
          }, pointer)
      }
    }
    var found: [String: HDF5AttributeValue] = [:]
    for name in names { found[name] = try readAttribute(object, path: path, name: name) }
    return found
  }

  private func readAttribute(_ object: HDF5Identifier, path: String, name: String) throws -> HDF5AttributeValue {
    let place = "\(Self.absolute(path))@\(name)"
    func check<Status: SignedInteger>(_ function: String, _ body: () -> Status) throws -> Status {
      try HDF5Library.call(function, file: url.path, path: place, state: state, body)
    }
    let attribute = HDF5Identifier(try check("H5Aopen") { H5Aopen(object.id, name, chdf5_default()) }, state: state)
    let typeIdentifier = HDF5Identifier(try check("H5Aget_type") { H5Aget_type(attribute.id) })
    let type = HDF5Library.locked { HDF5Type(identifier: typeIdentifier.id) }
    let space = HDF5Identifier(try check("H5Aget_space") { H5Aget_space(attribute.id) })
    let shape = try HDF5Dataset.shape(of: space, file: url.path, path: place)
    let count = shape.reduce(1, *)
    func load<Scalar: HDF5Scalar>(_ memoryType: HDF5Type, _: Scalar.Type, elements: Int) throws -> [Scalar] {
      let memory = HDF5Identifier(try check("H5Tcopy") { memoryType.makeIdentifier(native: true) })
      var values = [Scalar](repeating: Scalar.hdf5Zero, count: elements)
      _ = try values.withUnsafeMutableBytes { buffer in
        try check("H5Aread") { H5Aread(attribute.id, memory.id, buffer.baseAddress) }
      }
      return values
    }
    switch type {
    case .string(let size):
      let bytes = try load(type, UInt8.self, elements: count * size)
      let texts = (0..<count).map { index in
        String(decoding: bytes[(index * size)..<((index + 1) * size)].prefix { $0 != 0 }, as: UTF8.self)
      }
      return shape.isEmpty ? .string(texts[0]) : .strings(texts)
    case .variableString:
      let memory = HDF5Identifier(try check("H5Tcopy") { type.makeIdentifier(native: true) })
      var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
      _ = try pointers.withUnsafeMutableBytes { buffer in
        try check("H5Aread") { H5Aread(attribute.id, memory.id, buffer.baseAddress) }
      }
      let texts = pointers.map { $0.map { String(cString: $0) } ?? "" }
      _ = try pointers.withUnsafeMutableBytes { buffer in
        try check("H5Dvlen_reclaim") { H5Dvlen_reclaim(memory.id, space.id, chdf5_default(), buffer.baseAddress) }
      }
      return shape.isEmpty ? .string(texts[0]) : .strings(texts)
    case .float32, .float64:
      let values = try load(.float64, Double.self, elements: count)
      return shape.isEmpty ? .number(values[0]) : .numbers(values)
    case .other:
      throw HDF5Error.typeMismatch(
        file: url.path, path: place, stored: type.description, requested: "a string or a number")
    default:
      let values = try load(.int64, Int.self, elements: count)
      return shape.isEmpty ? .integer(values[0]) : .integers(values)
    }
  }
}

/// Strings laid out at one fixed length, padded with zeros; at least one byte each.
public func fixedLengthBytes(_ strings: [String]) -> (bytes: [UInt8], size: Int) {
  let encoded = strings.map { Array($0.utf8) }
  let size = max(1, encoded.map(\.count).max() ?? 1)
  var bytes: [UInt8] = []
  bytes.reserveCapacity(size * strings.count)
  for text in encoded {
    bytes += text
    bytes += [UInt8](repeating: 0, count: size - text.count)
  }
  return (bytes, size)
}
