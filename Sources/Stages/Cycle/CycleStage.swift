import Artifacts
import Basics
import ForceFields
import Foundation
import FreeEnergies
import Generative
import Molecules
import Records
import Workflow

/// `cycle`: the free energy under the target from that under the first potential and what each state gains, a second way beside the target's
/// own weights.
enum CycleStage: RecordedStage {
  static let version = 1
  static let summary =
    "from a free energy under system.sampled_by to that under system.forcefield, by what each state gains: a thermodynamic cycle"
  static let reads: [SharedField] =
    SharedField.molecule + [.forcefield, .simulatedBy, .temperature, .torsions] + SharedField.stateFields
  static let indirectInputs = [
    InputPath(\Inputs.samples, \SampleStage.Inputs.emulator),
    InputPath(\Inputs.reweight, \ReweightStage.Inputs.samples, \SampleStage.Inputs.emulator),
  ]
  static let output = Recorded.cycle

  struct Inputs: StageInputs {
    let samples = Input(
      "samples of the emulator that perturb began with, with their log-densities", of: SampleStage.self)
    let reweight = Input("weights under the target of samples of what perturb made", of: ReweightStage.self)
  }

  struct Parameters: ParameterGroup {
    @Parameter("how many of the samples are led to the target, each at the cost of an energy", in: 100...10_000_000)
    var count = 2000
    @Parameter("replicates of the bootstrap", in: 10...100_000) var bootstrap = 500
  }

  static let method: ((StageInput) throws -> String)? = { _ in "cycle from system.sampled_by" }

  static let columns = [BatchColumn(output.freeEnergy)]

  static func check(_ stage: PlannedStage) throws {
    MoleculeCheck.run(stage, needs: .energies)
    for sample in stage.inputs(\Inputs.samples) where sample.type == SampleStage.self {
      if try sample.parameters(SampleStage.Parameters.self).logDensity == .none {
        stage.refuse(
          "the samples of '\(sample.name)' have log_density: none, and their weights are needed",
          at: .parameter("samples"))
      }
    }
    let carried = stage.inputs(\Inputs.reweight).flatMap { $0.inputs(\ReweightStage.Inputs.samples) }
      .flatMap { $0.inputs(\SampleStage.Inputs.emulator) }
    for emulator in carried where emulator.type != PerturbStage.self {
      stage.refuse(
        "\(CycleError.notCarried(emulator.name))", at: .parameter("reweight"))
    }
    let first = stage.inputs(\Inputs.samples).flatMap { $0.inputs(\SampleStage.Inputs.emulator) }
    let source = carried.flatMap { $0.inputs(\PerturbStage.Inputs.emulator) }
    if let first = first.first, let source = source.first, first.name != source.name {
      stage.refuse(
        "\(CycleError.otherEmulator(found: first.name, wanted: source.name))", at: .parameter("samples"))
    }
    for emulator in first where emulator.type != EmulatorStage.self {
      stage.refuse("\(CycleError.notFirst(emulator.name))", at: .parameter("samples"))
    }
  }

