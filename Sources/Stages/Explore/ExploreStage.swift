import Basics
import ForceFields
import FreeEnergies
import Records
import Workflow

/// `explore`: looks for what an emulator misses. Dynamics at a ladder of temperatures begins at a reweighting's samples, drawn by weight, and
/// where it comes to rest at the lowest temperature without a sample in sight, the emulator misses a mode.
///
/// The artifact is a trajectory too, in MDTraj's HDF5 convention: the frames at the lowest temperature, set after set. They have no times: from
/// one to the next another walk may have come down.
enum ExploreStage: RecordedStage {
  static let version = 1
  static let summary = "dynamics from weighted samples, and what it reaches that the emulator never draws"
  static let reads: [SharedField] =
    SharedField.molecule + [.forcefield, .temperature, .torsions] + SharedField.stateFields
  static let indirectInputs = [InputPath(\Inputs.reweight, \ReweightStage.Inputs.samples)]
  static let output = Recorded.explore
  static let method: ((StageInput) throws -> String)? = {
    "exploration of \($0.optionalInput(\Inputs.reweight)?.name ?? "a reweighting")"
  }
  static let columns = [BatchColumn("missing", output.missingWeight, scale: 100, unit: "%", decimals: 2)]

  struct Inputs: StageInputs {
    let reweight = Input("the reweighting whose samples it begins at", of: ReweightStage.self)
  }

  struct Parameters: ParameterGroup {
    @Parameter("of the ladder of temperatures; twice the pipeline's if left out", unit: "K", in: .positive)
    var hottest: Double?
    @Parameter(
      "temperatures of the ladder; as many as the molecule's size asks for, so that neighbours exchange, if left out",
      in: 2...64) var rungs: Int?
    @Parameter("independent sets of walks, one walk at each temperature; as many threads are kept busy", in: 2...1000)
    var sets = 4
    @Parameter("of each walk", unit: "ps", in: .positive) var length = 500.0
    @Parameter("between exchanges of neighbouring temperatures", unit: "ps", in: .positive) var exchangeInterval = 1.0
    @Parameter("share of the length, at the beginning, that counts for nothing", in: 0...0.9) var settling = 0.2
    @Parameter("boxes of a full turn of a torsion", in: 18...36) var boxes = 24
    @Parameter(
      "a region is missing where less than this share of the samples lies there that the dynamics asks for, or of their effective number",
      in: 1e-6...0.5) var missingBelow = 0.02
    @Parameter(
      "of the effective number only where at least so many were to be expected, by the lower bound of the region's weight",
      in: 1...1e6)
    var leastExpected = 10.0
    @Parameter(
      "about every 0.1 ps a torsion about a single bond tries to turn, by about a third of a turn where it has staggered places, else by any "
        + "angle (Metropolis): a way past barriers that even the hottest walks cross too seldom") var torsionMoves =
      true
    let dynamics = LangevinParameters(unchanged: "distribution of positions", timestep: 0.002, hydrogenMass: 3)
  }

  static func check(_ stage: PlannedStage) throws {
    guard let molecule = MoleculeCheck.run(stage, needs: .systemDynamics) else { return }
    let parameters = try stage.parameters(Parameters.self)
    _ = stage.checking(.shared(.torsions)) { try molecule.exploredTorsions() }
    _ = stage.checking(.parameter("length")) { try parameters.checkTimes() }
    guard let ladder = stage.checking(.parameter("hottest"), { try parameters.ladder(molecule) }) else { return }
    let rounds = parameters.length / parameters.exchangeInterval
    stage.writes(
      frames: Double(parameters.sets) * rounds, atoms: molecule.topology.atoms.count + ladder.count, bytesPerNumber: 4)
  }

  /// Throws `ExploreError`, `MolecularSystemError`, `ReplicaExchangeError`, `OpenMMError`, `MoleculesError`, `FreeEnergiesError`, with advice
  /// where there is some.
  static func run(_ context: StageContext) throws {
    try withAdvice {
      let setup = try ExploreSetup(context, context.parameters(Parameters.self))
      let walks = try setup.replicaExchange()
      if let saved = try context.newestCheckpoint() {
        try walks.resume(ReplicaExchangeState(saved))
        context.log("going on from \(Int(walks.simulatedTime)) of \(Int(walks.totalTime)) ps")
      }
      let already = walks.simulatedTime
      let watch = Stopwatch()
      try sample(context, walks)
      let seconds = watch.seconds
      context.logSpeed(of: walks, since: already, seconds: seconds)
      let result = try ExploreResult(setup, walks)
      try result.write(to: context.output)
      try context.write(output, walks, moves: setup.moves, seconds: seconds)
      for warning in result.warnings { context.warn(warning) }
      context.log(result.summary)
    }
  }

