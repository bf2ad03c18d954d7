import Artifacts
import Basics
import Foundation
import FreeEnergies
import Records
import Workflow

/// `compare`: how far reweighted samples are from a reference, in torsions, energies and dF, and what each of the two has cost.
///
/// The reference is an umbrella stage or windows (samples by their MBAR weights) or a simulate stage (its frames as they are). An umbrella
/// keeps no energies: those come from the frames of a simulate stage, weighted to the reference's populations of the state and, within it
/// and outside, of cells of 30 degrees in the torsions that both know. Points for T-W2 are drawn by weight, with replacement.
enum CompareStage: RecordedStage {
  static let version = 2
  static let summary = "distances of reweighted samples from a reference, and what each has cost"
  static let reads: [SharedField] = [.temperature] + SharedField.stateFields
  static let indirectInputs = [
    InputPath(
      \Inputs.reweight, \ReweightStage.Inputs.samples, \SampleStage.Inputs.emulator, \EmulatorStage.Inputs.frames,
      \IngestStage.Inputs.simulation),
    InputPath(
      \Inputs.reweight, \ReweightStage.Inputs.samples, \AnnealStage.Inputs.samples, \SampleStage.Inputs.emulator,
      \EmulatorStage.Inputs.frames, \IngestStage.Inputs.simulation),
    InputPath(\Inputs.reweight, \ReweightStage.Inputs.density, \EnergyModelStage.Inputs.samples),
    InputPath(\Inputs.audit, \AuditStage.Inputs.reweight),
  ]
  static let output = Recorded.compare

  struct Inputs: StageInputs {
    let reweight = Input("the samples, with their weights", of: ReweightStage.self)
    let reference = Input("what they are compared with", of: UmbrellaStage.self, WindowsStage.self, SimulateStage.self)
    let energies = Input(
      "where the reference's energies come from if it is an umbrella stage or windows; without it there is no E-W2",
      of: SimulateStage.self, optional: true)
    let audit = Input(
      "an audit of that reweighting, whose dF is to be compared too", of: AuditStage.self, optional: true)
  }

  struct Parameters: ParameterGroup {
    @Parameter("of T-W2, by name", count: 1...4, single: true) var torsions = ["phi", "psi"]
    @Parameter("drawn from each side for T-W2; memory and time grow as their square", in: 50...10_000) var points = 1500
  }

  static var method: ((StageInput) throws -> String)? { { _ in type } }

  static let columns = [
    BatchColumn("dF error", output.difference.error, decimals: 3),
    BatchColumn("audited dF error", output.audited.error, decimals: 3),
    BatchColumn("T-W2", output.torsionDistance, decimals: 3), BatchColumn("E-W2", output.energyDistance, decimals: 3),
    BatchColumn("energies", output.evaluations, decimals: 0), BatchColumn("speed-up", output.speedUp, decimals: 1),
  ]

  /// Throws `CompareError`, `FreeEnergiesError`, `TransportError`.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    let reweighted = try context.input(\Inputs.reweight)
    let audit = context.optionalInput(\Inputs.audit)
    if let audit, let other = audit.optionalInput(\AuditStage.Inputs.reweight), other.name != reweighted.name {
      throw CompareError.otherAudit(audit: audit.name, of: other.name, wanted: reweighted.name)
    }
    let samples = try ComparedSamples(reweighted, torsions: parameters.torsions)
    let input = try context.input(\Inputs.reference)
    let frames = context.optionalInput(\Inputs.energies)
    let reference: ComparedReference =
      switch input.type {
      case UmbrellaStage.type:
        try .biased(input, BiasedSamples(umbrella: input, context), frames: frames, parameters.torsions, context)
      case WindowsStage.type:
        try .biased(input, BiasedSamples(windows: input), frames: frames, parameters.torsions, context)
      default: try .simulation(input, parameters.torsions, context)
      }

    let ensemble = Recorded.reweight.freeEnergy.ensemble
    let areRigid = try [reweighted, input].map { try $0.artifact.readIfThere(ensemble) == Ensemble.rigid.summary }
    if areRigid[0] != areRigid[1] {
      context.warn(
        "'\(areRigid[0] ? reweighted.name : input.name)' is of the constrained molecule, and "
          + "'\(areRigid[0] ? input.name : reweighted.name)' is not: what they differ by is no error of either")
    }
    let writer = context.output
    func write(_ record: DifferenceRecord, _ deltaF: Double, _ error: Double) throws {
      try writer.write(record.difference, deltaF - reference.deltaF)
      try writer.write(record.error, abs(deltaF - reference.deltaF))
      try writer.write(
        record.standardError, (error * error + reference.standardError * reference.standardError).squareRoot())
    }
    try write(output.difference, samples.deltaF, samples.standardError)
    try writePairs(writer, reweighted, input, context)
    if let audit {
      let answer = Recorded.audit.freeEnergy
      try write(output.audited, audit.artifact.read(answer.deltaF), audit.artifact.read(answer.standardError))
    }
    let distances = try TorsionDistances(
      of: samples.torsions, from: reference.torsions, halves: (reference.torsionHalves[0], reference.torsionHalves[1]),
      points: parameters.points, seed: context.seed)
    try writer.write(
      (output.torsionDistance, distances.weighted), (output.torsionFloor, distances.floor),
      (output.torsionUnweighted, distances.unweighted), (output.torsionPublished, distances.published),
      (output.torsionPublishedFloor, distances.publishedFloor))

