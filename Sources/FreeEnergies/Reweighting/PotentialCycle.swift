import Basics
import Foundation

/// From the free energies of states under one potential, A, to those under another, B, by what each state gains: a thermodynamic cycle.
///
/// A map leads samples of A to B, and those of B back by its inverse. A sample of A counts to the state that it is led to, so that nothing has to
/// be true of the map: where it leaves the states as they are, these are A's own.
public struct PotentialCycle: Sendable {
  /// Samples of one of the two potentials.
  public struct Samples: Sendable {
    public var logWeights: [Double]
    /// Of each, by its place among the states; of samples of A by where they are led to.
    public var places: [Int]
    /// To the other potential, kT; infinite where it gives no energy. Of the first samples, or of all.
    public var works: [Double]
    /// Pareto shapes of the states' weights before any smoothing, [states]; left out, of the weights as they are here.
    public var tailShapes: [Double]?

    public init(logWeights: [Double], places: [Int], works: [Double], tailShapes: [Double]? = nil) {
      (self.logWeights, self.places, self.works) = (logWeights, places, works)
      self.tailShapes = tailShapes
    }
  }

  /// A number, and its standard error by bootstrap; both nan where too few samples carry it.
  public struct Estimate: Sendable, Equatable {
    public var value = Double.nan, standardError = Double.nan

    public init() {}

    public init(value: Double, standardError: Double) {
      (self.value, self.standardError) = (value, standardError)
    }
  }

  /// What a state gains on the way from A to B beside `offset`; kT.
  public struct Gain: Sendable {
    /// By Bennett's acceptance ratio, from samples of A alone, and of B alone.
    public var bennett = Estimate(), forward = Estimate(), backward = Estimate()
    /// What the mean of exp(-work) of either side rests on.
    public var forwardSupport = StateSupport(logWeights: []), backwardSupport = StateSupport(logWeights: [])
    /// See `BennettAcceptance.shared`.
    public var shared = 0.0
  }

  /// -ln(P(from) / P(to)) of a pair, kT.
  public struct Answer: Sendable {
    /// Under A; with states as the map leads to them.
    public var before = Estimate()
    /// Under B: from A and Bennett's gains, and from A and forward works alone.
    public var bennett = Estimate(), forward = Estimate()
  }

  /// kT; what all states gain alike, about. Total energies of two potentials may lie anywhere.
  public let offset: Double
  public let gains: [Gain]
  public let answers: [Answer]
  /// Fewer shared samples carry no number.
  public static let fewestShared = StateSupport.fewestForNumber

