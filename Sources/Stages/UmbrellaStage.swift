import Artifacts
import Basics
import ForceFields
import Foundation
import FreeEnergies
import Molecules
import OpenMM
import Workflow

/// `umbrella`: umbrella sampling of one torsion or a grid of two, and the free energies that follow.
///
/// Two walks come to every window from opposite sides. Output, beside the fixed names of a free-energy stage under /results
/// (delta_f, delta_f_standard_error, profile/..., overlap):
///
/// | path | what |
/// |---|---|
/// | /torsions [2, windows, samples, torsions] | rad; the biased ones first, names in /torsion_names |
/// | /centers [windows, coordinates] | rad |
/// | /end_coordinates [2, windows, atoms, 3] | nm, the last frame of every window |
/// | results/delta_f_halves, delta_f_directions [2] | kT, from parts of the data |
/// | results/delta_f_error/bootstrap, correlated, mbar | kT, by three roads |
/// | results/statistical_inefficiency, correlation_time [windows] | samples and ps, of the slowest torsion there |
/// | results/coverage/... | how the windows cover the grid |
/// | results/force_provider, force_deviation | what computed the forces; their largest difference from OpenMM's, relative |
/// | results/slow_torsions/... | what torsions without a bias did, see `SlowTorsions`; disagreeing_windows: by walk |
/// | /shared_bias [2, windows, samples] | kJ/mol, of lowered barriers, where there are any: a sample counts exp(it / kT) times |
/// | results/lowered_torsions, lowered_by [torsions] | which, and kJ/mol |
/// | results/lowered_ess_fraction | Kish's fraction of these weights |
/// | results/exchange_acceptance [coordinates] | where windows exchange |
enum UmbrellaStage: StageType {
  static let type = "umbrella"
  static let version = 2
  static let summary = "umbrella sampling on one torsion or a grid of two, with MBAR and its own checks"
  static let reads: [SharedField] = [.topology, .forcefield, .temperature, .torsions, .state]

  static let parameters: [ParameterField] = [
    ParameterField(
      "coordinates", .list(.string, acceptsSingle: true, count: 1...2),
      default: .list([.string("phi"), .string("psi")]),
      help: "the torsions to bias, by name"),
    ParameterField(
      "windows", .list(.integer(2...360), acceptsSingle: true, count: 1...2),
      default: .list([.integer(36), .integer(24)]),
      help: "windows along each coordinate, around the period"),
    ParameterField(
      "force_constant", .list(.positive, acceptsSingle: true, count: 1...2),
      default: .list([.number(200), .number(80)]),
      unit: "kJ/mol/rad2", help: "of k/2 (torsion - centre)^2, for each coordinate"),
    ParameterField(
      "equilibration", .nonNegative, default: .number(5), unit: "ps",
      help: "before each of the two visits of a window"),
    ParameterField(
      "production", .positive, default: .number(40), unit: "ps", help: "per window, half of it in each direction"),
    ParameterField(
      "timestep", .number(1e-5...0.01), default: .number(0.001), unit: "ps", help: "of the Langevin dynamics"),
    ParameterField("friction", .positive, default: .number(1), unit: "1/ps", help: "of the Langevin dynamics"),
    ParameterField(
      "hydrogen_mass", .number(1...5), optional: true, unit: "dalton",
      help:
        "makes every hydrogen this heavy at the cost of its neighbour, which changes no free energy and allows longer "
        + "timesteps: 3 with a timestep of 0.002; the force field's masses if left out"),
    ParameterField(
      "barrier_lowering", .number(0...2), optional: true,
      help:
        "share of the force field's threefold torsion terms, 1 for all, that is taken away from side chains (where these terms make more "
        + "than 8 kJ/mol), so that they turn within a window; the samples' weights undo it. None if left out"),
    ParameterField("sample_interval", .positive, default: .number(0.2), unit: "ps", help: "between recorded torsions"),
    ParameterField(
      "forces", .choice(["auto", "openmm"]), default: "auto",
      help:
        "auto: the built-in kernel where it covers the force field and agrees with OpenMM on the first frame, else OpenMM; "
        + "openmm: OpenMM's Reference platform always"),
    ParameterField(
      "exchange", .boolean, default: .bool(false), help: "let neighbouring windows exchange their frames (Metropolis)"),
    ParameterField(
      "exchange_interval", .positive, default: .number(1), unit: "ps", help: "between exchanges, where windows exchange"
    ),
    ParameterField(
      "rotamer_moves", .boolean, optional: true,
      help:
        "after each sample one of the side chain's torsions tries to turn by about a third of a turn (any angle where it has no staggered "
        + "places), by Metropolis' rule: side chains that turn too seldom by themselves. Off if left out"),
    ParameterField(
      "ceiling", .positive, optional: true, unit: "kT",
      help:
        "windows this far above the lowest are left out of the estimate, if the others hold together without them: over a high barrier "
        + "walks drag their history, and what does not close around it spoils the low barriers. None if left out"),
    ParameterField("profile_bins", .integer(6...720), default: .integer(60), help: "bins of the free-energy profile"),
    ParameterField(
      "overlap_threshold", .number(1e-6...1), default: .number(0.03),
      help: "least link between windows in the overlap graph; below it the stage fails"),
    ParameterField(
      "bootstrap", .integer(10...10_000), default: .integer(100), help: "replicates of the block bootstrap"),
  ]

