import Artifacts
import Foundation
import Generative
import Molecules
import Records
import Workflow

/// Takes the emulator of one peptide from one of many.
enum TransferredEmulatorStage: RecordedStage {
  static let type = EmulatorRecord.transferredStageType
  static let version = 1
  static let summary = "the emulator of one peptide, from one that was trained on others"
  static let reads: [SharedField] = SharedField.molecule
  static let output = Recorded.emulator

  struct Inputs: StageInputs {
    let model = Input("the emulator of many peptides", of: TransferableEmulatorStage.self, optional: true)
    let frames = Input(
      "frames of the molecule's own dynamics, with forces, to adapt the emulator by; without them it is taken as it is",
      of: IngestStage.self, optional: true)
    let weights = Input(
      "frames: weighted samples of the emulator adapted without them; frames are drawn as the weights want their torsions",
      of: ReweightStage.self, optional: true)
  }

  static let indirectInputs = [InputPath(\Inputs.weights, \ReweightStage.Inputs.samples)]

  enum Trained: String, CaseIterable, ParameterType { case rows, all }

  struct Parameters: ParameterGroup {
    @Parameter("in place of a stage: the file that a transferable-emulator stage wrote, of any run")
    var file: InputFile?
    @Parameter(
      "frames: what they teach: all of the networks, for frames by the thousand, or rows, the first and the last layers, which are the "
        + "molecule's own, for few"
    )
    var adapts = Trained.all
    @Parameter("frames: optimisation steps", in: .count) var steps = 2000
    let arc = ArcParameters()
    @Parameter("frames: optimiser and schedule")
    var training = ScheduleParameters(batch: 512, learningRate: 3e-4, averageDecay: 0.99)
    @Parameter("frames: steps between two rows of the loss curve", in: .count) var recordEvery = 100
  }

  static func check(_ stage: PlannedStage) throws {
    let parameters = try stage.parameters(Parameters.self)
    guard (parameters.file == nil) != stage.inputs(\Inputs.model).isEmpty else {
      return stage.refuse("give either model, a stage, or file, what such a stage wrote")
    }
    TransferableEmulatorStage.refuseWithoutForces(stage, stage.inputs(\Inputs.frames))
    let (frames, weights) = (stage.inputs(\Inputs.frames), stage.inputs(\Inputs.weights))
    if !weights.isEmpty, frames.isEmpty {
      return stage.refuse("weights say which frames are drawn how often: give frames too", at: .parameter("weights"))
    }
    WeightedDraws.check(weights, stage) { emulator in
      guard emulator.type == Self.self, emulator.inputs(\Inputs.frames).map(\.name) == frames.map(\.name),
        emulator.inputs(\Inputs.model).map(\.name) == stage.inputs(\Inputs.model).map(\.name),
        emulator.values["file"] == stage.values["file"], emulator.values["adapts"] == stage.values["adapts"],
        emulator.inputs(\Inputs.weights).isEmpty, WeightedDraws.haveOneArc(emulator, stage)
      else {
        return
          "which is not the same model that has learnt the same frames, drawn by the same arc and no weights: adapt it so first"
      }
      return nil
    }
    guard let system = MoleculeCheck.run(stage) else { return }
    guard stage.checking(.shared(.topology), { try PeptideAtoms(topology: system.topology) }) != nil else { return }
    if let model = stage.inputs(\Inputs.model).first, let known = TransferableEmulatorStage.known(model) {
      _ = stage.checking(.parameter("model")) { try known.check(system.topology) }
    }
    guard let file = parameters.file else { return }
    _ = stage.checking(.parameter("file")) {
      try emulator(TransferredModel.open(file.url), system.topology)
    }
  }

  /// Throws `TransferStageError`, `PeptideError`, `TransferError`.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let topology = try context.molecule().topology
    let artifact =
      try parameters.file.map { try TransferredModel.open($0.url) } ?? context.input(\Inputs.model).artifact
    var emulator = try emulator(artifact, topology)
    if let frames = context.optionalInput(\Inputs.frames) {
      emulator = try adapted(emulator, frames, topology, context)
    } else {
      try context.output.write(tensors: emulator.archive().tensors)
    }
    try context.output.write(emulator.archive(), output.model)
    try context.output.write(output.topology, [topology.mdtrajJSON])
    try context.output.write(output.parameters, emulator.parameterCount)
    let names = try artifact.read(Recorded.transferableEmulator.molecules)
    context.log(
      "\(emulator.parameterCount) parameters for \(topology.residues.map(\.name).joined(separator: "-")), "
        + "gathered from an emulator of \(names.count) molecules"
    )
  }

  private static func adapted(
    _ emulator: Emulator, _ input: StageInput, _ topology: Topology, _ context: StageContext
  ) throws -> Emulator {
    let parameters = try context.parameters(Parameters.self)
    var (frames, temperature) = try TransferableEmulatorStage.frames(input, atMost: nil)
    var draws = try WeightedDraws(context.inputs(\Inputs.weights), context)
    let change = try draws.change(frames, parameters.arc)
    if let other = draws.unused.first { throw TransferStageError.noFrames(other) }
    let drawn = parameters.arc.weights(frames, tilted: change) { context.warn($0) }
    guard drawn.hasTorsion else { throw TransferStageError.noTorsion(parameters.arc.arcTorsion) }
    frames.weights = drawn.weights
    var settings = AdaptationSettings()
    settings.trainsRowsAlone = parameters.adapts == .rows
    settings.optimization = parameters.training.settings(steps: parameters.steps)
    (settings.recordEvery, settings.seed) = (parameters.recordEvery, context.seed)
    let found = try emulator.adapted(
      to: frames, topology: topology, temperature: temperature, settings: settings, host: StageTrainingHost(context))
    // tensors of the whole network stand where a training's own would
    var state = found.state
    state.tensors = try found.emulator.archive().tensors
    try context.output.write(state)
    try context.output.write(output.trainingFrames, found.trainingFrames)
    try context.output.write(output.targets, EmulatorStage.Targets.forces.rawValue)
    try context.output.write((output.thermometer, found.check.mean), (output.thermometerError, found.check.error))
    return found.emulator
  }

  private static func emulator(_ artifact: Artifact, _ topology: Topology) throws -> Emulator {
    try artifact.model(Recorded.transferableEmulator.model) { try TransferableEmulator($0) }.emulator(for: topology)
  }
}

/// A file that holds an emulator of many peptides.
private enum TransferredModel {
  static func open(_ url: URL) throws -> Artifact {
    let artifact = try Artifact.open(url, verify: true)
    guard artifact.has(Recorded.transferableEmulator.model.header) else { throw TransferStageError.otherFile(url.path) }
    return artifact
  }
}