  /// Advances to the end, with checkpoints by time.
  private static func sample(_ context: StageContext, _ walks: ReplicaExchange) throws {
    guard !walks.isFinished else { return }
    context.progress.begin("replica exchange", total: Int(walks.totalTime.rounded()), unit: "ps")
    defer { context.progress.end() }
    var clock = CheckpointClock(context)
    while !walks.isFinished {
      try walks.advance()
      context.progress.update(completed: Int(walks.simulatedTime))
      try clock.saveIfDue(force: walks.isFinished) {
        try context.checkpoints.save(step: walks.state.round) { try walks.state.write(to: $0) }
      }
    }
  }
}

extension ExploreStage.Parameters {
  /// K, the lowest first. Throws `ExploreError`.
  func ladder(_ molecule: MolecularSystem) throws -> [Double] {
    let (lowest, highest) = (molecule.temperature, hottest ?? 2 * molecule.temperature)
    guard highest > 1.05 * lowest else { throw ExploreError.hottest(highest, temperature: lowest) }
    let count = rungs ?? ReplicaExchange.rungs(from: lowest, to: highest, atoms: molecule.topology.atoms.count)
    guard count <= 64 else { throw ExploreError.rungs(count, hottest: highest) }
    return ReplicaExchange.ladder(from: lowest, to: highest, count: count)
  }

  /// Throws `ExploreError`.
  func checkTimes() throws {
    guard (1 - settling) * length >= 10 * exchangeInterval else {
      throw ExploreError.times(length: length, settling: settling, interval: exchangeInterval)
    }
    guard exchangeInterval >= dynamics.timestep, length / dynamics.timestep < 1e12 else {
      throw ExploreError.steps(length: length, interval: exchangeInterval, timestep: dynamics.timestep)
    }
  }
}

/// Why there is nothing to explore, or no way to.
public enum ExploreError: Error, Equatable, CustomStringConvertible {
  case hottest(Double, temperature: Double)
  /// A ladder of so many temperatures.
  case rungs(Int, hottest: Double)
  case steps(length: Double, interval: Double, timestep: Double)
  /// Walks too short for their exchanges.
  case times(length: Double, settling: Double, interval: Double)
  /// Nothing in the molecule turns.
  case noTorsions
  /// Weights that are not those of the samples.
  case weights(count: Int, samples: Int)

  public var description: String {
    switch self {
    case .hottest(let hottest, let temperature):
      "hottest: \(hottest) K is not above the pipeline's temperature, \(temperature) K, by more than a twentieth: walks have to cross "
        + "barriers there that they do not cross at the lowest; leave it out for twice the temperature"
    case .rungs(let count, let hottest):
      "hottest: up to \(hottest) K neighbours exchange on \(count) temperatures, and 64 are the most: give a lower hottest, or rungs"
    case .steps(let length, let interval, let timestep):
      "length: walks of \(length) ps that exchange every \(interval) ps (exchange_interval) cannot be had by steps of \(timestep) ps "
        + "(timestep): an exchange takes a step at least, and a walk no more than 1e12"
    case .times(let length, let settling, let interval):
      "length: of \(length) ps a share of \(settling) counts for nothing (settling), and the rest holds fewer than ten exchanges every "
        + "\(interval) ps (exchange_interval): give a larger length"
    case .noTorsions:
      "no bond of the molecule turns between different places (methyl and ammonium groups turn between equal ones): name four atoms under "
        + "system.torsions for what is to be looked at"
    case .weights(let count, let samples): "\(count) weights for \(samples) samples: they are of different stages"
    }
  }
}

extension ReplicaExchangeError: AdvisableError {
  var advice: String? {
    switch self {
    case .settings: nil
    case .state: "; delete the stage's checkpoints to start again"
    case .forces: "; use forces: openmm"
    case .unstable: "; a shorter timestep or a lower hottest may hold it"
    case .badFrame: "; a lower hottest may hold it"
    }
  }
}
