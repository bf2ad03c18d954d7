import CHDF5
import Foundation

/// How a new dataset lies in the file.
public struct HDF5Layout: Equatable, Sendable {
  /// Elements per chunk along each axis; nil stores the dataset in one piece, without filters.
  public var chunk: [Int]?
  /// The dataset may grow along its first axis; needs a chunk.
  public var extendible: Bool
  /// Level of deflate after a byte shuffle; nil for none.
  public var deflateLevel: Int?
  /// A Fletcher32 checksum per chunk, checked by every reader.
  public var checksum: Bool

  public init(chunk: [Int]? = nil, extendible: Bool = false, deflateLevel: Int? = nil, checksum: Bool = true) {
    self.chunk = chunk
    self.extendible = extendible
    self.deflateLevel = deflateLevel
    self.checksum = checksum
  }
}

/// An open dataset: an array of one type, in C order.
public final class HDF5Dataset {
  let file: HDF5File
  public let path: String
  public let type: HDF5Type
  public private(set) var shape: [Int]
  let identifier: HDF5Identifier

  init(file: HDF5File, path: String, identifier: HDF5Identifier) throws {
    self.file = file
    self.path = path
    self.identifier = identifier
    let type = HDF5Identifier(
      try HDF5Library.call("H5Dget_type", file: file.url.path, path: path) { H5Dget_type(identifier.id) })
    self.type = HDF5Library.locked { HDF5Type(identifier: type.id) }
    let space = HDF5Identifier(
      try HDF5Library.call("H5Dget_space", file: file.url.path, path: path) { H5Dget_space(identifier.id) })
    shape = try HDF5Dataset.shape(of: space, file: file.url.path, path: path)
  }

  static func shape(of space: HDF5Identifier, file: String, path: String) throws -> [Int] {
    let rank = try HDF5Library.call("H5Sget_simple_extent_ndims", file: file, path: path) {
      H5Sget_simple_extent_ndims(space.id)
    }
    var extent = [hsize_t](repeating: 0, count: Int(rank))
    if rank > 0 {
      try HDF5Library.call("H5Sget_simple_extent_dims", file: file, path: path) {
        H5Sget_simple_extent_dims(space.id, &extent, nil)
      }
    }
    return extent.map { Int($0) }
  }

  public var count: Int { shape.reduce(1, *) }

  func call<Status: SignedInteger>(_ function: String, _ body: () throws -> Status) throws -> Status {
    _ = try file.id  // a closed file has closed its datasets
    return try HDF5Library.call(function, file: file.url.path, path: path, state: file.state, body)
  }

  func mismatch(_ message: String) -> HDF5Error { .shapeMismatch(file: file.url.path, path: path, message: message) }

  // MARK: Reading

  /// All elements, converted to `Scalar`. A value that `Scalar` cannot hold is an error, not clipped.
  public func read<Scalar: HDF5Scalar>(as _: Scalar.Type) throws -> [Scalar] {
    try read(as: Scalar.self, rows: nil, count: count)
  }

  /// The given rows (indices of the first axis), converted to `Scalar`.
  public func read<Scalar: HDF5Scalar>(as _: Scalar.Type, rows: Range<Int>) throws -> [Scalar] {
    try read(as: Scalar.self, rows: rows, count: rows.count * rowCount(checking: rows))
  }

  private func read<Scalar: HDF5Scalar>(as _: Scalar.Type, rows: Range<Int>?, count: Int) throws -> [Scalar] {
    guard type.isNumeric else {
      throw HDF5Error.typeMismatch(
        file: file.url.path, path: path, stored: type.description, requested: Scalar.hdf5Type.description)
    }
    return try Array(unsafeUninitializedCapacity: count) { buffer, initialized in
      buffer.initialize(repeating: Scalar.hdf5Zero)
      if count > 0 { try transfer(rows: rows, type: Scalar.hdf5Type, buffer: buffer.baseAddress, writing: false) }
      initialized = count
    }
  }

