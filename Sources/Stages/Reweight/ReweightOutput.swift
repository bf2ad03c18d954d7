import Artifacts
import Foundation
import FreeEnergies
import Workflow

/// Layout of a reweight stage's artifact.
struct ReweightOutput {
  let writer: ArtifactWriter
  let frames: ReweightFrames
  let state: StateDefinition
  let smoothed: Bool

  func write(energies: ReweightEnergies, density: ReweightDensity, result: Reweighting) throws {
    let count = [frames.count]
    try writer.write("log_weights", result.logWeights, shape: count, dims: ["frame"])
    try writer.write("log_density", density.mean, shape: count, dims: ["frame"])
    try writer.setAttribute("log_density", "method", density.source)
    try writer.write("energies", energies.values, shape: count, units: "kJ/mol", dims: ["frame"])
    for (name, angles) in frames.torsions {
      try writer.write("results/torsions/\(name)", angles, shape: count, units: "rad", dims: ["frame"])
    }

    try writer.writeScalar("results/delta_f", result.deltaF, units: "kT")
    try writer.write("results/delta_f_interval", result.deltaFInterval, shape: [2], units: "kT", dims: ["end"])
    try writer.writeScalar("results/delta_f_standard_error", result.deltaFStandardError, units: "kT")
    try writer.writeScalar("results/ess_fraction", result.effectiveFraction)
    try writer.writeScalar("results/ess_fraction_truncated", result.effectiveFractionTruncated)
    try writer.writeScalar("results/dropped", Int64(result.dropped))
    try writer.writeScalar("results/largest_weight", result.largestWeight)
    try writer.write("results/tail_shape", result.tailShapes, shape: [2], dims: ["state"])
    if smoothed { try writer.writeScalar("results/unsmoothed_delta_f", result.unsmoothedDeltaF, units: "kT") }
    try writer.writeScalar("results/non_finite", Int64(result.nonFinite))
    try writer.writeScalar("results/inverted", Int64(frames.inverted.filter { $0 }.count))
    try writer.writeScalar("results/energy_evaluations", Int64(frames.count))
    try writer.write("results/energy_method", string: energies.method)
    try writer.writeMeasurement("results/seconds_per_energy", energies.secondsPerEnergy)

    let (low, high) = (String(format: "%g", state.from), String(format: "%g", state.to))
    try writer.write("results/state_names", strings: ["\(state.torsion) in (\(low), \(high))", "elsewhere"])
    try writer.write("results/state_populations", result.statePopulations, shape: [2], dims: ["state"])
    try writer.write(
      "results/state_intervals", result.stateIntervals.flatMap { $0 }, shape: [2, 2], dims: ["state", "end"])
    try writer.write(
      "results/state_populations_unweighted", result.unweightedPopulations, shape: [2], dims: ["state"])

    let bins = [result.profile.angles.count]
    try writer.write(
      "results/profile/\(state.torsion)", result.profile.angles, shape: bins, units: "rad", dims: ["bin"])
    try writer.write("results/profile/free_energy", result.profile.freeEnergy, shape: bins, units: "kT", dims: ["bin"])
    try writer.write(
      "results/profile/standard_error", result.profile.standardError, shape: bins, units: "kT", dims: ["bin"])

    if let noise = result.noise {
      try writer.write("results/noise/variance", noise.variance, shape: [2], units: "nat2", dims: ["state"])
      try writer.writeScalar("results/noise/effect", noise.effect, units: "kT")
      try writer.writeScalar("results/noise/effect_standard_error", noise.effectStandardError, units: "kT")
    }
  }

  func write(_ audit: LogDensityDifference) throws {
    try writer.writeScalar("results/audit/rmse_log_density", audit.rootMeanSquare, units: "nat")
    try writer.writeScalar("results/audit/state_bias", audit.stateBias, units: "nat")
  }
}
