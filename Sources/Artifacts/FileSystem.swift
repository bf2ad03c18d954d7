import Foundation

/// The few system calls a commit is made of, each with a typed error.
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

  /// Removes a file; one that is not there is no error. Its blocks are given back even if it is still open somewhere.
  static func remove(_ url: URL) {
    truncate(url.path, 0)
    unlink(url.path)
  }

  /// The name of a temporary file beside `target`: hidden, and with the process that owns it.
  static func temporary(for target: URL) -> URL {
    counterLock.lock()
    defer { counterLock.unlock() }
    counter += 1
    return target.deletingLastPathComponent()
      .appendingPathComponent("\(prefix(target))\(host)-\(getpid())-\(counter)")
  }

  /// Removes temporary files of `target` that a process on this host left behind when it died.
  static func removeLeftovers(of target: URL) {
    let folder = target.deletingLastPathComponent()
    let prefix = prefix(target) + host + "-"
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] where name.hasPrefix(prefix) {
      guard let process = Int32(name.dropFirst(prefix.count).prefix { $0 != "-" }), process != getpid() else {
        continue
      }
      if kill(process, 0) != 0, errno == ESRCH { unlink(folder.appendingPathComponent(name).path) }
    }
  }

  private static func prefix(_ target: URL) -> String { ".\(target.lastPathComponent).tmp-" }

  private static let host = ProcessInfo.processInfo.hostName
  private static let counterLock = NSLock()
  nonisolated(unsafe) private static var counter = 0
}
