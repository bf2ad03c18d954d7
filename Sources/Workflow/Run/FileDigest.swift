import Artifacts
import Crypto
import Foundation

/// What is known of a file without reading it.
struct FileStamp: Codable, Equatable {
  private var device, inode: UInt64
  private var size: Int
  private var modified: [Int]  // s and ns
  private var changed: [Int]

  init(_ status: stat) {
    (device, inode, size) = (UInt64(status.st_dev), UInt64(status.st_ino), status.st_size)
    modified = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    changed = [status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
  }

  /// Nil where there is no file.
  init?(_ url: URL) {
    var status = stat()
    guard stat(url.path, &status) == 0 else { return nil }
    self.init(status)
  }

  /// The later of its times, s since 1970.
  var touched: Double {
    [modified, changed].map { (time) -> Double in Double(time[0]) + Double(time[1]) * 1e-9 }.max() ?? .infinity
  }
}

/// The digest that a file had when it looked like this.
struct FileNote: Codable, Equatable {
  var stamp: FileStamp
  var digest: String
}

/// SHA-256 of files' bytes, each file read once per object.
///
/// With a folder, digests are also remembered there, by the file's path, size, inode and times: a large trajectory is read
/// again only after it was touched. The notes are a cache, which may be deleted at any time and which `verify` does not trust.
final class FileDigests {
  private var known: [String: String] = [:]
  private var notes: [String: FileNote]
  private var changed: Set<String> = []
  private let notesFile: URL?
  private let settled: Double
  private(set) var reads = 0  // How many files were read, for tests

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
    let stamp = FileStamp(status)
    if let note = notes[url.path], note.stamp == stamp {
      known[url.path] = note.digest
      return note.digest
    }
    let start = Date().timeIntervalSince1970
    let digest = try read(descriptor, url)
    known[url.path] = digest
    var after = stat()
    let isSettled = fstat(descriptor, &after) == 0 && FileStamp(after) == stamp && stamp.touched < start - settled
    let note = isSettled ? FileNote(stamp: stamp, digest: digest) : nil
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
      guard FileStamp(status) == note.stamp else { return nil }
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
    guard descriptor >= 0 else { throw unreadable(url) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw EngineError.unreadableInput(file: url.path, reason: "not a regular file")
    }
    return (descriptor, status)
  }

  private func unreadable(_ url: URL) -> EngineError {
    .unreadableInput(file: url.path, reason: String(cString: strerror(errno)))
  }

  private func read(_ descriptor: Int32, _ url: URL) throws -> String {
    reads += 1
    var hash = SHA256()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 64)
    defer { buffer.deallocate() }
    while true {
      let count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw unreadable(url) }
      if count == 0 { break }
      hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
    return hex(hash.finalize())
  }

  static func ofText(_ text: String) -> String { hex(SHA256.hash(data: Data(text.utf8))) }
}
