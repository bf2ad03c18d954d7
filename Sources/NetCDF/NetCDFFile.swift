import Basics
import CNetCDF
import Foundation

public var netCDFLibraryVersion: String {
  NativeLock.hdf5.lock()
  defer { NativeLock.hdf5.unlock() }
  guard let text = nc_inq_libvers() else { return "unknown" }
  return String(cString: text).split(separator: " ").first.map(String.init) ?? "unknown"
}

public enum NetCDFType: Int32, Sendable {
  case int8 = 1
  case character = 2
  case int16 = 3
  case int32 = 4
  case float32 = 5
  case float64 = 6
}

public enum NetCDFAttribute: Equatable, Sendable, CustomStringConvertible {
  case text(String)
  case numbers([Double])

  public var description: String {
    switch self {
    case .text(let text): text
    case .numbers(let numbers): numbers.map { "\($0)" }.joined(separator: ",")
    }
  }
}

/// A variable of an open file: its place in the library stays inside this module.
public struct NetCDFVariable: Sendable {
  public let name: String
  public let type: NetCDFType?  // nil for a type that this module does not read
  public let dimensions: [String]
  public let shape: [Int]
  let id: Int32
}

/// A number that NetCDF reads and writes as it is, converting from and to the variable's type.
public protocol NetCDFScalar: Numeric, Sendable {
  /// Of file, variable, start, count, values; a status.
  static var get: (Int32, Int32, UnsafePointer<Int>, UnsafePointer<Int>, UnsafeMutablePointer<Self>) -> Int32 { get }
  static var put: (Int32, Int32, UnsafePointer<Int>, UnsafePointer<Int>, UnsafePointer<Self>) -> Int32 { get }
}

extension Float: NetCDFScalar {
  public static var get: (Int32, Int32, UnsafePointer<Int>, UnsafePointer<Int>, UnsafeMutablePointer<Float>) -> Int32 {
    nc_get_vara_float
  }
  public static var put: (Int32, Int32, UnsafePointer<Int>, UnsafePointer<Int>, UnsafePointer<Float>) -> Int32 {
    nc_put_vara_float
  }
}

extension Double: NetCDFScalar {
  public static var get: (Int32, Int32, UnsafePointer<Int>, UnsafePointer<Int>, UnsafeMutablePointer<Double>) -> Int32 {
    nc_get_vara_double
  }
  public static var put: (Int32, Int32, UnsafePointer<Int>, UnsafePointer<Int>, UnsafePointer<Double>) -> Int32 {
    nc_put_vara_double
  }
}

/// An open NetCDF file, classic or netCDF-4. Closed with its last reference, or by `close`.
public final class NetCDFFile {
  public enum Format: Sendable { case classic64, netCDF4 }

  public let url: URL
  private var identifier: Int32?

  private init(url: URL, identifier: Int32) {
    self.url = url
    self.identifier = identifier
  }

  deinit { try? close() }

