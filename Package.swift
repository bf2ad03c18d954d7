// swift-tools-version: 6.1
import PackageDescription

/// This package is another one's dependency, checked out by SwiftPM. It then takes LibTorch and OpenMM as pkg-config tells them
/// (./bootstrap --library), and no flag that SwiftPM forbids dependencies. What follows is for this package's own build.
let isDependency = Context.packageDirectory.split(separator: "/").dropLast().last == "checkouts"

// The folder that ./bootstrap fills. Its libraries are linked by absolute path: SwiftPM puts the system's folders first on
// the link line, and a LibTorch or OpenMM installed there must not be picked up.
let deps = Context.packageDirectory + "/.deps"
let torchLibraries = deps + "/torch/lib"
let cudaLibraries = deps + "/nvidia/cu13/lib"
let openMMLibraries = deps + "/OpenMM.libs/lib"

/// Numeric targets are compiled optimised in debug builds too, so that `swift run pipeline` needs no `-c release`; so is the engine, which
/// plans thousands of stages.
let optimised: [SwiftSetting] = isDependency ? [] : [.unsafeFlags(["-O"], .when(configuration: .debug))]

func cxx(_ flags: [String]) -> [CXXSetting] { isDependency ? [.define("NDEBUG")] : [.unsafeFlags(flags)] }
func link(_ flags: [String]) -> [LinkerSetting] { isDependency ? [] : [.unsafeFlags(flags)] }

let cxxFlags = cxx(["-O3", "-DNDEBUG", "-Wall", "-fno-math-errno"])
let torchHeaders = cxx([
  "-isystem", deps + "/torch/include", "-isystem", deps + "/torch/include/torch/csrc/api/include",
])
let openMMHeaders = cxx(["-isystem", deps + "/OpenMM.libs/include"])

// RPATH and not RUNPATH: what an environment has in LD_LIBRARY_PATH (modules, Python) must not come before the libraries that the program
// was built with. The system's own folder comes after those of ./bootstrap: HDF5, NetCDF and xtb are found there. libgfortran is the system's, because
// libxtb is; LibTorch comes with an older one that nothing of it needs: see CXTB/Library.cpp.
let ownLibrariesFirst = link(
  ["-Xlinker", "--disable-new-dtags"]
    + [openMMLibraries, torchLibraries, cudaLibraries, "/usr/lib/x86_64-linux-gnu"].flatMap {
      ["-Xlinker", "-rpath", "-Xlinker", $0]
    })

let torchLink = link([
  torchLibraries + "/libtorch_cpu.so", torchLibraries + "/libc10.so",
  "-Xlinker", "-rpath", "-Xlinker", torchLibraries, "-Xlinker", "-rpath", "-Xlinker", cudaLibraries,
  "-Xlinker", "--unresolved-symbols=ignore-in-shared-libs",
])
let openMMLink = link([openMMLibraries + "/libOpenMM.so", "-Xlinker", "-rpath", "-Xlinker", openMMLibraries])

/// Where `./bootstrap --library` has put LibTorch and OpenMM, for those whose flags above are none.
let described: [Target] = [
  .systemLibrary(name: "CLibTorch", pkgConfig: "boltzmill-torch"),
  .systemLibrary(name: "CLibOpenMM", pkgConfig: "boltzmill-openmm"),
]
func on(_ name: Target.Dependency) -> [Target.Dependency] { isDependency ? [name] : [] }

