import Basics
import Foundation

/// Files as the store handles them: see `FileCalls` for what errors mean.
package enum FileSystem {
  /// Forces a file's content to the disk.
  static func synchronise(_ url: URL) throws { try synchronise(url, isFolder: false) }

  static func synchronise(folder url: URL) throws { try synchronise(url, isFolder: true) }

  private static func synchronise(_ url: URL, isFolder: Bool) throws {
    if let failure = FileCalls.force(url.path, isFolder: isFolder) {
      throw ArtifactError.system(call: failure.call, file: url.path, code: failure.code)
    }
  }

  /// Replaces `target` by `source`.
  static func rename(_ source: URL, to target: URL) throws {
    if let code = FileCalls.replace(target.path, by: source.path, aside: temporary(for: target).path) {
      throw ArtifactError.system(call: "rename", file: target.path, code: code)
    }
  }

  /// As `rename`, after forcing the file to the disk.
  package static func place(_ source: URL, at target: URL) throws {
    try synchronise(source)
    try rename(source, to: target)
  }

  /// Removes the name of a file, if it is there.
  package static func unlink(_ url: URL) throws {
    guard FileCalls.patiently({ Foundation.unlink(url.path) }) == 0 || errno == ENOENT else {
      throw ArtifactError.system(call: "unlink", file: url.path, code: errno)
    }
  }

  /// Removes a file of this process's own; one that is not there is no error. Its blocks are given back even if it is still open
  /// somewhere.
  static func remove(_ url: URL) {
    truncate(url.path, 0)
    Foundation.unlink(url.path)
  }

  /// Whether there is something at the place. Throws `ArtifactError.system` where that cannot be told now.
  package static func exists(_ url: URL) throws -> Bool {
    switch FileCalls.presence(url.path) {
    case .there: return true
    case .absent: return false
    case .unknown(let code): throw ArtifactError.system(call: "stat", file: url.path, code: code)
    }
  }

  /// Writes a small file whole or not at all. Throws `ArtifactError.system`.
  package static func write(_ data: Data, to url: URL, forced: Bool = false) throws {
    let temporary = temporary(for: url)
    func failure(_ call: String, _ code: Int32) -> ArtifactError {
      Foundation.unlink(temporary.path)
      return .system(call: call, file: url.path, code: code)
    }
    let descriptor = FileCalls.open(temporary.path, O_WRONLY | O_CREAT | O_TRUNC)
    guard descriptor >= 0 else { throw failure("open", errno) }
    var rest = Array(data)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let code = count < 0 ? errno : ENOSPC
        close(descriptor)
        throw failure("write", code)
      }
      rest = rest.dropFirst(count)
    }
    // some file systems say only now that there is no room
    guard close(descriptor) == 0 || errno == EINTR else { throw failure("close", errno) }
    if forced, let found = FileCalls.force(temporary.path, isFolder: false) { throw failure(found.call, found.code) }
    let aside = Self.temporary(for: url)
    if let code = FileCalls.replace(url.path, by: temporary.path, aside: aside.path) { throw failure("rename", code) }
  }

  /// All of a file. Throws `ArtifactError.system`.
  package static func read(_ url: URL) throws -> Data {
    let descriptor = FileCalls.open(url.path, O_RDONLY)
    guard descriptor >= 0 else { throw ArtifactError.system(call: "open", file: url.path, code: errno) }
    defer { close(descriptor) }
    var data = Data()
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = Foundation.read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw ArtifactError.system(call: "read", file: url.path, code: errno) }
      if count == 0 { return data }
      data += buffer[..<count]
    }
  }

  /// Moves a file out of the way, keeping it: to NAME.damaged, NAME.damaged-2, ... Returns where it went.
  package static func setAside(_ file: URL, as word: String = "damaged") throws -> URL {
    var target = URL(fileURLWithPath: "\(file.path).\(word)")
    var number = 1
    var status = stat()
    while lstat(target.path, &status) == 0 {
      number += 1
      target = URL(fileURLWithPath: "\(file.path).\(word)-\(number)")
    }
    try rename(file, to: target)
    return target
  }

  /// The name of a temporary file beside `target`: hidden, and with the process that owns it.
  package static func temporary(for target: URL) -> URL {
    counterLock.lock()
    defer { counterLock.unlock() }
    counter += 1
    let name = ".\(target.lastPathComponent)\(mark)\(host)-\(getpid())-\(counter)"
    return target.deletingLastPathComponent().appendingPathComponent(name)
  }

  /// A temporary file's name, taken apart.
  package struct Temporary {
    package let target, host: String  // What it was to become, and where its process runs
    package let process: Int32

    /// Nil where the name is not one of a temporary file.
    package init?(_ name: String) {
      guard name.hasPrefix("."), let mark = name.range(of: FileSystem.mark, options: .backwards) else { return nil }
      let parts = name[mark.upperBound...].split(separator: "-", omittingEmptySubsequences: false)
      guard parts.count > 2, Int(parts[parts.count - 1]) != nil, let process = Int32(parts[parts.count - 2])
      else { return nil }
      target = String(name[..<mark.lowerBound].dropFirst())
      host = parts.dropLast(2).joined(separator: "-")
      self.process = process
    }

    /// Its process is on this host and gone. Of another host nothing is known.
    package var isLeft: Bool {
      host == FileSystem.host && process != getpid() && kill(process, 0) != 0 && errno == ESRCH
    }
  }

  /// Removes temporary files of `target` that a process on this host left behind when it died.
  static func removeLeftovers(of target: URL) {
    removeLeftovers(in: target.deletingLastPathComponent()) { $0 == target.lastPathComponent }
  }

  /// Removes temporary files in `folder` that a process on this host left behind when it died. `wanted` is asked about the
  /// names of the files that they were to become.
  static func removeLeftovers(in folder: URL, where wanted: (String) -> Bool) {
    for name in hiddenNames(in: folder) {
      guard let found = Temporary(name), wanted(found.target), found.isLeft else { continue }
      Foundation.unlink(folder.appendingPathComponent(name).path)
    }
  }

  /// A folder of a large batch has thousands of names, which are looked at for each stage: only hidden ones become texts.
  private static func hiddenNames(in folder: URL) -> [String] {
    guard let stream = opendir(folder.path) else { return [] }
    defer { closedir(stream) }
    var found: [String] = []
    while let entry = readdir(stream) {
      withUnsafePointer(to: &entry.pointee.d_name) { name in
        name.withMemoryRebound(to: CChar.self, capacity: Int(entry.pointee.d_reclen)) { text in
          if text[0] == CChar(UInt8(ascii: ".")) { found.append(String(cString: text)) }
        }
      }
    }
    return found
  }

  private static let mark = ".tmp-"
  package static let host = ProcessInfo.processInfo.hostName
  private static let counterLock = NSLock()
  nonisolated(unsafe) private static var counter = 0
}

/// Care for a folder of artifacts as a whole.
public enum ArtifactFolder {
  /// Moves a damaged file out of the way, keeping it as NAME.damaged. Returns where it went. Throws `ArtifactError.system`.
  public static func setAside(_ file: URL) throws -> URL { try FileSystem.setAside(file) }

  /// Removes the temporary files that processes of this host left behind when they were killed; with `stage`, those of its
  /// artifact, its checkpoints, the parts of its stream and its notes.
  public static func removeLeftovers(in folder: URL, of stage: String? = nil) {
    FileSystem.removeLeftovers(in: folder) { name in
      guard let stage else { return true }
      return ["\(stage).ckpt-", "\(stage).part-", ".\(stage)."].contains(where: name.hasPrefix) || name == "\(stage).h5"
    }
  }
}
