import Generative
import Molecules
import Records
import Workflow

/// Trains a Boltzmann emulator by flow matching on ingested frames, in internal or Cartesian coordinates.
enum EmulatorStage: RecordedStage {
  static let version = 4
  static let summary = "train a Boltzmann emulator by flow matching"
  static let reads: [SharedField] = SharedField.molecule + [.sampledBy, .sampledAt]
  static let readsWith = [
    "state_share": SharedField.stateFields + [.torsions], "state_shares": SharedField.stateFields + [.torsions],
  ]
  static let output = Recorded.emulator

  struct Inputs: StageInputs {
    let frames = Input("the ingested trajectory to learn from", of: IngestStage.self)
  }

  struct Parameters: ParameterGroup {
    @Parameter(
      "internal: whitened bonds, angles and narrow torsions on R^n, broad torsions on the torus; "
        + "cartesian: positions, by equivariant networks; heavy: positions of the heavy atoms, then internal coordinates of the hydrogens given "
        + "these, which needs forces")
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
    @Parameter(
      "internal, heavy and pairs: forces of the frames, by system.sampled_by, take most of the noise out of what the network learns from; auto: where "
        + "frames are found to be that force field's, plain where not, with the reason")
    var targets = Targets.auto
    @Parameter(
      "internal: two: broad torsions first, then all else given them, which needs forces; auto: two where there are forces"
    )
    var flows = Flows.auto
    @Parameter(
      "internal and heavy: folded: three equal ends (a methyl group's) on one circle, whatever their names; needs forces, by which they are found equal; "
        + "auto: where there are forces")
    var rotors = Rotors.auto
    @Parameter(
      "internal: the mean of narrow coordinates depends on the broad torsions; left out: where there are forces")
    var conditionalMean: Bool?
    @Parameter(
      "internal, and hydrogens of heavy: how times count: likelihood, as errors of that time count for the density, or all the same; auto: likelihood where "
        + "there are forces")
    var timeWeights = Times.auto
    @Parameter(
      "share of the first state of the first pair among the frames as they are drawn in training: 0.1 to 0.25 for the largest effective sample "
        + "size, 0.5 for the smallest error of the free energy; left out: as in the frames", in: 1e-6...0.999999)
    var stateShare: Double?
    @Parameter("the same for several states, by name; those left out keep their proportions in what is left", in: 0...1)
    var stateShares: [String: Double]?
    @Parameter("the network that gives the velocity") var network = EmulatorNetworkParameters()
    @Parameter("optimiser and schedule") var training = EmulatorTrainingParameters(
      schedule: ScheduleParameters(batch: 512))
    @Parameter("frames held out, in blocks, to see over-fitting; the emulator never sees them", in: 0...0.5)
    var validationFraction = 0.05
    @Parameter("steps between two rows of the loss curve", in: .count) var recordEvery = 50

    /// Whether these coordinates and this network have a use for forces.
    var mayUseForces: Bool { coordinates != .cartesian || network.type == .pairs }

    func settings(seed: UInt64) -> EmulatorSettings {
      var settings = EmulatorSettings()
      switch coordinates {
      case .internal: settings.coordinates = .internal
      case .heavy: settings.coordinates = .heavy
      case .cartesian where network.type == .pairs: settings.coordinates = .pairs
      case .cartesian:
        settings.coordinates = .cartesian(atomClasses: atomClasses, scale: lengthScale, meanFree: prior == .meanFree)
      }
      (settings.architecture, settings.interpolant) = (network.architecture, interpolant)
      if objective == .endpoint {
        settings.objective = .endpoint(minimumWeight: endpointWeights[0], maximumWeight: endpointWeights[1])
      }
      let overPairs = settings.coordinates == .heavy || settings.coordinates == .pairs
      (settings.coupling, settings.optimization) = (
        coupling, { training.settings(withForces: $0, overPairs: overPairs) }
      )
      settings.levers.forces = [.auto: nil, .forces: true, .plain: false][targets] ?? nil
      settings.levers.twoFlows = [.auto: nil, .one: false, .two: true][flows] ?? nil
      settings.levers.foldsRotors = [.auto: nil, .free: false, .folded: true][rotors] ?? nil
      settings.levers.timeWeights = [.auto: nil, .likelihood: .likelihood, .uniform: .uniform][timeWeights] ?? nil
      settings.levers.conditionalMean = conditionalMean
      (settings.validationFraction, settings.recordEvery, settings.seed) = (validationFraction, recordEvery, seed)
      return settings
    }
  }

  enum Coordinates: String, CaseIterable, ParameterType { case `internal`, cartesian, heavy }
  enum Objective: String, CaseIterable, ParameterType { case velocity, endpoint }
  enum Targets: String, CaseIterable, ParameterType { case auto, forces, plain }
  enum Flows: String, CaseIterable, ParameterType { case auto, one, two }
  enum Rotors: String, CaseIterable, ParameterType { case auto, folded, free }
  enum Times: String, CaseIterable, ParameterType { case auto, likelihood, uniform }
  enum Prior: String, CaseIterable, ParameterType {
    case meanFree = "mean-free"
    case free
  }

  /// Reads the topology, and tells of rings that the coordinates cannot close.
  static func check(_ stage: PlannedStage) throws {
    let parameters = try stage.parameters(Parameters.self)
    let coordinates = parameters.coordinates
    TargetForces.check(stage, parameters)
    let rigid = IngestConstraints.Treatment.rigid.rawValue
    if coordinates != .internal,
      stage.inputs(\Inputs.frames).contains(where: { $0.values["constraints"]?.string == rigid })
    {
      stage.refuse(
        "constraints: rigid keeps bonds at their lengths, which needs coordinates: internal",
        at: .parameter("coordinates"))
    }
    // asked for by a word, forces have to be there
    let isWanted =
      (parameters.targets == .forces && parameters.mayUseForces || coordinates == .heavy) && stage.forcefield != .null
    let mayHold = stage.inputs(\Inputs.frames).contains(where: IngestStage.mayKeepBonds)
    guard let system = MoleculeCheck.run(stage, needs: isWanted ? (mayHold ? .rigidEnergies : .energies) : nil)
    else { return }
    if parameters.stateShare != nil || parameters.stateShares != nil {
      _ = stage.checking(.parameter(parameters.stateShares == nil ? "state_share" : "state_shares")) {
        try StateShares.asked(parameters, system.states())
      }
    }
    if coordinates == .heavy {
      _ = stage.checking(.shared(.topology)) { try CarriedHydrogens(topology: system.topology) }
    }
    guard coordinates == .internal else { return }
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
    settings.forces = try TargetForces.engine(context, parameters, rigid: settings.rigid)
    settings.shares = try StateShares(context, parameters, frames)
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
    try context.output.write(output.targets, (trained.usesForces ? Targets.forces : .plain).rawValue)
    if let check = trained.check {
      try context.output.write((output.thermometer, check.mean), (output.thermometerError, check.error))
      let parts = output.thermometers
      try context.output.write(parts.names, check.coordinates.map(\.subject.label))
      try context.output.write(
        (parts.values, check.coordinates.map(\.value)), (parts.errors, check.coordinates.map(\.error)))
      if !check.torsions.isEmpty {
        try context.output.write(parts.torsionNames, check.torsions.map(\.subject.label))
        try context.output.write(
          (parts.torsionValues, check.torsions.map(\.value)), (parts.torsionErrors, check.torsions.map(\.error)))
      }
    }
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
