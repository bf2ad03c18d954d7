import Basics
import Foundation
import FreeEnergies
import Testing

/// Annealed importance sampling on densities whose normalisers are known.
@Suite struct AnnealedSamplesTests {
  /// A density on the line or the circle: its logarithm, without its normaliser, and its slope.
  private typealias Density = (value: (Double) -> Double, slope: (Double) -> Double)

  private static func gaussian(_ mean: Double, _ width: Double) -> Density {
    ({ -pow(($0 - mean) / width, 2) / 2 }, { (mean - $0) / (width * width) })
  }

  /// Two wells at -1 and 1, 10 kT deep; with `slope` the right one lies lower.
  private static func wells(slope: Double) -> Density {
    ({ -10 * pow($0 * $0 - 1, 2) + slope * $0 }, { -40 * $0 * ($0 * $0 - 1) + slope })
  }

  /// Products over coordinates.
  private static func bridge(
    _ base: [Density], _ target: [Density], _ allowed: @escaping ([Double]) -> Bool = { _ in true }
  ) -> ([Double]) throws -> BridgeValues {
    let d = base.count
    return { points in
      let rows = stride(from: 0, to: points.count, by: d).map { Array(points[$0..<$0 + d]) }
      func sum(_ parts: [Density], _ x: [Double]) -> Double { zip(parts, x).reduce(0) { $0 + $1.0.value($1.1) } }
      func slopes(_ parts: [Density], _ x: [Double]) -> [Double] { zip(parts, x).map { $0.slope($1) } }
      return BridgeValues(
        base: rows.map { sum(base, $0) }, target: rows.map { allowed($0) ? sum(target, $0) : -.infinity },
        baseGradient: rows.flatMap { slopes(base, $0) }, targetGradient: rows.flatMap { slopes(target, $0) })
    }
  }

  private static func normals(_ count: Int, _ seed: UInt64) -> [Double] {
    var random = RandomStream(seed: seed, "start")
    return (0..<count).map { _ in random.normal() }
  }

  private static func annealed(
    _ points: [Double], _ path: AnnealingPath, seed: UInt64 = 3, _ evaluate: ([Double]) throws -> BridgeValues
  ) throws -> AnnealedSamples {
    var samples = try AnnealedSamples(at: points, evaluate)
    while samples.step < path.steps { try samples.advance(path, seed: seed, name: "batch 0", evaluate) }
    return samples
  }

  private static func found(
    _ points: [Double], dimension: Int, angles: Int = 0, steps: Int = 12,
    _ evaluate: ([Double]) throws -> BridgeValues
  ) throws -> (samples: AnnealedSamples, pilot: AnnealingPilot) {
    let path = AnnealingPath(dimension: dimension, angles: angles, steps: steps)
    let pilot = try AnnealingPilot(path, points: Array(points.prefix(300 * dimension)), seed: 5, .init(), evaluate)
    return (try annealed(points, pilot.path, evaluate), pilot)
  }

  /// ln of the mean weight and its standard error.
  private static func ratio(_ logWeights: [Double]) -> (value: Double, error: Double) {
    let (n, mean) = (Double(logWeights.count), logSumExp(logWeights) - log(Double(logWeights.count)))
    return (mean, (max(0, n / kishEffectiveSampleSize(logWeights: logWeights) - 1) / n).squareRoot())
  }

