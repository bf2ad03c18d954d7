import Foundation

/// A lock that its thread may take again, and that can be made new in a process that was copied by `fork`, where the thread
/// that held it has another number or is not there.
public final class NativeLock: @unchecked Sendable {
  /// For HDF5, which is not thread-safe, and for NetCDF, because a netCDF-4 file is read through HDF5.
  public static let hdf5: NativeLock = {
    // before either library is touched: whichever comes first reads it, once
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
