import Artifacts
import FreeEnergies
import Foundation
import Torch
import Workflow

/// ln q of every sample over Cartesian coordinates, from an energy model or from the samples themselves.
struct ReweightDensity {
  static let words = ["stochastic-trace", "hutchinson", "exact-trace"]

  /// [estimates][samples]: one, or two or more independent ones.
  let estimates: [[Double]]
  /// "stochastic-trace", or "energy-model ebm".
  let source: String
  /// Estimates that the samples carry beside the energy model's, for an audit.
  private let own: [[Double]]

  init(_ context: StageContext, _ wanted: String, samples: StageInput, count: Int) throws {
    let artifact = samples.artifact
    let method = artifact.exists("log_density") ? try artifact.attribute("log_density", "method") : nil
    var own: [[Double]] = []
    if artifact.exists("log_density_probes") {
      let probes = try artifact.read("log_density_probes", as: Double.self)
      own = (0..<probes.shape[0]).map { Array(probes.values[($0 * count)..<(($0 + 1) * count)]) }
    } else if method != nil {
      own = [try artifact.read("log_density", as: Double.self).values]
    }
    if let model = context.optionalInput("density") {
      try context.prepareTorch()
      estimates = [try EnergyModelArtifact.read(model).logDensity(of: samples)]
      source = "energy-model \(model.name)"
      self.own = own
    } else {
      guard method == wanted else {
        throw ReweightError.densityNotThere(
          stage: samples.name, wanted: wanted, found: method.map { "log_density: \($0)" } ?? "no log-density")
      }
      estimates = own
      source = wanted
      self.own = []
    }
  }

  /// The mean of the estimates.
  var mean: [Double] {
    guard let first = estimates.first else { return [] }
    return first.indices.map { n in estimates.reduce(0) { $0 + $1[n] } / Double(estimates.count) }
  }

  /// How an energy model's ln q differs from the samples' own.
  struct Audit {
    /// After removing the mean difference and the noise of the samples' own estimates, nats.
    var rootMeanSquare: Double
    /// Mean difference in the state minus that elsewhere, nats, under the reweighted distribution.
    var stateBias: Double
  }

  /// Nil without anything to compare with.
  func audit(inside: [Bool], weights logWeights: [Double]) -> Audit? {
    guard !own.isEmpty else { return nil }
    let m = Double(own.count)
    let model = mean
    var (sum, squares, noise, used) = (0.0, 0.0, 0.0, 0.0)
    var byState = [(sum: 0.0, weight: 0.0), (sum: 0.0, weight: 0.0)]
    for n in model.indices where model[n].isFinite && own.allSatisfy({ $0[n].isFinite }) {
      let average = own.reduce(0) { $0 + $1[n] } / m
      let difference = model[n] - average
      sum += difference
      squares += difference * difference
      if own.count > 1 { noise += own.reduce(0) { $0 + ($1[n] - average) * ($1[n] - average) } / (m * (m - 1)) }
      used += 1
      let weight = exp(logWeights[n])
      byState[inside[n] ? 0 : 1].sum += weight * difference
      byState[inside[n] ? 0 : 1].weight += weight
    }
    guard used > 1 else { return nil }
    let variance = squares / used - sum / used * (sum / used) - noise / used
    return Audit(
      rootMeanSquare: max(0, variance).squareRoot(),
      stateBias: byState[0].sum / byState[0].weight - byState[1].sum / byState[1].weight)
  }
}
