import Generative
import Molecules
import Records
import Workflow

/// Trains a Boltzmann emulator by flow matching on ingested frames, in internal or Cartesian coordinates.
enum EmulatorStage: RecordedStage {
  static let version = 3
  static let summary = "train a Boltzmann emulator by flow matching"
  static let reads: [SharedField] = SharedField.molecule
  static let output = Recorded.emulator

  struct Inputs: StageInputs {
    let frames = Input("the ingested trajectory to learn from", of: IngestStage.self)
  }

  struct Parameters: ParameterGroup {
    @Parameter(
      "internal: whitened bonds, angles and narrow torsions on R^n, broad torsions on the torus; "
        + "cartesian: positions, by equivariant networks")
    var coordinates = Coordinates.internal
    @Parameter(
      "cartesian: noise without a centre of mass of its own, or with one (which no network that ignores translations can move: "
        + "its weights have no finite mean)")
    var prior = Prior.meanFree
    @Parameter(
      "cartesian: positions in nm times this are what the network sees; 10 is angstrom", unit: "1/nm", in: 0.1...1000)
    var lengthScale = 10.0
    @Parameter(
      "cartesian: a class per atom; left out, atoms that the bond graph does not tell apart share one", in: 0...10_000,
      count: 1...100_000)
    var atomClasses: [Int]?
    @Parameter(
      "how noise and frames of a batch are paired: as drawn, by exact optimal transport, or rotated onto each other")
    var coupling = Coupling.independent
    @Parameter("what the network predicts: the velocity, or the data point (then trajectories end at t = 0.999)")
    var objective = Objective.velocity
    @Parameter(
      "endpoint: its weight ((beta' alpha - alpha' beta) / alpha)^2 is held between these", in: .positive, count: 2...2)
    var endpointWeights = [0.05, 100]
    @Parameter("path from noise to data") var interpolant = Interpolant.linear
    @Parameter("the network that gives the velocity") var network = EmulatorNetworkParameters()
    @Parameter("optimiser and schedule") var training = TrainingParameters(steps: 8000, batch: 512)
    @Parameter("frames held out, in blocks, to see over-fitting; the emulator never sees them", in: 0...0.5)
    var validationFraction = 0.05
    @Parameter("steps between two rows of the loss curve", in: .count) var recordEvery = 50

    func settings(seed: UInt64) -> EmulatorSettings {
      var settings = EmulatorSettings()
      if coordinates == .cartesian {
        settings.coordinates = .cartesian(atomClasses: atomClasses, scale: lengthScale, meanFree: prior == .meanFree)
      }
      (settings.architecture, settings.interpolant) = (network.architecture, interpolant)
      if objective == .endpoint {
        settings.objective = .endpoint(minimumWeight: endpointWeights[0], maximumWeight: endpointWeights[1])
      }
      (settings.coupling, settings.optimization) = (coupling, training.settings)
      (settings.validationFraction, settings.recordEvery, settings.seed) = (validationFraction, recordEvery, seed)
      return settings
    }
  }

  enum Coordinates: String, CaseIterable, ParameterType { case `internal`, cartesian }
  enum Objective: String, CaseIterable, ParameterType { case velocity, endpoint }
  enum Prior: String, CaseIterable, ParameterType {
    case meanFree = "mean-free"
    case free
  }

  /// Reads the topology, and tells of rings that the coordinates cannot close.
  static func check(_ stage: PlannedStage) throws {
    let coordinates = try stage.parameters(Parameters.self).coordinates
    let rigid = IngestConstraints.Treatment.rigid.rawValue
    if coordinates == .cartesian,
      stage.inputs(\Inputs.frames).contains(where: { $0.values["constraints"]?.string == rigid })
    {
      stage.refuse(
        "constraints: rigid keeps bonds at their lengths, which needs coordinates: internal",
        at: .parameter("coordinates"))
    }
    guard let system = MoleculeCheck.run(stage), coordinates == .internal else { return }
    let warnings = stage.checking(.shared(.topology)) { try RingWarnings.beforeTraining(system.topology) }
    for warning in warnings ?? [] { stage.warn(warning) }
  }

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let ingested = try context.input(\Inputs.frames)
    let frames = try ingested.artifact.read(Recorded.ingest.trajectory.coordinates, as: Double.self)
    let topology = try context.molecule().topology
    if parameters.coordinates == .internal {
      for warning in try RingWarnings.beforeTraining(topology) { context.warn(warning) }
    }
    var settings = parameters.settings(seed: context.seed)
    settings.rigid = try RigidBonds(ingested: ingested)
    let trained = try withAdvice {
      try Emulator.train(
        on: frames, topology: topology, settings: settings,
        host: StageTrainingHost(context))
    }
    try context.output.write(trained.state)
    try context.output.write(trained.emulator.archive(), output.model)
    try context.output.write(output.topology, [topology.mdtrajJSON])
    try context.output.write(output.parameters, trained.emulator.parameterCount)
    try context.output.write(output.trainingFrames, trained.trainingFrames)
  }
}

extension RigidBonds {
  /// The bonds that ingested frames are to keep at their lengths; nil without.
  init?(ingested: StageInput) throws {
    let record = Recorded.ingest
    guard let atoms = try ingested.artifact.readIfThere(record.heldBonds)?.values else { return nil }
    let bonds = stride(from: 0, to: atoms.count, by: 2).map { Topology.Bond(atoms[$0], atoms[$0 + 1]) }
    self.init(bonds: bonds, lengths: try ingested.artifact.read(record.heldLengths).values)
  }
}

extension Coupling: ParameterType {}
extension Interpolant: ParameterType {}