  /// Opens a file for reading. Throws `noSuchFile`, or `notNetCDF` when it is something else or damaged.
  public static func open(_ url: URL) throws -> NetCDFFile {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), !isFolder.boolValue else {
      throw NetCDFError.noSuchFile(file: url.path)
    }
    var identifier: Int32 = 0
    do {
      try call("nc_open", file: url.path) { nc_open(url.path, cnetcdf_nowrite(), &identifier) }
    } catch NetCDFError.callFailed(_, _, _, _, let message) {
      throw NetCDFError.notNetCDF(file: url.path, message: message)
    }
    return NetCDFFile(url: url, identifier: identifier)
  }

  /// Creates a file, replacing one that exists, in define mode: dimensions, variables and attributes first, then
  /// `endDefinitions`, then values.
  public static func create(_ url: URL, format: Format = .classic64) throws -> NetCDFFile {
    var identifier: Int32 = 0
    let mode = format == .classic64 ? cnetcdf_create_classic64() : cnetcdf_create_netcdf4()
    try call("nc_create", file: url.path) { nc_create(url.path, mode, &identifier) }
    return NetCDFFile(url: url, identifier: identifier)
  }

  public func close() throws {
    guard let identifier else { return }
    self.identifier = nil
    try Self.call("nc_close", file: url.path) { nc_close(identifier) }
  }

  /// The one door to the C library: takes the lock and turns a status into an error.
  private static func call(_ function: String, file: String, name: String = "", _ body: () -> Int32) throws {
    NativeLock.hdf5.lock()
    defer { NativeLock.hdf5.unlock() }
    let status = body()
    guard status == 0 else {
      throw NetCDFError.callFailed(
        function: function, file: file, name: name, code: status, message: String(cString: nc_strerror(status)))
    }
  }

  private func call(_ function: String, name: String = "", _ body: (Int32) -> Int32) throws {
    guard let identifier else { throw NetCDFError.closed(file: url.path) }
    try Self.call(function, file: url.path, name: name) { body(identifier) }
  }

  /// False where the call's answer is `missing`: there is no such thing.
  private func finds(_ function: String, _ name: String, unless missing: Int32, _ body: (Int32) -> Int32) throws -> Bool
  {
    do { try call(function, name: name, body) } catch NetCDFError.callFailed(_, _, _, missing, _) { return false }
    return true
  }

  // MARK: Structure

  /// The length of a dimension; nil where there is none of that name.
  public func dimension(_ name: String) throws -> Int? {
    var id: Int32 = 0
    guard try finds("nc_inq_dimid", name, unless: NC_EBADDIM, { nc_inq_dimid($0, name, &id) }) else { return nil }
    var length = 0
    try call("nc_inq_dimlen", name: name) { nc_inq_dimlen($0, id, &length) }
    return length
  }

  /// A variable; nil where there is none of that name.
  public func variable(_ name: String) throws -> NetCDFVariable? {
    var id: Int32 = 0
    guard try finds("nc_inq_varid", name, unless: NC_ENOTVAR, { nc_inq_varid($0, name, &id) }) else { return nil }
    var type: nc_type = 0
    var rank: Int32 = 0
    try call("nc_inq_vartype", name: name) { nc_inq_vartype($0, id, &type) }
    try call("nc_inq_varndims", name: name) { nc_inq_varndims($0, id, &rank) }
    var ids = [Int32](repeating: 0, count: Int(rank))
    if rank > 0 { try call("nc_inq_vardimid", name: name) { nc_inq_vardimid($0, id, &ids) } }
    var dimensions: [String] = []
    var shape: [Int] = []
    for dimension in ids {
      var buffer = [CChar](repeating: 0, count: Int(NC_MAX_NAME) + 1)
      var length = 0
      try call("nc_inq_dim", name: name) { nc_inq_dim($0, dimension, &buffer, &length) }
      dimensions.append(String(cString: buffer))
      shape.append(length)
    }
    return NetCDFVariable(name: name, type: NetCDFType(rawValue: type), dimensions: dimensions, shape: shape, id: id)
  }

  /// An attribute of a variable, or of the file for nil; nil where there is none of that name.
  public func attribute(_ name: String, of variable: NetCDFVariable? = nil) throws -> NetCDFAttribute? {
    let owner = variable?.id ?? cnetcdf_global()
    let place = (variable.map { $0.name + ":" } ?? ":") + name
    var type: nc_type = 0
    var length = 0
    guard try finds("nc_inq_att", place, unless: NC_ENOTATT, { nc_inq_att($0, owner, name, &type, &length) })
    else { return nil }
    switch type {
    case NC_CHAR:
      var buffer = [CChar](repeating: 0, count: length + 1)
      try call("nc_get_att_text", name: place) { nc_get_att_text($0, owner, name, &buffer) }
      return .text(String(cString: buffer))
    case NC_STRING:
      var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: length)
      try call("nc_get_att_string", name: place) { nc_get_att_string($0, owner, name, &pointers) }
      let text = pointers.compactMap { $0.map { String(cString: $0) } }.joined(separator: " ")
      try call("nc_free_string", name: place) { _ in nc_free_string(length, &pointers) }
      return .text(text)
    default:
      var numbers = [Double](repeating: 0, count: length)
      try call("nc_get_att_double", name: place) { nc_get_att_double($0, owner, name, &numbers) }
      return .numbers(numbers)
    }
  }

  // MARK: Values

  /// The block [start, start + count) of a variable, in C order.
  public func read<Scalar: NetCDFScalar>(_ variable: NetCDFVariable, as _: Scalar.Type, start: [Int], count: [Int])
    throws -> [Scalar]
  {
    guard start.count == variable.shape.count, count.count == variable.shape.count,
      zip(start, count).allSatisfy({ $0 >= 0 && $1 >= 0 })
    else { throw mismatch(variable.name, "start \(start) and count \(count) do not fit shape \(variable.shape)") }
    let total = count.reduce(1, *)
    return try Array(unsafeUninitializedCapacity: total) { buffer, initialized in
      buffer.initialize(repeating: 0)
      if total > 0, let base = buffer.baseAddress {
        try call("nc_get_vara", name: variable.name) { Scalar.get($0, variable.id, start, count, base) }
      }
      initialized = total
    }
  }

  public func readText(_ variable: NetCDFVariable) throws -> String {
    var buffer = [CChar](repeating: 0, count: variable.shape.reduce(1, *) + 1)
    try call("nc_get_var_text", name: variable.name) { nc_get_var_text($0, variable.id, &buffer) }
    return String(cString: buffer)
  }

  // MARK: Writing

  /// Adds a dimension; `length` nil is the unlimited one.
  public func addDimension(_ name: String, length: Int?) throws {
    var id: Int32 = 0
    try call("nc_def_dim", name: name) { nc_def_dim($0, name, length ?? cnetcdf_unlimited(), &id) }
  }

  public func addVariable(_ name: String, type: NetCDFType, dimensions: [String]) throws {
    var ids: [Int32] = []
    for dimension in dimensions {
      var id: Int32 = 0
      try call("nc_inq_dimid", name: dimension) { nc_inq_dimid($0, dimension, &id) }
      ids.append(id)
    }
    var id: Int32 = 0
    try call("nc_def_var", name: name) { nc_def_var($0, name, type.rawValue, Int32(ids.count), ids, &id) }
  }

  /// Sets an attribute of a variable, or of the file for nil.
  public func setAttribute(_ name: String, _ value: NetCDFAttribute, of variable: String? = nil) throws {
    let owner = try variable.map { try existing($0).id } ?? cnetcdf_global()
    let place = (variable ?? "") + ":" + name
    switch value {
    case .text(let text):
      try call("nc_put_att_text", name: place) { nc_put_att_text($0, owner, name, text.utf8.count, text) }
    case .numbers(let numbers):
      try call("nc_put_att_double", name: place) {
        nc_put_att_double($0, owner, name, NC_DOUBLE, numbers.count, numbers)
      }
    }
  }

  public func endDefinitions() throws { try call("nc_enddef") { nc_enddef($0) } }

  public func write<Scalar: NetCDFScalar>(_ name: String, _ values: [Scalar], start: [Int], count: [Int]) throws {
    let variable = try existing(name)
    guard start.count == variable.shape.count, count.count == start.count, count.reduce(1, *) == values.count else {
      throw mismatch(name, "\(values.count) values do not fill \(count) at \(start)")
    }
    try values.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress, !buffer.isEmpty else { return }
      try call("nc_put_vara", name: name) { Scalar.put($0, variable.id, start, count, base) }
    }
  }

  public func write(_ name: String, text: String) throws {
    let variable = try existing(name)
    guard variable.shape.reduce(1, *) == text.utf8.count else {
      throw mismatch(name, "\(text.utf8.count) characters do not fill \(variable.shape)")
    }
    try call("nc_put_var_text", name: name) { nc_put_var_text($0, variable.id, text) }
  }

  public func synchronise() throws { try call("nc_sync") { nc_sync($0) } }

  private func mismatch(_ name: String, _ message: String) -> NetCDFError {
    .shapeMismatch(file: url.path, name: name, message: message)
  }

  private func existing(_ name: String) throws -> NetCDFVariable {
    guard let variable = try variable(name) else { throw NetCDFError.notFound(file: url.path, name: name) }
    return variable
  }
}