  /// The elements of the given rows (all of them for nil) as they are stored, little-endian, without conversion.
  public func readBytes(rows: Range<Int>? = nil) throws -> [UInt8] {
    guard type.isNumeric || type.isFixedString else {
      throw HDF5Error.typeMismatch(file: file.url.path, path: path, stored: type.description, requested: "plain bytes")
    }
    let elements = try rows.map { try $0.count * rowCount(checking: $0) } ?? count
    return try Array(unsafeUninitializedCapacity: elements * type.size) { buffer, initialized in
      buffer.initialize(repeating: 0)
      if elements > 0 { try transfer(rows: rows, type: type, buffer: buffer.baseAddress, writing: false) }
      initialized = elements * type.size
    }
  }

  /// All elements of a dataset of strings, of fixed or variable length.
  public func readStrings() throws -> [String] {
    switch type {
    case .string(let size):
      let bytes = try readBytes()
      return (0..<count).map { index in
        String(decoding: bytes[(index * size)..<((index + 1) * size)].prefix { $0 != 0 }, as: UTF8.self)
      }
    case .variableString:
      var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
      let memory = HDF5Identifier(HDF5Library.locked { type.makeIdentifier(native: true) })
      let space = HDF5Identifier(try call("H5Dget_space") { H5Dget_space(identifier.id) })
      try pointers.withUnsafeMutableBytes { buffer in
        try transfer(rows: nil, type: type, buffer: buffer.baseAddress, writing: false)
      }
      let strings = pointers.map { $0.map { String(cString: $0) } ?? "" }
      _ = try pointers.withUnsafeMutableBytes { buffer in
        try call("H5Dvlen_reclaim") { H5Dvlen_reclaim(memory.id, space.id, chdf5_default(), buffer.baseAddress) }
      }
      return strings
    default:
      throw HDF5Error.typeMismatch(file: file.url.path, path: path, stored: type.description, requested: "strings")
    }
  }

  // MARK: Writing

  /// Replaces all elements.
  public func write<Scalar: HDF5Scalar>(_ values: [Scalar]) throws {
    guard values.count == count else { throw mismatch("\(values.count) values were given for shape \(shape)") }
    guard !values.isEmpty else { return }
    try values.withUnsafeBytes { buffer in
      try transfer(
        rows: nil, type: Scalar.hdf5Type, buffer: UnsafeMutableRawPointer(mutating: buffer.baseAddress), writing: true)
    }
  }

  /// Replaces all elements by bytes in the layout of `type`.
  public func write(bytes: [UInt8]) throws {
    guard bytes.count == count * type.size else {
      throw mismatch("\(bytes.count) bytes were given for shape \(shape) of \(type)")
    }
    guard !bytes.isEmpty else { return }
    try bytes.withUnsafeBytes { buffer in
      try transfer(rows: nil, type: type, buffer: UnsafeMutableRawPointer(mutating: buffer.baseAddress), writing: true)
    }
  }

  /// Adds whole rows at the end of the first axis of an extendible dataset.
  public func append<Scalar: HDF5Scalar>(_ values: [Scalar]) throws {
    let perRow = shape.dropFirst().reduce(1, *)
    guard !shape.isEmpty, perRow > 0, values.count % perRow == 0 else {
      throw mismatch("\(values.count) values are not whole rows of \(Array(shape.dropFirst()))")
    }
    guard !values.isEmpty else { return }
    let first = shape[0]
    var extent = shape.map { hsize_t($0) }
    extent[0] += hsize_t(values.count / perRow)
    _ = try call("H5Dset_extent") { H5Dset_extent(identifier.id, extent) }
    shape[0] = Int(extent[0])
    try values.withUnsafeBytes { buffer in
      try transfer(
        rows: first..<shape[0], type: Scalar.hdf5Type, buffer: UnsafeMutableRawPointer(mutating: buffer.baseAddress),
        writing: true)
    }
  }

  // MARK: Transfer

