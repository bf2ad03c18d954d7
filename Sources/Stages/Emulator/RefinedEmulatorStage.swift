import Artifacts
import FreeEnergies
import Generative
import Molecules
import Records
import Workflow

/// Trains an emulator again, on its own weighted samples: a round of feedback.
enum RefinedEmulatorStage: RecordedStage {
  static let type = EmulatorRecord.refinedStageType
  static let version = 1
  static let summary = "train an emulator again, on its own samples by their weights"
  static let reads: [SharedField] =
    SharedField.molecule + [.forcefield, .temperature, .torsions] + SharedField.stateFields
  static let output = Recorded.emulator
  static let indirectInputs = [
    InputPath(
      \Inputs.reweight, \ReweightStage.Inputs.samples, \SampleStage.Inputs.emulator, \EmulatorStage.Inputs.frames,
      \IngestStage.Inputs.simulation)
  ]

  struct Inputs: StageInputs {
    let reweight = Input(
      "weighted samples: of the emulator that is to be refined, and, before it, of those that it came from",
      eachOf: { $0 == ReweightStage.self })
    let frames = Input(
      "frames of dynamics, by the same force field at the same temperature, to learn from beside them",
      of: IngestStage.self, optional: true)
  }

  struct Parameters: ParameterGroup {
    @Parameter("share of the samples, by weight, among what is learnt from, where frames are given too", in: 0.01...1)
    var sampleShare = RefinementSettings().sampleShare
    @Parameter("share of each state's samples whose weights, the largest, are cut to the next one", in: 0...0.5)
    var clipped = RefinementSettings().clipped
    @Parameter("optimiser and schedule")
    var training = TrainingParameters(steps: 2000, schedule: ScheduleParameters(batch: 512))
    @Parameter("steps between two rows of the loss curve", in: .count) var recordEvery = 50
  }

  static func check(_ stage: PlannedStage) throws {
    let frames = stage.inputs(\Inputs.frames)
    func value(_ field: SharedField, _ of: PlannedStage) -> ParameterValue { of.shared[field.name] ?? .null }
    if stage.forcefield.variant?.name == EnergyMethods.xTB.variant.name {
      stage.refuse("\(RefinementError.dear)", at: .shared(.forcefield))
    }
    for weighing in stage.inputs(\Inputs.reweight) {
      for field in SharedField.molecule + [.forcefield, .temperature, .torsions] + SharedField.stateFields
      where value(field, weighing) != value(field, stage) {
        stage.refuse(
          "'\(weighing.name)' weighs by another \(field.name) than this stage has: give both the same",
          at: .parameter("reweight"))
      }
      guard let samples = weighing.inputs(\ReweightStage.Inputs.samples).first, samples.type == SampleStage.self,
        let emulator = samples.inputs(\SampleStage.Inputs.emulator).first
      else {
        stage.refuse(
          "'\(weighing.name)' weighs no samples as an emulator drew them; name a reweighting of a sample stage",
          at: .parameter("reweight"))
        continue
      }
      if emulator.type == ImportedEmulatorStage.self {
        stage.refuse(
          "\(RefinementError.otherEmulator): '\(emulator.name)' works on positions", at: .parameter("reweight"))
      }
      if emulator.type == PerturbStage.self {
        stage.refuse(
          "'\(emulator.name)' was carried over by perturb, which has rounds of feedback of its own: give it more of them (rounds)",
          at: .parameter("reweight"))
      }
      guard emulator.type == EmulatorStage.self else { continue }
      let parameters = try emulator.parameters(EmulatorStage.Parameters.self)
      let reason: String? =
        parameters.coordinates != .internal
        ? "coordinates: \(parameters.coordinates.rawValue)"
        : parameters.flows == .one ? "flows: one" : parameters.targets == .plain ? "targets: plain" : nil
      if let reason {
        stage.refuse("\(RefinementError.otherEmulator): '\(emulator.name)' has \(reason)", at: .parameter("reweight"))
      }
      let rigid = IngestConstraints.Treatment.rigid.rawValue
      if emulator.inputs(\EmulatorStage.Inputs.frames).contains(where: { $0.values["constraints"]?.string == rigid }) {
        stage.refuse(
          "\(RefinementError.otherEmulator): write constraints: flexible where '\(emulator.name)' has its frames from",
          at: .parameter("reweight"))
      }
    }
    let rigid = IngestConstraints.Treatment.rigid.rawValue
    for input in frames where input.values["constraints"]?.string == rigid {
      stage.refuse(
        "the bonds of '\(input.name)' are held, and those of the samples are not: write constraints: flexible there",
        at: .parameter("frames"))
    }
    if !frames.isEmpty, try stage.parameters(Parameters.self).sampleShare == 1 {
      stage.refuse(
        "sample_share: 1 leaves nothing to the frames: leave one of them out", at: .parameter("sample_share"))
    }
    MoleculeCheck.run(stage, needs: .energies)
  }

