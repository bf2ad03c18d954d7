import Artifacts
import Basics
import Crypto
import Foundation

/// What is known of a file without reading it. Two of equal size, number and times are of one state of one file; the device's number
/// plays no part, because a file system has another one on each machine that mounts it.
struct FileStamp: Codable, Equatable {
  private var inode: UInt64
  private var size: Int
  private var modified: [Int]  // s and ns
  private var changed: [Int]

  init(_ status: stat) {
    (inode, size) = (UInt64(status.st_ino), Int(status.st_size))
    modified = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    changed = [status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
  }

  /// Nil where there is no file, or a link that leads nowhere. Throws `ArtifactError.system` where that cannot be told.
  static func look(_ url: URL) throws -> FileStamp? {
    var status = stat()
    if FileCalls.patiently({ stat(url.path, &status) }) == 0 { return FileStamp(status) }
    let code = errno
    // a file that is there and no link cannot be absent: it could not be told
    let isAbsent = lstat(url.path, &status) != 0 || status.st_mode & S_IFMT == S_IFLNK
    guard [ENOENT, ENOTDIR, ELOOP].contains(code), isAbsent else {
      throw ArtifactError.system(call: "stat", file: url.path, code: code)
    }
    return nil
  }

  /// Nil where there is no file, or it cannot be looked at.
  init?(_ url: URL) {
    var status = stat()
    guard stat(url.path, &status) == 0 else { return nil }
    self.init(status)
  }

  /// The same but for the time of the last change of state, which a new name or another mode moves too.
  func isAlike(_ other: FileStamp) -> Bool {
    inode == other.inode && size == other.size && modified == other.modified
  }

  /// Whether a change after `now` (s since 1970, by this machine's clock) would show in the times. One within a tick of the last
  /// change would not, so that this one has to be `settled` seconds ago. A time of modification in the future is one that somebody
  /// set; the kernel sets the other one with every change.
  func isSettled(at now: Double, after settled: Double) -> Bool {
    let (modified, changed) = (Self.seconds(modified), Self.seconds(changed))
    return changed < now - settled && (modified < now - settled || modified > now)
  }

  /// The clock of the file's machine is ahead of this one's: its times say nothing about what is settled.
  func isAhead(of now: Double) -> Bool { Self.seconds(changed) > now }

  private static func seconds(_ time: [Int]) -> Double {
    time.count == 2 ? Double(time[0]) + Double(time[1]) * 1e-9 : 0
  }
}

/// The digest that a file had when it looked like this.
struct FileNote: Codable, Equatable {
  var stamp: FileStamp
  var digest: String  // Empty where it is not to be trusted yet
  /// When the file was first seen like this, s since 1970; only where its own times do not tell that it is settled.
  var seen: Double?
  var content: ArtifactNote?  // Only of artifacts
}

/// What is known of an artifact without opening it.
struct ArtifactNote: Codable, Equatable {
  var provenance: Range<Int>?  // Where it lies in the file
  /// Numbers that were found where they were looked for, by path: as text, because JSON knows no number that is none.
  var numbers: [String: String]?
  var asked: String?  // What was looked for, as a digest
}

/// A file's bytes as they entered a stage's key.
struct FileReading: Equatable {
  let url: URL
  let stamp: FileStamp
  let digest: String
  let isSettled: Bool  // False where a change just after it might not show in the times
}

/// SHA-256 of files' bytes, each file read once per object.
///
/// While a run is going on, files are looked at again whenever a digest is asked for, and read again where they were touched. A file whose
/// content is another one by then is an error, because the stages of one run would be made from different inputs.
///
/// With a folder, digests are also remembered there, by the file's path, number, size and times: a large trajectory is read
/// again only after it was touched. The notes are a cache, which may be deleted at any time and which `verify` does not trust.
final class FileDigests {
  private var known: [[UInt8]: FileReading] = [:]
  private var notes: [String: FileNote]
  private var changed: Set<String> = []
  private let notesFile: URL?
  private let settled: Double
  private let clock: () -> Double  // s since 1970
  private(set) var reads = 0  // How many files were read, for tests
  private var holdsFast = false  // A run is going on

  /// `notes` is where digests are remembered. A file is noted only if it was last touched more than `settled` seconds before
  /// it was read: a change within one tick of the file system's clock would not show.
  init(
    notes file: URL? = nil, settled: Double = 2, clock: @escaping () -> Double = { Date().timeIntervalSince1970 }
  ) {
    notesFile = file
    (self.settled, self.clock) = (settled, clock)
    notes = file.map(SharedNotes.read) ?? [:]
  }

  /// From now on stages are made of these digests: each time that one is asked for, the file is looked at again.
  func beginRun() { holdsFast = true }

