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
    case .string(let value): value
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .integers(let values): values.map { "\($0)" }.joined(separator: ",")
    case .numbers(let values): values.map { "\($0)" }.joined(separator: ",")
    case .strings(let values): values.joined(separator: ",")
    }
  }
}

extension HDF5File {
  /// Sets an attribute of the object at `path` ("" is the file's root), replacing one of that name.
  public func setAttribute(_ path: String, _ name: String, _ value: HDF5AttributeValue) throws {
    let object = try openObject(path)
    let place = "\(Self.absolute(path))@\(name)"
    func store(_ type: HDF5Type, isScalar: Bool, elements: Int, _ values: UnsafeRawPointer?) throws {
      if HDF5Library.locked({ H5Aexists(object.id, name) }) > 0 {
        try call("H5Adelete", place) { H5Adelete(object.id, name) }
      }
      let space = try make("H5Screate", place) {
        isScalar ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, [hsize_t(elements)], nil)
      }
      let stored = try make("H5Tcopy", place) { type.makeIdentifier(native: false) }
      let memory = try make("H5Tcopy", place) { type.makeIdentifier(native: true) }
      let created = try call("H5Acreate", place) {
        H5Acreate2(object.id, name, stored.id, space.id, chdf5_default(), chdf5_default())
      }
      let attribute = HDF5Identifier(created, state: state)
      try call("H5Awrite", place) { H5Awrite(attribute.id, memory.id, values) }
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
    let object = try existing(path)
    guard HDF5Library.locked({ H5Aexists(object.id, name) }) > 0 else { return nil }
    return try readAttribute(object, path: path, name: name)
  }

  public func attributes(_ path: String) throws -> [String: HDF5AttributeValue] {
    let object = try existing(path)
    var names: [String] = []
    try withUnsafeMutablePointer(to: &names) { pointer in
      _ = try call("H5Aiterate", Self.absolute(path)) {
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

  private func existing(_ path: String) throws -> HDF5Identifier {
    guard exists(path) else { throw HDF5Error.notFound(file: url.path, path: Self.absolute(path)) }
    return try openObject(path)
  }

  private func readAttribute(_ object: HDF5Identifier, path: String, name: String) throws -> HDF5AttributeValue {
    let place = "\(Self.absolute(path))@\(name)"
    let opened = try call("H5Aopen", place) { H5Aopen(object.id, name, chdf5_default()) }
    let attribute = HDF5Identifier(opened, state: state)
    let typeIdentifier = try make("H5Aget_type", place) { H5Aget_type(attribute.id) }
    let type = HDF5Library.locked { HDF5Type(identifier: typeIdentifier.id) }
    let space = try make("H5Aget_space", place) { H5Aget_space(attribute.id) }
    let shape = try shape(of: space, place)
    let count = shape.reduce(1, *)
    func load<Scalar: HDF5Scalar>(_ memoryType: HDF5Type, _: Scalar.Type, elements: Int) throws -> [Scalar] {
      let memory = try make("H5Tcopy", place) { memoryType.makeIdentifier(native: true) }
      var values = [Scalar](repeating: 0, count: elements)
      _ = try values.withUnsafeMutableBytes { buffer in
        try call("H5Aread", place) { H5Aread(attribute.id, memory.id, buffer.baseAddress) }
      }
      return values
    }
    switch type {
    case .string(let size):
      let texts = fixedLengthStrings(try load(type, UInt8.self, elements: count * size), size: size, count: count)
      return shape.isEmpty ? .string(texts[0]) : .strings(texts)
    case .variableString:
      let texts = try variableStrings(count: count, space, place) { memory, buffer in
        try call("H5Aread", place) { H5Aread(attribute.id, memory, buffer) }
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

/// Strings back from their fixed length.
func fixedLengthStrings(_ bytes: [UInt8], size: Int, count: Int) -> [String] {
  (0..<count).map { String(decoding: bytes[($0 * size)..<(($0 + 1) * size)].prefix { $0 != 0 }, as: UTF8.self) }
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
