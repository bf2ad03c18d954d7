import Basics
import Foundation
import Molecules
import Torch

extension InternalChart {
  /// How far another potential lies from the one that a chart was made for.
  struct Shift: Equatable {
    /// Root mean square and largest shift of a latent coordinate's mean over the points, in widths.
    var meanSquare = 0.0, largest = 0.0
    /// Smallest and largest width of the new potential, in those of the chart.
    var widths: ClosedRange<Double> = 1...1
  }

  /// The chart for another potential, from the gradients that it has at any points near: no overlap is needed.
  ///
  /// Where ln p is near -|L^1/2 (z - m(theta))|^2 / 2 the gradient over the latents z is -L z + L m(theta): linear in z and in functions of the
  /// torsions, so that both L and m follow by least squares. New latents are L^1/2 (z - m(theta)), an exact affine map at given
  /// torsions; its determinant is a constant. Points with odd gradients (clashes) count little. Source: ours; see docs/method.md.
  ///
  /// Throws `PerturbationError.tooFewPoints`.
  func adapted(to points: LabelledPoints) throws -> (chart: InternalChart, shift: Shift) {
    let count = points.count
    let basis = Self.basis(self, points: count)
    guard count >= leastPointsForMap else { throw PerturbationError.tooFewPoints(count, least: leastPointsForMap) }
    let (latents, _, slopes) = try points.onChart(self)
    let (z, theta) = try space.split(latents)
    let g = try space.split(slopes).euclidean
    let h = try basis.features(theta)
    let (curvature, pull) = try Self.regression(z, h, g, basis: basis, angles: broad.count)
    // L symmetric, and within bounds where some direction is hardly told
    let (eigenvalues, vectors) = try ((curvature + curvature.transposed()) * 0.5).symmetricEigenDecomposition()
    let held = try eigenvalues.clamped(Self.stiffnesses)
    let inverse = try (vectors / held).matmul(vectors.transposed())
    let root = try (vectors * held.sqrt()).matmul(vectors.transposed())
    let inverseRoot = try (vectors / held.sqrt()).matmul(vectors.transposed())
    let means = try pull.matmul(inverse)  // [features, narrow], of z
    let size = [narrow.count, narrow.count]
    let (forward, backward) = (try Tensor(whitening, shape: size), try Tensor(unwhitening, shape: size))
    var coefficients = try means.matmul(backward)
    if let before = try conditionalMean?.coefficients(in: basis, angles: broad.count) {
      coefficients = try coefficients + before
    }
    let chart = try InternalChart(
      self, whitening: forward.matmul(root), unwhitening: inverseRoot.matmul(backward),
      given: ConditionalMean(basis, coefficients), addingLogDeterminant: held.log().sum().item() / 2)
    let moved = try h.matmul(means)
    let widths = try held.rsqrt().values(as: Double.self)
    return (
      chart,
      Shift(
        meanSquare: try moved.square().mean().item().squareRoot(), largest: try moved.abs().maximum(over: 0, 1).item(),
        widths: (widths.min() ?? 1)...(widths.max() ?? 1))
    )
  }

  /// Half as many again as single waves and narrow coordinates.
  var leastPointsForMap: Int {
    let basis = ConditionalMean.Basis(
      harmonics: max(3, conditionalMean?.harmonics ?? 1), pairs: conditionalMean?.pairs ?? [])
    return 3 * (narrow.count + basis.count(angles: broad.count)) / 2
  }

  private static let stiffnesses = 0.05...20.0

  /// Three orders of each torsion, and products of those that turn about bonds of one atom, where there are points enough.
  private static func basis(_ chart: InternalChart, points: Int) -> ConditionalMean.Basis {
    let harmonics = max(3, chart.conditionalMean?.harmonics ?? 1)
    if let before = chart.conditionalMean?.pairs { return .init(harmonics: harmonics, pairs: before) }
    let turning = Set((chart.rotors ?? []).map(\.torsion))
    let plain = chart.broad.indices.filter { !turning.contains(chart.broad[$0]) }
    func axis(_ place: Int) -> Set<Int> { Set(chart.coordinates.atoms[chart.broad[place]][1...2]) }
    var pairs: [[Int]] = []
    for (number, first) in plain.enumerated() {
      for second in plain[(number + 1)...] where !axis(first).isDisjoint(with: axis(second)) {
        let wider = ConditionalMean.Basis(harmonics: harmonics, pairs: pairs + [[first, second]])
        if 3 * (chart.narrow.count + wider.count(angles: chart.broad.count)) <= points {
          pairs.append([first, second])
        }
      }
    }
    return .init(harmonics: harmonics, pairs: pairs)
  }

  /// g = -z L + h C by least squares in which points with large residuals count little. Returns L and C.
  private static func regression(
    _ z: Tensor, _ h: Tensor, _ g: Tensor, basis: ConditionalMean.Basis, angles: Int
  ) throws -> (curvature: Tensor, pull: Tensor) {
    let (count, narrow) = (z.shape[0], z.shape[1])
    let design = try Tensor.concatenated([-z, h], axis: 1)
    let ridge =
      [Double](repeating: 1e-3, count: narrow)
      + ConditionalMean.stiffness(angles: angles, harmonics: basis.harmonics, pairs: basis.pairs.count)
    let diagonal = try Tensor.identity(ridge.count, .float64) * Tensor(ridge)
    var weights = try Tensor.full([count, 1], 1 / Double(count), .float64)
    var found = try Tensor.zeros([ridge.count, narrow], .float64)
    for _ in 0..<8 {
      let weighted = try design * weights
      let normal = try design.transposed().matmul(weighted) + diagonal
      found = try normal.solved(weighted.transposed().matmul(g))
      let squares = try (g - design.matmul(found)).square().mean(-1, keepingDimensions: true)
      let sorted = try squares.values(as: Double.self).sorted()
      let middle = max(sorted[sorted.count / 2], 1e-9)
      // as for a Student distribution: nothing beyond a few widths decides
      let share = try (squares / middle + 1).reciprocal()
      weights = try share / share.sum().item()
    }
    return (try found.slice(0..<narrow), try found.slice(narrow..<ridge.count))
  }
}
