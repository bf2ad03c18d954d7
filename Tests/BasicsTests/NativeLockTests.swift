import Basics
import Foundation
import Testing

@Suite struct NativeLockTests {
  /// Whichever library is used first, HDF5's own file locks are off by then.
  @Test func fileLocksAreOffOnceTheLockIsTaken() {
    NativeLock.hdf5.lock()
    defer { NativeLock.hdf5.unlock() }
    #expect(ProcessInfo.processInfo.environment["HDF5_USE_FILE_LOCKING"] != nil)
  }
}