  /// From (0, 1) x (0, 1) to (1.5, 0.4) x (-1, 0.7) by mean and width: normalisers in the ratio 0.4 x 0.7.
  @Test func ratioOfGaussians() throws {
    let evaluate = Self.bridge(
      [Self.gaussian(0, 1), Self.gaussian(0, 1)], [Self.gaussian(1.5, 0.4), Self.gaussian(-1, 0.7)])
    let points = Self.normals(6000, 1)
    let (samples, pilot) = try Self.found(points, dimension: 2, evaluate)
    let weights = samples.logWeights()
    let (value, error) = Self.ratio(weights)
    #expect(error < 0.03 && abs(value - log(0.28)) < 4 * error, "\(value) +- \(error)")
    let effective = kishEffectiveSampleSize(logWeights: weights) / 3000
    let plain = zip(samples.firstTarget, samples.firstBase).map { $0 - $1 }
    #expect(effective > 2 * kishEffectiveSampleSize(logWeights: plain) / 3000 && effective > 0.3, "\(effective)")
    // the pilot aimed at this many accepted, and the run has as many
    for (k, share) in pilot.acceptance.enumerated() {
      #expect(abs(share - 0.65) < 0.15)
      #expect(abs(Double(samples.accepted[k]) / 3000 - 0.65) < 0.15)
    }
    #expect(
      pilot.evaluations == AnnealingPilot.evaluations(points: 300, steps: 12) && pilot.evaluations > 300 * 12)
    // widths of the target
    #expect(abs(pilot.path.scales[0] / 0.4 - 1) < 0.3 && abs(pilot.path.scales[1] / 0.7 - 1) < 0.3)
    // steps are about equally far apart, which steps of one length are not
    let lambdas = pilot.path.lambdas
    #expect(zip(lambdas, lambdas.dropFirst()).allSatisfy { $0 < $1 } && lambdas.last == 1 && lambdas[0] > 0)
    func spread(_ samples: AnnealedSamples) -> Double {
      let lengths = samples.conditionalEffectiveFractions.map { -log($0) }
      return (lengths.max() ?? 0) / (lengths.min() ?? 1)
    }
    var even = pilot.path
    even.lambdas = AnnealingPath(dimension: 2, angles: 0, steps: 12).lambdas
    let (adapted, plainly) = (spread(samples), spread(try Self.annealed(points, even, evaluate)))
    #expect(adapted < 5 && plainly > 3 * adapted, "\(adapted), \(plainly)")
  }

  /// Two wells with a barrier that moves do not cross, and a model of them that is wrong by what decides: which share of the samples each well
  /// has. It says half and half, and three in four are in the right one.
  @Test func firstWeightMakesItUnbiased() throws {
    let (model, target) = (Self.wells(slope: 0), Self.wells(slope: 0.4))
    let grid = stride(from: -2.5, to: 2.5, by: 1e-3).map { $0 + 5e-4 }
    var random = RandomStream(seed: 12, "wells")
    // the model's right well, by its distribution function, and three in four of its points
    let right = grid.filter { $0 > 0 }
    var sums: [Double] = []
    for x in right { sums.append((sums.last ?? 0) + exp(model.value(x))) }
    let points = (0..<8000).map { _ -> Double in
      let level = random.uniform() * (sums.last ?? 1)
      let x = right[sums.firstIndex { $0 >= level } ?? 0] + 1e-3 * (random.uniform() - 0.5)
      return random.uniform() < 0.75 ? x : -x
    }
    let (samples, _) = try Self.found(points, dimension: 1, steps: 8, Self.bridge([model], [target]))
    // dF of the right well, by quadrature
    func whole(_ density: Density, _ sign: Double) -> Double {
      logSumExp(grid.filter { $0 * sign > 0 }.map(density.value)) + log(1e-3)
    }
    let truth = whole(target, -1) - whole(target, 1)
    func difference(_ logWeights: [Double]) -> Double {
      func weight(_ sign: Double) -> Double {
        logSumExp(zip(samples.points, logWeights).filter { $0.0 * sign > 0 }.map(\.1))
      }
      return weight(-1) - weight(1)
    }
    let plain = samples.logWeights()
    // base - ln q, with q of the model's normaliser
    let first = points.map { $0 > 0 ? -log(1.5) : -log(0.5) }
    let unbiased = zip(plain, first).map { $0 + $1 }
    #expect(abs(difference(unbiased) - truth) < 0.1, "\(difference(unbiased)) for \(truth)")
    #expect(abs(difference(plain) - truth + log(3)) < 0.1, "\(difference(plain)) for \(truth)")
    let ratio = logSumExp([whole(target, -1), whole(target, 1)]) - logSumExp([whole(model, -1), whole(model, 1)])
    let (value, error) = Self.ratio(unbiased)
    #expect(abs(value - ratio) < 4 * error && error < 0.03)
    #expect(abs(Self.ratio(plain).value - ratio) > 0.05)
  }

  /// From the uniform density on a circle to exp(3 cos(x - 2.8)), across the seam: the mean weight is I_0(3).
  @Test func circlesHaveNoSeam() throws {
    let evaluate = Self.bridge(
      [({ _ in 0 }, { _ in 0 })], [({ 3 * cos($0 - 2.8) }, { -3 * sin($0 - 2.8) })])
    var random = RandomStream(seed: 9, "circle")
    let points = (0..<4000).map { _ in (2 * random.uniform() - 1) * .pi }
    let (samples, _) = try Self.found(points, dimension: 1, angles: 1, evaluate)
    #expect(samples.points.allSatisfy { abs($0) <= .pi })
    let (value, error) = Self.ratio(samples.logWeights())
    #expect(error < 0.03 && abs(value - log(4.880792586)) < 4 * error, "\(value)")
    let weights = normalisedWeights(logWeights: samples.logWeights())
    let sine = zip(samples.points, weights).reduce(0) { $0 + $1.1 * sin($1.0 - 2.8) }
    #expect(abs(sine) < 0.04)
    #expect(samples.accepted.dropLast().allSatisfy { $0 > 2000 })
  }

  /// Long moves in a place where nothing is left to do leave a density as it is, also where their drift is clipped.
  @Test func movesKeepTheirDensity() throws {
    let narrow = Self.gaussian(0.3, 0.05)
    let points = Self.normals(4000, 4).map { 0.3 + 0.05 * $0 }
    var path = AnnealingPath(dimension: 1, angles: 0, steps: 2, moves: 40)
    path.stepSizes = [0.12]
    let samples = try Self.annealed(points, path, Self.bridge([narrow], [narrow]))
    #expect(samples.logWeights().allSatisfy { $0 == 0 })
    let share = Double(samples.accepted[0]) / 160_000
    #expect(share > 0.05 && share < 0.7, "\(share)")
    let mean = samples.points.reduce(0, +) / 4000
    let variance = samples.points.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 4000
    #expect(abs(mean - 0.3) < 4 * 0.05 / 4000.0.squareRoot())
    #expect(abs(variance / 0.0025 - 1) < 4 * (2 / 4000.0).squareRoot())
    #expect(zip(samples.points, points).filter { $0 != $1 }.count > 3900)
  }

  /// Half of the line is no molecule: samples there weigh nothing and stay, and none comes there.
  @Test func whatIsNoMoleculeWeighsNothing() throws {
    let evaluate = Self.bridge([Self.gaussian(0, 1)], [Self.gaussian(0.5, 0.5)]) { $0[0] > 0 }
    let points = Self.normals(4000, 6)
    let (samples, _) = try Self.found(points, dimension: 1, evaluate)
    for (n, weight) in samples.logWeights().enumerated() {
      #expect((weight > -.infinity) == (points[n] > 0) && (samples.points[n] > 0) == (points[n] > 0))
      if points[n] <= 0 { #expect(samples.points[n] == points[n]) }
    }
    // the target's share above 0 is erf-like: Phi(1) of a Gaussian of width 0.5
    let (value, error) = Self.ratio(samples.logWeights())
    #expect(abs(value - log(0.5 * 0.8413447)) < 4 * error)
  }

  /// Batches put together are what they were; a step that fails leaves its batch as it was.
  @Test func batchesAreIndependent() throws {
    let evaluate = Self.bridge([Self.gaussian(0, 1)], [Self.gaussian(1, 0.5)])
    let path = AnnealingPath(dimension: 1, angles: 0, steps: 4)
    let (first, second) = (Self.normals(30, 1), Self.normals(20, 2))
    let (one, other) = (try Self.annealed(first, path, evaluate), try Self.annealed(second, path, seed: 4, evaluate))
    let both = one.appending(other)
    #expect(both.count == 50 && both.step == 4 && both.logWeights() == one.logWeights() + other.logWeights())
    #expect(both.accepted == zip(one.accepted, other.accepted).map(+) && both.points == one.points + other.points)
    struct Stop: Error {}
    var samples = try AnnealedSamples(at: first, evaluate)
    let before = samples
    #expect(throws: Stop.self) { try samples.advance(path, seed: 3, name: "batch 0") { _ in throw Stop() } }
    #expect(samples == before)
    while samples.step < 4 { try samples.advance(path, seed: 3, name: "batch 0", evaluate) }
    #expect(samples == one)
  }
}