  /// Throws `CycleError`, `PerturbationError`, `MolecularSystemError`, the errors of force fields, and `FreeEnergiesError`.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let (samples, reweighted) = (try context.input(\Inputs.samples), try context.input(\Inputs.reweight))
    let isGiven = context.shared[SharedField.sampledBy.name].map { $0 != .null } ?? false
    let system = try MolecularSystem(context, forcefield: isGiven ? .sampledBy : .forcefield)
    let target = try MolecularSystem(context, forcefield: .forcefield)
    let states = try system.states()
    let map = try self.map(samples, reweighted, system, threads: context.threads)
    let frames = try ReweightFrames(samples, system, states)
    let led = try LedSamples(samples, count: min(parameters.count, frames.count), by: map)
    let targets = try reweighted.input(\ReweightStage.Inputs.samples)
    let back = try LedSamples(targets, count: targets.frameCount, by: map.inverse)
    let (here, there) = try withAdvice {
      (
        try system.engine(for: "the cycle", threads: context.threads),
        try target.engine(for: "the cycle", threads: context.threads)
      )
    }
    let energies = try SavedEnergies(
      context, Recorded.cycleCheckpoint,
      [
        .init(engine: there, count: led.count, positions: led.positions),
        .init(engine: here, count: frames.count, positions: samples.positions),
        .init(engine: here, count: back.count, positions: back.positions),
      ])
    let thermal = PhysicalConstants.thermalEnergy(temperature: system.temperature)
    let own = energies.values[1].map { $0 / thermal }
    let reference = try self.reference(context, samples, frames, own, bootstrap: parameters.bootstrap)
    let targetEnergies = try reweighted.artifact.read(Recorded.reweight.energies).values
    let forward = led.works(from: own, to: energies.values[0].map { $0 / thermal })
    let backward = back.works(from: targetEnergies.map { $0 / thermal }, to: energies.values[2].map { $0 / thermal })
    let places = try states.places(targets)
    try check(led, Array(frames.states.place.prefix(led.count)), states, samples.name)
    try check(back, places, states, targets.name)
    let cycle = try PotentialCycle(
      from: .init(
        logWeights: Array(reference.logWeights.prefix(led.count)), places: Array(frames.states.place.prefix(led.count)),
        works: forward),
      to: .init(
        logWeights: try reweighted.artifact.read(Recorded.reweight.logWeights).values, places: places, works: backward),
      states: states.set.names.count, pairs: states.set.pairs, bootstrapReplicates: parameters.bootstrap,
      seed: context.seed)
    let answers = try CycleAnswers(reference, reweighted, cycle, states)
    let writer = context.output
    try writer.write((output.forwardWorks, forward), (output.backwardWorks, backward))
    try writer.write(
      (output.energyEvaluations, energies.values.reduce(0) { $0 + $1.count }), (output.energyMethod, there.summary))
    try writer.write(output.stateNames, states.set.names)
    try write(cycle, answers, states, to: writer)
    warn(context, cycle, answers, states)
  }

  /// Throws `CycleError`, `PerturbationError`, and the errors of force fields.
  private static func map(
    _ samples: StageInput, _ reweighted: StageInput, _ system: MolecularSystem, threads: Int
  ) throws -> PotentialMap {
    let targets = try reweighted.input(\ReweightStage.Inputs.samples)
    let first = try samples.input(\SampleStage.Inputs.emulator)
    let carried = try targets.input(\SampleStage.Inputs.emulator)
    guard carried.type == PerturbStage.type else { throw CycleError.notCarried(carried.name) }
    return try PotentialMap(
      from: EmulatorArtifact.read(first).emulator, to: EmulatorArtifact.read(carried).emulator,
      at: carried.artifact.labelledPoints(Recorded.perturb.points),
      forces: BoltzmannForces.of(system, rigid: nil, for: "the cycle", threads: threads).forces)
  }

  /// The first potential's own answer.
  private static func reference(
    _ context: StageContext, _ samples: StageInput, _ frames: ReweightFrames, _ potential: [Double], bootstrap: Int
  ) throws -> Reweighting {
    var options = Reweighting.Options()
    (options.bootstrapReplicates, options.smoothing, options.seed) = (bootstrap, true, context.seed)
    return try Reweighting(
      reducedPotential: potential, logDensities: samples.artifact.logDensityEstimates(), states: frames.states,
      angle: frames.profileAngle, noiseAngles: frames.torsions.map(\.angles),
      excluded: zip(frames.inverted, frames.broken).map { $0 || $1 }, options: options)
  }

  /// A map that moved conformations out of their states would make gains of states mean nothing.
  private static func check(_ led: LedSamples, _ before: [Int], _ states: MolecularStates, _ name: String) throws {
    let after = try led.places(states)
    let moved = zip(before, after).filter { $0 != $1 }.count
    guard moved == 0 else { throw CycleError.leavesStates(moved, of: led.count, samples: name) }
  }
}

/// Samples where the map leads them.
private struct LedSamples {
  private let led: [Double]
  private let logVolumes: [Double]
  private let atoms: Int
  var count: Int { logVolumes.count }
  private static let chunk = 2000

  init(_ samples: StageInput, count: Int, by map: PotentialMap) throws {
    var (led, logVolumes) = ([Double](), [Double]())
    for start in stride(from: 0, to: count, by: Self.chunk) {
      let rows = start..<min(start + Self.chunk, count)
      let found = try map(samples.positions(rows), frames: rows.count)
      led += found.positions
      logVolumes += found.logVolumes
    }
    (self.led, self.logVolumes) = (led, logVolumes)
    atoms = count > 0 ? led.count / (3 * count) : 0
  }

  func positions(_ rows: Range<Int>) -> [Double] {
    Array(led[3 * atoms * rows.lowerBound..<3 * atoms * rows.upperBound])
  }

  func places(_ states: MolecularStates) throws -> [Int] { states.assignment(of: led).place }

  /// Reduced potentials before and after, kT; infinite where there is none afterwards.
  func works(from before: [Double], to after: [Double]) -> [Double] {
    logVolumes.indices.map { n in
      let work = after[n] - before[n] - logVolumes[n]
      return work.isFinite ? work : .infinity
    }
  }
}

extension StageInput {
  fileprivate var frameCount: Int {
    get throws { try artifact.shape(Recorded.sample.trajectory.coordinates).first ?? 0 }
  }
}

extension MolecularStates {
  fileprivate func places(_ samples: StageInput) throws -> [Int] {
    let count = try samples.frameCount
    var places: [Int] = []
    for start in stride(from: 0, to: count, by: 2000) {
      places += try assignment(of: samples.positions(start..<min(start + 2000, count))).place
    }
    return places
  }
}

/// What cannot be a cycle.
public enum CycleError: Error, Equatable, CustomStringConvertible {
  /// The target's samples come from an emulator that was not carried.
  case notCarried(String)
  /// The first samples come from an emulator of another origin.
  case otherEmulator(found: String, wanted: String)
  /// The first samples are themselves of a carried emulator.
  case notFirst(String)
  /// The map moves conformations from state to state.
  case leavesStates(Int, of: Int, samples: String)

  public var description: String {
    switch self {
    case .notCarried(let name): "a cycle leads to samples of an emulator that perturb has made, and '\(name)' is none"
    case .otherEmulator(let found, let wanted):
      "the samples are of emulator '\(found)', and perturb began with '\(wanted)'"
    case .notFirst(let name):
      "a cycle begins with samples of an emulator of system.sampled_by, and '\(name)' was carried to another potential"
    case .leavesStates(let moved, let count, let samples):
      "the map to the other potential moves \(moved) of \(count) samples of '\(samples)' out of their states: a cycle needs states of "
        + "torsions that it leaves as they are"
    }
  }
}
