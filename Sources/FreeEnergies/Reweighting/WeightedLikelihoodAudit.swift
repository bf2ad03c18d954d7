import Basics
import Foundation

/// What a cheap log-density did to a free-energy difference, found by exact log-densities of samples drawn by their weights.
///
/// Of each state, draws are made with replacement, in proportion to the weights that were used, so that the exact ones are spent
/// where the weight is. With w the weights as used and e the exact ones, r = e / w of a draw has the mean (sum of e) / (sum of w) over the state:
/// the free energy of all samples by exact weights follows from the draws alone, and so does how many effective samples they
/// have. A uniform subset (`LikelihoodAudit`) of as many samples sees next to nothing where few samples carry the weight.
public struct WeightedLikelihoodAudit: LikelihoodAuditing {
  /// Rows of the samples, [state, elsewhere][draws]; a row comes as often as it was drawn.
  public struct Draws: Sendable, Equatable {
    public let rows: [[Int]]

    /// Half of `count` in the state, half elsewhere. `logWeights`: as they were used, -infinity for samples left out; `inside`: in
    /// the state.
    ///
    /// Throws `FreeEnergiesError.emptyState` where one side holds no weight.
    public init(count: Int, logWeights: [Double], inside: [Bool], seed: UInt64) throws {
      rows = try [true, false].map { side in
        let pool = logWeights.indices.filter { inside[$0] == side && logWeights[$0] > -.infinity }
        guard let top = pool.map({ logWeights[$0] }).max(), top.isFinite else {
          throw FreeEnergiesError.emptyState(
            "no sample with a weight lies \(side ? "in" : "outside") the state: there is nothing to audit")
        }
        var sum = 0.0
        let cumulative = pool.map { row -> Double in
          sum += exp(logWeights[row] - top)
          return sum
        }
        var random = RandomStream(seed: seed, "weighted audit", side ? "state" : "elsewhere")
        return (0..<max(2, (side ? count : count + 1) / 2)).map { _ in
          let place = random.uniform() * sum
          var (low, high) = (0, cumulative.count - 1)
          while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] > place { high = middle } else { low = middle + 1 }
          }
          return pool[low]
        }
      }
    }

    /// Every row once, ascending.
    public var distinct: [Int] { Set(rows.joined()).sorted() }
  }

  /// -ln(P(state) / P(elsewhere)) of all samples by exact weights, kT, and its standard error: of the samples and of the draws.
  public let deltaF, standardError: Double
  // errors of ln q are over the draws, the correction's standard error is theirs alone; effective sample sizes are of all samples
  public let correction, correctionStandardError, rootMeanSquare: Double
  public let meanError: (value: Double, standardError: Double)
  public let stateBias, stateBiasStandardError: [Double]
  public let effectiveFraction, effectiveFractionExact: Double

  /// - Parameters:
  ///   - used: ln q as it was used, [samples].
  ///   - logWeights: the logarithms of the weights that were used, up to a constant, [samples].
  ///   - inside: whether a sample lies in the state.
  ///   - exact, exactLogWeights: exact ln q of `draws.distinct`, in that order, and the logarithms of the weights by it, up to a
  ///     constant.
  ///
  /// Throws `FreeEnergiesError.shape`, `.invalidValue`.
  public init(
    used: [Double], logWeights: [Double], inside: [Bool], draws: Draws, exact: [Double], exactLogWeights: [Double]
  ) throws {
    let distinct = draws.distinct
    guard used.count == logWeights.count, inside.count == used.count, exact.count == distinct.count,
      exactLogWeights.count == distinct.count, draws.rows.count == 2
    else {
      throw FreeEnergiesError.shape(
        "\(used.count) log-densities, \(logWeights.count) weights, \(inside.count) places; \(exact.count) exact log-densities of "
          + "\(distinct.count) samples that were drawn")
    }
    let exactOf = Dictionary(uniqueKeysWithValues: zip(distinct, exact))
    let errors = try draws.rows.map { rows in
      try rows.map { row -> Double in
        let error = used[row] - (exactOf[row] ?? .nan)
        guard error.isFinite else {
          throw FreeEnergiesError.invalidValue("sample \(row): its log-density or its exact one is not a finite number")
        }
        return error
      }
    }
    let all = LogDensityErrors(errors.flatMap { $0 })
    rootMeanSquare = all.rootMeanSquare
    meanError = (all.mean, all.standardError)

    let ratioOf = Dictionary(
      uniqueKeysWithValues: distinct.indices.map { (distinct[$0], exactLogWeights[$0] - logWeights[distinct[$0]]) })
    let (top, weights) = (ratioOf.values.max() ?? 0, normalisedWeights(logWeights: logWeights))
    let sides = [true, false].enumerated().map { k, side in
      Side(
        errors: errors[k].map { $0 - all.mean }, ratios: draws.rows[k].map { exp((ratioOf[$0] ?? .nan) - top) },
        weights: draws.rows[k].map { weights[$0] },
        total: weights.indices.reduce(0) { $0 + (inside[$1] == side ? weights[$1] : 0) })
    }
    let drawn = sides.reduce(0) { $0 + $1.variance }
    correction = log(sides[1].mean) - log(sides[0].mean)
    correctionStandardError = drawn.squareRoot()
    deltaF = correction - log(sides[0].total / sides[1].total)
    standardError = (drawn + sides.reduce(0) { $0 + $1.squares / ($1.exact * $1.exact) }).squareRoot()
    stateBias = sides.map(\.bias)
    stateBiasStandardError = sides.map(\.biasStandardError)
    let exactSum = sides.reduce(0) { $0 + $1.exact }
    effectiveFractionExact = exactSum * exactSum / sides.reduce(0) { $0 + $1.squares } / Double(used.count)
    effectiveFraction = kishEffectiveSampleSize(logWeights: logWeights) / Double(used.count)
  }

  /// The draws of one state.
  private struct Side {
    /// Of r = exact / used weight.
    let mean: Double
    /// Of ln mean.
    let variance: Double
    /// Sum of the weights as they were used.
    let total: Double
    /// Sums over the state's samples of exact weights and their squares.
    let exact, squares: Double
    /// Mean error under exact weights.
    let bias, biasStandardError: Double

    init(errors: [Double], ratios: [Double], weights: [Double], total: Double) {
      let count = Double(errors.count)
      let mean = ratios.reduce(0, +) / count
      (self.mean, self.total) = (mean, total)
      variance = ratios.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1) / count / (mean * mean)
      exact = total * mean
      squares = total * zip(ratios, weights).reduce(0) { $0 + $1.0 * $1.0 * $1.1 } / count
      let bias = zip(ratios, errors).reduce(0) { $0 + $1.0 * $1.1 } / count / mean
      self.bias = bias
      let spread = zip(ratios, errors).reduce(0) { $0 + $1.0 * $1.0 * ($1.1 - bias) * ($1.1 - bias) }
      biasStandardError = (spread / (count - 1) / count).squareRoot() / mean
    }
  }
}
