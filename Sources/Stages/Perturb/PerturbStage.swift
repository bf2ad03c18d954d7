import Artifacts
import Basics
import ForceFields
import FreeEnergies
import Generative
import Molecules
import Records
import Workflow

/// `perturb`: from the emulator of one potential to that of another, by the other's energies and forces.
enum PerturbStage: RecordedStage {
  static let version = 1
  static let summary = "carry an emulator to another potential, system.forcefield, by that one's energies and forces"
  static let reads: [SharedField] =
    SharedField.molecule + [.forcefield, .temperature, .torsions] + SharedField.stateFields
  static let output = Recorded.perturb

  struct Inputs: StageInputs {
    let emulator = Input(
      "an emulator of internal coordinates, of any other potential (system.sampled_by)", of: EmulatorStage.self,
      TransferredEmulatorStage.self, RefinedEmulatorStage.self, PerturbStage.self)
  }

  struct Parameters: ParameterGroup {
    @Parameter(
      "energies with forces at points of the emulator, alike in each state; the map to the target is made of them",
      in: .count)
    var first = 1000
    @Parameter(
      "energies at torsions everywhere, that nothing which the emulator never visits decides", in: 0...1_000_000)
    var exploration = 500
    @Parameter("energies of fresh samples, alike in each state, round by round", in: .count, count: 1...20)
    var rounds = [2500, 4500]
    @Parameter(
      "share of fresh samples, by weight, among what the flows learn from; the others are points of the surrogate",
      in: 0...1)
    var freshShare = 0.3
    @Parameter("optimisation steps of the surrogate of the target's log-density, in each round", in: .count)
    var surrogateSteps = 1500
    @Parameter("optimisation steps of the flows, in each round and at last", in: .count) var flowSteps = 1500
    @Parameter("points per step", in: .count) var batch = 512
    @Parameter("points of the surrogate that the flows learn from", in: .count) var chains = 20_000
    @Parameter("blocks of ten Langevin steps, and turns of each torsion, that each of them makes", in: .count)
    var blocks = 10
    @Parameter("steps between two rows of the loss curve", in: .count) var recordEvery = 50

    func settings(seed: UInt64) -> Perturbation.Settings {
      var settings = Perturbation.Settings()
      (settings.first, settings.exploration, settings.rounds) = (first, exploration, rounds)
      (settings.surrogateSteps, settings.flowSteps, settings.freshShare) = (surrogateSteps, flowSteps, freshShare)
      (settings.batch, settings.chains, settings.blocks) = (batch, chains, blocks)
      (settings.recordEvery, settings.seed) = (recordEvery, seed)
      return settings
    }
  }

  static func check(_ stage: PlannedStage) throws {
    for emulator in stage.inputs(\Inputs.emulator) where emulator.type == EmulatorStage.self {
      let coordinates = try emulator.parameters(EmulatorStage.Parameters.self).coordinates
      if coordinates != .internal {
        stage.refuse(
          "\(PerturbationError.cartesian): '\(emulator.name)' is \(coordinates.rawValue)", at: .parameter("emulator"))
      }
      let rigid = IngestConstraints.Treatment.rigid.rawValue
      if emulator.inputs(\EmulatorStage.Inputs.frames).contains(where: { $0.values["constraints"]?.string == rigid }) {
        stage.refuse("\(PerturbationError.held): write constraints: flexible", at: .parameter("emulator"))
      }
    }
    MoleculeCheck.run(stage, needs: .energies)
  }

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let source = try EmulatorArtifact.read(context.input(\Inputs.emulator))
    let system = try MolecularSystem(context)
    let states = try system.states()
    let (forces, method) = try BoltzmannForces.of(system, rigid: nil, for: "the target", threads: context.threads)
    let host = StagePerturbationHost(context)
    let perturbation = try Perturbation(
      from: source.emulator, of: system.topology, to: forces, stateNames: states.set.names, asked: states.asked,
      states: { states.assignment(of: $0).place }, settings: parameters.settings(seed: context.seed), host: host)
    let result = try withAdvice { try perturbation.run() }
    let writer = context.output
    try writer.write(result.training)
    try writer.write(result.emulator.archive(), output.model)
    try writer.write(output.topology, [system.topology.mdtrajJSON])
    try writer.write(output.parameters, result.emulator.parameterCount)
    try writer.write(
      output.trainingFrames,
      result.state.points.sources.filter { $0 == LabelledPoints.Source.fresh.rawValue }.count)
    try writer.write(result.state.points, output.points)
    try writer.write((output.energyMethod, method), (output.energyEvaluations, result.state.points.count))
    try writer.write(output.stateNames, states.set.names)
    try writer.write((output.shift, result.shift.meanSquare), (output.largestShift, result.shift.largest))
    try write(result.state.rounds, states: states.set.names.count, to: writer)
    try writer.write(output.seconds, host.seconds)
  }

  private static func write(_ rounds: [Perturbation.Round], states: Int, to writer: ArtifactWriter) throws {
    let record = output.rounds
    try writer.write(record.energies, rounds.map(\.energies))
    try writer.write(record.effectiveFraction, rounds.map(\.effective))
    try writer.write(
      record.stateEffectiveFraction, rounds.flatMap(\.effectiveOfStates), shape: [rounds.count, states])
    try writer.write(record.freeEnergies, rounds.flatMap(\.freeEnergies), shape: [rounds.count, states])
    try writer.write(
      (record.thermometer, rounds.map(\.thermometer)), (record.thermometerError, rounds.map(\.thermometerError)),
      (record.surrogateError, rounds.map(\.surrogateError)),
      (record.surrogateGradientError, rounds.map(\.surrogateGradientError)))
  }
}