  /// Throws `RefinementError`, `TrainingError`, `MolecularSystemError`, and the force field's own errors.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    guard context.missingInputs.isEmpty else { throw TransferStageError.unfinished(context.missingInputs) }
    let system = try MolecularSystem(context)
    let states = try system.states()
    let coordinates = Recorded.sample.trajectory.coordinates
    let weighings = context.inputs(\Inputs.reweight)
    let rounds = try weighings.map { weighing in
      let samples = try weighing.input(\ReweightStage.Inputs.samples)
      let positions = try samples.artifact.read(coordinates, as: Double.self)
      try system.expect(
        positions.shape.count == 3 ? positions.shape[1] : 0, atomsIn: "samples of '\(samples.name)'")
      return RefinementSamples(
        positions: positions.values, logWeights: try weighing.artifact.read(Recorded.reweight.logWeights).values,
        states: states.places(of: positions))
    }
    guard let last = weighings.last else { throw RefinementError.noWeight }
    let newest = try EmulatorArtifact.read(
      last.input(\ReweightStage.Inputs.samples).input(\SampleStage.Inputs.emulator))
    let frames = try context.optionalInput(\Inputs.frames).map { input in
      let positions = try input.artifact.read(Recorded.ingest.trajectory.coordinates, as: Double.self)
      try system.expect(positions.shape.count == 3 ? positions.shape[1] : 0, atomsIn: "frames of '\(input.name)'")
      return RefinementSamples(positions: positions.values, logWeights: [], states: states.places(of: positions))
    }
    let forces = try BoltzmannForces.of(
      system, rigid: nil, for: "forces of weighted samples", threads: context.threads
    ).forces
    var settings = RefinementSettings()
    (settings.sampleShare, settings.clipped) = (parameters.sampleShare, parameters.clipped)
    (settings.optimization, settings.recordEvery) = (parameters.training.settings, parameters.recordEvery)
    settings.seed = context.seed
    let refined = try withAdvice {
      try newest.emulator.refined(
        by: rounds, frames: frames, stateCount: states.set.names.count, of: system.topology, forces: forces,
        settings: settings, host: StageTrainingHost(context))
    }
    let found = refined.thermometer
    context.log(
      "Stein's identity of the samples by weight: \(String(format: "%.3f ± %.3f", found.value, found.error)), 1 where weights and forces belong together"
    )
    if abs(found.value - 1) > max(tolerance, 4 * found.error) {
      context.warn(
        "weighted samples and forces do not belong together: by Stein's identity the samples' temperature is "
          + String(format: "%.3f ± %.3f", found.value, found.error)
          + " times that of the force field: a few samples carry the weights, or these are of another force field",
        .grave,
        cure: "draw more samples, or train the emulator before it longer")
    } else if !(found.error < tolerance) {
      context.warn(
        String(
          format:
            "Stein's identity of the samples by weight is known to %.2f only, which tells little of weights and forces",
          found.error), cure: "draw more samples, or train the emulator before it longer")
    }
    for (state, effective) in refined.effective.enumerated()
    where effective < fewestEffective && rounds.contains(where: { $0.states.contains(state) }) {
      context.warn(
        "\(states.called(state)): \(String(format: "%.1f", effective)) effective samples are all that is learnt of it",
        .grave,
        cure: "draw more samples before this stage, or leave it out")
    }
    try context.output.write(refined.state)
    try context.output.write(refined.emulator.archive(), output.model)
    try context.output.write(output.topology, [system.topology.mdtrajJSON])
    try context.output.write(output.parameters, refined.emulator.parameterCount)
    try context.output.write(output.trainingFrames, refined.samples + refined.frames)
    try context.output.write(output.energyEvaluations, evaluations(weighings, refined))
    try context.output.write(output.targets, EmulatorStage.Targets.forces.rawValue)
    try context.output.write((output.thermometer, found.value), (output.thermometerError, found.error))
  }

  private static let tolerance = 0.05
  /// Fewer effective samples of a state are an accident.
  private static let fewestEffective = 30.0

  /// Of the force field, and steps of the dynamics, up to the weights that are learnt from, and their forces.
  private static func evaluations(_ weighings: [StageInput], _ refined: Emulator.Refined) throws -> Int {
    var total = refined.samples + refined.frames
    for weighing in weighings { total += try weighing.artifact.read(Recorded.reweight.energyEvaluations) }
    let first = try weighings.first?.input(\ReweightStage.Inputs.samples).input(\SampleStage.Inputs.emulator)
    return total + (try first?.trainingEvaluations ?? 0)
  }
}