  private func rowCount(checking rows: Range<Int>) throws -> Int {
    guard let extent = shape.first, rows.lowerBound >= 0, rows.upperBound <= extent else {
      throw mismatch("rows \(rows) are outside shape \(shape)")
    }
    return shape.dropFirst().reduce(1, *)
  }

  private func transfer(rows: Range<Int>?, type memoryType: HDF5Type, buffer: UnsafeMutableRawPointer?, writing: Bool)
    throws
  {
    let memory = HDF5Identifier(try call("H5Tcopy") { memoryType.makeIdentifier(native: true) })
    let properties = HDF5Identifier(try call("H5Pcreate") { H5Pcreate(chdf5_class_dataset_transfer()) })
    _ = try call("H5Pset_type_conv_cb") { chdf5_set_refuse_clipping(properties.id) }
    var fileSpace = HDF5Identifier(chdf5_all())
    var memorySpace = HDF5Identifier(chdf5_all())
    if let rows {
      fileSpace = HDF5Identifier(try call("H5Dget_space") { H5Dget_space(identifier.id) })
      var start = [hsize_t](repeating: 0, count: shape.count)
      var extent = shape.map { hsize_t($0) }
      start[0] = hsize_t(rows.lowerBound)
      extent[0] = hsize_t(rows.count)
      _ = try call("H5Sselect_hyperslab") { H5Sselect_hyperslab(fileSpace.id, H5S_SELECT_SET, start, nil, extent, nil) }
      memorySpace = HDF5Identifier(try call("H5Screate_simple") { H5Screate_simple(Int32(extent.count), extent, nil) })
    }
    if writing {
      _ = try call("H5Dwrite") {
        H5Dwrite(identifier.id, memory.id, memorySpace.id, fileSpace.id, properties.id, buffer)
      }
    } else {
      _ = try call("H5Dread") { H5Dread(identifier.id, memory.id, memorySpace.id, fileSpace.id, properties.id, buffer) }
    }
  }
}

extension HDF5Type {
  var isFixedString: Bool {
    if case .string = self { return true }
    return false
  }
}

extension HDF5File {
  /// Makes a dataset, and the groups above it. `shape` [] is a scalar.
  public func createDataset(_ path: String, type: HDF5Type, shape: [Int], layout: HDF5Layout = HDF5Layout()) throws
    -> HDF5Dataset
  {
    let file = url.path
    let path = Self.absolute(path)
    let id = try self.id
    let extent = shape.map { hsize_t($0) }
    var limit = extent
    if layout.extendible, !limit.isEmpty { limit[0] = chdf5_unlimited() }
    let space = HDF5Identifier(
      try HDF5Library.call("H5Screate", file: file, path: path) {
        extent.isEmpty ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(extent.count), extent, limit)
      })
    let stored = HDF5Identifier(
      try HDF5Library.call("H5Tcopy", file: file, path: path) { type.makeIdentifier(native: false) })
    let properties = HDF5Identifier(
      try HDF5Library.call("H5Pcreate", file: file, path: path) { H5Pcreate(chdf5_class_dataset_create()) })
    if let chunk = layout.chunk {
      try HDF5Library.call("H5Pset_chunk", file: file, path: path) {
        H5Pset_chunk(properties.id, Int32(chunk.count), chunk.map { hsize_t($0) })
      }
      if let level = layout.deflateLevel {
        try HDF5Library.call("H5Pset_shuffle", file: file, path: path) { H5Pset_shuffle(properties.id) }
        try HDF5Library.call("H5Pset_deflate", file: file, path: path) {
          H5Pset_deflate(properties.id, UInt32(clamping: level))
        }
      }
      if layout.checksum {
        try HDF5Library.call("H5Pset_fletcher32", file: file, path: path) { H5Pset_fletcher32(properties.id) }
      }
    }
    let link = try linkProperties()
    let dataset = try HDF5Library.call("H5Dcreate", file: file, path: path, state: state) {
      H5Dcreate2(id, path, stored.id, space.id, link.id, properties.id, chdf5_default())
    }
    return try HDF5Dataset(file: self, path: path, identifier: HDF5Identifier(dataset, state: state))
  }
}
