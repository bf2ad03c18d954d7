import Crypto
import Foundation

/// SHA-256 of files' bytes, each file read once per object.
///
/// With a folder, digests are also remembered there, by the file's path, size, inode and times: a large trajectory is read
/// again only after it was touched. The notes are a cache, which may be deleted at any time and which `verify` does not trust.
final class FileDigests {
  /// What is known of a file without reading it.
  private struct Stamp: Codable, Equatable {
    var device: UInt64
    var inode: UInt64
    var size: Int
    /// s and ns
    var modified: [Int]
    var changed: [Int]

    init(_ status: stat) {
      device = UInt64(status.st_dev)
      inode = UInt64(status.st_ino)
      size = status.st_size
      modified = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
      changed = [status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
    }

    /// The later of its times, s since 1970.
    var touched: Double { [modified, changed].map { Double($0[0]) + Double($0[1]) * 1e-9 }.max() ?? .infinity }
  }

  private struct Note: Codable, Equatable {
    var stamp: Stamp
    var digest: String
  }

  private var known: [String: String] = [:]
  private var notes: [String: Note]
  private var changed: Set<String> = []
  private let notesFile: URL?
  private let settled: Double
  /// How many files were read, for tests.
  private(set) var reads = 0

  /// `notes` is where digests are remembered. A file is noted only if it was last touched more than `settled` seconds before
  /// it was read: a change within one tick of the file system's clock would not show.
  init(notes file: URL? = nil, settled: Double = 2) {
    notesFile = file
    self.settled = settled
    notes = file.map(SharedNotes.read) ?? [:]
  }

  /// The digest, hex. Throws `EngineError.unreadableInput`.
  func digest(_ url: URL) throws -> String {
    if let digest = known[url.path] { return digest }
    let (descriptor, status) = try open(url)
    defer { close(descriptor) }
    let stamp = Stamp(status)
    if let note = notes[url.path], note.stamp == stamp {
      known[url.path] = note.digest
      return note.digest
    }
    let start = Date().timeIntervalSince1970
    let digest = try read(descriptor, url)
    known[url.path] = digest
    var after = stat()
    let isSettled = fstat(descriptor, &after) == 0 && Stamp(after) == stamp && stamp.touched < start - settled
    let note = isSettled ? Note(stamp: stamp, digest: digest) : nil
    if notes[url.path] != note {
      notes[url.path] = note
      changed.insert(url.path)
    }
    return digest
  }

  /// Writes what was learnt to the notes, if their folder is there.
  func save() {
    guard !changed.isEmpty, let notesFile else { return }
    let mine = Dictionary(uniqueKeysWithValues: changed.map { ($0, notes[$0]) })
    if SharedNotes.merge(mine, into: notesFile) { changed = [] }
  }

  /// Reads every noted file again. What is found for each: nil where its content is as noted, or where it was touched since,
  /// so that the note is not used anyway. A note that proves wrong is dropped.
  func verify() -> [(path: String, problem: String?)] {
    notes.sorted { $0.key < $1.key }.compactMap { path, note in
      guard let (descriptor, status) = try? open(URL(fileURLWithPath: path)) else { return nil }
      defer { close(descriptor) }
      guard Stamp(status) == note.stamp else { return nil }
      do {
        let digest = try read(descriptor, URL(fileURLWithPath: path))
        if digest == note.digest { return (path, nil) }
        notes[path] = nil
        known[path] = nil
        changed.insert(path)
        return (path, "its content is not what it was, though its size and times are")
      } catch {
        return (path, "\(error)")
      }
    }
  }

  private func open(_ url: URL) throws -> (descriptor: Int32, status: stat) {
    let descriptor = Foundation.open(url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw EngineError.unreadableInput(file: url.path, reason: String(cString: strerror(errno)))
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw EngineError.unreadableInput(file: url.path, reason: "not a regular file")
    }
    return (descriptor, status)
  }

  private func read(_ descriptor: Int32, _ url: URL) throws -> String {
    reads += 1
    var hash = SHA256()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 64)
    defer { buffer.deallocate() }
    while true {
      let count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw EngineError.unreadableInput(file: url.path, reason: String(cString: strerror(errno)))
      }
      if count == 0 { break }
      hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
    return Self.hex(hash.finalize())
  }

  static func ofText(_ text: String) -> String { hex(SHA256.hash(data: Data(text.utf8))) }

  private static func hex(_ digest: SHA256.Digest) -> String {
    digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