let package = Package(
  name: "boltzmill",
  products: [
    .executable(name: "pipeline", targets: ["pipeline"]),
    .library(
      name: "Boltzmill", targets: ["Basics", "Molecules", "Trajectories", "ForceFields", "FreeEnergies", "Generative"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-crypto", "3.12.0"..<"5.0.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    .package(url: "https://github.com/onevcat/Rainbow", from: "4.2.0"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
  ],
  targets: (isDependency ? described : []) + [
    // C: the only targets that see a foreign header
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(name: "CNetCDF", pkgConfig: "netcdf", providers: [.apt(["libnetcdf-dev"])]),
    .target(
      name: "CTorch", dependencies: on("CLibTorch"), cxxSettings: cxxFlags + torchHeaders, linkerSettings: torchLink),
    .target(
      name: "COpenMM", dependencies: on("CLibOpenMM"), cxxSettings: cxxFlags + openMMHeaders, linkerSettings: openMMLink
    ),
    // C++ of our own on a library's types. It shares the handles of the binding by that one's internal header; a dependency is not
    // declared, because headers of a target that is one cannot be included from C++20. The Swift module above depends on both.
    .target(
      name: "CEquivariantKernels", dependencies: on("CLibTorch"),
      cxxSettings: cxxFlags + torchHeaders + [.headerSearchPath("../CTorch"), .headerSearchPath("../CTorch/include")]),
    .target(
      name: "CDynamics", dependencies: on("CLibOpenMM"),
      cxxSettings: cxxFlags + openMMHeaders + [
        .headerSearchPath("../COpenMM"), .headerSearchPath("../COpenMM/include"),
      ]),
    .target(name: "COptimalTransport", cxxSettings: cxxFlags),
    .target(name: "CXTB", cxxSettings: cxxFlags),  // loads libxtb at run time

    // values shared by every floor: arrays, random streams, constants, progress
    .target(name: "Basics", swiftSettings: optimised),

    // bindings
    .target(
      name: "HDF5", dependencies: ["CHDF5", "Basics"], swiftSettings: optimised, linkerSettings: ownLibrariesFirst),
    .target(name: "NetCDF", dependencies: ["CNetCDF", "Basics"], swiftSettings: optimised),
    .target(name: "Torch", dependencies: ["CTorch", "Basics"], swiftSettings: optimised),
    .target(name: "OpenMM", dependencies: ["COpenMM", "Basics"], swiftSettings: optimised),
    .target(
      name: "EquivariantKernels", dependencies: ["CEquivariantKernels", "Torch"], swiftSettings: optimised),
    .target(name: "Dynamics", dependencies: ["CDynamics", "OpenMM"], swiftSettings: optimised),
    .target(name: "OptimalTransport", dependencies: ["COptimalTransport"], swiftSettings: optimised),
    .target(name: "XTB", dependencies: ["CXTB"], swiftSettings: optimised),

    // store
    .target(
      name: "Artifacts",
      dependencies: ["HDF5", "Basics", .product(name: "Crypto", package: "swift-crypto")], swiftSettings: optimised),

    // what artifacts hold, declared once
    .target(name: "Records", dependencies: ["Artifacts", "HDF5", "Basics"], swiftSettings: optimised),

    // science
    .target(name: "Molecules", dependencies: ["Basics"], swiftSettings: optimised),
    .target(
      name: "Trajectories", dependencies: ["NetCDF", "HDF5", "Basics", "Molecules"], swiftSettings: optimised),
    .target(
      name: "ForceFields", dependencies: ["Dynamics", "OpenMM", "XTB", "Basics", "Molecules"],
      swiftSettings: optimised),
    .target(
      name: "FreeEnergies", dependencies: ["OptimalTransport", "Basics", "Molecules"], swiftSettings: optimised),
    .target(
      name: "Generative",
      dependencies: ["Torch", "EquivariantKernels", "OptimalTransport", "Basics", "Molecules"],
      swiftSettings: optimised),

    // pictures
    .target(
      name: "Reports",
      dependencies: ["Artifacts", "HDF5", "Records", "Basics", .product(name: "Mustache", package: "swift-mustache")],
      swiftSettings: optimised),

    // engine
    .target(
      name: "Workflow",
      dependencies: [
        "Artifacts", "Basics", .product(name: "Yams", package: "Yams"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Rainbow", package: "Rainbow"),
        .product(name: "Subprocess", package: "swift-subprocess"),
      ], swiftSettings: optimised),

    // stages
    .target(
      name: "Stages",
      dependencies: [
        "Workflow", "Artifacts", "Records", "Reports", "Generative", "FreeEnergies", "ForceFields", "Molecules",
        "Trajectories", "HDF5", "Torch", "OpenMM", "Dynamics", "XTB", "Basics",
      ], swiftSettings: optimised),

    // face
    .executableTarget(
      name: "pipeline",
      dependencies: [
        "Stages", "Workflow", "Reports", "Records", "Artifacts", "Molecules", "Basics", "Torch", "OpenMM", "XTB",
        "HDF5",
        "NetCDF",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // what the library does without the workflow
    .executableTarget(
      name: "alanine-free-energy",
      dependencies: ["Molecules", "Trajectories", "Generative", "ForceFields", "FreeEnergies", "Basics"],
      path: "Examples/AlanineFreeEnergy"),
    // what the modules' DocC pages show
    .executableTarget(
      name: "library-pages",
      dependencies: ["Molecules", "Trajectories", "Generative", "ForceFields", "FreeEnergies", "Basics"],
      path: "Examples/LibraryPages"),

    // measurements, run by hand
    .executableTarget(
      name: "likelihood-benchmark", dependencies: ["Generative", "Torch"], path: "Benchmarks/Likelihood"),
    .executableTarget(
      name: "cartesian-benchmark", dependencies: ["Generative", "Torch"], path: "Benchmarks/Cartesian"),
    .executableTarget(
      name: "cartesian-energy-benchmark", dependencies: ["Generative", "Torch", "HDF5", "Basics"],
      path: "Benchmarks/CartesianEnergy"),
    // hostile input: what is tried, by `swift test` a little of it, by the program a million times in child processes
    .target(
      name: "FuzzTargets",
      dependencies: ["Stages", "Workflow", "Artifacts", "Trajectories", "NetCDF", "HDF5", "Molecules", "Basics"],
      path: "Benchmarks/FuzzTargets", swiftSettings: optimised),
    .target(name: "CAllocationMeter", path: "Benchmarks/AllocationMeter"),
    .executableTarget(
      name: "fuzz-benchmark", dependencies: ["FuzzTargets", "CAllocationMeter", "Basics"], path: "Benchmarks/Fuzz"),
    // what the engine costs where a batch is large
    .executableTarget(
      name: "batch-benchmark", dependencies: ["Workflow", "Artifacts", "Basics"], path: "Benchmarks/Batch"),
    // lets every system call of the store fail
    .executableTarget(
      name: "store-fault-benchmark", dependencies: ["Workflow", "Artifacts", "Basics"], path: "Benchmarks/StoreFaults"),
    // kills a pipeline at random times
    .executableTarget(name: "crash-benchmark", dependencies: ["Artifacts", "Basics"], path: "Benchmarks/Crash"),

    // tests, one target per module; what several share
    .target(
      name: "TestSupport",
      dependencies: ["Workflow", "Reports", "Records", "Artifacts", "OpenMM", "Molecules", "Basics"],
      path: "Tests/TestSupport"),
    .testTarget(name: "BasicsTests", dependencies: ["TestSupport", "Basics"]),
    .testTarget(name: "HDF5Tests", dependencies: ["TestSupport", "HDF5"]),
    .testTarget(name: "NetCDFTests", dependencies: ["TestSupport", "NetCDF"]),
    .testTarget(name: "TorchTests", dependencies: ["Torch"]),
    .testTarget(name: "OpenMMTests", dependencies: ["TestSupport", "OpenMM"]),
    .testTarget(
      name: "DynamicsTests", dependencies: ["TestSupport", "Dynamics", "OpenMM", "ForceFields", "Molecules"]),
    .testTarget(name: "OptimalTransportTests", dependencies: ["TestSupport", "OptimalTransport", "Basics"]),
    .testTarget(name: "XTBTests", dependencies: ["TestSupport", "XTB"]),
    .testTarget(name: "ArtifactsTests", dependencies: ["TestSupport", "Artifacts", "HDF5"]),
    .testTarget(name: "MoleculesTests", dependencies: ["TestSupport", "Molecules"]),
    .testTarget(name: "TrajectoriesTests", dependencies: ["TestSupport", "Trajectories", "Molecules", "NetCDF"]),
    .testTarget(
      name: "ForceFieldsTests", dependencies: ["TestSupport", "ForceFields", "Dynamics", "Molecules", "OpenMM"]),
    .testTarget(
      name: "FreeEnergiesTests",
      dependencies: ["TestSupport", "FreeEnergies", "OptimalTransport", "Molecules", "Trajectories", "Basics"]),
    .testTarget(
      name: "GenerativeTests",
      dependencies: ["TestSupport", "Generative", "EquivariantKernels", "Torch", "Molecules", "Basics", "HDF5"]),
    .testTarget(name: "ReportsTests", dependencies: ["TestSupport", "Reports", "Records", "Artifacts", "Basics"]),
    .testTarget(name: "WorkflowTests", dependencies: ["TestSupport", "Workflow", "Artifacts"]),
    .testTarget(
      name: "StagesTests",
      dependencies: [
        "TestSupport", "Stages", "Workflow", "Records", "Artifacts", "ForceFields", "FreeEnergies", "Molecules",
        "OpenMM", "Trajectories", "NetCDF", "HDF5", "Generative", "Basics",
      ]),
    .testTarget(
      name: "PipelineTests",
      dependencies: [
        "TestSupport", "pipeline", "alanine-free-energy", "library-pages", "Stages", "Workflow", "Artifacts", "Records",
        "Basics",
        "Trajectories", "Molecules", "OpenMM",
      ]),
    // through a real Slurm of one node, which Tests/Slurm/start-slurm starts
    .testTarget(name: "SlurmTests", dependencies: ["TestSupport", "pipeline", "Artifacts"]),
    .testTarget(name: "FuzzTests", dependencies: ["TestSupport", "FuzzTargets"]),
    .testTarget(
      name: "CrashTests",
      dependencies: [
        "TestSupport", "pipeline", "store-fault-benchmark", "Stages", "Workflow", "Artifacts", "Basics", "Torch",
      ]),
  ],
  swiftLanguageModes: [.v5],
  cxxLanguageStandard: .cxx20
)
