import Basics
import Foundation
import HDF5

public final class Artifact {
  public let url: URL
  public let provenance: Provenance
  /// False where another program has cut the seal off, and the content proved to be what was committed: see `sealAgain`.
  public let isSealed: Bool
  /// Where its provenance lies in its file, for `Artifact.provenance(of:at:)`.
  public let provenancePlace: Range<Int>?
  private let identity: stat
  fileprivate var openFile: HDF5File?  // Guarded by `OpenArtifacts`

  private init(url: URL, file: HDF5File, identity: stat, provenance: Provenance, isSealed: Bool) {
    (self.url, self.identity, self.provenance, self.isSealed) = (url, identity, provenance, isSealed)
    provenancePlace = ProvenanceStore.place(in: file)
    openFile = file
    OpenArtifacts.shared.use(self)
  }

  /// Its file. Of many artifacts only the latest have theirs open: each takes half a megabyte of memory and one of the process's handles.
  /// Throws where another file stands there now.
  private func file() throws -> HDF5File {
    if let file = OpenArtifacts.shared.use(self) { return file }
    let file = try HDF5File.open(url)
    guard Self.isSame(try Self.look(url), identity) else {
      throw ArtifactError.unopenable(file: url.path, reason: "it was replaced while it was read")
    }
    OpenArtifacts.shared.use(self, file)
    return file
  }

  private static func look(_ url: URL) throws -> stat {
    var status = stat()
    guard FileCalls.patiently({ stat(url.path, &status) }) == 0 else {
      throw ArtifactError.system(call: "stat", file: url.path, code: errno)
    }
    return status
  }

  private static func isSame(_ a: stat, _ b: stat) -> Bool {
    a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec
      && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec
  }

  /// The provenance of an artifact that is as it was when `provenancePlace` was asked for; nil where it is not there. No library opens the
  /// file, and nothing of it is checked: for whoever has the digest of the content to hold it against.
  public static func provenance(of url: URL, at place: Range<Int>) -> Provenance? {
    ProvenanceStore.read(url, at: place)
  }

  /// How far a file is trusted.
  public enum Check: Sendable {
    case nothing  // The caller knows that the file is as it was when it was last checked
    case seal  // Every byte is as it was committed (see `Seal`)
    case content  // The seal, and that what HDF5 reads has the committed digest
  }

  /// Opens an artifact; with `verify` also reads all its data and compares the digest: `check: .content`, else `.seal`.
  public static func open(_ url: URL, verify: Bool) throws -> Artifact {
    try open(url, check: verify ? .content : .seal)
  }

  /// Opens an artifact after the check asked for, and reads its provenance.
  ///
  /// An HDF5 program that opens a file for writing ("r+", "a") cuts it to what it knows of when it closes it, though it changed nothing:
  /// the seal is gone. Such a file is read in a process of its own, because nothing vouches for it before; where all of its content has
  /// the committed digest it is sound, and `isSealed` is false.
  ///
  /// Throws `HDF5Error.noSuchFile`, or `ArtifactError`; see `ArtifactError.isDamage`.
  public static func open(_ url: URL, check: Check) throws -> Artifact {
    if check != .nothing {
      do { try Seal.check(url) } catch ArtifactError.openForWriting {
        try Seal.unmark(url)
        try Seal.check(url)
      } catch let error as ArtifactError {
        guard case .unsealed = error, provesItself(url) else { throw error }
        return try opened(url, check: .nothing, isSealed: false)
      }
    }
    return try opened(url, check: check, isSealed: true)
  }

  /// Whether what `open` threw means that there is no such file: nothing is known of its content.
  public static func saysThatItIsNotThere(_ error: any Error) -> Bool {
    if case HDF5Error.noSuchFile? = error as? HDF5Error { true } else { false }
  }

  /// Whether the content of a file without a seal is what was committed.
  private static func provesItself(_ url: URL) -> Bool {
    guard Seal.endsAsHDF5(url) else { return false }
    return Sandbox.fault(reading: url, by: "the HDF5 library", lock: NativeLock.hdf5) {
      try opened(url, check: .content, isSealed: false)
    } == nil
  }

  /// Gives the file the seal that belongs to it, after its content has proved itself. Throws `ArtifactError.system`.
  public func sealAgain() throws {
    try Seal.append(to: url)
    try FileSystem.synchronise(url)
  }

  @discardableResult
  private static func opened(_ url: URL, check: Check, isSealed: Bool) throws -> Artifact {
    let file: HDF5File
    // before it is opened: what replaces it afterwards is found to be another one
    let identity = try? look(url)
    do { file = try HDF5File.open(url) } catch let error as HDF5Error {
      if case .noSuchFile = error, check == .nothing { throw error }
      throw ArtifactError.unopenable(file: url.path, reason: "\(error)")
    }
    let provenance = try ProvenanceStore.read(from: file)
    let artifact = Artifact(
      url: url, file: file, identity: try identity ?? look(url), provenance: provenance, isSealed: isSealed)
    if check == .content { try artifact.verify() }
    return artifact
  }

