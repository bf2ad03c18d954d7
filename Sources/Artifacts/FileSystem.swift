import Foundation

enum FileSystem {
  /// Forces a file's or a folder's content to the disk.
  static func synchronise(_ url: URL) throws {
    let descriptor = open(url.path, O_RDONLY)
    guard descriptor >= 0 else { throw ArtifactError.system(call: "open", file: url.path, code: errno) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw ArtifactError.system(call: "fsync", file: url.path, code: errno) }
  }

  /// Replaces `target` by `source` in one step.
  static func rename(_ source: URL, to target: URL) throws {
    guard Foundation.rename(source.path, target.path) == 0 else {
      throw ArtifactError.system(call: "rename", file: target.path, code: errno)
    }
  }

  /// Removes the name of a file, if it is there.
  static func unlink(_ url: URL) throws {
    guard Foundation.unlink(url.path) == 0 || errno == ENOENT else {
      throw ArtifactError.system(call: "unlink", file: url.path, code: errno)
    }
  }

  /// Removes a file; one that is not there is no error. Its blocks are given back even if it is still open somewhere.
  static func remove(_ url: URL) {
    truncate(url.path, 0)
    Foundation.unlink(url.path)
  }

  /// Moves a damaged file out of the way, keeping it: to NAME.damaged, NAME.damaged-2, ... Returns where it went.
  static func setAside(_ file: URL) throws -> URL {
    var target = URL(fileURLWithPath: file.path + ".damaged")
    var number = 1
    var status = stat()
    while lstat(target.path, &status) == 0 {
      number += 1
      target = URL(fileURLWithPath: "\(file.path).damaged-\(number)")
    }
    try rename(file, to: target)
    return target
  }

  /// The name of a temporary file beside `target`: hidden, and with the process that owns it.
  static func temporary(for target: URL) -> URL {
    counterLock.lock()
    defer { counterLock.unlock() }
    counter += 1
    return target.deletingLastPathComponent().appendingPathComponent("\(prefix(target))\(host)-\(getpid())-\(counter)")
  }

  /// Removes temporary files of `target` that a process on this host left behind when it died.
  static func removeLeftovers(of target: URL) {
    removeLeftovers(in: target.deletingLastPathComponent()) { $0 == target.lastPathComponent }
  }

  /// Removes temporary files in `folder` that a process on this host left behind when it died. `wanted` is asked about the
  /// names of the files that they were to become.
  static func removeLeftovers(in folder: URL, where wanted: (String) -> Bool) {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] where name.hasPrefix(".") {
      guard let mark = name.range(of: ".h5\(mark)\(host)-", options: .backwards),
        wanted(String(name[..<mark.lowerBound].dropFirst()) + ".h5"),
        let process = Int32(name[mark.upperBound...].prefix { $0 != "-" }), process != getpid()
      else { continue }
      if kill(process, 0) != 0, errno == ESRCH { Foundation.unlink(folder.appendingPathComponent(name).path) }
    }
  }

  private static let mark = ".tmp-"
  private static func prefix(_ target: URL) -> String { ".\(target.lastPathComponent)\(mark)" }

  private static let host = ProcessInfo.processInfo.hostName
  private static let counterLock = NSLock()
  nonisolated(unsafe) private static var counter = 0
}

/// Care for a folder of artifacts as a whole.
public enum ArtifactFolder {
  /// Moves a damaged file out of the way, keeping it as NAME.damaged. Returns where it went. Throws `ArtifactError.system`.
  public static func setAside(_ file: URL) throws -> URL { try FileSystem.setAside(file) }

  /// Removes the temporary files that processes of this host left behind when they were killed; with `stage`, those of its
  /// artifact, its checkpoints and the parts of its stream.
  public static func removeLeftovers(in folder: URL, of stage: String? = nil) {
    FileSystem.removeLeftovers(in: folder) { name in
      guard let stage else { return true }
      return name == "\(stage).h5" || name.hasPrefix("\(stage).ckpt-") || name.hasPrefix("\(stage).part-")
    }
  }
}
