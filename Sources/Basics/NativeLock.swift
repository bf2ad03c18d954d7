import Foundation

/// One process-wide lock per C library that is not thread-safe.
///
/// `hdf5` is also taken by NetCDF calls, because a netCDF-4 file is read through HDF5. Recursive: a binding may call itself.
public enum NativeLock {
  /// Whoever takes it first has turned HDF5's own file locks off before the library looks: committed files never change, and
  /// locks fail on some parallel file systems and are inherited by child processes.
  public static let hdf5: NSRecursiveLock = {
    setenv("HDF5_USE_FILE_LOCKING", "FALSE", 0)
    return NSRecursiveLock()
  }()
}