  struct Parameters: Decodable {
    var coordinates: [String]
    var windows: [Int]
    var forceConstant: [Double]
    var equilibration: Double
    var production: Double
    var timestep: Double
    var friction: Double
    var hydrogenMass: Double?
    var barrierLowering: Double?
    var rotamerMoves: Bool?
    var ceiling: Double?
    var sampleInterval: Double
    var forces: String
    var exchange: Bool
    var exchangeInterval: Double
    var profileBins: Int
    var overlapThreshold: Double
    var bootstrap: Int
  }

  /// Throws `UmbrellaError`, `UmbrellaSamplerError`, `OpenMMError`, `MoleculesError`; `FreeEnergiesError` where the windows do
  /// not cover the grid: the sampling is then kept in the checkpoint.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    let setup = try UmbrellaSetup(context, parameters)
    let sampler = try setup.sampler(threads: context.threads, seed: context.seed)
    if let found = try context.checkpoints.latest() {
      if let warning = found.warning { context.warn(warning) }
      try sampler.resume(UmbrellaCheckpoint.read(found.artifact))
      context.log("going on from \(Int(sampler.simulatedTime)) of \(Int(sampler.totalTime)) ps")
    }
    let alreadySimulated = sampler.simulatedTime
    let watch = Stopwatch()
    try sample(context, setup, sampler)
    let seconds = watch.seconds
    let simulated = sampler.simulatedTime - alreadySimulated
    if simulated > 0 {
      let speed = simulated / parameters.timestep / seconds
      context.log(
        "\(Int(simulated)) ps in \(String(format: "%.0f", seconds)) s, \(Int(speed)) steps/s, forces by "
          + sampler.forceProvider + (sampler.kernelRefusal.map { " (not by the built-in kernel: \($0))" } ?? ""))
    }

    let deviation = try sampler.checkForces()
    var options = UmbrellaAnalysis.Options()
    options.torsion = setup.stateAxis
    options.state = TorsionState(from: context.system.state.from, to: context.system.state.to)
    options.profileBins = parameters.profileBins
    options.bootstrapReplicates = parameters.bootstrap
    options.overlapThreshold = parameters.overlapThreshold
    options.seed = context.seed
    options.ceiling = parameters.ceiling
    let result = try UmbrellaAnalysis(data: setup.data(sampler), options: options).run(progress: context.progress)
    for warning in result.warnings { context.warn(warning) }
    let output = UmbrellaOutput(writer: context.output, setup: setup, sampler: sampler)
    try output.writeSamples()
    try context.output.write("results/force_provider", string: sampler.forceProvider)
    try context.output.writeScalar("results/force_deviation", deviation)
    try output.write(result)
    let slow = setup.slowTorsions(sampler)
    try output.write(slow.found, disagreeing: slow.disagreeing)
    warn(context, slow.found, slow.disagreeing, windows: setup.grid.windowCount)
    try context.output.writeMeasurement("results/seconds", seconds)
  }

  /// Side chains that no bias moves.
  private static func warn(_ context: StageContext, _ slow: SlowTorsions, _ disagreeing: [Int], windows: Int) {
    for warning in slow.warnings("samples") { context.warn(warning) }
    for (torsion, count) in zip(slow.torsions, disagreeing) where count * 5 > windows {
      context.warn(
        "\(torsion.name) stands in another basin in each of the two walks in \(count) of \(windows) windows: it does not come to rest "
          + "within a window, and what hangs on it averages over windows only; longer windows would cure it")
    }
  }

  /// Advances to the end, with checkpoints by time, watching every stereocentre.
  private static func sample(_ context: StageContext, _ setup: UmbrellaSetup, _ sampler: UmbrellaSampler) throws {
    func save() throws {
      try context.checkpoints.save(step: Int(sampler.simulatedTime)) {
        try UmbrellaCheckpoint.write(sampler.state, to: $0)
      }
    }
    guard !sampler.isFinished else { return }
    context.progress.begin("umbrella", total: Int(sampler.totalTime.rounded()), unit: "ps")
    var saved = Stopwatch()
    var visits = 0
    while !sampler.isFinished {
      for visit in try sampler.advance() {
        visits += 1
        try setup.checkChirality(Array(sampler.endFrame(visit)), visit)
      }
      let metrics = visits > 0 ? [(name: "windows", value: "\(visits)")] : []
      context.progress.update(completed: Int(sampler.simulatedTime), metrics: metrics)
      let asked = context.interruptionRequested
      if asked || sampler.isFinished || saved.seconds >= context.checkpointInterval {
        try save()
        saved.restart()
        if asked { try context.checkInterruption() }
      }
    }
    context.progress.end()
  }
}
