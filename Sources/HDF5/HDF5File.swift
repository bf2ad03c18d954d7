import Basics
import CHDF5
import Foundation

/// An open HDF5 file. Objects are named by path ("results/delta_f"); a leading slash may be left out.
public final class HDF5File {
  public let url: URL
  private var identifier: HDF5Identifier?

  public enum Kind: Equatable, Sendable { case group, dataset }

  let state = HDF5FileState()
  private let isWritable: Bool

  private init(url: URL, id: hid_t, isWritable: Bool) {
    self.url = url
    self.isWritable = isWritable
    identifier = HDF5Identifier(id, state: state)
  }

  /// Creates a file, replacing one that exists. It is written in the newest format, whose metadata carries checksums.
  public static func create(_ url: URL) throws -> HDF5File {
    let access = try accessProperties(file: url.path)
    try HDF5Library.call("H5Pset_libver_bounds", file: url.path) { chdf5_newest_format(access.id) }
    let id = try HDF5Library.call("H5Fcreate", file: url.path) {
      H5Fcreate(url.path, chdf5_truncate(), chdf5_default(), access.id)
    }
    return HDF5File(url: url, id: id, isWritable: true)
  }

  /// Opens an existing file. Throws `noSuchFile`, or `notHDF5` when the file is something else or damaged.
  public static func open(_ url: URL) throws -> HDF5File {
    switch FileCalls.presence(url.path) {
    case .there(isFolder: false): break
    case .there, .absent: throw HDF5Error.noSuchFile(file: url.path)
    case .unknown(let code):
      throw HDF5Error.callFailed(
        function: "stat", file: url.path, path: "", message: "\(FileCalls.text(code)); \(FileCalls.advice(code))")
    }
    let access = try accessProperties(file: url.path)
    do {
      let id = try HDF5Library.call("H5Fopen", file: url.path) { H5Fopen(url.path, chdf5_read_only(), access.id) }
      return HDF5File(url: url, id: id, isWritable: false)
    } catch HDF5Error.callFailed(_, _, _, let message) {
      throw HDF5Error.notHDF5(file: url.path, message: message)
    }
  }

  /// Opens a file that someone else made, after everything in it was read once in a process of its own: the library may crash
  /// or loop on damaged files. Throws as `open` does; `notHDF5` too where something in it cannot be read.
  public static func openForeign(_ url: URL) throws -> HDF5File {
    guard FileManager.default.fileExists(atPath: url.path) else { return try open(url) }
    let fault = Sandbox.fault(reading: url, by: "the library", lock: NativeLock.hdf5) {
      try open(url).readEverything("/", depth: 0)
    }
    if let fault { throw HDF5Error.notHDF5(file: url.path, message: fault) }
    return try open(url)
  }

  private func readEverything(_ path: String, depth: Int) throws {
    guard depth < 100 else { throw HDF5Error.notHDF5(file: url.path, message: "its groups go in a circle") }
    _ = try attributes(path)
    switch try kind(path) {
    case .group: for name in try list(path) { try readEverything("\(path)/\(name)", depth: depth + 1) }
    case .dataset:
      let dataset = try dataset(path)
      if dataset.type == .variableString {
        _ = try dataset.readStrings()
      } else if dataset.type != .other, dataset.count > 0 {
        let rows = dataset.shape.first ?? 1
        let step = max(1, (4 << 20) / max(1, dataset.count / rows * dataset.type.size))
        if dataset.shape.isEmpty { _ = try dataset.readBytes() }
        for start in stride(from: 0, to: dataset.shape.isEmpty ? 0 : rows, by: step) {
          _ = try dataset.readBytes(rows: start..<min(rows, start + step))
        }
      }
    case nil: break
    }
  }

  /// Closing the file closes every object of it that is still open.
  private static func accessProperties(file: String) throws -> HDF5Identifier {
    let access = HDF5Identifier(try HDF5Library.call("H5Pcreate", file: file) { H5Pcreate(chdf5_class_file_access()) })
    try HDF5Library.call("H5Pset_fclose_degree", file: file) { H5Pset_fclose_degree(access.id, H5F_CLOSE_STRONG) }
    return access
  }

