import Foundation
import TestSupport
import Testing

/// The programs of Examples/ run, and print what they promise.
@Suite struct ExampleTests {
  /// README's "From Swift": the whole way from a trajectory to a free energy without a pipeline file.
  @Test(.tags(.slow)) func alanineFreeEnergyPrintsItsNumber() throws {
    let program = try Program()
    let executable = try Program.executable().deletingLastPathComponent().appendingPathComponent("alanine-free-energy")
    // by one thread: what other tests do at the time must not make it slow
    let result = try program.finish(
      program.start(
        [Package.alanine.path, "300", "2000"], environment: ["OMP_NUM_THREADS": "1"], executable: executable))
    #expect(result.code == 0, "\(result.errors)")
    let found = try #require(result.output.firstMatch(of: #/dF = (\S+) \+- (\S+) kT/#))
    let (value, error) = (try #require(Double(found.1)), try #require(Double(found.2)))
    // umbrella sampling of the same force field finds 3.86 +- 0.04 kT; so few samples know their own error
    #expect(error > 0 && error < 1.5)
    #expect(abs(value - 3.86) < 3 * error)
  }
}
