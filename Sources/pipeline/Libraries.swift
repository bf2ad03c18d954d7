import Basics
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

  /// How their files' names begin, up to a dot or what a wheel adds.
  private static let files = [
    ("LibTorch", "libtorch_cpu"), ("OpenMM", "libOpenMM"), ("HDF5", "libhdf5_serial"), ("NetCDF", "libnetcdf"),
    ("xtb", "libxtb"),
  ]

  /// Those that are loaded, each from its file. Ask for `versions` first: xtb is loaded by that.
  static var loaded: [(name: String, library: LoadedLibrary)] {
    files.compactMap { name, file in LoadedLibrary.named(file).map { (name, $0) } }
  }

  /// Libraries that are other files than those that the program was built with.
  static var warnings: [String] {
    loaded.filter { !$0.library.isPinned }.map { name, library in
      "\(name) is loaded from \(library.path), which is not the one that this program was built with; "
        + "see LD_LIBRARY_PATH and LD_PRELOAD"
    }
  }

  static func environment() -> RunEnvironment {
    let versions = Dictionary(versions.map { ($0.name, $0.version) }, uniquingKeysWith: { first, _ in first })
    let loaded = loaded.map { ($0.name, "\($0.library.path) (\($0.library.build))") }
    return RunEnvironment(
      versions: versions, libraries: Dictionary(loaded, uniquingKeysWith: { first, _ in first }),
      warnings: warnings)
  }
}
