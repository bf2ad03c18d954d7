import Foundation

/// One process-wide lock per C library that is not thread-safe. Its thread may take it again, and it can be made new in a process
/// that was copied by `fork`, where the thread that held it has another number or is not there.
public final class NativeLock: @unchecked Sendable {
  /// For HDF5, and for NetCDF too, because a netCDF-4 file is read through HDF5.
  ///
  /// Whoever takes it first has turned HDF5's own file locks off before the library looks: committed files never change, and
  /// locks fail on some parallel file systems and are inherited by child processes.
  public static let hdf5: NativeLock = {
    setenv("HDF5_USE_FILE_LOCKING", "FALSE", 0)
    return NativeLock()
  }()

  private let mutex: UnsafeMutablePointer<pthread_mutex_t>

  public init() {
    mutex = .allocate(capacity: 1)
    renew()
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  public func lock() { pthread_mutex_lock(mutex) }
  public func unlock() { pthread_mutex_unlock(mutex) }

  /// Makes it a lock that nobody holds.
  func renew() {
    var attributes = pthread_mutexattr_t()
    pthread_mutexattr_init(&attributes)
    pthread_mutexattr_settype(&attributes, Int32(PTHREAD_MUTEX_RECURSIVE))
    pthread_mutex_init(mutex, &attributes)
    pthread_mutexattr_destroy(&attributes)
  }
}
