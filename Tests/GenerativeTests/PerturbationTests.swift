import Basics
import Foundation
import Molecules
import TestSupport
import Testing
import Torch

@testable import Generative

/// The parts of the way from one potential to another, against what analysis says.
@Suite struct PerturbationTests {
  /// A chart of alanine dipeptide with two torsions that go all the way round, and a mean that depends on them.
  private func chart(frames: Int) throws -> (chart: InternalChart, values: [Double]) {
    let topology = try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
    let coordinates = try InternalCoordinates(topology: topology)
    let (start, _) = try coordinates.internalCoordinates(topology.referenceCoordinates, frames: 1)
    var stream = RandomStream(seed: 3, "perturbation")
    let turning = try [[4, 6, 8, 14], [6, 8, 14, 16]].map { try #require(coordinates.coordinate(ofTorsion: $0)) }
    var rows: [Double] = []
    for _ in 0..<frames {
      var row = start
      for k in row.indices {
        let width = coordinates.kinds[k].isLength ? 0.003 : 0.05
        row[k] += width * stream.normal()
      }
      for k in turning { row[k] = (2 * stream.uniform() - 1) * .pi }
      rows += row
    }
    var options = InternalChart.Options()
    options.hasConditionalMean = true
    return (try InternalChart(coordinates: coordinates, values: rows, frames: frames, options), rows)
  }

  /// What products of waves add to a gradient over the torsions is their slope.
  @Test func slopesOfProductsAreDifferences() throws {
    let basis = ConditionalMean.Basis(harmonics: 2, pairs: [[0, 2], [1, 2]])
    let generator = try Generator(seed: 4)
    let theta = try generator.normal([5, 3], .float64)
    let pull = try generator.normal([5, basis.count(angles: 3)], .float64)
    #expect(try basis.features(theta).shape == [5, 2 * 2 * 3 + 1 + 2 * 16])
    let slopes = try basis.pulled(pull, at: theta).values(as: Double.self)
    let step = 1e-6
    for angle in 0..<3 {
      var shift = [Double](repeating: 0, count: 3)
      shift[angle] = step
      let up = try (basis.features(theta + Tensor(shift)) * pull).sum(-1).values(as: Double.self)
      let down = try (basis.features(theta - Tensor(shift)) * pull).sum(-1).values(as: Double.self)
      for row in 0..<5 { #expect(abs((up[row] - down[row]) / (2 * step) - slopes[3 * row + angle]) < 1e-7) }
    }
  }

  /// A target that is Gaussian given the torsions, with another mean and other widths: on the adapted chart it is standard normal.
  @Test func theMapOfAGaussianTargetIsExact() throws {
    let count = 3000
    let (chart, values) = try chart(frames: count)
    let (d, narrow) = (chart.space.dimension, chart.narrow.count)
    let latents = try chart.latents(internal: values, frames: count)
    let (z, theta) = try chart.space.split(latents)
    let generator = try Generator(seed: 9)
    // a precision with eigenvalues of 0.5 to 3, and a mean of single waves and products
    let (_, vectors) = try (generator.normal([narrow, narrow], .float64) + Tensor.zeros([1], .float64)).singularPair()
    let stiffness = try Tensor((0..<narrow).map { 0.5 + 2.5 * Double($0) / Double(narrow - 1) })
    let precision = try (vectors * stiffness).matmul(vectors.transposed())
    let basis = ConditionalMean.Basis(harmonics: 3, pairs: [[0, 1]])
    let wanted = try generator.normal([basis.count(angles: 2), narrow], .float64) * 0.2
    let mean = try basis.features(theta).matmul(wanted)
    let slopes = try -(z - mean).matmul(precision)
    // over internal coordinates: z = (n - ...) W, so that the slope over n is that over z times W transposed
    let inner = try slopes.matmul(Tensor(chart.whitening, shape: [narrow, narrow]).transposed()).values(as: Double.self)
    let dimension = chart.coordinates.dimension
    var points = LabelledPoints(dimension: dimension)
    points.values = values
    points.gradients = [Double](repeating: 0, count: values.count)
    for frame in 0..<count {
      for (column, index) in chart.narrow.enumerated() {
        points.gradients[frame * dimension + index] = inner[frame * narrow + column]
      }
      // a clash in every hundredth: a gradient that nothing can fit
      if frame % 100 == 0 { points.gradients[frame * dimension + chart.narrow[3]] += 1e5 }
    }
    points.logDensities = [Double](repeating: 0, count: count)
    points.drawnDensities = points.logDensities
    (points.states, points.sources) = ([Int](repeating: 0, count: count), [Int](repeating: 0, count: count))
    points.rounds = points.states
    let (adapted, shift) = try chart.adapted(to: points)
    #expect(adapted.space == chart.space && adapted.conditionalMean?.pairs == [[0, 1]])
    let (moved, _, pulled) = try points.onChart(adapted)
    let (y, g) = (try chart.space.split(moved).euclidean, try chart.space.split(pulled).euclidean)
    let off = try (y + g).square().mean(-1).values(as: Double.self)
    let sound = off.indices.filter { $0 % 100 != 0 }.map { off[$0] }
    // gradients over the new latents are those of a standard normal, but for the ridge
    #expect((sound.max() ?? 1) < 0.03)
    let change = try (precision.signLogDeterminant().logAbsolute * 0.5).item()
    #expect(abs(adapted.logDeterminant - chart.logDeterminant - change) < 0.05)
    #expect(abs(shift.widths.upperBound - pow(0.5, -0.5)) < 0.01 && abs(shift.widths.lowerBound - pow(3, -0.5)) < 0.01)
    // and it is a chart like any other
    let back = try adapted.internalCoordinates(latents: moved)
    #expect(zip(back, values).allSatisfy { abs(wrappedAngle($0 - $1)) < 1e-8 })
    let stored = try JSONDecoder().decode(InternalChart.self, from: JSONEncoder().encode(adapted))
    #expect(stored == adapted && d == narrow + 2)
    #expect(throws: PerturbationError.self) { _ = try chart.adapted(to: points.picked(Array(0..<60))) }
  }

  /// A surrogate that knows nothing is the standard normal with all angles alike; its chains stay in their states.
  @Test func chainsOfTheStandardNormalStayInTheirStates() throws {
    let space = LatentSpace(euclidean: 3, angles: 2)
    let surrogate = try DensitySurrogate(space: space, generator: Generator(seed: 1))
    let n = 1200
    let sampler = SurrogateSampler(surrogate: surrogate, widths: try Tensor([Float](repeating: 1, count: 5))) { x in
      try x.slice(3..<4, axis: 1).reshaped(-1).values(as: Float.self).map { $0 > 1 ? 1 : 0 }
    }
    let places = (0..<n).map { $0 % 2 }
    // all at one point of their state, far out
    let start = try Tensor(places.flatMap { [3, -3, 0, $0 == 1 ? 2 : -1, 0] as [Float] }, shape: [n, 5])
    let found = try sampler.run(from: start, places: places, blocks: 8, seed: 5, host: UnattendedHost())
    let x = try found.latents.values(as: Float.self).map(Double.init)
    for (row, place) in places.enumerated() { #expect((x[5 * row + 3] > 1) == (place == 1)) }
    func mean(_ value: (Int) -> Double) -> Double { (0..<n).reduce(0) { $0 + value($1) } / Double(n) }
    for column in 0..<3 {
      #expect(abs(mean { x[5 * $0 + column] }) < 0.12)
      #expect(abs(mean { x[5 * $0 + column] * x[5 * $0 + column] } - 1) < 0.18)
    }
    #expect(abs(mean { cos(x[5 * $0 + 4]) }) < 0.09 && abs(mean { sin(x[5 * $0 + 4]) }) < 0.09)
    // uniform on what each state leaves of the circle
    let inside = (0..<n).filter { places[$0] == 1 }.map { x[5 * $0 + 3] }
    let middle = inside.reduce(0.0, +) / Double(inside.count)
    #expect(abs(middle - (1 + Double.pi) / 2) < 0.1)
    #expect(try largestDifference(found.gradients, found.latents * Tensor([-1, -1, -1, 0, 0] as [Float])) < 1e-4)
    #expect(found.accepted > 0.4 && found.turned > 0.5)
  }

  /// Values and gradients of a density that is no Gaussian are learnt from few points, and clashes do not spoil it.
  @Test func aSurrogateLearnsValuesAndGradients() throws {
    let (chart, values) = try chart(frames: 1500)
    let latents = try chart.latents(internal: values, frames: 1500)
    let (y, theta) = try chart.space.split(latents)
    let first = try theta.slice(0..<1, axis: 1)
    // ln p = -|y|^2 / 2 - y0^4 / 24 + cos(theta0) (1 + y1)
    let head = try y.slice(0..<1, axis: 1)
    let next = try y.slice(1..<2, axis: 1)
    let density = try
      (y.square().sum(-1, keepingDimensions: true) * -0.5 - head.power(4) / 24 + first.cos() * (next + 1)).reshaped(-1)
    let slope = try Tensor.concatenated(
      [
        -head - head.power(3) / 6, first.cos() - next, -y.slice(2..<y.shape[1], axis: 1), -first.sin() * (next + 1),
        Tensor.zeros([1500, 1], .float64),
      ], axis: 1)
    let rows = try Tensor.concatenated([latents, slope, density.unsqueezed(-1)], axis: 1).cast(.float32)
    let data = SurrogateData(
      rows: rows, weights: [Double](repeating: 1, count: 1500),
      scales: try Tensor([Float](repeating: 1, count: chart.space.dimension)), space: chart.space)
    let (surrogate, quality) = try DensitySurrogate.trained(
      on: data, from: nil, steps: 400, seed: 3, host: UnattendedHost())
    #expect(quality.value < 0.25 && quality.gradient < 0.12, "\(quality)")
    // its gradient is that of its values
    let point = try latents.slice(0..<4).cast(.float32)
    let found = try surrogate.withGradient(point).gradients
    let step = 1e-2
    for column in [0, 1, chart.space.euclidean] {
      var shift = [Float](repeating: 0, count: chart.space.dimension)
      shift[column] = Float(step)
      let change = try (surrogate(point + Tensor(shift)) - surrogate(point - Tensor(shift))) / (2 * step)
      #expect(try largestDifference(change, found.slice(column..<column + 1, axis: 1).reshaped(-1)) < 2e-2)
    }
  }

  @Test func aNearPotentialIsSaidToBeNear() {
    #expect(Perturbation.hint(0.07)?.contains("only 0.07 widths apart") == true)
    #expect(Perturbation.hint(0.5) == nil && Perturbation.hint(.nan) == nil)
  }
}

extension Tensor {
  fileprivate func singularPair() throws -> (Tensor, Tensor) {
    let parts = try singularValueDecomposition()
    return (parts.s, parts.u)
  }
}
