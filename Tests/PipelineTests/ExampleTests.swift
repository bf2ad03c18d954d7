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

  /// What the modules' DocC pages show runs, and its numbers are right.
  @Test func libraryPagesPrintWhatIsKnown() throws {
    let program = try Program()
    let executable = try Program.executable().deletingLastPathComponent().appendingPathComponent("library-pages")
    let result = try program.finish(
      program.start([Package.alanine.path], environment: ["OMP_NUM_THREADS": "1"], executable: executable))
    #expect(result.code == 0, "\(result.errors)")
    let lines = result.output.split(separator: "\n").map(String.init)
    try #require(lines.count == 5, "\(result.output)")
    #expect(lines[0].hasPrefix("60 internal coordinates") && lines[0].hasSuffix("[\"CA of ALA 2\"]"))
    #expect(lines[1].hasPrefix("16000 frames; 660 numbers read"))
    #expect(lines[2].hasSuffix("66 components of forces"))
    let deltaF = try #require(lines[3].firstMatch(of: #/dF = (\S+) /#).flatMap { Double($0.1) })
    // by quadrature of exp(-3 cos(phi - 1)) over (0, 2) and the rest
    let steps = 200_000
    let weights = (0..<steps).map { n -> (Bool, Double) in
      let phi = -Double.pi + 2 * .pi * (Double(n) + 0.5) / Double(steps)
      return (phi > 0 && phi < 2, exp(-3 * cos(phi - 1)))
    }
    let inside = weights.filter(\.0).map(\.1).reduce(0, +)
    #expect(abs(deltaF + log(inside / (weights.map(\.1).reduce(0, +) - inside))) < 1e-3)
    #expect(lines[4].hasPrefix("6600 numbers drawn"))
  }
}