    if let energies = reference.energies {
      let kT = PhysicalConstants.thermalEnergy(temperature: context.temperature)
      let ours = samples.energies.scaled(1 / kT)
      let theirs = energies.scaled(1 / kT)
      let halves = reference.energyHalves.map { $0.scaled(1 / kT) }
      try writer.write(output.energyDistance, ours.distance(to: theirs))
      try writer.write(output.energyUnweighted, ours.unweighted.distance(to: theirs))
      try writer.write(output.energyFloor, halves[0].distance(to: halves[1]))
      if let coverage = reference.energyCoverage { try writer.write(output.energyCoverage, coverage) }
    }
    try writeCosts(writer, samples, reference)
    context.log(
      String(
        format: "dF %.3f ± %.3f, reference %.3f ± %.3f kT", samples.deltaF, samples.standardError, reference.deltaF,
        reference.standardError))
    if samples.deltaF.isNaN {
      context.warn(
        "'\(reweighted.name)' has no free energy, because too few of its samples carry a state: dF is not "
          + "compared, and distances rest on the few", .grave)
    }
  }

  /// The pairs of named states that both sides give.
  private static func writePairs(
    _ writer: ArtifactWriter, _ samples: StageInput, _ reference: StageInput, _ context: StageContext
  ) throws {
    guard try !context.declaredStates().isShort, let ours = try ComparedPairs(samples),
      let theirs = try ComparedPairs(reference)
    else { return }
    let shared = ours.pairs.compactMap { pair in
      theirs.pairs.first { $0.from == pair.from && $0.to == pair.to }.map { (ours: pair, theirs: $0) }
    }
    try writer.write(output.pairs.from, shared.map(\.ours.from))
    try writer.write(output.pairs.to, shared.map(\.ours.to))
    try writer.write(output.pairs.difference, shared.map { $0.ours.deltaF - $0.theirs.deltaF })
    try writer.write(
      output.pairs.standardError,
      shared.map { ($0.ours.error * $0.ours.error + $0.theirs.error * $0.theirs.error).squareRoot() })
    try writer.write(output.pairs.reference, shared.map(\.theirs.deltaF))
  }

  private static func writeCosts(
    _ writer: ArtifactWriter, _ samples: ComparedSamples, _ reference: ComparedReference
  ) throws {
    let evaluations = Double(max(1, samples.evaluations))
    try writer.write(output.evaluations, samples.evaluations)
    if let other = reference.evaluations {
      try writer.write(output.evaluationsReference, other)
      try writer.write(output.saving, Double(other) / evaluations)
    }
    // a free energy that too few samples carry has no error that dynamics could reach
    if let dynamics = reference.dynamics, samples.deltaF.isFinite {
      let error = max(abs(samples.deltaF - reference.deltaF), samples.standardError)
      let kinetics =
        reference.population.map {
          TwoStateKinetics(
            population: $0, exitRate: Double(max(1, dynamics.exits)) / max(dynamics.timeInside, 1e-300))
        } ?? TwoStateKinetics(deltaF: reference.deltaF, exits: dynamics.exits, timeInside: dynamics.timeInside)
      let time = kinetics.time(forError: error)
      let seconds = time * dynamics.stepsPerTime * dynamics.secondsPerStep
      try writer.write(
        (output.dynamicsTime, time), (output.dynamicsEvaluations, time * dynamics.stepsPerTime),
        (output.speedUp, time * dynamics.stepsPerTime / evaluations), (output.dynamicsSeconds, seconds),
        (output.wallSpeedUp, seconds / max(samples.seconds, 1e-300)), (output.dynamicsError, error),
        (output.exits, dynamics.exits))
    }
    for (field, seconds) in [(output.seconds, samples.seconds), (output.secondsReference, reference.seconds)]
    where seconds.isFinite { try writer.write(field, seconds) }
  }
}

/// What cannot be compared.
public enum CompareError: Error, Equatable, CustomStringConvertible {
  case noTorsion(stage: String, torsion: String, known: [String])
  case otherAudit(audit: String, of: String, wanted: String)
  /// A reference that gives no difference: windows along a distance, say.
  case noDifference(stage: String)
  /// All frames of a reference are inside the state, or outside.
  case oneSided(stage: String, isInside: Bool)

  public var description: String {
    switch self {
    case .noTorsion(let stage, let torsion, let known):
      "stage '\(stage)' has no torsion '\(torsion)' (it has: \(known.joined(separator: ", "))); name others under torsions, or its "
        + "four atoms under system.torsions"
    case .otherAudit(let audit, let of, let wanted):
      "stage '\(audit)' audits '\(of)', but the comparison is of '\(wanted)': name an audit of that, or leave audit out"
    case .noDifference(let stage):
      "stage '\(stage)' gives no free-energy difference of system.state: it is no reference for one"
    case .oneSided(let stage, let isInside):
      "the frames of '\(stage)' are all \(isInside ? "inside" : "outside") the state: they are no reference"
    }
  }
}
