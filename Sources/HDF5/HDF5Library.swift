import Basics
import CHDF5
import Foundation

/// The one door to the C library: every call takes the process-wide lock and turns a negative status into an error.
enum HDF5Library {
  /// Set up once, before the first call.
  ///
  /// - The library must not flush files at exit: what is not committed by then is not wanted, and a flush to a full disk
  ///   would fail for a second time.
  /// - It must not print its error stack: the messages travel in `HDF5Error`.
  /// - It must not lock files: committed files never change, and locks fail on some parallel file systems.
  /// - Writing past the file-size limit must be an error of the write, not a signal that ends the process.
  private static let isReady: Bool = {
    setenv("HDF5_USE_FILE_LOCKING", "FALSE", 0)
    var action = sigaction()
    if sigaction(SIGXFSZ, nil, &action) == 0, action.__sigaction_handler.sa_handler == nil {
      signal(SIGXFSZ, SIG_IGN)
    }
    H5dont_atexit()
    H5open()
    chdf5_no_automatic_printing()
    return true
  }()

  /// Runs `body` under the lock; a negative result becomes `HDF5Error.callFailed` with the library's own message.
  @discardableResult
  static func call<Status: SignedInteger>(
    _ function: String, file: String, path: String = "", _ body: () throws -> Status
  ) throws -> Status {
    NativeLock.hdf5.lock()
    defer { NativeLock.hdf5.unlock() }
    _ = isReady
    let status = try body()
    guard status >= 0 else {
      throw HDF5Error.callFailed(function: function, file: file, path: path, message: errorMessage())
    }
    return status
  }

  /// Runs `body` under the lock where there is nothing to check.
  static func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
    NativeLock.hdf5.lock()
    defer { NativeLock.hdf5.unlock() }
    _ = isReady
    return try body()
  }

  /// The library's error stack as one line, innermost (the cause) first; empties the stack.
  private static func errorMessage() -> String {
    var descriptions: [String] = []
    withUnsafeMutablePointer(to: &descriptions) { pointer in
      _ = H5Ewalk2(
        chdf5_default_error_stack(), H5E_WALK_UPWARD,
        { _, entry, context in
          if let entry, let description = entry.pointee.desc, let context {
            let text = String(cString: description).split(separator: "\n").joined(separator: " ")
            let list = context.assumingMemoryBound(to: [String].self)
            if !text.isEmpty, list.pointee.last != text { list.pointee.append(text) }
          }
          return 0
        }, pointer)
    }
    H5Eclear2(chdf5_default_error_stack())
    guard let cause = descriptions.first else { return "no message from the library" }
    return descriptions.count > 1 ? "\(cause) (\(descriptions[descriptions.count - 1]))" : cause
  }

  /// The version of the library that is linked, such as "1.10.8".
  static var version: String {
    var major: UInt32 = 0
    var minor: UInt32 = 0
    var release: UInt32 = 0
    return locked {
      H5get_libversion(&major, &minor, &release)
      return "\(major).\(minor).\(release)"
    }
  }
}

/// The version of the HDF5 library that is linked, such as "1.10.8".
public var hdf5LibraryVersion: String { HDF5Library.version }

/// An open identifier of the C library, closed with its last reference.
final class HDF5Identifier {
  let id: hid_t
  init(_ id: hid_t) { self.id = id }

  deinit {
    HDF5Library.locked {
      // A file that was closed has closed everything in it.
      if H5Iis_valid(id) > 0 { H5Idec_ref(id) }
    }
  }
}
