import Foundation

/// The system calls by which files are found, opened, locked, forced to the disk and renamed, and what their errors mean.
///
/// Network and parallel file systems do not know every call. `refusals` lists, for each, the errors by which a file system says so; what
/// is done then stands at the call. All other errors are the caller's to report, with `text` and `advice`.
public enum FileCalls {
  public enum Call: String, CaseIterable, Sendable {
    case lock = "flock"
    case forceFile = "fsync"
    case forceFolder = "fsync of a folder"
    case renameOver = "rename"
  }

  /// The kernel's ENOTSUPP, which has no name outside it and which some network file systems hand out.
  public static let notSupported: Int32 = 524

  /// Errors that mean "this file system cannot", and not "not now" or "not you".
  public static let refusals: [Call: Set<Int32>] = [
    // go on without: the caller says so, and what there is to see to
    .lock: [ENOSYS, ENOLCK, EOPNOTSUPP, EINVAL, EPERM, EACCES, notSupported],
    // go on: the file system writes when it will
    .forceFile: [ENOSYS, EOPNOTSUPP, EINVAL, EROFS, notSupported],
    // go on: a new name may be lost in a power failure, and the file is then made again. Also where the folder may not be opened
    .forceFolder: [ENOSYS, EOPNOTSUPP, EINVAL, EROFS, EBADF, EISDIR, EPERM, EACCES, notSupported],
    // the older file is moved aside first
    .renameOver: [ENOSYS, EOPNOTSUPP, EINVAL, EEXIST, ENOTEMPTY, EPERM, EACCES, EXDEV, notSupported],
  ]

  public static func isRefusal(_ call: Call, _ code: Int32) -> Bool { refusals[call]?.contains(code) == true }

  /// Someone else has the file open, or its server moved it: it passes in a moment.
  static let passing: Set<Int32> = [EINTR, EAGAIN, EBUSY, ETXTBSY, ESTALE]

  /// Calls until it succeeds, fails for good, or has failed five times in half a second with an error that passes. Returns -1 and errno
  /// as the call does.
  public static func patiently(_ call: () -> Int32) -> Int32 {
    for pause in [0, 5, 20, 100, 400] as [UInt32] {
      let result = call()
      let code = errno
      if result >= 0 || !passing.contains(code) { return result }
      if pause > 0 || code != EINTR { usleep(max(1, pause) * 1000) }
      errno = code
    }
    return call()
  }

  /// `open`. Returns -1 and errno.
  public static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o666) -> Int32 {
    patiently { Foundation.open(path, flags | O_CLOEXEC, mode) }
  }

  public enum Presence: Equatable, Sendable {
    case there(isFolder: Bool)
    case absent
    case unknown(Int32)  // It may be there: the error of `stat`
  }

  /// What stands at the path, links followed. Only a name that does not exist is absent.
  public static func presence(_ path: String) -> Presence {
    var status = stat()
    if patiently({ stat(path, &status) }) == 0 { return .there(isFolder: status.st_mode & S_IFMT == S_IFDIR) }
    return [ENOENT, ENOTDIR].contains(errno) ? .absent : .unknown(errno)
  }

  public enum OutputPlace: Equatable, Sendable {
    case file(String)  // Where to write: what links lead to
    case notRegular(String)  // Something else stands there: what
    case failed(Int32)
  }

  /// Where a file is to be written that the user has named: links are followed, also to what is not there yet, and what is no regular file
  /// is not replaced.
  public static func outputPlace(_ path: String) -> OutputPlace {
    var path = path
    for _ in 0..<40 {
      var status = stat()
      guard lstat(path, &status) == 0 else { return errno == ENOENT ? .file(path) : .failed(errno) }
      switch status.st_mode & S_IFMT {
      case S_IFREG: return .file(path)
      case S_IFLNK:
        var target = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        guard readlink(path, &target, Int(PATH_MAX)) >= 0 else { return .failed(errno) }
        let text = String(cString: target)
        // as the kernel does: seen from the folder in which the link stands
        path =
          text.hasPrefix("/")
          ? text : (path as NSString).deletingLastPathComponent + (path.contains("/") ? "/" : "./") + text
      case S_IFDIR: return .notRegular("a folder")
      case S_IFIFO: return .notRegular("a named pipe")
      case S_IFSOCK: return .notRegular("a socket")
      default: return .notRegular("a device")
      }
    }
    return .failed(ELOOP)
  }

  public enum Locking: Equatable, Sendable {
    case held
    case taken  // Somebody else has it
    case unsupported(Int32)
    case failed(Int32)
  }

  /// `flock`, without waiting.
  public static func lock(_ descriptor: Int32, exclusive: Bool) -> Locking {
    var result = flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB)
    for _ in 0..<5 where result != 0 && errno == EINTR {
      result = flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB)
    }
    if result == 0 { return .held }
    let code = errno
    if code == EWOULDBLOCK { return .taken }
    return isRefusal(.lock, code) ? .unsupported(code) : .failed(code)
  }

  /// Forces a file's or a folder's content to the disk, as far as the file system can. Returns the call that failed.
  public static func force(_ path: String, isFolder: Bool) -> (call: String, code: Int32)? {
    let kind: Call = isFolder ? .forceFolder : .forceFile
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else {
      let code = errno
      return isFolder && isRefusal(kind, code) ? nil : ("open", code)
    }
    defer { close(descriptor) }
    guard patiently({ fsync(descriptor) }) != 0 else { return nil }
    let code = errno
    return isRefusal(kind, code) ? nil : ("fsync", code)
  }

  /// Puts `source` in the place of `target`, in one step where the file system can. `aside` is where an older file is moved for the moment
  /// otherwise; it is brought back if the new one does not get its place. Returns the error.
  public static func replace(_ target: String, by source: String, aside: String) -> Int32? {
    if patiently({ rename(source, target) }) == 0 { return nil }
    let code = errno
    guard isRefusal(.renameOver, code), case .there(isFolder: false) = presence(target), rename(target, aside) == 0
    else { return code }
    guard patiently({ rename(source, target) }) == 0 else {
      _ = patiently { rename(aside, target) }
      return code
    }
    unlink(aside)
    return nil
  }

  /// The error in words.
  public static func text(_ code: Int32) -> String {
    code == notSupported ? "Operation not supported by the file system" : String(cString: strerror(code))
  }

  /// What to do about it.
  public static func advice(_ code: Int32) -> String {
    switch code {
    case ENOSPC, EDQUOT: "make room, or name another folder by --runs, and run again"
    case EFBIG: "let files grow (ulimit -f), and run again"
    case EACCES, EPERM: "change its permissions, or name another folder by --runs, and run again"
    case EROFS: "the file system is read-only: name another folder by --runs, and run again"
    case EMFILE, ENFILE: "allow more open files (ulimit -n), and run again"
    case ENOMEM: "free some memory, and run again"
    case EIO, ENXIO, ENODEV, ESTALE, ETIMEDOUT:
      "the disk or its server does not answer as it should: see the system's log, and run again"
    case ELOOP, ENAMETOOLONG, ENOTDIR, EISDIR: "name another folder by --runs, and run again"
    default: "run again; if it stays, name a folder on another file system by --runs"
    }
  }
}
