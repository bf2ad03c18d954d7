import Basics
import Foundation

/// What annealing goes from and to, at some points: the logarithms of two densities and their gradients.
public struct BridgeValues: Equatable, Sendable {
  /// ln of the density that the points are samples of, up to a constant, [points].
  public var base: [Double]
  /// ln of the density that is wanted, up to a constant, [points]; -infinity where it is zero or not known.
  public var target: [Double]
  /// Gradients of both, [points, dimension]; of a point that the target does not know they are not read.
  public var baseGradient, targetGradient: [Double]

  public init(base: [Double], target: [Double], baseGradient: [Double], targetGradient: [Double]) {
    (self.base, self.target) = (base, target)
    (self.baseGradient, self.targetGradient) = (baseGradient, targetGradient)
  }

  /// Whether a point may carry weight: all its numbers are finite.
  func isAlive(_ point: Int, dimension: Int) -> Bool {
    base[point].isFinite && target[point].isFinite
      && (point * dimension..<(point + 1) * dimension).allSatisfy {
        baseGradient[$0].isFinite && targetGradient[$0].isFinite
      }
  }
}

/// The bridge from one density to another, ln p_lambda = (1 - lambda) base + lambda target, cut into steps, with the moves that are made
/// at each: Metropolis-adjusted Langevin moves of frozen lengths.
public struct AnnealingPath: Equatable, Sendable {
  /// Columns of a point; the last `angles` of them are on the circle, rad.
  public let dimension, angles: Int
  /// Where each step ends, ascending; the last is 1. [steps]
  public var lambdas: [Double]
  /// Length of the moves after each step but the last, in units of `scales`. [steps - 1]
  public var stepSizes: [Double]
  /// Of each coordinate, in the points' units. [dimension]
  public var scales: [Double]
  /// Moves after each step but the last, after which they would change no weight.
  public var moves: Int
  public var steps: Int { lambdas.count }

  public init(
    dimension: Int, angles: Int, lambdas: [Double], stepSizes: [Double], scales: [Double], moves: Int = 1
  ) {
    (self.dimension, self.angles, self.lambdas) = (dimension, angles, lambdas)
    (self.stepSizes, self.scales, self.moves) = (stepSizes, scales, moves)
  }

  /// `steps` of one length, without knowledge of how long moves may be.
  public init(dimension: Int, angles: Int, steps: Int, moves: Int = 1) {
    let lambdas = (1...max(1, steps)).map { $0 == steps ? 1 : Double($0) / Double(steps) }
    self.init(
      dimension: dimension, angles: angles, lambdas: lambdas,
      stepSizes: [Double](repeating: Self.firstStep, count: lambdas.count - 1),
      scales: [Double](repeating: 1, count: dimension), moves: moves)
  }

  /// Length of a move before any was made.
  static let firstStep = 0.3
  /// A move drifts by this many times its noise at most. What is clipped is a function of the place alone, so detailed balance holds.
  private static let mostDrift = 2.0

  /// How often densities and forces are asked for, for each point.
  public var evaluations: Int { 1 + (steps - 1) * moves }

  /// Moves all points once at `lambda`, and returns which moved. Points that may carry no weight stay where they are.
  ///
  /// Proposal: y + (h^2 / 2) g + h z with g = the gradient of ln p_lambda and z standard normal, accepted by Metropolis' rule (Roberts,
  /// Tweedie, Bernoulli 2, 341, 1996). On a circle the rule compares the displacement with its reverse: it needs no sum over turns.
  ///
  /// `random` gives dimension normal numbers and a uniform one for each point, in this order.
  func move(
    _ points: inout [Double], _ values: inout BridgeValues, at lambda: Double, stepSize: Double,
    _ random: inout RandomStream, _ evaluate: ([Double]) throws -> BridgeValues
  ) throws -> [Bool] {
    let count = values.base.count
    let alive = (0..<count).map { values.isAlive($0, dimension: dimension) }
    let lengths = scales.map { $0 * stepSize }
    var (proposed, displacement) = (points, [Double](repeating: 0, count: points.count))
    var noise = [Double](repeating: 0, count: count)
    var levels = noise
    for n in 0..<count {
      for i in 0..<dimension {
        let (k, z) = (n * dimension + i, random.normal())
        guard alive[n] else { continue }
        displacement[k] = drift(values, k, lambda, lengths[i]) + lengths[i] * z
        noise[n] += z * z
        let moved = points[k] + displacement[k]
        proposed[k] = i < dimension - angles ? moved : wrapped(moved)
      }
      levels[n] = random.uniform()
    }
    let found = try evaluate(proposed)
    return (0..<count).map { n in
      guard alive[n], found.isAlive(n, dimension: dimension) else { return false }
      var back = 0.0
      for i in 0..<dimension {
        let k = n * dimension + i
        let z = (-displacement[k] - drift(found, k, lambda, lengths[i])) / lengths[i]
        back += z * z
      }
      let gain = density(found, n, lambda) - density(values, n, lambda) + (noise[n] - back) / 2
      guard log(levels[n]) < gain else { return false }
      (values.base[n], values.target[n]) = (found.base[n], found.target[n])
      for k in n * dimension..<(n + 1) * dimension {
        points[k] = proposed[k]
        values.baseGradient[k] = found.baseGradient[k]
        values.targetGradient[k] = found.targetGradient[k]
      }
      return true
    }
  }

  private func drift(_ values: BridgeValues, _ k: Int, _ lambda: Double, _ length: Double) -> Double {
    let slope = (1 - lambda) * values.baseGradient[k] + lambda * values.targetGradient[k]
    let most = Self.mostDrift * length
    return min(max(length * length * slope / 2, -most), most)
  }

  private func density(_ values: BridgeValues, _ n: Int, _ lambda: Double) -> Double {
    (1 - lambda) * values.base[n] + lambda * values.target[n]
  }
}
