import Foundation
import FuzzTargets
import TestSupport
import Testing

/// Twenty-six thousand spoilt inputs, the same ones every time. What ends the process ends the test run; the million and the
/// hangs are for `swift run fuzz-benchmark`.
@Suite struct FuzzTests {
  static let cases = [
    "yaml": 5000, "pdb": 4000, "prmtop": 3000, "netcdf": 3500, "netcdf4": 250, "artifact": 4000, "hdf5": 250,
    "dcd": 1000,
    "xtc": 1500, "trr": 1000, "mdcrd": 1000, "restart": 700, "models": 1000, "mdtraj": 100,
  ]

  @Test(arguments: cases.keys.sorted())
  func everyCaseIsAcceptedOrRefusedWithATypedError(name: String) throws {
    let scratch = try Scratch()
    let folder = scratch.url
    let target = try #require(
      try FuzzTarget.all(package: Package.root, scratch: folder).first { $0.name == name })
    var (accepted, refused, slowest) = (0, 0, 0.0)
    for index in 0..<(Self.cases[name] ?? 0) {
      let bytes = target.mutator.bytes(seed: 1, index: index)
      let start = clock()
      let verdict = target.run(bytes, in: folder)
      slowest = max(slowest, Double(clock() - start) / Double(CLOCKS_PER_SEC))
      switch verdict {
      case .accepted: accepted += 1
      case .refused: refused += 1
      case .untyped(let error): Issue.record("\(name), case \(index) of seed 1: \(error)")
      }
    }
    #expect(accepted + refused == Self.cases[name])
    #expect(refused > 0)
    // processor time of all threads, of the other targets' tests too: generous
    #expect(slowest < 8)
    print("fuzz: \(name): \(accepted) accepted, \(refused) refused, slowest \(String(format: "%.3f", slowest)) s")
  }
}
