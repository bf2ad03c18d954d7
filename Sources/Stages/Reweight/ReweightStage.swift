import Basics
import Foundation
import FreeEnergies
import Molecules
import Torch
import Workflow

/// `reweight`: from samples of an emulator to the Boltzmann distribution, ln w = -u - ln q.
///
/// Output, beside the fixed names of a free-energy stage under /results (delta_f, delta_f_interval, ess_fraction,
/// ess_fraction_truncated, dropped, state_populations, state_intervals, profile/..., energy_evaluations):
///
/// | path | what |
/// |---|---|
/// | /log_weights [n] | normalised (sum of w = 1), corrected for noise; -infinity without weight |
/// | /log_density [n] | ln q as it was used, before that correction |
/// | /energies [n] | kJ/mol |
/// | results/delta_f_standard_error | kT, bootstrap |
/// | results/state_names, state_populations_unweighted [states] | the emulator's own populations |
/// | results/energy_method, seconds_per_energy | what computed the energies, and how fast |
/// | results/non_finite, inverted | samples without weight: no finite energy or density; a stereocentre of the other hand |
/// | results/largest_weight | share of the heaviest sample |
/// | results/tail_shape [states] | k of the weights' tails before any smoothing: above 0.7 their sums are not to be believed |
/// | results/unsmoothed_delta_f | kT, where weights were smoothed |
/// | results/noise/variance [states], effect, effect_standard_error | where ln q was estimated twice: nat^2, kT, kT |
/// | results/audit/... | where the samples carry ln q of their own beside the energy model's |
enum ReweightStage: StageType {
  static let type = "reweight"
  static let version = 2
  static let summary =
    "weights that turn an emulator's samples into the Boltzmann distribution, and free energies"
  static let reads: [SharedField] = [.topology, .forcefield, .temperature, .torsions, .state]

  static let parameters: [ParameterField] = [
    ParameterField("samples", .stage(["sample"]), help: "what to reweight"),
    ParameterField(
      "density", .stageOrChoice(["energy-model"], words: ReweightDensity.words),
      help: "where ln q comes from: an energy model, or the samples' own stochastic-trace or exact-trace"),
    ParameterField(
      "truncation", .number(0...0.5), default: .number(0.002),
      help: "share of the largest weights left out of the truncated effective sample size, and of nothing else"),
    ParameterField(
      "smoothing", .choice(Smoothing.allCases.map(\.rawValue)), optional: true,
      help:
        "pareto: the largest weights of the state, and of the rest, are replaced by what a generalised Pareto distribution expects in "
        + "their places, so that a single sample carries no result; none if left out"),
    ParameterField("bootstrap", .integer(10...100_000), default: .integer(500), help: "replicates of the bootstrap"),
    ParameterField("profile_bins", .integer(6...720), default: .integer(60), help: "bins of the free-energy profile"),
  ]

  enum Smoothing: String, Decodable, CaseIterable {
    case none, pareto
  }

  struct Parameters: Decodable {
    var density: String
    var smoothing: Smoothing?
    var truncation: Double
    var bootstrap: Int
    var profileBins: Int
  }

  /// Throws `ReweightError`, `EnergyModelArtifactError`, `OpenMMError`, `XTBError`, `MoleculesError`, and `FreeEnergiesError` where a state
  /// holds no weight.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    let samples = try context.input("samples")
    let topology = try Topology.read(pdb: context.system.topology)
    let frames = try ReweightFrames(samples, MolecularSystem(context))
    let energies = try ReweightEnergies(context, samples: samples, count: frames.count, topology: topology)
    let density = try ReweightDensity(context, parameters.density, samples: samples, count: frames.count)

    let thermal = PhysicalConstants.thermalEnergy(temperature: context.temperature)
    var options = Reweighting.Options()
    options.truncation = parameters.truncation
    options.bootstrapReplicates = parameters.bootstrap
    options.profileBins = parameters.profileBins
    options.smoothing = parameters.smoothing == .pareto
    options.seed = context.seed
    let state = TorsionState(from: context.system.state.from, to: context.system.state.to)
    let result = try Reweighting(
      reducedPotential: energies.values.map { $0 / thermal }, logDensities: density.estimates, angle: frames.stateAngle,
      state: state, noiseAngles: frames.torsions.map(\.angles), excluded: frames.inverted, options: options)

    let output = ReweightOutput(
      writer: context.output, frames: frames, state: context.system.state, smoothed: options.smoothing)
    try output.write(energies: energies, density: density, result: result)
    if let audit = density.audit(inside: frames.stateAngle.map(state.contains), weights: result.logWeights) {
      try output.write(audit)
    }
    warn(context, frames, result)
  }

  private static func warn(_ context: StageContext, _ frames: ReweightFrames, _ result: Reweighting) {
    let inverted = frames.inverted.filter { $0 }.count
    if result.nonFinite > 0 {
      context.warn(
        "\(result.nonFinite) of \(frames.count) samples have no finite energy or density: they weigh nothing")
    }
    if inverted > 0 {
      context.warn("\(inverted) of \(frames.count) samples have an inverted stereocentre: they weigh nothing")
    }
    for (name, shape) in zip(["the state", "the rest"], result.tailShapes) where shape > ParetoSmoothing.largestShape {
      context.warn(
        String(
          format:
            "the weights of \(name) have so heavy a tail (Pareto shape %.2f, above %.1f) that their sum depends on a few samples: dF may be "
            + "off by more than its interval. Train the emulator longer, draw more samples, or audit it",
          shape, ParetoSmoothing.largestShape))
    }
    if result.effectiveFraction < 0.01 || result.largestWeight > 0.05 {
      context.warn(
        String(
          format:
            "the weights are concentrated: effective sample size %.2g %%, heaviest sample %.2g %% of all weight; the "
            + "intervals may be too narrow. Train the emulator longer or draw more samples",
          100 * result.effectiveFraction,
          100 * result.largestWeight))
    }
  }
}

public enum ReweightError: Error, CustomStringConvertible, Equatable {
  case noForceField
  case atomCount(stage: String, found: Int, expected: Int)
  case unknownTorsion(name: String, known: [String])
  case densityNotThere(stage: String, wanted: String, found: String)
  /// A checkpoint with more energies than there are samples.
  case savedEnergies(found: Int, samples: Int)

  public var description: String {
    switch self {
    case .noForceField:
      return
        "reweighting needs energies: give system.forcefield (a serialised OpenMM System, an AMBER prmtop, or gfn2-xtb) in the pipeline "
        + "file"
    case .atomCount(let stage, let found, let expected):
      return "samples of '\(stage)' have \(found) atoms, but the force field and topology have \(expected)"
    case .unknownTorsion(let name, let known):
      return
        "system.state.torsion '\(name)' is none of the named torsions (\(known.joined(separator: ", "))); name its four "
        + "atoms under system.torsions"
    case .densityNotThere(let stage, let wanted, let found):
      return
        "density: \(wanted) asks for it in the samples, but stage '\(stage)' carries \(found); set log_density: \(wanted) "
        + "there, or name an energy-model stage"
    case .savedEnergies(let found, let samples):
      return
        "the checkpoint holds \(found) energies of \(samples) samples; delete the stage's checkpoints to start again"
    }
  }
}
