import Basics
import Foundation

/// From the free energies of states under one potential to those under another, by what each state gains: a thermodynamic cycle.
public struct PotentialCycle: Sendable {
  /// Samples of one of the two potentials.
  public struct Samples: Sendable {
    public var logWeights: [Double]
    /// Of each, by its place among the states.
    public var places: [Int]
    /// To the other potential, kT; infinite where it gives no energy.
    public var works: [Double]

    public init(logWeights: [Double], places: [Int], works: [Double]) {
      (self.logWeights, self.places, self.works) = (logWeights, places, works)
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

  /// What a state gains on the way from A to B, up to a constant that is the same for all states; kT.
  public struct Gain: Sendable, Equatable {
    /// By Bennett's acceptance ratio, from samples of A alone, and of B alone.
    public var bennett = Estimate(), forward = Estimate(), backward = Estimate()
    public var forwardEffective = 0.0, backwardEffective = 0.0
    /// See `BennettAcceptance.shared`.
    public var shared = 0.0
  }

  /// F_from - F_to under B less the same under A, kT: what is added to A's free energy of a pair.
  public struct Step: Sendable, Equatable {
    public var bennett = Estimate(), forward = Estimate(), backward = Estimate()
  }

  public let gains: [Gain]
  public let steps: [Step]
  /// Fewer effective samples, or shared ones, carry no number.
  public static let fewestEffective = StateSupport.fewestForNumber

  /// `pairs` by their states' places. Throws `FreeEnergiesError.shape`.
  public init(
    from a: Samples, to b: Samples, states: Int, pairs: [StateSet.Pair], bootstrapReplicates: Int, seed: UInt64
  ) throws {
    for (side, name) in [(a, "first"), (b, "second")] {
      guard side.logWeights.count == side.works.count, side.places.count == side.works.count else {
        throw FreeEnergiesError.shape(
          "samples of the \(name) potential: \(side.logWeights.count) weights, \(side.places.count) states, \(side.works.count) works"
        )
      }
    }
    let weights = (normalisedWeights(logWeights: a.logWeights), normalisedWeights(logWeights: b.logWeights))
    func side(_ samples: Samples, _ weights: [Double], _ state: Int) -> BennettAcceptance.Side? {
      let rows = samples.places.indices.filter { samples.places[$0] == state && weights[$0] > 0 }
      guard !rows.isEmpty else { return nil }
      return BennettAcceptance.Side(works: rows.map { samples.works[$0] }, weights: rows.map { weights[$0] })
    }
    func solved(_ weights: ([Double], [Double]), from start: [BennettAcceptance?]? = nil) -> [BennettAcceptance?] {
      (0..<states).map { state in
        guard let here = side(a, weights.0, state), let there = side(b, weights.1, state) else { return nil }
        return BennettAcceptance(here, there, start: start?[state]?.difference)
      }
    }
    let found = solved(weights)
    let resampled = parallelMap(bootstrapReplicates) { replicate -> [BennettAcceptance?] in
      var random = RandomStream(seed: seed, "cycle bootstrap", "\(replicate)")
      func drawn(_ weights: [Double]) -> [Double] {
        zip(weights, bootstrapMultiplicity(weights.count, &random)).map { $0 * $1 }
      }
      let first = drawn(weights.0)
      return solved((first, drawn(weights.1)), from: found)
    }
    func isCarried(_ state: Int, _ carried: KeyPath<BennettAcceptance, Double>) -> Bool {
      found[state].map { $0[keyPath: carried] >= Self.fewestEffective } ?? false
    }
    func estimate(
      _ value: KeyPath<BennettAcceptance, Double>, _ carried: KeyPath<BennettAcceptance, Double>, _ first: Int,
      _ second: Int? = nil
    ) -> Estimate {
      guard ([first] + (second.map { [$0] } ?? [])).allSatisfy({ isCarried($0, carried) }) else { return Estimate() }
      func picked(_ all: [BennettAcceptance?]) -> Double {
        (all[first]?[keyPath: value] ?? .nan) - (second.map { all[$0]?[keyPath: value] ?? .nan } ?? 0)
      }
      return Estimate(value: picked(found), standardError: finiteStandardDeviation(resampled.map(picked)))
    }
    gains = (0..<states).map { state in
      var gain = Gain()
      guard let own = found[state] else { return gain }
      gain.bennett = estimate(\.difference, \.shared, state)
      gain.forward = estimate(\.forward, \.forwardEffective, state)
      gain.backward = estimate(\.backward, \.backwardEffective, state)
      (gain.forwardEffective, gain.backwardEffective) = (own.forwardEffective, own.backwardEffective)
      gain.shared = own.shared
      return gain
    }
    steps = pairs.map { pair in
      Step(
        bennett: estimate(\.difference, \.shared, pair.from, pair.to),
        forward: estimate(\.forward, \.forwardEffective, pair.from, pair.to),
        backward: estimate(\.backward, \.backwardEffective, pair.from, pair.to))
    }
  }
}
