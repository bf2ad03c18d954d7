import Artifacts
import Basics
import Foundation
import FreeEnergies
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
    func read(_ inputs: [StageInput]) throws -> [TransferableEmulator.Frames] {
      try inputs.map { input in
        var found = try Self.frames(input, atMost: parameters.framesPerMolecule)
        let change = try draws.change(found.frames, parameters.arc)
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
    let (learnt, judges) = (try read(frames), try read(heldOut))
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

/// A share of the frames that lie in an arc of a torsion.
struct ArcParameters: ParameterGroup {
  @Parameter(
    "share of the frames, as they are drawn in training, of which a torsion lies in an arc: 0.1 to 0.25 for the largest effective sample size; "
      + "left out: as in the frames. Of a molecule that is never, or always, there all frames are drawn alike",
    in: 1e-6...0.999999)
  var arcShare: Double?
  @Parameter("the torsion: phi stands for that of any residue, phi2 for that of residue 2") var arcTorsion = "phi"
  @Parameter("where the arc begins", unit: "rad", in: -7...7) var arcFrom = 0.0
  @Parameter("where it ends", unit: "rad", in: -7...7) var arcTo = 2.0

  /// Whether any of the torsions [torsions][frames], rad, lies in an arc. [frames]
  static func isInside(_ angles: [[Double]], _ arc: TorsionState) -> [Bool] {
    (0..<(angles.first?.count ?? 0)).map { frame in angles.contains { arc.contains($0[frame]) } }
  }

  /// How often each frame is drawn, where a share of them is to be inside; empty where all of them are, or none.
  static func weights(_ isInside: [Bool], share: Double) -> [Double] {
    let (count, inside) = (isInside.count, isInside.filter { $0 }.count)
    guard inside > 0, inside < count else { return [] }
    let (mine, other) = (share / Double(inside), (1 - share) / Double(count - inside))
    return isInside.map { $0 ? mine : other }
  }

  /// Whether the arc's torsions of each frame [frames, atoms, 3] lie there; nil where the molecule has no such torsion.
  func isInside(_ topology: Topology, _ positions: [Double]) -> [Bool]? {
    let torsions = topology.namedTorsions.filter { [$0.name, $0.fullName].contains(arcTorsion) }.map(\.atoms)
    guard !torsions.isEmpty else { return nil }
    return Self.isInside(
      torsionColumns(positions, atoms: topology.atoms.count, torsions: torsions),
      TorsionState(from: arcFrom, to: arcTo))
  }

  /// How often the frames of a molecule are drawn; `change` [frames], where it is not empty, is that of ln p which samples' weights want.
  /// Where a few frames have to stand for the whole share, `warn` is told.
  func weights(
    _ frames: TransferableEmulator.Frames, tilted change: [Double] = [], _ warn: (String) -> Void
  ) -> (weights: [Double], hasTorsion: Bool) {
    let isInside = arcShare == nil ? nil : isInside(frames.topology, frames.positions)
    if let arcShare, let isInside {
      let inside = isInside.filter { $0 }.count
      if inside > 0, inside < Self.fewFrames {
        warn(
          "\(frames.name): \(inside) of \(isInside.count) frames lie in the arc of \(arcTorsion), and are drawn in \(arcShare) of all draws: "
            + "give it longer dynamics there")
      }
      if change.isEmpty { return (Self.weights(isInside, share: arcShare), true) }
    }
    let hasTorsion = arcShare == nil || isInside != nil
    guard !change.isEmpty else { return ([], hasTorsion) }
    return (TorsionTilt.weights(change, isInside: isInside ?? [], share: arcShare), hasTorsion)
  }

  private static let fewFrames = 50
}

/// What weighted samples say of the frames of their molecules.
private struct WeightedDraws {
  private struct Draw {
    let stage, topology: String
    let samples, weights: Artifact
    var tilt: TorsionTilt?
  }

  private var draws: [Draw]
  private let context: StageContext
  /// Those of molecules that no frames were of, by stage.
  var unused: [String] { draws.filter { $0.tilt == nil }.map(\.stage) }

  init(_ inputs: [StageInput], _ context: StageContext) throws {
    self.context = context
    draws = try inputs.map { input in
      guard let samples = input.optionalInput(\ReweightStage.Inputs.samples)?.artifact else {
        throw TransferStageError.noSamples(input.name)
      }
      return Draw(
        stage: input.name, topology: try samples.read(Recorded.sample.trajectory.topology).first ?? "",
        samples: samples, weights: input.artifact)
    }
    for (place, draw) in draws.enumerated() {
      if let other = draws[..<place].first(where: { $0.topology == draw.topology }) {
        throw TransferStageError.twoWeights(other.stage, draw.stage)
      }
    }
  }

  /// The change of ln p at the frames of a molecule, [frames]; empty where no samples are of it.
  mutating func change(_ frames: TransferableEmulator.Frames, _ arc: ArcParameters) throws -> [Double] {
    guard let place = draws.firstIndex(where: { $0.topology == frames.topology.mdtrajJSON }) else { return [] }
    let tilt: TorsionTilt
    if let known = draws[place].tilt {
      tilt = known
    } else {
      let draw = draws[place]
      let positions = try draw.samples.read(Recorded.sample.trajectory.coordinates, as: Double.self).values
      do {
        tilt = try TorsionTilt(
          topology: frames.topology, positions: positions,
          logWeights: draw.weights.read(Recorded.reweight.logWeights).values,
          isInside: arc.arcShare == nil ? [] : arc.isInside(frames.topology, positions) ?? [],
          checkInterruption: context.checkInterruption)
      } catch let error as TransferError {
        throw TransferError.molecule(draw.stage, reason: "\(error)")
      }
      draws[place].tilt = tilt
      context.log(
        "\(draw.stage): torsions explain \(Int((100 * max(0, tilt.explained)).rounded())) % of the variance of ln w; frames of its molecule are drawn as "
          + "that wants")
    }
    return try tilt(frames.positions)
  }

  /// Weights are of what an emulator draws that has learnt these frames, drawn alike: the change is from there. Refused is what is not so.
  static func check(_ weights: [PlannedStage], _ stage: PlannedStage, learnt: (PlannedStage) -> String?) {
    for weighing in weights {
      let samples = weighing.inputs(\ReweightStage.Inputs.samples).first
      guard let samples, samples.type == SampleStage.self,
        let emulator = samples.inputs(\SampleStage.Inputs.emulator).first
      else {
        stage.refuse("\(weighing.name) weighs no samples of an emulator", at: .parameter("weights"))
        continue
      }
      if let reason = learnt(emulator) {
        stage.refuse("weights: \(weighing.name) is of \(emulator.name), \(reason)", at: .parameter("weights"))
      }
    }
  }

  /// Whether two stages draw frames by the same arc.
  static func haveOneArc(_ first: PlannedStage, _ second: PlannedStage) -> Bool {
    ["arc_share", "arc_torsion", "arc_from", "arc_to"].allSatisfy {
      (first.values[$0] ?? .null) == (second.values[$0] ?? .null)
    }
  }
}

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
        emulator.inputs(\Inputs.weights).isEmpty, WeightedDraws.haveOneArc(emulator, stage)
      else { return "which has not learnt the same frames, drawn by the same arc and no weights: adapt it so first" }
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
