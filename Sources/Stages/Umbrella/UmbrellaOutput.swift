import Artifacts
import Basics
import ForceFields
import FreeEnergies

/// Layout of an umbrella stage's artifact.
struct UmbrellaOutput {
  let writer: ArtifactWriter
  let setup: UmbrellaSetup
  let sampler: UmbrellaSampler

  static let sharedBias = "shared_bias"

  func writeSamples() throws {
    let (grid, state) = (setup.grid, sampler.state)
    let windows = grid.windowCount
    try writer.write(
      "torsions", state.records, shape: [UmbrellaSampler.directions, windows, sampler.samples, sampler.torsionCount],
      units: "rad", dims: ["direction", "window", "sample", "torsion"])
    try writer.write("torsion_names", strings: setup.torsionNames)
    try writer.write(
      "centers", (0..<windows).flatMap(grid.center(of:)), shape: [windows, grid.counts.count], units: "rad",
      dims: ["window", "coordinate"])
    try writer.write(
      "force_constants", setup.parameters.forceConstant, shape: [grid.counts.count], units: "kJ/mol/rad2",
      dims: ["coordinate"])
    try writer.write(
      "end_coordinates", state.endPositions,
      shape: [UmbrellaSampler.directions, windows, setup.molecule.topology.atoms.count, 3], units: "nm",
      dims: ["direction", "window", "atom", "xyz"])
    if let lowering = setup.lowering {
      let bias = lowering.energies(of: sampler)
      try writer.write(
        Self.sharedBias, bias, shape: [UmbrellaSampler.directions, windows, sampler.samples], units: "kJ/mol",
        dims: ["direction", "window", "sample"])
      try writer.write("results/lowered_torsions", strings: lowering.depths.map { setup.torsionNames[$0.torsion] })
      try writer.write(
        "results/lowered_by", lowering.depths.map(\.depth), shape: [lowering.depths.count], units: "kJ/mol",
        dims: ["torsion"])
      let kT = PhysicalConstants.thermalEnergy(temperature: setup.molecule.molecule.temperature)
      let effective = kishEffectiveSampleSize(logWeights: bias.map { $0 / kT })
      try writer.writeScalar("results/lowered_ess_fraction", effective / Double(bias.count))
    }
    try writer.writeScalar("results/simulated_time", sampler.simulatedTime, units: "ps")
    try writer.writeScalar("results/energy_evaluations", Int64(sampler.energyEvaluations))
    try setup.moves.write(tried: state.movesTried, taken: state.movesTaken, to: writer)
    if setup.parameters.exchange {
      let rates = zip(state.acceptances, state.attempts).map { $1 > 0 ? Double($0) / Double($1) : 0 }
      try writer.write("results/exchange_acceptance", rates, shape: [rates.count], dims: ["coordinate"])
    }
  }

  func write(_ slow: SlowTorsions, disagreeing: [Int]) throws {
    guard !slow.torsions.isEmpty else { return }
    try slow.write(to: writer)
    try writer.write(
      "\(SlowTorsions.group)/disagreeing_windows", disagreeing.map(Int64.init), shape: [disagreeing.count],
      dims: ["torsion"])
  }

  func write(_ result: UmbrellaResult) throws {
    let windows = setup.grid.windowCount
    try writer.writeScalar("results/delta_f", result.deltaF, units: "kT")
    try writer.writeScalar("results/delta_f_standard_error", result.standardError, units: "kT")
    try writer.writeScalar("results/delta_f_error/bootstrap", result.bootstrapStandardError, units: "kT")
    try writer.writeScalar("results/delta_f_error/correlated", result.correlatedStandardError, units: "kT")
    try writer.writeScalar("results/delta_f_error/mbar", result.mbarStandardError, units: "kT")
    try write("results/delta_f_halves", result.halves)
    try write("results/delta_f_directions", result.directions)

    let profile = result.profile
    let bins = [profile.angles.count]
    try writer.write(
      "results/profile/\(setup.torsionNames[setup.stateAxis])", profile.angles, shape: bins, units: "rad", dims: ["bin"]
    )
    try writer.write("results/profile/free_energy", profile.freeEnergy, shape: bins, units: "kT", dims: ["bin"])
    try writer.write("results/profile/standard_error", profile.standardError, shape: bins, units: "kT", dims: ["bin"])

    try writer.write("results/overlap", result.overlap, dims: ["window", "window"])
    for (name, values, units) in [
      ("window_free_energy", result.windowFreeEnergies, "kT"),
      ("statistical_inefficiency", result.statisticalInefficiency, "samples"),
      ("correlation_time", result.correlationTimes, "ps"),
    ] {
      try writer.write("results/\(name)", values, shape: [windows], units: units, dims: ["window"])
    }
    if setup.parameters.ceiling != nil {
      try writer.writeScalar(
        "results/windows_left_out", Int64(result.windowFreeEnergies.filter { !$0.isFinite }.count))
    }
    try writer.write("results/slowest_torsion", strings: result.slowestTorsion)
    try writer.writeScalar("results/short_windows", Int64(result.shortWindows.count))
    try writer.writeScalar("results/mbar_gradient", result.mbarGradient)

    let coverage = result.coverage
    try writer.writeScalar("results/coverage/weakest_link", coverage.weakestLink)
    try writer.writeScalar("results/coverage/slid_windows", Int64(coverage.slidWindows.count))
    try writer.write(
      "results/coverage/fewest_samples_between_lines", coverage.fewestSamplesBetweenLines.map(Int64.init),
      shape: [coverage.fewestSamplesBetweenLines.count], dims: ["coordinate"])
    try writer.write(
      "results/coverage/largest_shift", coverage.largestShift, shape: [coverage.largestShift.count], units: "rad",
      dims: ["coordinate"])
  }

  private func write(_ path: String, _ parts: [UmbrellaResult.Part]) throws {
    guard !parts.isEmpty else { return }
    try writer.write(path, parts.map(\.deltaF), shape: [parts.count], units: "kT", dims: ["part"])
    try writer.setAttribute(path, "parts", parts.map(\.name).joined(separator: ", "))
  }
}
