import Artifacts
import Basics
import Generative
import Molecules
import Records
import Workflow

/// Trains one Boltzmann emulator on the frames of many peptides.
enum TransferableEmulatorStage: RecordedStage {
  static let version = 1
  static let summary = "train one Boltzmann emulator for many peptides, by flow matching with forces"
  static let output = Recorded.transferableEmulator

  struct Inputs: StageInputs {
    let frames = Input(
      "frames of the molecules to learn from, with forces (ingest with forces: keep)",
      eachOf: { $0 == IngestStage.self })
    let heldOut = Input(
      "frames of other molecules, whose loss says when training has gone on long enough", optional: true,
      eachOf: { $0 == IngestStage.self })
    let start = Input(
      "the emulator to go on from, whose networks' shape and whitening stay", of: TransferableEmulatorStage.self,
      optional: true)
    let weights = Input(
      "weighted samples that it drew of molecules of frames: these are drawn as the weights want their torsions",
      optional: true, eachOf: { $0 == ReweightStage.self })
  }

  static let indirectInputs = [InputPath(\Inputs.weights, \ReweightStage.Inputs.samples)]

  struct Parameters: ParameterGroup {
    @Parameter("units of a hidden layer of the network of all but torsions", in: 1...8192) var width = 256
    @Parameter("its residual blocks", in: 0...64) var depth = 5
    @Parameter("units of a hidden layer of the torsions' network", in: 1...8192) var torsionWidth = 192
    @Parameter("its residual blocks", in: 0...64) var torsionDepth = 4
    @Parameter("optimisation steps", in: .count) var steps = 8000
    @Parameter("molecules of a step; each gives its share of the batch", in: 1...1000) var moleculesPerStep = 4
    @Parameter("optimiser and schedule") var training = ScheduleParameters(batch: 512)
    @Parameter("frames of a molecule that are taken at most, spread evenly; all of them if left out", in: .count)
    var framesPerMolecule: Int?
    let arc = ArcParameters()
    @Parameter("steps between two rows of the loss curve", in: .count) var recordEvery = 100
  }

  static func check(_ stage: PlannedStage) throws {
    let (frames, judges) = (stage.inputs(\Inputs.frames), stage.inputs(\Inputs.heldOut))
    refuseWithoutForces(stage, frames + judges)
    let names = Set(frames.map(\.name))
    for judge in judges where names.contains(judge.name) {
      stage.refuse(
        "\(judge.name) is among frames and held_out: what is learnt from cannot say when to stop",
        at: .parameter("held_out"))
    }
    let start = stage.inputs(\Inputs.start).first
    if let start {
      for shape in ["width", "depth", "torsion_width", "torsion_depth"]
      where stage.values[shape] != start.values[shape] {
        stage.refuse(
          "\(shape) is that of \(start.name), from which it goes on: give the same, or leave out start",
          at: .parameter(shape))
      }
    }
    WeightedDraws.check(stage.inputs(\Inputs.weights), stage) { emulator in
      guard let start, emulator.type == TransferredEmulatorStage.self,
        emulator.inputs(\TransferredEmulatorStage.Inputs.model).map(\.name) == [start.name],
        emulator.inputs(\TransferredEmulatorStage.Inputs.frames).isEmpty
      else { return "and has to be of an emulator taken as it is from the model that start names" }
      guard Set(start.inputs(\Inputs.frames).map(\.name)) == Set(frames.map(\.name)),
        start.values["frames_per_molecule"] == stage.values["frames_per_molecule"],
        start.inputs(\Inputs.weights).isEmpty, WeightedDraws.haveOneArc(start, stage)
      else { return "which has not learnt the same frames, drawn by the same arc and no weights" }
      return nil
    }
    guard let known = known(stage, tellsErrors: true) else { return }
    for (slot, inputs) in [("frames", start == nil ? [] : frames), ("held_out", judges)] {
      for input in inputs {
        guard let system = try? MolecularSystem(planned: input) else { continue }
        do {
          try known.check(system.topology)
        } catch {
          stage.refuse("\(input.name): \(error)", at: .parameter(slot))
        }
      }
    }
  }

