import Foundation

/// One stage of a run folder that several jobs share: whoever holds it may write the stage's files.
///
/// The lock is the kernel's, on a hidden file that its holder removes when it lets go; a process that dies leaves the file
/// behind, unlocked, for the next one to take.
final class StageLock {
  private let url: URL
  private var descriptor: Int32

  /// Takes the stage. The process holds the folder itself, shared. Throws `EngineError.stageLocked` with what is known of the
  /// holder.
  init(_ folder: RunFolder, stage: String, as reason: String) throws {
    let url = Self.file(folder, stage)
    var descriptor: Int32
    while true {
      descriptor = open(url.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else { throw EngineError.folder(url.path, "cannot be opened") }
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        let code = errno
        let text = Self.text(descriptor)
        close(descriptor)
        guard code == EWOULDBLOCK else { throw EngineError.folder(url.path, "cannot be locked", code: code) }
        throw EngineError.stageLocked(stage: stage, holder: text)
      }
      // the one that had it may have removed the file between the two calls
      if RunFolder.isOpen(descriptor, at: url.path) { break }
      close(descriptor)
    }
    RunFolder.write(note: reason, to: descriptor)
    // only now: what is let go removes the file
    (self.url, self.descriptor) = (url, descriptor)
  }

  deinit { release() }

  func release() {
    guard descriptor >= 0 else { return }
    unlink(url.path)
    close(descriptor)
    descriptor = -1
  }

  private static let ending = ".held"

  private static func file(_ folder: RunFolder, _ stage: String) -> URL {
    folder.url.appendingPathComponent(".\(stage)\(ending)")
  }

  /// Those who hold stages of the folder now, each as it noted itself.
  static func holders(in folder: RunFolder) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.url.path)) ?? []
    return names.sorted().compactMap { name in
      guard name.hasPrefix("."), name.hasSuffix(ending) else { return nil }
      let descriptor = open(folder.url.appendingPathComponent(name).path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return nil }
      defer { close(descriptor) }
      guard flock(descriptor, LOCK_SH | LOCK_NB) != 0, errno == EWOULDBLOCK else { return nil }
      return text(descriptor)
    }
  }

  private static func text(_ descriptor: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 2000)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    return text.allSatisfy(\.isWhitespace) ? "holder unknown" : text.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
