import CHDF5
import Foundation

/// How a new dataset lies in the file. Each chunk has a Fletcher32 checksum, which every reader checks.
public struct HDF5Layout: Equatable, Sendable {
  public var chunk: [Int]?  // Elements per chunk along each axis; nil stores the dataset in one piece, without filters
  public var extendible: Bool  // The dataset may grow along its first axis; needs a chunk
  public var deflateLevel: Int?  // Level of deflate after a byte shuffle; nil for none

  public init(chunk: [Int]? = nil, extendible: Bool = false, deflateLevel: Int? = nil) {
    (self.chunk, self.extendible, self.deflateLevel) = (chunk, extendible, deflateLevel)
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
    (self.file, self.path, self.identifier) = (file, path, identifier)
    let type = try file.make("H5Dget_type", path) { H5Dget_type(identifier.id) }
    self.type = HDF5Library.locked { HDF5Type(identifier: type.id) }
    shape = try file.shape(of: file.make("H5Dget_space", path) { H5Dget_space(identifier.id) }, path)
  }

  public var count: Int { shape.reduce(1, *) }

  /// Where its bytes lie in the file; nil where they are in chunks, or not yet in one place.
  public var place: Range<Int>? {
    let offset = HDF5Library.locked { H5Dget_offset(identifier.id) }
    return Int(exactly: offset).map { $0..<$0 + count * type.size }
  }

  func call<Status: SignedInteger>(_ function: String, _ body: () throws -> Status) throws -> Status {
    _ = try file.id  // a closed file has closed its datasets
    return try file.call(function, path, body)
  }

  private func mismatch(_ message: String) -> HDF5Error {
    .shapeMismatch(file: file.url.path, path: path, message: message)
  }

  private func mismatch(requested: String) -> HDF5Error {
    .typeMismatch(file: file.url.path, path: path, stored: type.description, requested: requested)
  }

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
    guard type.isNumeric else { throw mismatch(requested: Scalar.hdf5Type.description) }
    return try Array(unsafeUninitializedCapacity: count) { buffer, initialized in
      buffer.initialize(repeating: 0)
      if count > 0 { try transfer(rows: rows, type: Scalar.hdf5Type, buffer: buffer.baseAddress, writing: false) }
      initialized = count
    }
  }

  /// The elements of the given rows (all of them for nil) as they are stored, little-endian, without conversion.
  public func readBytes(rows: Range<Int>? = nil) throws -> [UInt8] {
    guard type.isNumeric || type.isFixedString else { throw mismatch(requested: "plain bytes") }
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
    case .string(let size): return fixedLengthStrings(try readBytes(), size: size, count: count)
    case .variableString:
      let space = HDF5Identifier(try call("H5Dget_space") { H5Dget_space(identifier.id) })
      return try file.variableStrings(count: count, space, path) { _, buffer in
        try transfer(rows: nil, type: type, buffer: buffer, writing: false)
      }
    default: throw mismatch(requested: "strings")
    }
  }

  // MARK: Writing

  public func write<Scalar: HDF5Scalar>(_ values: [Scalar]) throws {
    guard values.count == count else { throw mismatch("\(values.count) values were given for shape \(shape)") }
    try values.withUnsafeBytes { try store($0, rows: nil, type: Scalar.hdf5Type) }
  }

  /// Replaces all elements by bytes in the layout of `type`.
  public func write(bytes: [UInt8]) throws {
    guard bytes.count == count * type.size else {
      throw mismatch("\(bytes.count) bytes were given for shape \(shape) of \(type)")
    }
    try bytes.withUnsafeBytes { try store($0, rows: nil, type: type) }
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
    try values.withUnsafeBytes { try store($0, rows: first..<shape[0], type: Scalar.hdf5Type) }
  }

  private func store(_ bytes: UnsafeRawBufferPointer, rows: Range<Int>?, type: HDF5Type) throws {
    guard !bytes.isEmpty else { return }
    try transfer(rows: rows, type: type, buffer: UnsafeMutableRawPointer(mutating: bytes.baseAddress), writing: true)
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
    _ = try call(writing ? "H5Dwrite" : "H5Dread") {
      writing
        ? H5Dwrite(identifier.id, memory.id, memorySpace.id, fileSpace.id, properties.id, buffer)
        : H5Dread(identifier.id, memory.id, memorySpace.id, fileSpace.id, properties.id, buffer)
    }
  }
}

extension HDF5File {
  /// Makes a dataset, and the groups above it. `shape` [] is a scalar.
  public func createDataset(_ path: String, type: HDF5Type, shape: [Int], layout: HDF5Layout = HDF5Layout()) throws
    -> HDF5Dataset
  {
    let path = Self.absolute(path)
    let id = try self.id
    let extent = shape.map { hsize_t($0) }
    var limit = extent
    if layout.extendible, !limit.isEmpty { limit[0] = chdf5_unlimited() }
    let space = try make("H5Screate", path) {
      extent.isEmpty ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(extent.count), extent, limit)
    }
    let stored = try make("H5Tcopy", path) { type.makeIdentifier(native: false) }
    let properties = try make("H5Pcreate", path) { H5Pcreate(chdf5_class_dataset_create()) }
    if let chunk = layout.chunk {
      try call("H5Pset_chunk", path) { H5Pset_chunk(properties.id, Int32(chunk.count), chunk.map { hsize_t($0) }) }
      if let level = layout.deflateLevel {
        try call("H5Pset_shuffle", path) { H5Pset_shuffle(properties.id) }
        try call("H5Pset_deflate", path) { H5Pset_deflate(properties.id, UInt32(clamping: level)) }
      }
      try call("H5Pset_fletcher32", path) { H5Pset_fletcher32(properties.id) }
    }
    let link = try linkProperties()
    let dataset = try call("H5Dcreate", path) {
      H5Dcreate2(id, path, stored.id, space.id, link.id, properties.id, chdf5_default())
    }
    return try HDF5Dataset(file: self, path: path, identifier: HDF5Identifier(dataset, state: state))
  }

  func shape(of space: HDF5Identifier, _ path: String) throws -> [Int] {
    let rank = try call("H5Sget_simple_extent_ndims", path) { H5Sget_simple_extent_ndims(space.id) }
    var extent = [hsize_t](repeating: 0, count: Int(rank))
    if rank > 0 { try call("H5Sget_simple_extent_dims", path) { H5Sget_simple_extent_dims(space.id, &extent, nil) } }
    return extent.map { Int($0) }
  }

  /// Strings of variable length, which `read` (given the type in memory and where they go) puts into the library's own memory.
  func variableStrings(
    count: Int, _ space: HDF5Identifier, _ path: String, read: (hid_t, UnsafeMutableRawPointer?) throws -> Void
  ) throws -> [String] {
    let memory = try make("H5Tcopy", path) { HDF5Type.variableString.makeIdentifier(native: true) }
    var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
    try pointers.withUnsafeMutableBytes { try read(memory.id, $0.baseAddress) }
    let strings = pointers.map { $0.map { String(cString: $0) } ?? "" }
    try pointers.withUnsafeMutableBytes { buffer in
      _ = try call("H5Dvlen_reclaim", path) {
        H5Dvlen_reclaim(memory.id, space.id, chdf5_default(), buffer.baseAddress)
      }
    }
    return strings
  }
}