  /// The residues that the stage will know, by the molecules of its frames. Nil where these are not what it can learn from, which the
  /// stage itself says.
  static func known(_ stage: PlannedStage, tellsErrors: Bool = false) -> KnownResidues? {
    if let start = stage.inputs(\Inputs.start).first { return known(start) }
    do {
      return try stage.once("residues that \(stage.name) knows") {
        // a molecule that cannot be read is told where it stands, and what it would have taught is not known
        let systems = stage.inputs(\Inputs.frames).map { (name: $0.name, system: try? MolecularSystem(planned: $0)) }
        let read = systems.compactMap { input in input.system.map { (input.name, $0.topology) } }
        return read.count == systems.count ? try KnownResidues(read) : nil
      }
    } catch {
      if tellsErrors { stage.refuse("\(error)", at: .parameter("frames")) }
      return nil
    }
  }

  static func refuseWithoutForces(_ stage: PlannedStage, _ frames: [PlannedStage]) {
    for input in frames where input.values["forces"] == nil || input.values["forces"] == .null {
      stage.refuse(
        "\(input.name) keeps no forces, from which emulators of many molecules learn; give it forces: keep")
    }
    let rigid = IngestConstraints.Treatment.rigid.rawValue
    for input in frames where input.values["constraints"]?.string == rigid {
      stage.refuse(TransferStageError.held(input.name).description)
    }
  }

  /// Throws `TransferStageError`, `PeptideError`, `TransferError`, `TrainingError`.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    guard context.missingInputs.isEmpty else { throw TransferStageError.unfinished(context.missingInputs) }
    let (frames, heldOut) = (context.inputs(\Inputs.frames), context.inputs(\Inputs.heldOut))
    var temperature: (value: Double, stage: String)?
    var hasTorsion = false
    var draws = try WeightedDraws(context.inputs(\Inputs.weights), context)
    func read(_ inputs: [StageInput], teach: Bool) throws -> [TransferableEmulator.Frames] {
      try inputs.map { input in
        var found = try Self.frames(input, atMost: parameters.framesPerMolecule)
        let change = try teach ? draws.change(found.frames, parameters.arc) : []
        let drawn = parameters.arc.weights(found.frames, tilted: change) { context.warn($0) }
        found.frames.weights = drawn.weights
        hasTorsion = hasTorsion || drawn.hasTorsion
        if let temperature, temperature.value != found.temperature {
          throw TransferStageError.temperatures(
            temperature.value, of: temperature.stage, other: found.temperature, otherStage: input.name)
        }
        temperature = temperature ?? (found.temperature, input.name)
        return found.frames
      }
    }
    let (learnt, judges) = (try read(frames, teach: true), try read(heldOut, teach: false))
    if let other = draws.unused.first { throw TransferStageError.noFrames(other) }
    guard hasTorsion else { throw TransferStageError.noTorsion(parameters.arc.arcTorsion) }
    var settings = TransferableEmulator.Settings(temperature: temperature?.value ?? .nan)
    settings.torsions.width = parameters.torsionWidth
    settings.torsions.depth = parameters.torsionDepth
    (settings.rest.width, settings.rest.depth) = (parameters.width, parameters.depth)
    settings.optimization = parameters.training.settings(steps: parameters.steps)
    (settings.moleculesPerStep, settings.recordEvery) = (parameters.moleculesPerStep, parameters.recordEvery)
    settings.seed = context.seed
    let start = try context.optionalInput(\Inputs.start).map { input in
      let other = try input.artifact.read(Recorded.transferableEmulator.temperature)
      guard other == settings.temperature else {
        throw TransferStageError.startTemperature(other, frames: settings.temperature)
      }
      return try input.artifact.model(Recorded.transferableEmulator.model) { try TransferableEmulator($0) }
    }
    let trained = try TransferableEmulator.train(
      on: learnt, heldOut: judges, from: start, settings: settings, host: StageTrainingHost(context))
    try context.output.write(trained.state)
    try context.output.write(trained.emulator.archive(), output.model)
    try context.output.write(output.parameters, trained.emulator.parameterCount)
    try context.output.write(output.trainingFrames, trained.trainingFrames)
    try context.output.write(output.molecules, frames.map(\.name))
    if !heldOut.isEmpty { try context.output.write(output.heldOut, heldOut.map(\.name)) }
    try context.output.write(
      (output.thermometers, trained.checks.map(\.mean)), (output.thermometerErrors, trained.checks.map(\.error)))
    try context.output.write(output.known, trained.emulator.known)
    try context.output.write(output.temperature, settings.temperature)
  }

  static func frames(
    _ input: StageInput, atMost limit: Int?
  ) throws -> (frames: TransferableEmulator.Frames, temperature: Double) {
    let (artifact, record) = (input.artifact, Recorded.ingest)
    guard artifact.has(record.forces) else { throw TransferStageError.noForces(input.name) }
    let forces = try artifact.read(record.forces, as: Double.self)
    guard try artifact.readIfThere(record.heldBonds) == nil else { throw TransferStageError.held(input.name) }
    let positions = try artifact.read(record.trajectory.coordinates, as: Double.self)
    let (count, size) = (positions.shape[0], positions.shape.dropFirst().reduce(1, *))
    let taken = min(count, limit ?? count)
    func rows(_ values: [Double]) -> [Double] {
      guard taken < count else { return values }
      return (0..<taken).flatMap { row -> ArraySlice<Double> in
        let first = row * count / taken * size
        return values[first..<first + size]
      }
    }
    let temperature = try artifact.read(record.forcesTemperature)
    let thermal = PhysicalConstants.thermalEnergy(temperature: temperature)
    let topology = try Topology(
      mdtrajJSON: artifact.read(record.trajectory.topology).first ?? "",
      coordinates: Array(positions.values.prefix(size)))
    return (
      TransferableEmulator.Frames(
        name: input.name, topology: topology, positions: rows(positions.values),
        forces: rows(forces.values).map { $0 / thermal }), temperature
    )
  }
}

