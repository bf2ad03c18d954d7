import Artifacts
import FreeEnergies
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
  var mean: [Double] { meanEstimate(estimates) }

  /// How an energy model's ln q differs from the samples' own; nil without anything to compare with.
  func audit(inside: [Bool], weights logWeights: [Double]) -> LogDensityDifference? {
    LogDensityDifference(of: mean, from: own, inside: inside, logWeights: logWeights)
  }
}