  /// Reads everything and compares its digest with the committed one. Throws `ArtifactError.contentDamaged`.
  public func verify() throws {
    let found: String
    do { found = try content().digest } catch {
      // a chunk or a block of metadata whose checksum is wrong is an error of the library's
      throw ArtifactError.contentDamaged(
        file: url.path, expected: provenance.contentDigest, found: "unreadable: \(error)")
    }
    guard found == provenance.contentDigest else {
      throw ArtifactError.contentDamaged(file: url.path, expected: provenance.contentDigest, found: found)
    }
    for (path, value) in provenance.measurements {
      let stored = try? scalar(path, as: Double.self)
      guard stored?.bitPattern == value.bitPattern else {
        throw ArtifactError.contentDamaged(
          file: url.path, expected: "\(path) = \(value)", found: stored.map { "\($0)" } ?? "nothing readable")
      }
    }
  }

  func content() throws -> Content { try Content.read(file(), excluding: [ProvenanceStore.group]) }
  func close() throws { try file().close() }

  // MARK: Structure

  /// Where the file cannot be opened any more, whoever reads what is said to be there is told why.
  public func exists(_ path: String) -> Bool { (try? file()).map { $0.exists(path) } ?? true }

  /// The names in a group ("" is the root), sorted.
  public func list(_ group: String) throws -> [String] { try file().list(group) }

  /// True for a group, false for a dataset. Throws `HDF5Error.notFound`.
  public func isGroup(_ path: String) throws -> Bool {
    guard let kind = try file().kind(path) else { throw HDF5Error.notFound(file: url.path, path: path) }
    return kind == .group
  }

  public func shape(_ path: String) throws -> [Int] { try file().dataset(path).shape }

  /// The stored type's name, such as "float64".
  public func typeName(_ path: String) throws -> String { try file().dataset(path).type.description }

  // MARK: Values

  /// A whole dataset, converted to `T`; a value that `T` cannot hold is an error.
  public func read<T: ArtifactScalar>(_ path: String, as _: T.Type) throws -> NDArray<T> {
    let dataset = try file().dataset(path)
    return try NDArray(dataset.read(as: T.self), shape: dataset.shape)
  }

  /// The given rows (indices of the first axis).
  public func read<T: ArtifactScalar>(_ path: String, as _: T.Type, rows: Range<Int>) throws -> NDArray<T> {
    let dataset = try file().dataset(path)
    return try NDArray(dataset.read(as: T.self, rows: rows), shape: [rows.count] + dataset.shape.dropFirst())
  }

  /// The only value of a scalar dataset, or of one with a single element.
  public func scalar<T: ArtifactScalar>(_ path: String, as _: T.Type) throws -> T {
    try single(path, "value") { try $0.read(as: T.self) }
  }

  public func readString(_ path: String) throws -> String { try single(path, "string") { try $0.readStrings() } }

  private func single<T>(_ path: String, _ what: String, _ read: (HDF5Dataset) throws -> [T]) throws -> T {
    let dataset = try file().dataset(path)
    guard dataset.count == 1, let value = try read(dataset).first else {
      throw HDF5Error.shapeMismatch(file: url.path, path: path, message: "shape \(dataset.shape) is not one \(what)")
    }
    return value
  }

  public func readStrings(_ path: String) throws -> [String] { try file().dataset(path).readStrings() }

  /// An attribute as text; nil where there is none of that name.
  public func attribute(_ path: String, _ name: String) throws -> String? {
    try file().attribute(path, name)?.description
  }
}

/// The artifacts whose files are open, the latest last.
private final class OpenArtifacts: @unchecked Sendable {
  static let shared = OpenArtifacts()
  private struct Entry { weak var artifact: Artifact? }

  private let limit = 128
  private let lock = NSLock()
  private var entries: [Entry] = []

  /// The artifact's file, if it is open; `file` is that from now on.
  @discardableResult func use(_ artifact: Artifact, _ file: HDF5File? = nil) -> HDF5File? {
    var closing: [HDF5File] = []  // let go outside the lock
    return lock.withLock {
      if let file { artifact.openFile = file }
      guard let found = artifact.openFile else { return nil }
      if let last = entries.last, last.artifact === artifact { return found }
      entries.removeAll { $0.artifact == nil || $0.artifact === artifact }
      entries.append(Entry(artifact: artifact))
      while entries.count > limit {
        let first = entries.removeFirst().artifact
        if let file = first?.openFile { closing.append(file) }
        first?.openFile = nil
      }
      return found
    }
  }
}
