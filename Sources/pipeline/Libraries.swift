import HDF5
import NetCDF
import OpenMM
import Torch
import Workflow
import XTB

/// The libraries that take part in a run, for provenance and for `doctor`.
enum Libraries {
  /// xtb is among them where it can be loaded.
  static var versions: [(name: String, version: String)] {
    let xTB = (try? XTBLibrary.version()).map { [("xtb", $0)] } ?? []
    return [
      ("LibTorch", Torch.Runtime.version), ("OpenMM", OpenMMLibrary.version), ("HDF5", hdf5LibraryVersion),
      ("NetCDF", netCDFLibraryVersion),
    ] + xTB
  }

  static func environment() -> RunEnvironment {
    RunEnvironment(
      versions: Dictionary(versions.map { ($0.name, $0.version) }, uniquingKeysWith: { first, _ in first }))
  }
}
