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
  static let version = 2
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
    func value(_ field: SharedField, _ of: PlannedStage) -> ParameterValue { of.shared[field.name] ?? .null }
    if [.null, value(.forcefield, stage)].contains(value(.simulatedBy, stage)) {
      stage.warn("\(CycleError.samePotential)", at: .stage)
    }
    for sample in stage.inputs(\Inputs.samples) where sample.type == SampleStage.self {
      if try sample.parameters(SampleStage.Parameters.self).logDensity == .none {
        stage.refuse(
          "the samples of '\(sample.name)' have log_density: none, and their weights are needed",
          at: .parameter("samples"))
      }
    }
    let weighted = stage.inputs(\Inputs.reweight)
    for reweight in weighted {
      for field in SharedField.molecule + [.forcefield, .temperature, .torsions] + SharedField.stateFields
      where value(field, reweight) != value(field, stage) {
        stage.refuse("\(CycleError.otherPotential(reweight.name, field: field.name))", at: .parameter("reweight"))
      }
      for annealed in reweight.inputs(\ReweightStage.Inputs.samples) where annealed.type == AnnealStage.self {
        stage.refuse("\(CycleError.annealed(annealed.name))", at: .parameter("reweight"))
      }
    }
    let carried = weighted.flatMap { $0.inputs(\ReweightStage.Inputs.samples) }
      .filter { $0.type == SampleStage.self }.flatMap { $0.inputs(\SampleStage.Inputs.emulator) }
    for emulator in carried where emulator.type != PerturbStage.self {
      stage.refuse("\(CycleError.notCarried(emulator.name))", at: .parameter("reweight"))
    }
    let first = stage.inputs(\Inputs.samples).flatMap { $0.inputs(\SampleStage.Inputs.emulator) }
    let source = carried.filter { $0.type == PerturbStage.self }.flatMap { $0.inputs(\PerturbStage.Inputs.emulator) }
    if let first = first.first, let source = source.first {
      if source.type == PerturbStage.self {
        stage.refuse("\(CycleError.carriedTwice(source.name))", at: .parameter("reweight"))
      } else if first.name != source.name {
        stage.refuse(
          "\(CycleError.otherEmulator(found: first.name, wanted: source.name))", at: .parameter("samples"))
      }
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
    let targets = try reweighted.input(\ReweightStage.Inputs.samples)
    let placed = try ReweightFrames(targets, target, states)
    let led = try LedSamples(samples, count: frames.count, by: map, system, states)
    let back = try LedSamples(targets, count: placed.count, by: map.inverse, system, states)
    let count = min(parameters.count, frames.count)
    let (here, there) = try withAdvice {
      (
        try system.engine(for: "the cycle", threads: context.threads),
        try target.engine(for: "the cycle", threads: context.threads)
      )
    }
    let energies = try SavedEnergies(
      context, Recorded.cycleCheckpoint,
      [
        .init(engine: here, count: frames.count, positions: samples.positions),
        .init(engine: there, count: count, positions: led.positions),
        .init(engine: here, count: back.count, positions: back.positions),
      ])
    let thermal = PhysicalConstants.thermalEnergy(temperature: system.temperature)
    let own = energies.values[0].map { $0 / thermal }
    let reference = try self.reference(context, samples, frames, own, bootstrap: parameters.bootstrap)
    let record = Recorded.reweight
    let targetEnergies = try reweighted.artifact.read(record.energies).values
    let forward = led.works(from: own, to: energies.values[1].map { $0 / thermal })
    let backward = back.works(from: targetEnergies.map { $0 / thermal }, to: energies.values[2].map { $0 / thermal })
    let cycle = try PotentialCycle(
      from: .init(
        logWeights: reference.logWeights, places: led.places, works: forward,
        tailShapes: reference.support.map(\.tailShape)),
      to: .init(
        logWeights: try reweighted.artifact.read(record.logWeights).values, places: placed.states.place,
        works: backward, tailShapes: reweighted.artifact.read(record.tailShape).values),
      states: states.set.names.count, pairs: states.set.pairs,
      mostOfOneSample: reweighted.artifact.readIfThere(record.heaviestShare) ?? 1,
      givesNumbers: ReweightStage.givesNumbers(frames) && ReweightStage.givesNumbers(placed),
      bootstrapReplicates: parameters.bootstrap, seed: context.seed)
    for (name, seen) in [(samples.name, frames), (targets.name, placed)] where !ReweightStage.givesNumbers(seen) {
      context.warn("so many rings of '\(name)' are torn open that no number can be given", .grave)
    }
    let answers = try CycleAnswers(reference, reweighted, cycle, states)
    let writer = context.output
    try writer.write((output.forwardWorks, forward), (output.backwardWorks, backward))
    try writer.write(
      (output.energyEvaluations, map.evaluations + energies.values.reduce(0) { $0 + $1.count }),
      (output.energyMethod, there.summary))
    try write(cycle, answers, states, to: writer)
    warn(context, cycle, answers, reference, states)
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
    options.givesNumbers = ReweightStage.givesNumbers(frames)
    return try Reweighting(
      reducedPotential: potential, logDensities: samples.artifact.logDensityEstimates(), states: frames.states,
      angle: frames.profileAngle, noiseAngles: frames.torsions.map(\.angles),
      excluded: zip(frames.inverted, frames.broken).map { $0 || $1 }, options: options)
  }
}

