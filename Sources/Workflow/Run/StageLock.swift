import Basics
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
      descriptor = FileCalls.open(url.path, O_RDWR | O_CREAT)
      guard descriptor >= 0 else { throw EngineError.folder(url.path, "cannot be opened (open)") }
      let (locking, note) = (FileCalls.lock(descriptor, exclusive: true), LockNote(descriptor))
      switch locking {
      case .held: break
      case .unsupported where note?.isAtWork != true: break  // the folder's lock has said so
      case .taken, .unsupported:
        close(descriptor)
        throw EngineError.stageLocked(stage: stage, holder: note?.text ?? "holder unknown")
      case .failed(let code):
        close(descriptor)
        throw EngineError.folder(url.path, "cannot be locked (flock)", code: code)
      }
      // the one that had it may have removed the file between the two calls
      if RunFolder.isOpen(descriptor, at: url.path) { break }
      close(descriptor)
    }
    LockNote.write(reason, to: descriptor)
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
      return holder(of: folder.url.appendingPathComponent(name))
    }
  }

  /// Who holds the lock of that file; nil where nobody does.
  static func holder(of file: URL) -> String? {
    let descriptor = FileCalls.open(file.path, O_RDONLY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let (locking, note) = (FileCalls.lock(descriptor, exclusive: false), LockNote(descriptor))
    switch locking {
    case .taken: return note?.text ?? "holder unknown"
    case .unsupported: return note?.isAtWork == true ? note?.text : nil
    case .held, .failed: return nil
    }
  }
}
