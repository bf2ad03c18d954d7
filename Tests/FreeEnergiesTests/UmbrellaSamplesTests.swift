import Basics
import Foundation
import Testing

@testable import FreeEnergies

/// Without a potential, windows are Gaussians about their centres and all have one free energy: the weights must give the
/// uniform distribution back.
@Suite struct UmbrellaSamplesTests {
  /// Windows on phi; psi beside it, uniform or drawn under `shared` (kT).
  struct FlatLand {
    let windows = 12
    let each = 400
    let force = 20.0
    /// Windows that the estimate left out, with samples that would spoil everything.
    var leftOut = 0
    var directions = 2
    var shared: ((Double) -> Double)?
    private(set) var records: [Double] = []

    init(leftOut: Int = 0, directions: Int = 2, shared: ((Double) -> Double)? = nil) {
      (self.leftOut, self.directions, self.shared) = (leftOut, directions, shared)
      var random = RandomStream(seed: 4, "flat")
      for _ in 0..<directions {
        for center in centers.prefix(windows) {
          for _ in 0..<each {
            var psi = 0.0
            repeat {
              psi = 2 * .pi * random.uniform() - .pi
            } while random.uniform() > exp(-1.5 - (shared?(psi) ?? -1.5))
            records += [wrapped(center + random.normal() / force.squareRoot()), psi]
          }
        }
        for _ in 0..<leftOut * each { records += [1, 3] }
      }
    }

    var centers: [Double] {
      (0..<windows).map { (window) -> Double in 2 * .pi * (Double(window) + 0.5) / Double(windows) - .pi }
        + [Double](repeating: 1, count: leftOut)
    }

    func samples(maximum: Int = 100_000) throws -> UmbrellaSamples {
      try UmbrellaSamples(
        records: NDArray(records, shape: [directions, windows + leftOut, each, 2]),
        centers: NDArray(centers, shape: [windows + leftOut, 1]), forceConstants: [force],
        freeEnergies: centers.indices.map { $0 < windows ? 0.7 : .nan },
        sharedBias: shared.map { bias in stride(from: 1, to: records.count, by: 2).map { bias(records[$0]) } },
        maximumSamples: maximum)
    }
  }

  func moments(_ samples: UmbrellaSamples, _ torsion: Int) -> (cos: Double, sin: Double) {
    zip(samples.angles(torsion), samples.weights).reduce(into: (0, 0)) { sum, sample in
      sum.0 += cos(sample.0) * sample.1
      sum.1 += sin(sample.0) * sample.1
    }
  }

  @Test(arguments: [0, 3]) func flatLandIsUniform(leftOut: Int) throws {
    let samples = try FlatLand(leftOut: leftOut).samples()
    #expect(samples.weights.count == 2 * 12 * 400 && abs(samples.weights.reduce(0, +) - 1) < 1e-9)
    let inside = zip(samples.angles(0), samples.weights).reduce(0.0) {
      $0 + (TorsionState().contains($1.0) ? $1.1 : 0)
    }
    #expect(abs(inside - 2 / (2 * .pi)) < 0.01)
    let phi = moments(samples, 0)
    #expect(abs(phi.cos) < 0.02 && abs(phi.sin) < 0.02)
    let both = samples.torsions([1, 0])
    #expect(both.columns == [samples.angles(1), samples.angles(0)] && both.weights == samples.weights)
  }

  /// psi was drawn under -1.5 cos(psi), whose <cos psi> is I1(1.5) / I0(1.5) = 0.596; the weights take that away again.
  @Test func aSharedBiasIsUndone() throws {
    let land = FlatLand(shared: { -1.5 * cos($0) })
    let samples = try land.samples()
    let raw = samples.angles(1).reduce(0) { $0 + cos($1) } / Double(samples.weights.count)
    #expect(abs(raw - 0.596) < 0.03)
    #expect(abs(moments(samples, 1).cos) < 0.05 && abs(moments(samples, 0).cos) < 0.05)
  }

  @Test func thinningKeepsEveryWindowAndTheHalvesArePasses() throws {
    let land = FlatLand(leftOut: 1)
    let samples = try land.samples(maximum: 1000)
    // 9600 / 1000: every ninth
    #expect((1060...1075).contains(samples.weights.count))
    #expect(abs(moments(samples, 0).cos) < 0.06)
    let all = samples.weights.indices
    #expect(abs(all.filter { samples.half(of: $0) == 0 }.count - all.count / 2) <= 2)
    #expect(all.map(samples.half) == all.map(samples.half).sorted(), "the first direction, then the second")
    // one walk is cut in the middle of every window
    let single = try FlatLand(directions: 1).samples()
    #expect((0..<800).map(single.half) == (0..<800).map { $0 % 400 < 200 ? 0 : 1 })
  }

  /// Windows of which every second has a quarter of its samples: the weights count them by their numbers.
  @Test(arguments: [0, 3]) func windowsOfDifferentLengths(leftOut: Int) throws {
    let land = FlatLand(leftOut: leftOut)
    let counts = land.centers.indices.map { $0 % 2 == 0 ? 400 : 100 }
    let all = land.centers.count
    var records: [Double] = []
    for visit in 0..<2 * all { records += land.records[visit * 800..<visit * 800 + 2 * counts[visit % all]] }
    func samples(_ lengths: [Int]) throws -> UmbrellaSamples {
      try UmbrellaSamples(
        records: NDArray(records, shape: [records.count / 2, 2]), centers: NDArray(land.centers, shape: [all, 1]),
        forceConstants: [land.force], freeEnergies: land.centers.indices.map { $0 < land.windows ? 0.7 : .nan },
        lengths: lengths)
    }
    let found = try samples(counts)
    #expect(found.weights.count == 2 * (6 * 400 + 6 * 100))
    let phi = moments(found, 0)
    #expect(abs(phi.cos) < 0.04 && abs(phi.sin) < 0.04)
    // twelve places of period 30 degrees: samples would crowd about every second centre if all windows counted alike
    var crowd = 0.0
    for (angle, weight) in zip(found.angles(0), found.weights) { crowd += cos(6 * (angle - land.centers[0])) * weight }
    #expect(abs(crowd) < 0.05, "\(crowd)")
    #expect(found.weights.indices.map(found.half) == found.weights.indices.map { $0 < found.weights.count / 2 ? 0 : 1 })
    #expect(throws: FreeEnergiesError.self) { try samples(Array(counts.dropLast())) }
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let records = try NDArray([Double](repeating: 0, count: 24), shape: [1, 3, 4, 2])
    func samples(windows: Int, freeEnergies: [Double], shared: [Double]? = nil) throws -> UmbrellaSamples {
      try UmbrellaSamples(
        records: records, centers: NDArray([Double](repeating: 0, count: windows), shape: [windows, 1]),
        forceConstants: [1], freeEnergies: freeEnergies, sharedBias: shared)
    }
    #expect(try samples(windows: 3, freeEnergies: [0, 0, 0]).weights.count == 12)
    #expect(throws: FreeEnergiesError.self) { try samples(windows: 2, freeEnergies: [0, 0]) }
    #expect(throws: FreeEnergiesError.invalidValue("no window has a free energy")) {
      try samples(windows: 3, freeEnergies: [.nan, .nan, .nan])
    }
    #expect {
      try samples(windows: 3, freeEnergies: [0, 0, 0], shared: [1, 2])
    } throws: { "\($0)".contains("2 energies of a shared bias") }
  }
}
