import Basics
import Foundation

/// Free energies of the same samples at other temperatures: each sample's Boltzmann factor is another, its density the same.
///
/// Energies must not depend on the temperature themselves. The enthalpy of a pair is the difference of the states' mean potential energies
/// (kinetic energies cancel, and a molecule by itself has no volume to work against); T dS = dH - dF.
public struct TemperatureDependence: Sendable, Equatable {
  /// A quantity in kJ/mol, with its standard error and 95 % interval by bootstrap; nan where too little carries it.
  public struct Estimate: Sendable, Equatable {
    public var value = Double.nan, standardError = Double.nan
    public var interval = [Double.nan, .nan]

    public init() {}
  }

  /// At one temperature.
  public struct Row: Sendable, Equatable {
    /// K.
    public let temperature: Double
    /// Kish's, of all samples.
    public let effectiveFraction: Double
    /// What the weights of each state rest on, [states].
    public let support: [StateSupport]
    /// -kT ln(P(from) / P(to)), dH and T dS of each pair, kJ/mol, [pairs].
    public let freeEnergies, enthalpies, entropies: [Estimate]
    /// Of the configuration: d<U>/dT at constant volume, kJ/mol/K.
    public let heatCapacity: Estimate
  }

  public let rows: [Row]

  /// `energies` kJ/mol; `volumes` what is added to each sample's log Boltzmann factor whatever the temperature, empty without; all else as for
  /// `Reweighting`, whose rules (and whose model of the density's noise, which the bootstrap leaves as it is) say where a number is given. A temperature at which nothing can be given has a row of nan.
  public init(
    temperatures: [Double], energies: [Double], volumes: [Double] = [], logDensities: [[Double]],
    states: StateAssignment, noiseAngles: [[Double]] = [], excluded: [Bool]? = nil,
    judges: [[Double]] = [], options: Reweighting.Options = Reweighting.Options()
  ) throws {
    var plain = options
    plain.bootstrapReplicates = max(10, options.bootstrapReplicates / 5)
    rows = try temperatures.map { temperature in
      let thermal = PhysicalConstants.thermalEnergy(temperature: temperature)
      let reduced = energies.indices.map { energies[$0] / thermal - (volumes.isEmpty ? 0 : volumes[$0]) }
      let weighted: Reweighting
      do {
        weighted = try Reweighting(
          reducedPotential: reduced, logDensities: logDensities, states: states, angle: nil, noiseAngles: noiseAngles,
          excluded: excluded, judges: judges, options: plain)
      } catch FreeEnergiesError.emptyState {
        return Row(nothingAt: temperature, states: states)
      }
      return Row(weighted, energies, states, temperature: temperature, options)
    }
  }
}

extension TemperatureDependence.Row {
  fileprivate init(nothingAt temperature: Double, states: StateAssignment) {
    let none = states.pairs.map { _ in TemperatureDependence.Estimate() }
    self.init(
      temperature: temperature, effectiveFraction: 0,
      support: states.names.map { _ in StateSupport(logWeights: []) }, freeEnergies: none, enthalpies: none,
      entropies: none, heatCapacity: .init())
  }

  fileprivate init(
    _ weighted: Reweighting, _ energies: [Double], _ states: StateAssignment, temperature: Double,
    _ options: Reweighting.Options
  ) {
    let thermal = PhysicalConstants.thermalEnergy(temperature: temperature)
    let rows = weighted.logWeights.indices.filter { exp(weighted.logWeights[$0]) > 0 && energies[$0].isFinite }
    let weights = rows.map { exp(weighted.logWeights[$0]) }
    // by weight: a clash that weighs nothing would take all digits
    let total = max(weights.reduce(0, +), .leastNormalMagnitude)
    let level = zip(weights, rows).reduce(0) { $0 + $1.0 * energies[$1.1] } / total
    let shifted = rows.map { energies[$0] - level }
    let places = rows.map { states.place[$0] }
    let count = states.names.count
    func sums(_ multiplicity: ((Int) -> Double)?) -> Moments {
      var moments = Moments(states: count)
      for n in rows.indices {
        let w = weights[n] * (multiplicity?(n) ?? 1)
        if w > 0 { moments.add(w, shifted[n], places[n]) }
      }
      return moments
    }
    let found = sums(nil)
    let resampled = parallelMap(options.bootstrapReplicates) { replicate in
      var random = RandomStream(seed: options.seed, "temperatures", "\(temperature)", "\(replicate)")
      let multiplicity = bootstrapMultiplicity(rows.count, &random)
      return sums { multiplicity[$0] }
    }
    func estimate(
      _ hasNumber: Bool, _ hasInterval: Bool, _ value: (Moments) -> Double
    ) -> TemperatureDependence.Estimate {
      var result = TemperatureDependence.Estimate()
      guard hasNumber else { return result }
      result.value = value(found)
      guard hasInterval else { return result }
      let values = resampled.map(value)
      (result.standardError, result.interval) = (finiteStandardDeviation(values), centralInterval(values))
      return result
    }
    /// `hangsOnWeights`: by how much the states weigh, which is off as far as ln q is.
    func estimates(
      hangsOnWeights: Bool = false, _ value: @escaping (Moments, StateSet.Pair) -> Double
    ) -> [TemperatureDependence.Estimate] {
      states.pairs.enumerated().map { index, pair in
        let difference = weighted.states.differences[index]
        var found = estimate(difference.value.isFinite, difference.standardError.isFinite) { value($0, pair) }
        if hangsOnWeights, let off = weighted.modelErrors {
          let difference = abs(off[pair.from] - off[pair.to])
          let error = difference.isFinite ? thermal * difference : 0
          found.interval = ModelErrors.widened(found.interval, around: found.value, by: error)
          found.standardError = hypot(found.standardError, error)
        }
        return found
      }
    }
    let all = StateSupport(logWeights: weighted.logWeights.filter { $0 > -.infinity })
    self.init(
      temperature: temperature, effectiveFraction: weighted.effectiveFraction, support: weighted.support,
      freeEnergies: estimates(hangsOnWeights: true) { moments, pair in
        -thermal * log(moments.weight[pair.from] / moments.weight[pair.to])
      },
      enthalpies: estimates { moments, pair in moments.mean(pair.from) - moments.mean(pair.to) },
      entropies: estimates(hangsOnWeights: true) { moments, pair in
        moments.mean(pair.from) - moments.mean(pair.to) + thermal
          * log(moments.weight[pair.from] / moments.weight[pair.to])
      },
      heatCapacity: estimate(options.givesNumbers && all.givesNumber, all.givesInterval) {
        $0.variance / (thermal * temperature)
      })
  }
}

/// Sums over weighted samples.
private struct Moments {
  /// Of each state.
  var weight, energy: [Double]
  var square = 0.0

  init(states: Int) {
    weight = [Double](repeating: 0, count: states)
    energy = weight
  }

  mutating func add(_ w: Double, _ value: Double, _ place: Int) {
    weight[place] += w
    energy[place] += w * value
    square += w * value * value
  }

  func mean(_ state: Int) -> Double { energy[state] / weight[state] }

  var variance: Double {
    let total = weight.reduce(0, +)
    let mean = energy.reduce(0, +) / total
    return square / total - mean * mean
  }
}