  /// What could not be written when an object of the file was let go.
  private var lost: HDF5Error? {
    state.failure.map { HDF5Error.callFailed(function: "H5Dclose", file: url.path, path: "", message: $0) }
  }

  /// Writes everything out and closes the file; datasets of it can no longer be used.
  ///
  /// After a write that failed the file is given up without writing the rest.
  public func close() throws {
    guard let identifier else { return }
    defer { self.identifier = nil }
    if let lost { throw lost }
    if state.isSpoilt { return }
    if isWritable { try call("H5Fflush") { H5Fflush(identifier.id, H5F_SCOPE_LOCAL) } }
    try call("H5Fclose") { H5Fclose(identifier.id) }
  }

  @discardableResult
  func call<Status: SignedInteger>(_ function: String, _ path: String = "", _ body: () throws -> Status) throws
    -> Status
  { try HDF5Library.call(function, file: url.path, path: path, state: state, body) }

  /// A property list, a type or a space: nothing that belongs to the file.
  func make(_ function: String, _ path: String = "", _ body: () -> hid_t) throws -> HDF5Identifier {
    HDF5Identifier(try call(function, path, body))
  }

  var id: hid_t {
    get throws {
      guard let identifier, !state.isSpoilt else { throw lost ?? HDF5Error.closed(file: url.path) }
      return identifier.id
    }
  }

  // MARK: Objects

  /// Every component of "a/b/c" is checked by itself: the library reports a missing parent as an error.
  public func exists(_ path: String) -> Bool {
    guard let id = try? self.id else { return false }
    return HDF5Library.locked {
      var walked = ""
      for component in Self.components(path) {
        walked += "/" + component
        guard H5Lexists(id, walked, chdf5_default()) > 0 else { return false }
      }
      return true
    }
  }

  /// What stands at the path; nil where there is nothing.
  public func kind(_ path: String) throws -> Kind? {
    guard exists(path) else { return nil }
    let object = try openObject(path)
    switch HDF5Library.locked({ H5Iget_type(object.id) }) {
    case H5I_GROUP: return .group
    case H5I_DATASET: return .dataset
    default: return nil
    }
  }

  /// The names in a group ("" is the root), sorted.
  public func list(_ group: String) throws -> [String] {
    guard try kind(group) == .group else { throw HDF5Error.notFound(file: url.path, path: Self.absolute(group)) }
    let object = try openObject(group)
    var info = H5G_info_t()
    try call("H5Gget_info", group) { H5Gget_info(object.id, &info) }
    return try (0..<info.nlinks).map { index in
      var buffer = [CChar](repeating: 0, count: 1024)
      try call("H5Lget_name_by_idx", group) {
        H5Lget_name_by_idx(object.id, ".", H5_INDEX_NAME, H5_ITER_INC, index, &buffer, buffer.count, chdf5_default())
      }
      return String(cString: buffer)
    }
  }

  /// Makes a group and the groups above it; one that exists is left as it is.
  public func createGroup(_ path: String) throws {
    if exists(path) { return }
    let link = try linkProperties()
    let id = try self.id
    let group = try call("H5Gcreate", Self.absolute(path)) {
      H5Gcreate2(id, Self.absolute(path), link.id, chdf5_default(), chdf5_default())
    }
    _ = HDF5Identifier(group, state: state)
  }

  public func dataset(_ path: String) throws -> HDF5Dataset {
    guard try kind(path) == .dataset else { throw HDF5Error.notFound(file: url.path, path: Self.absolute(path)) }
    return try HDF5Dataset(file: self, path: Self.absolute(path), identifier: openObject(path))
  }

  func linkProperties() throws -> HDF5Identifier {
    let link = try make("H5Pcreate") { H5Pcreate(chdf5_class_link_create()) }
    try call("H5Pset_create_intermediate_group") { H5Pset_create_intermediate_group(link.id, 1) }
    return link
  }

  func openObject(_ path: String) throws -> HDF5Identifier {
    let (id, path) = (try self.id, Self.absolute(path))
    return HDF5Identifier(try call("H5Oopen", path) { H5Oopen(id, path, chdf5_default()) }, state: state)
  }

  static func components(_ path: String) -> [String] {
    path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
  }

  static func absolute(_ path: String) -> String { "/" + components(path).joined(separator: "/") }
}