  /// `pairs` by their states' places; `mostOfOneSample` as for `StateSupport`, of the weights of B; `givesNumbers`: false where something else
  /// than weights and works says that no number can be made of them. Throws `FreeEnergiesError.shape`.
  public init(
    from a: Samples, to b: Samples, states: Int, pairs: [StateSet.Pair], mostOfOneSample: Double = 1,
    givesNumbers: Bool = true, bootstrapReplicates: Int, seed: UInt64
  ) throws {
    for (side, name) in [(a, "first"), (b, "second")] {
      guard side.logWeights.count >= side.works.count, side.places.count == side.logWeights.count else {
        throw FreeEnergiesError.shape(
          "samples of the \(name) potential: \(side.logWeights.count) weights, \(side.places.count) states, \(side.works.count) works"
        )
      }
    }
    let rows = [a, b].map { side in
      (0..<states).map { state in
        side.works.indices.filter { side.places[$0] == state && side.logWeights[$0] > -.infinity }
      }
    }
    let level = (0..<states).compactMap { state in
      let terms = rows[0][state].map { a.logWeights[$0] - a.works[$0] }
      let found = logSumExp(rows[0][state].map { a.logWeights[$0] }) - logSumExp(terms)
      return found.isFinite ? found : nil
    }.min()
    let offset = level ?? 0
    self.offset = offset
    let works = [a.works.map { $0 - offset }, b.works.map { $0 + offset }]
    func solved(_ weights: [[Double]], from start: [Solution]? = nil) -> [Solution] {
      (0..<states).map { state in
        let sides = [0, 1].map { side -> BennettAcceptance.Side? in
          let own = rows[side][state].filter { weights[side][$0] > 0 }
          guard !own.isEmpty else { return nil }
          return BennettAcceptance.Side(works: own.map { works[side][$0] }, weights: own.map { weights[side][$0] })
        }
        var solution = Solution()
        // what one side says alone needs nothing of the other
        if let a = sides[0] { solution.forward = a.exponentialAverage }
        if let b = sides[1] { solution.backward = -b.exponentialAverage }
        if let a = sides[0], let b = sides[1] {
          let both = BennettAcceptance(a, b, start: start?[state].difference)
          (solution.difference, solution.shared) = (both.difference, both.shared)
        }
        return solution
      }
    }
    func before(_ weights: [Double], _ pair: StateSet.Pair) -> Double {
      var sums = [Double](repeating: 0, count: states)
      for n in weights.indices { sums[a.places[n]] += weights[n] }
      return -log(sums[pair.from] / sums[pair.to])
    }
    let weights = [a, b].map { normalisedWeights(logWeights: $0.logWeights) }
    let found = solved(weights)
    let replicates = parallelMap(bootstrapReplicates) { replicate -> Replicate in
      var random = RandomStream(seed: seed, "cycle bootstrap", "\(replicate)")
      let drawn = weights.map { own in zip(own, bootstrapMultiplicity(own.count, &random)).map { $0 * $1 } }
      return Replicate(gains: solved(drawn, from: found), before: pairs.map { before(drawn[0], $0) })
    }

    func support(_ samples: Samples, _ state: Int, mostOfOneSample: Double = 1) -> StateSupport {
      let own = samples.places.indices.filter { samples.places[$0] == state }.map { samples.logWeights[$0] }
      return StateSupport(
        logWeights: own, tailShape: samples.tailShapes?[state] ?? ParetoSmoothing(logWeights: own).shape,
        mostOfOneSample: mostOfOneSample)
    }
    let known = (0..<states).map { state in
      Known(
        a: support(a, state), b: support(b, state, mostOfOneSample: mostOfOneSample),
        forward: StateSupport(logWeights: rows[0][state].map { a.logWeights[$0] - works[0][$0] }),
        backward: StateSupport(logWeights: rows[1][state].map { b.logWeights[$0] - works[1][$0] }),
        shared: found[state].shared)
    }
    let ways: [(value: KeyPath<Solution, Double>, rests: (Known) -> [StateSupport], isShared: Bool)] = [
      (\.difference, { [$0.a, $0.b] }, true), (\.forward, { [$0.forward, $0.a] }, false),
      (\.backward, { [$0.backward, $0.b] }, false),
    ]
    func estimate(
      _ way: Int, _ involved: [Int], _ value: (_ gained: (Int) -> Double, _ replicate: Replicate?) -> Double
    ) -> Estimate {
      let rests = involved.flatMap { ways[way].rests(known[$0]) }
      guard givesNumbers, rests.allSatisfy(\.givesNumber),
        !ways[way].isShared || involved.allSatisfy({ known[$0].shared >= Self.fewestShared })
      else { return Estimate() }
      func picked(_ gains: [Solution]) -> (Int) -> Double { { gains[$0][keyPath: ways[way].value] } }
      let error = finiteStandardDeviation(replicates.map { value(picked($0.gains), $0) })
      return Estimate(
        value: value(picked(found), nil), standardError: rests.allSatisfy(\.givesInterval) ? error : .nan)
    }
    gains = (0..<states).map { state in
      var gain = Gain()
      (gain.forwardSupport, gain.backwardSupport) = (known[state].forward, known[state].backward)
      gain.shared = known[state].shared
      gain.bennett = estimate(0, [state]) { gained, _ in gained(state) }
      gain.forward = estimate(1, [state]) { gained, _ in gained(state) }
      gain.backward = estimate(2, [state]) { gained, _ in gained(state) }
      return gain
    }
    answers = pairs.enumerated().map { index, pair in
      var answer = Answer()
      let involved = [pair.from, pair.to]
      let beside = involved.map { known[$0].a }
      guard givesNumbers, beside.allSatisfy(\.givesNumber) else { return answer }
      let own = before(weights[0], pair)
      answer.before = Estimate(
        value: own,
        standardError: beside.allSatisfy(\.givesInterval)
          ? finiteStandardDeviation(replicates.map { $0.before[index] }) : .nan)
      func total(_ way: Int) -> Estimate {
        estimate(way, involved) { gained, replicate in
          (replicate?.before[index] ?? own) + gained(pair.from) - gained(pair.to)
        }
      }
      (answer.bennett, answer.forward) = (total(0), total(1))
      return answer
    }
  }

  /// What a state gains, kT; nan where it is not to be had.
  private struct Solution {
    var difference = Double.nan, forward = Double.nan, backward = Double.nan
    var shared = 0.0
  }

  /// One resample of both sides.
  private struct Replicate {
    let gains: [Solution]
    let before: [Double]
  }

  /// What a state's numbers rest on: its weights on either side, and the means of exp(-work).
  private struct Known {
    let a, b, forward, backward: StateSupport
    let shared: Double
  }
}
