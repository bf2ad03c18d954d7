import Basics
import Crypto
import Foundation
import HDF5

/// Numbers an artifact can hold: Float, Double, the integers.
public typealias ArtifactScalar = HDF5Scalar

/// Whether a dataset is compressed (shuffle + deflate).
public enum Compression: Equatable, Sendable {
  case automatic  // Where a look at the values says that it saves a quarter or more; streamed datasets: integers only
  case none, always
}

/// Writes one artifact: first to a temporary file in the target's folder, at last, by `commit`, in one step to its name.
///
/// Until `commit` has returned there is no file of that name (or still the one that was there before). A writer that is
/// let go without a commit removes its temporary file. Paths are like "results/delta_f"; groups are made as needed.
public final class ArtifactWriter {
  public let url: URL
  private let temporary: URL
  private var file: HDF5File?
  private var content = Content()
  private var streams: [String: Stream] = [:]
  private var measurements: [String: Double] = [:]

  private struct Stream {
    let dataset: HDF5Dataset
    let type: HDF5Type
    var hash = SHA256()
  }

  /// Makes the folder of `url` if there is none, and the temporary file. Throws `HDF5Error` or `ArtifactError`.
  public init(url: URL) throws {
    self.url = url
    temporary = FileSystem.temporary(for: url)
    let folder = url.deletingLastPathComponent()
    do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
      throw ArtifactError.system(call: "mkdir", file: folder.path, code: errno)
    }
    FileSystem.removeLeftovers(of: url)
    try FaultPoint.beforeTemporary.pass()
    do {
      file = try HDF5File.create(temporary)
      try FaultPoint.afterTemporary.pass()
    } catch {
      FileSystem.remove(temporary)
      throw error
    }
  }

  deinit { discard() }

  // MARK: Datasets

  /// Writes a dataset. `shape` [] is a scalar; `units` and `dims` (one name per axis) become attributes.
  public func write<T: ArtifactScalar>(
    _ path: String, _ values: [T], shape: [Int], units: String? = nil, dims: [String]? = nil,
    compression: Compression = .automatic
  ) throws {
    guard shape.allSatisfy({ $0 >= 0 }), shape.reduce(1, *) == values.count else {
      throw HDF5Error.shapeMismatch(
        file: url.path, path: path, message: "\(values.count) values were given for shape \(shape)")
    }
    let layout = values.withUnsafeBytes { bytes in
      Self.layout(shape: shape, size: T.hdf5Type.size, compression: compression, bytes: bytes)
    }
    let dataset = try newDataset(path, type: T.hdf5Type, shape: shape, layout: layout)
    try dataset.write(values)
    var hash = SHA256()
    values.withUnsafeBytes { hash.update(bufferPointer: $0) }
    record(path, type: T.hdf5Type, shape: shape, hash: hash)
    try annotate(path, units: units, dims: dims)
  }

  public func write<T: ArtifactScalar>(
    _ path: String, _ array: NDArray<T>, units: String? = nil, dims: [String]? = nil,
    compression: Compression = .automatic
  ) throws { try write(path, array.values, shape: array.shape, units: units, dims: dims, compression: compression) }

  public func writeScalar<T: ArtifactScalar>(_ path: String, _ value: T, units: String? = nil) throws {
    try write(path, [value], shape: [], units: units)
  }

  public func write(_ path: String, string: String) throws { try write(path, texts: [string], shape: []) }

  /// Writes a list of strings (fixed-length UTF-8, as long as the longest).
  public func write(_ path: String, strings: [String]) throws {
    try write(path, texts: strings, shape: [strings.count])
  }

  private func write(_ path: String, texts: [String], shape: [Int]) throws {
    if let text = texts.first(where: { $0.utf8.contains(0) }) {
      throw ArtifactError.misuse(
        file: url.path, path: path, reason: "a string with a zero byte cannot be stored: \(text.debugDescription)")
    }
    let (bytes, size) = fixedLengthBytes(texts)
    let type = HDF5Type.string(bytes: size)
    let layout = bytes.withUnsafeBytes { Self.layout(shape: shape, size: size, compression: .automatic, bytes: $0) }
    let dataset = try newDataset(path, type: type, shape: shape, layout: layout)
    try dataset.write(bytes: bytes)
    var hash = SHA256()
    hash.update(data: bytes)
    record(path, type: type, shape: shape, hash: hash)
  }

  /// Writes a number that a clock gave, seconds or a ratio of them: its dataset is in the content digest by name only, its value is kept
  /// under the checksum of /provenance, so that equal runs have equal digests.
  public func writeMeasurement(_ path: String, _ value: Double, units: String? = "s") throws {
    try writeScalar(path, value, units: units)
    try setAttribute(path, Content.measuredMark, value: .integer(1))
    content.entries[HDF5Path.absolute(path)]?.payload = []
    measurements[HDF5Path.absolute(path)] = value
  }

  // MARK: Streams

  /// Makes an empty dataset [0] + rowShape that grows along its first axis by `append`.
  public func createAppendable<T: ArtifactScalar>(
    _ path: String, _ type: T.Type, rowShape: [Int] = [], units: String? = nil, dims: [String]? = nil,
    compression: Compression = .automatic
  ) throws {
    let shape = [0] + rowShape
    let rowBytes = max(1, rowShape.reduce(1, *) * T.hdf5Type.size)
    var layout = HDF5Layout(chunk: [max(1, min(65_536, Self.chunkBytes / rowBytes))] + rowShape.map { max(1, $0) })
    layout.extendible = true
    if compression == .always || compression == .automatic && T.hdf5Type.isInteger {
      layout.deflateLevel = Self.deflateLevel
    }
    let dataset = try newDataset(path, type: T.hdf5Type, shape: shape, layout: layout)
    streams[HDF5Path.absolute(path)] = Stream(dataset: dataset, type: T.hdf5Type)
    record(path, type: T.hdf5Type, shape: shape, hash: SHA256())
    try annotate(path, units: units, dims: dims)
  }

  /// Adds whole rows to a dataset made by `createAppendable` with the same type.
  public func append<T: ArtifactScalar>(_ path: String, _ values: [T]) throws {
    _ = try open(path)
    let key = HDF5Path.absolute(path)
    guard var stream = streams[key] else {
      throw ArtifactError.misuse(file: url.path, path: key, reason: "createAppendable must come before append")
    }
    guard stream.type == T.hdf5Type else {
      throw HDF5Error.typeMismatch(
        file: url.path, path: key, stored: stream.type.description, requested: T.hdf5Type.description)
    }
    try FaultPoint.midWrite.pass()
    streams[key] = nil  // the hash below shall not be copied on write
    try stream.dataset.append(values)
    values.withUnsafeBytes { stream.hash.update(bufferPointer: $0) }
    record(path, type: stream.type, shape: stream.dataset.shape, hash: stream.hash)
    streams[key] = stream
  }

  // MARK: Attributes and groups

  /// Sets an attribute of the dataset or group at `path` ("" is the root).
  public func setAttribute(_ path: String, _ name: String, _ value: String) throws {
    try setAttribute(path, name, value: .string(value))
  }

  public func setAttribute(_ path: String, _ name: String, value: HDF5AttributeValue) throws {
    try open(path).setAttribute(path, name, value)
    content.entries[HDF5Path.absolute(path)]?.attributes[name] = value
  }

  /// Makes an empty group; datasets make theirs by themselves.
  public func createGroup(_ path: String) throws {
    try open(path).createGroup(path)
    recordGroups(HDF5Path.absolute(path))
    if content.entries[HDF5Path.absolute(path)] == nil { content.entries[HDF5Path.absolute(path)] = .init() }
  }

  // MARK: Commit

  /// Finishes the artifact: writes /provenance, closes the file, reads all of it back and compares, seals it, forces it to
  /// the disk, renames it to its place and forces the folder to the disk. Returns the content digest (hex).
  ///
  /// After an error there is no temporary file, and what was at `url` before is still there (or, where only forcing the
  /// folder to the disk failed, the new artifact).
  @discardableResult
  public func commit(provenance: Provenance) throws -> String {
    _ = try open("")
    do { return try finish(provenance) } catch {
      discard()
      throw error
    }
  }

  private func finish(_ provenance: Provenance) throws -> String {
    let file = try open("")
    var provenance = provenance
    provenance.contentDigest = content.digest
    provenance.measurements = measurements
    try ProvenanceStore.write(provenance, to: file)
    streams = [:]
    try FaultPoint.beforeClose.pass()
    try file.close()
    self.file = nil

    let written: Artifact
    do { written = try Artifact.open(temporary, check: .nothing) } catch let error as ArtifactError where error.isDamage
    {
      // what the library did not say when it closed the file
      throw ArtifactError.writtenWrongly(file: temporary.path, path: "/provenance")
    }
    guard written.provenance == provenance else {
      throw ArtifactError.writtenWrongly(file: temporary.path, path: "/provenance")
    }
    let found = try written.content()
    if found != content {
      let paths = Set(found.entries.keys).union(content.entries.keys).sorted()
      let path = paths.first { found.entries[$0] != content.entries[$0] } ?? "/"
      throw ArtifactError.writtenWrongly(file: temporary.path, path: path)
    }
    try written.close()

    try FaultPoint.beforeSeal.pass()
    try Seal.append(to: temporary)
    try FaultPoint.beforeSync.pass()
    try FileSystem.synchronise(temporary)
    try FaultPoint.beforeRename.pass()
    try FileSystem.rename(temporary, to: url)
    try FaultPoint.afterRename.pass()
    try FileSystem.synchronise(folder: url.deletingLastPathComponent())
    try FaultPoint.afterCommit.pass()
    return provenance.contentDigest
  }

  /// Gives the artifact up and removes the temporary file. Nothing happens after a commit.
  public func discard() {
    streams = [:]
    if let file {
      self.file = nil
      try? file.close()
    }
    FileSystem.remove(temporary)
  }

  // MARK: Helpers

  private func open(_ path: String) throws -> HDF5File {
    guard let file else {
      throw ArtifactError.misuse(file: url.path, path: path, reason: "the writer has committed or discarded already")
    }
    return file
  }

  private func newDataset(_ path: String, type: HDF5Type, shape: [Int], layout: HDF5Layout) throws -> HDF5Dataset {
    let file = try open(path)
    let key = HDF5Path.absolute(path)
    guard content.entries[key] == nil else {
      throw ArtifactError.misuse(file: url.path, path: key, reason: "written twice")
    }
    guard key != ProvenanceStore.group, !key.hasPrefix(ProvenanceStore.group + "/") else {
      throw ArtifactError.misuse(file: url.path, path: key, reason: "/provenance is written by commit alone")
    }
    let dataset = try file.createDataset(key, type: type, shape: shape, layout: layout)
    try FaultPoint.midWrite.pass()
    return dataset
  }

  private func record(_ path: String, type: HDF5Type, shape: [Int], hash: SHA256) {
    let key = HDF5Path.absolute(path)
    recordGroups(key)
    content.entries[key, default: .init()].type = type
    content.entries[key]?.shape = shape
    content.entries[key]?.payload = Array(hash.finalize())
  }

  private func recordGroups(_ key: String) {
    var group = ""
    for component in key.split(separator: "/").dropLast() {
      group += "/" + component
      if content.entries[group] == nil { content.entries[group] = .init() }
    }
  }

  private func annotate(_ path: String, units: String?, dims: [String]?) throws {
    if let units { try setAttribute(path, "units", units) }
    if let dims { try setAttribute(path, "dims", dims.joined(separator: ",")) }
  }
}