  func endRun() {
    holdsFast = false
    known = [:]
  }

  /// The name that a path has in the notes: its bytes. Texts that Unicode takes for the same are different files.
  private static func name(_ url: URL) -> String {
    let isPlain = { (byte: UInt8) -> Bool in byte < 0x80 && byte != UInt8(ascii: "%") }
    let bytes = Array(url.path.utf8)
    if bytes.allSatisfy(isPlain) { return url.path }
    return bytes.map { isPlain($0) ? String(UnicodeScalar($0)) : "%" + hex([$0]) }.joined()
  }

  private static func path(_ name: String) -> String { name.removingPercentEncoding ?? name }

  /// The digest, hex. Throws `EngineError.unreadableInput`, `.inputChanged`.
  func digest(_ url: URL) throws -> String { try reading(url).digest }

  /// The digest and what the file looked like. Throws `EngineError.unreadableInput`, `.inputChanged`.
  func reading(_ url: URL) throws -> FileReading {
    let before = known[Array(url.path.utf8)]
    if let before, !holdsFast { return before }
    let (descriptor, status) = try open(url)
    defer { close(descriptor) }
    let stamp = FileStamp(status)
    if let before, before.stamp == stamp { return before }
    let reading = try noted(url, stamp) ?? read(descriptor, url, stamp)
    if let before, before.digest != reading.digest { throw EngineError.inputChanged(file: url.path, stage: nil) }
    known[Array(url.path.utf8)] = reading
    return reading
  }

  private func noted(_ url: URL, _ stamp: FileStamp) -> FileReading? {
    guard let note = notes[Self.name(url)], note.stamp == stamp, !note.digest.isEmpty else { return nil }
    return FileReading(url: url, stamp: stamp, digest: note.digest, isSettled: true)
  }

  private func read(_ descriptor: Int32, _ url: URL, _ stamp: FileStamp) throws -> FileReading {
    let start = clock()
    let digest = try read(descriptor, url)
    let name = Self.name(url)
    var after = stat()
    guard fstat(descriptor, &after) == 0, FileStamp(after) == stamp else {
      // it is written to while it is read: whoever wants to work with it is told
      forget(name)
      return FileReading(url: url, stamp: stamp, digest: digest, isSettled: false)
    }
    var note: FileNote?
    if stamp.isSettled(at: start, after: settled) {
      note = FileNote(stamp: stamp, digest: digest)
    } else if stamp.isAhead(of: start) {
      // a clock that nobody here knows: what looks the same for some seconds is settled, and what was read after them is noted
      let seen = notes[name].flatMap { $0.stamp == stamp ? $0.seen : nil } ?? start
      note = FileNote(stamp: stamp, digest: seen < start - settled ? digest : "", seen: seen)
    }
    if notes[name] != note {
      notes[name] = note
      changed.insert(name)
    }
    return FileReading(url: url, stamp: stamp, digest: digest, isSettled: note?.digest.isEmpty == false)
  }

  private func forget(_ name: String) {
    if notes.removeValue(forKey: name) != nil { changed.insert(name) }
  }

  /// Throws `EngineError.inputChanged` where one of the files is not what it was when it entered a key: replaced, written to or gone.
  /// With `content`, files that were touched just before they were read are read once more. A new name or another mode is no change,
  /// if the content is what it was.
  func check(_ readings: [FileReading], content: Bool = false) throws {
    for reading in readings {
      let stamp = FileStamp(reading.url)
      if stamp == reading.stamp, reading.isSettled || !content { continue }
      guard let stamp, stamp.isAlike(reading.stamp), try bytes(of: reading.url) == reading.digest else {
        throw EngineError.inputChanged(file: reading.url.path, stage: nil)
      }
    }
  }

  private func bytes(of url: URL) throws -> String {
    let (descriptor, _) = try open(url)
    defer { close(descriptor) }
    return try read(descriptor, url)
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
    notes.sorted { $0.key < $1.key }.compactMap { name, note in
      let path = Self.path(name)
      guard !note.digest.isEmpty, let (descriptor, status) = try? open(URL(fileURLWithPath: path)) else { return nil }
      defer { close(descriptor) }
      guard FileStamp(status) == note.stamp else { return nil }
      do {
        let digest = try read(descriptor, URL(fileURLWithPath: path))
        if digest == note.digest { return (path, nil) }
        forget(name)
        known[Array(path.utf8)] = nil
        return (path, "its content is not what it was, though its size and times are")
      } catch {
        return (path, "\(error)")
      }
    }
  }

  private func open(_ url: URL) throws -> (descriptor: Int32, status: stat) {
    let descriptor = FileCalls.open(url.path, O_RDONLY | O_NONBLOCK)
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
