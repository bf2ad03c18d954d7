import Basics
import Foundation

/// Samples on their way along an `AnnealingPath`, by annealed importance sampling (Neal, Statistics and Computing 11, 125, 2001).
///
/// A step goes on to its lambda, whose difference from the one before times (target - base) is the step's work, and then moves the samples
/// there. The sum of a sample's work is the logarithm of its weight, where it began as a sample of the base density; a first weight
/// base - ln q makes that of a sample of any other density q. The mean of the weights is the ratio of the two normalisers, however
/// few steps there are.
public struct AnnealedSamples: Equatable, Sendable {
  /// Where they are, [samples, dimension].
  public var points: [Double]
  public var values: BridgeValues
  /// `base` and `target` where they began, [samples].
  public var firstBase, firstTarget: [Double]
  /// Work of each step so far, step after step, nat, [steps, samples]; -infinity of samples without weight.
  public var work: [Double]
  /// Moves that were accepted after each step so far, [steps].
  public var accepted: [Int]
  /// Steps that are done.
  public var step: Int { accepted.count }
  public var count: Int { firstBase.count }

  public init(
    points: [Double], values: BridgeValues, firstBase: [Double], firstTarget: [Double], work: [Double], accepted: [Int]
  ) {
    (self.points, self.values, self.firstBase, self.firstTarget) = (points, values, firstBase, firstTarget)
    (self.work, self.accepted) = (work, accepted)
  }

  /// At the beginning: `points` [samples, dimension].
  public init(at points: [Double], _ evaluate: ([Double]) throws -> BridgeValues) rethrows {
    let values = try evaluate(points)
    self.init(
      points: points, values: values, firstBase: values.base, firstTarget: values.target, work: [], accepted: [])
  }

  /// Samples that may carry weight.
  public func living(on path: AnnealingPath) -> [Bool] {
    (0..<count).map { values.isAlive($0, dimension: path.dimension) }
  }

  /// Takes the next step. Its moves' random numbers are of the streams (seed, "anneal", `name`, the step, the move): they depend on nothing
  /// that was done before. Throws what `evaluate` throws, and is then as it was.
  public mutating func advance(
    _ path: AnnealingPath, seed: UInt64, name: String, _ evaluate: ([Double]) throws -> BridgeValues
  ) throws {
    var next = self
    let place = step
    let lambda = path.lambdas[place]
    next.addWork(path, to: lambda)
    next.accepted.append(0)
    for move in 0..<(place + 1 < path.steps ? path.moves : 0) {
      var random = RandomStream(seed: seed, "anneal", name, "step \(place)", "move \(move)")
      let moved = try path.move(
        &next.points, &next.values, at: lambda, stepSize: path.stepSizes[place], &random, evaluate)
      next.accepted[place] += moved.filter { $0 }.count
    }
    self = next
  }

  mutating func addWork(_ path: AnnealingPath, to lambda: Double) {
    let width = lambda - (step == 0 ? 0 : path.lambdas[step - 1])
    work += (0..<count).map { n in
      values.isAlive(n, dimension: path.dimension) ? width * (values.target[n] - values.base[n]) : -.infinity
    }
  }

  /// These and `others` behind them, which have taken the same steps.
  public func appending(_ others: AnnealedSamples) -> AnnealedSamples {
    var work: [Double] = []
    for k in 0..<step {
      work += self.work[k * count..<(k + 1) * count]
      work += others.work[k * others.count..<(k + 1) * others.count]
    }
    return AnnealedSamples(
      points: points + others.points,
      values: BridgeValues(
        base: values.base + others.values.base, target: values.target + others.values.target,
        baseGradient: values.baseGradient + others.values.baseGradient,
        targetGradient: values.targetGradient + others.values.targetGradient),
      firstBase: firstBase + others.firstBase, firstTarget: firstTarget + others.firstTarget, work: work,
      accepted: zip(accepted, others.accepted).map(+))
  }

  /// ln of the weights, after `steps` of them or all, [samples]; -infinity without weight.
  public func logWeights(after steps: Int? = nil) -> [Double] {
    var sums = [Double](repeating: 0, count: count)
    for k in 0..<(steps ?? step) {
      for n in 0..<count { sums[n] += work[k * count + n] }
    }
    return sums
  }

  /// Kish's effective share of the samples by the weights so far, after each step, [steps].
  public var effectiveFractions: [Double] {
    var sums = [Double](repeating: 0, count: count)
    return (0..<step).map { k in
      for n in 0..<count { sums[n] += work[k * count + n] }
      return kishEffectiveSampleSize(logWeights: sums) / Double(max(1, count))
    }
  }

  /// Whether all lists are as long as these numbers of samples, coordinates and steps ask for; what was saved may not be.
  public func fits(dimension: Int, steps: Range<Int>) -> Bool {
    let n = count
    return steps.contains(step) && points.count == n * dimension && work.count == n * step
      && [values.base, values.target, firstBase, firstTarget].allSatisfy { $0.count == n }
      && [values.baseGradient, values.targetGradient].allSatisfy { $0.count == n * dimension }
  }

  /// Effective share of the samples in a step's weights, by themselves: of samples that carry the weights of the steps before, [steps].
  /// (sum W v)^2 / (sum W sum W v^2), with v the exponential of the step's work.
  public var conditionalEffectiveFractions: [Double] {
    var before = [Double](repeating: 0, count: count)
    return (0..<step).map { k in
      let own = work[k * count..<(k + 1) * count]
      let after = zip(before, own).map { $0 + $1 }
      let squares = zip(after, own).map { $0 + $1 }
      let found = exp(2 * logSumExp(after) - logSumExp(before) - logSumExp(squares))
      before = after
      return found
    }
  }
}
