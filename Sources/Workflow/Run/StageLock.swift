import Basics
import Foundation

/// One stage of a run folder that several jobs share: whoever holds it may write the stage's files.
///
/// The lock is the kernel's, on a hidden file that its holder removes when it lets go; a process that dies leaves the file
/// behind, unlocked, for the next one to take. Beside it stands a `Lease`, for hosts that the lock does not reach.
final class StageLock {
  private let url: URL
  private let folder: RunFolder
  private let lease: Lease?
  private var descriptor: Int32

  /// Takes the stage. The process holds the folder itself, shared. Throws `EngineError.stageLocked` with what is known of the
  /// holder.
  init(_ folder: RunFolder, stage: String, as reason: String) throws {
    let url = Self.file(folder, stage)
    var descriptor: Int32
    while true {
      descriptor = FileCalls.open(url.path, O_RDWR | O_CREAT)
      guard descriptor >= 0 else { throw EngineError.folder(url.path, "cannot be opened (open)") }
      let locking = FileCalls.lock(descriptor, exclusive: true)
      switch locking {
      case .held, .unsupported: break  // the folder's lock has said so
      case .taken:
        defer { close(descriptor) }
        throw EngineError.stageLocked(stage: stage, holder: LockNote(descriptor)?.text ?? "holder unknown")
      case .failed(let code):
        close(descriptor)
        throw EngineError.folder(url.path, "cannot be locked (flock)", code: code)
      }
      // the one that had it may have removed the file between the two calls
      guard RunFolder.isOpen(descriptor, at: url.path) else {
        close(descriptor)
        continue
      }
      do {
        lease = try Lease.take(Self.lease(url), as: reason, isLocked: locking == .held)
        break
      } catch {
        close(descriptor)
        guard let taken = error as? Lease.Taken else { throw error }
        throw EngineError.stageLocked(stage: stage, holder: taken.holder)
      }
    }
    LockNote.write(reason, to: descriptor)
    // only now: what is let go removes the file
    (self.url, self.folder, self.descriptor) = (url, folder, descriptor)
    if let lease { folder.stageLeases.append(lease) }
  }

  deinit { release() }

  func release() {
    guard descriptor >= 0 else { return }
    lease?.release()
    folder.stageLeases.removeAll { $0 === lease }
    unlink(url.path)
    close(descriptor)
    descriptor = -1
  }

  private static let ending = ".held"

  private static func lease(_ file: URL) -> URL { file.deletingPathExtension().appendingPathExtension("lease") }

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
    let locking = FileCalls.lock(descriptor, exclusive: false)
    if locking == .taken { return LockNote(descriptor)?.text ?? "holder unknown" }
    return Lease.holder(of: lease(file), isLocked: locking == .held)
  }
}