enum TransferStageError: Error, CustomStringConvertible, Equatable {
  case noForces(String)
  case held(String)
  case temperatures(Double, of: String, other: Double, otherStage: String)
  case otherFile(String)
  case unfinished([String])
  case noTorsion(String)
  /// Weighted samples of a molecule without frames, and weights without samples beside them.
  case noFrames(String)
  case noSamples(String)
  case twoWeights(String, String)
  /// An emulator to go on from, of another temperature.
  case startTemperature(Double, frames: Double)

  var description: String {
    switch self {
    case .noForces(let stage): "\(stage) keeps no forces: give it forces: keep"
    case .held(let stage):
      "\(stage) keeps bonds at their lengths, and an emulator of many molecules has no place for that: ingest with constraints: flexible"
    case .temperatures(let first, let firstStage, let second, let secondStage):
      "frames are of several temperatures: \(firstStage) of \(first) K, \(secondStage) of \(second) K"
    case .otherFile(let path):
      "\(path) holds no emulator of many peptides: give what a transferable-emulator stage wrote"
    case .noTorsion(let name): "arc_torsion: no molecule has a torsion '\(name)'"
    case .noFrames(let stage):
      "\(stage) weighs samples of a molecule that no stage of frames is of: give frames of the same topology"
    case .twoWeights(let first, let second): "\(first) and \(second) weigh samples of one molecule: give one of them"
    case .startTemperature(let start, let frames):
      "the emulator to go on from is of \(start) K, and the frames are of \(frames) K"
    case .noSamples(let stage): "\(stage): the samples that it weighs are not there"
    case .unfinished(let stages): "not finished: \(stages.joined(separator: ", "))"
    }
  }
}
