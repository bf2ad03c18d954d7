import Basics
import CHDF5
import Foundation

/// The one door to the C library: every call takes the process-wide lock and turns a negative status into an error.
enum HDF5Library {
  /// Set up once, before the first call.
  ///
  /// - The library must not flush files at exit: what is not committed by then is not wanted, and a flush to a full disk
  ///   would fail for a second time.
  /// - Writing past the file-size limit must be an error of the write, not a signal that ends the process.
  private static let isReady: Bool = {
    var action = sigaction()
    if sigaction(SIGXFSZ, nil, &action) == 0, action.__sigaction_handler.sa_handler == nil { signal(SIGXFSZ, SIG_IGN) }
    H5dont_atexit()
    H5open()
    return true
  }()

  /// Runs `body` under the lock; a negative result becomes `HDF5Error.callFailed` with the library's own message.
  ///
  /// A failed write spoils `state`: see `HDF5FileState`.
  @discardableResult
  static func call<Status: SignedInteger>(
    _ function: String, file: String, path: String = "", state: HDF5FileState? = nil, _ body: () throws -> Status
  ) throws -> Status {
    try locked {
      let status = try body()
      guard status >= 0 else {
        let (message, byDriver) = errorMessage()
        if byDriver || writingFunctions.contains(function) { state?.spoil() }
        throw HDF5Error.callFailed(function: function, file: file, path: path, message: message)
      }
      return status
    }
  }

  private static let writingFunctions: Set<String> = ["H5Dwrite", "H5Dset_extent", "H5Fflush", "H5Fclose"]

  /// Runs `body` under the lock where there is nothing to check.
  static func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
    NativeLock.hdf5.lock()
    defer { NativeLock.hdf5.unlock() }
    _ = isReady
    // The messages travel in `HDF5Error`. Printing is a setting of each thread, and nearly free to turn off.
    chdf5_no_automatic_printing()
    return try body()
  }

  /// The library's error stack as one line, innermost (the cause) first, and whether the file itself could not be
  /// read or written; empties the stack.
  fileprivate static func errorMessage() -> (text: String, byDriver: Bool) {
    var collected: (descriptions: [String], byDriver: Bool) = ([], false)
    withUnsafeMutablePointer(to: &collected) { pointer in
      _ = H5Ewalk2(
        chdf5_default_error_stack(), H5E_WALK_UPWARD,
        { _, entry, context in
          guard let entry, let context else { return 0 }
          let collected = context.assumingMemoryBound(to: (descriptions: [String], byDriver: Bool).self)
          if entry.pointee.maj_num == chdf5_driver_errors() { collected.pointee.byDriver = true }
          if let description = entry.pointee.desc {
            let text = String(cString: description).split(separator: "\n").joined(separator: " ")
            if !text.isEmpty, collected.pointee.descriptions.last != text {
              collected.pointee.descriptions.append(text)
            }
          }
          return 0
        }, pointer)
    }
    H5Eclear2(chdf5_default_error_stack())
    let texts = collected.descriptions
    guard let cause = texts.first else { return ("no message from the library", collected.byDriver) }
    return (texts.count > 1 ? "\(cause) (\(texts[texts.count - 1]))" : cause, collected.byDriver)
  }

}

/// The version of the HDF5 library that is linked, such as "1.10.8".
public var hdf5LibraryVersion: String {
  var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
  _ = HDF5Library.locked { H5get_libversion(&major, &minor, &release) }
  return "\(major).\(minor).\(release)"
}

/// Whether a file can still be used.
///
/// Once a write has failed (a full disk), the library's caches hold what cannot be written, and closing anything tries
/// again, fails again and leaves dangling state behind. Such a file is let go as it is: no further call touches it. Its
/// descriptor stays open until the process ends, and so must it: the library would take a new file with the same inode
/// for this one.
final class HDF5FileState {
  private(set) var isSpoilt = false
  /// The library's message where closing an object could not write the rest of it: nobody is there then to whom it could be thrown.
  private(set) var failure: String?
  /// Call under the lock.
  func spoil(_ failure: String? = nil) {
    isSpoilt = true
    self.failure = self.failure ?? failure
  }
}

/// An open identifier of the C library, closed with its last reference.
final class HDF5Identifier {
  let id: hid_t
  private let state: HDF5FileState?

  /// `state` is that of the file which the object belongs to; property lists, types and spaces have none.
  init(_ id: hid_t, state: HDF5FileState? = nil) {
    self.id = id
    self.state = state
  }

  deinit {
    HDF5Library.locked {
      if let state, state.isSpoilt { return }
      // A file that was closed has closed everything in it.
      if H5Iis_valid(id) > 0, H5Idec_ref(id) < 0 { state?.spoil(HDF5Library.errorMessage().text) }
    }
  }
}
