import Foundation

/// One process-wide lock per C library that is not thread-safe.
///
/// `hdf5` is also taken by NetCDF calls, because a netCDF-4 file is read through HDF5. Recursive: a binding may call itself.
public enum NativeLock {
  public static let hdf5 = NSRecursiveLock()
}