/// Samples where the map leads them.
private struct LedSamples {
  private let led: [Double]
  private let logVolumes: [Double]
  /// Led to another hand, or with a ring torn open: not among what is weighed on the other side.
  private let isExcluded: [Bool]
  private let atoms: Int
  /// Where they are led to, by the place among the states.
  let places: [Int]
  var count: Int { logVolumes.count }
  private static let chunk = 2000

  init(
    _ samples: StageInput, count: Int, by map: PotentialMap, _ system: MolecularSystem, _ states: MolecularStates
  ) throws {
    var (led, logVolumes, places) = ([Double](), [Double](), [Int]())
    var record = try ConformationRecord(topology: system.topology, torsions: [])
    let rings = RingBonds(topology: system.topology)
    var broken: [Bool] = []
    for start in stride(from: 0, to: count, by: Self.chunk) {
      let rows = start..<min(start + Self.chunk, count)
      let found = try map(samples.positions(rows), frames: rows.count)
      led += found.positions
      logVolumes += found.logVolumes
      places += states.assignment(of: found.positions).place
      try record.append(found.positions)
      broken += try rings.broken(in: found.positions).frames
    }
    (self.led, self.logVolumes, self.places) = (led, logVolumes, places)
    isExcluded = zip(record.inverted, broken).map { $0 || $1 }
    atoms = system.topology.atoms.count
  }

  func positions(_ rows: Range<Int>) -> [Double] {
    Array(led[3 * atoms * rows.lowerBound..<3 * atoms * rows.upperBound])
  }

  /// Reduced potentials before and after, kT; infinite where there is none afterwards. As many as there are of the latter.
  func works(from before: [Double], to after: [Double]) -> [Double] {
    after.indices.map { n in
      let work = after[n] - before[n] - logVolumes[n]
      return work.isFinite && !isExcluded[n] ? work : .infinity
    }
  }
}

/// What cannot be a cycle.
public enum CycleError: Error, Equatable, CustomStringConvertible {
  /// The target's samples come from an emulator that was not carried.
  case notCarried(String)
  /// The first samples come from an emulator of another origin.
  case otherEmulator(found: String, wanted: String)
  /// The emulator was carried from one that was itself carried.
  case carriedTwice(String)
  /// The target's samples were moved after they were drawn.
  case annealed(String)
  /// The weights are of another potential, temperature, or set of states.
  case otherPotential(String, field: String)
  /// The file names one potential only.
  case samePotential

  public var description: String {
    switch self {
    case .notCarried(let name): "a cycle leads to samples of an emulator that perturb has made, and '\(name)' is none"
    case .otherEmulator(let found, let wanted):
      "the samples are of emulator '\(found)', and perturb began with '\(wanted)'"
    case .carriedTwice(let name):
      "a cycle leads from system.sampled_by to its target in one step, and perturb began with '\(name)', which was carried itself"
    case .annealed(let name):
      "the samples of '\(name)' were moved after they were drawn; name a reweighting of samples as perturb's emulator draws them"
    case .otherPotential(let name, let field):
      "'\(name)' has another \(field) than the cycle: both must be of one target, molecule and set of states"
    case .samePotential:
      "system.sampled_by is not given, or is system.forcefield itself: the cycle then leads from the target to the target"
    }
  }
}
