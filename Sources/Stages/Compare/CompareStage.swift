import Artifacts
import Basics
import Foundation
import FreeEnergies
import Workflow

/// `compare`: how far reweighted samples are from a reference, in torsions, energies and dF, and what each of the two has cost.
///
/// The reference is an umbrella stage (its samples by their MBAR weights) or a simulate stage (its frames as they are). An umbrella
/// keeps no energies: those come from the frames of a simulate stage, weighted to the reference's populations of the state and, within it
/// and outside, of cells of 30 degrees in the torsions that both know. Points for T-W2 are drawn by weight, with replacement.
///
/// | path, under /results | what |
/// |---|---|
/// | delta_f_difference, delta_f_error | samples minus reference, and without its sign; kT |
/// | delta_f_error_standard_error | of both together, kT |
/// | audited/delta_f_difference, delta_f_error, delta_f_error_standard_error | the same of the audited dF, where an audit is named |
/// | t_w2, t_w2_floor, t_w2_unweighted | rad: samples to reference, half of the reference to the other half, samples without weights |
/// | t_w2_published, t_w2_published_floor | rad: with the difference of angles modulo pi, for comparison with published values alone |
/// | e_w2, e_w2_floor, e_w2_unweighted | the same of energies, kT |
/// | e_w2_coverage | share of the reference in cells that the energies' frames visit |
/// | cost/energy_evaluations | of the samples' side: the dynamics it was trained on and the reweighting |
/// | cost/energy_evaluations_reference | of the reference |
/// | cost/energy_saving | the second over the first |
/// | md/time, md/energy_evaluations, md/speed_up | ps of dynamics like the simulate stage's for the same error, its energies, and these over ours |
/// | md/seconds, md/wall_speed_up | wall time of that dynamics at the speed of the simulate stage, and it over ours |
/// | md/error, md/exits | the error that is meant, kT; exits from the state that the rate stands on. With none, time and speed-up are lower bounds |
/// | cost/seconds, cost/seconds_reference | wall time of both sides |
enum CompareStage: StageType {
  static let type = "compare"
  static let version = 2
  static let summary = "distances of reweighted samples from a reference, and what each has cost"
  static let reads: [SharedField] = [.temperature, .state]
  static let indirectInputs: [InputPath] = [
    ["reweight", "samples", "emulator", "frames", "simulation"], ["reweight", "density", "samples"],
    ["audit", "reweight"],
  ]

  static let parameters: [ParameterField] = [
    ParameterField("reweight", .stage([ReweightStage.type]), help: "the samples, with their weights"),
    ParameterField(
      "reference", .stage([UmbrellaStage.type, SimulateStage.type]), help: "what they are compared with"),
    ParameterField(
      "energies", .stage([SimulateStage.type]), optional: true,
      help: "where the reference's energies come from if it is an umbrella stage; without it there is no E-W2"),
    ParameterField(
      "audit", .stage([AuditStage.type]), optional: true,
      help: "an audit of that reweighting, whose dF is to be compared too"),
    ParameterField(
      "torsions", .list(.string, acceptsSingle: true, count: 1...4), default: .list([.string("phi"), .string("psi")]),
      help: "of T-W2, by name"),
    ParameterField(
      "points", .integer(50...10_000), default: .integer(1500),
      help: "drawn from each side for T-W2; memory and time grow as their square"),
  ]

  struct Parameters: Decodable {
    var torsions: [String]
    var points: Int
  }

  /// Throws `CompareError`, `FreeEnergiesError`, `TransportError`.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    let reweighted = try context.input("reweight")
    let audit = context.optionalInput("audit")
    if let audit, let other = audit.optionalInput("reweight"), other.name != reweighted.name {
      throw CompareError.otherAudit(audit: audit.name, of: other.name, wanted: reweighted.name)
    }
    let samples = try ComparedSamples(reweighted, torsions: parameters.torsions)
    let input = try context.input("reference")
    let reference: ComparedReference
    if input.type == UmbrellaStage.type {
      reference = try .umbrella(
        input, frames: context.optionalInput("energies"), parameters.torsions, context)
    } else {
      reference = try .simulation(input, parameters.torsions, context)
    }
    let output = context.output
    func scalar(_ name: String, _ value: Double, _ units: String? = nil) throws {
      try output.writeScalar("results/\(name)", value, units: units)
    }

    func writeDifference(_ group: String, _ deltaF: Double, _ error: Double) throws -> Double {
      let difference = deltaF - reference.deltaF
      try scalar(group + "delta_f_difference", difference, "kT")
      try scalar(group + "delta_f_error", abs(difference), "kT")
      let spread = (error * error + reference.standardError * reference.standardError).squareRoot()
      try scalar(group + "delta_f_error_standard_error", spread, "kT")
      return difference
    }
    let difference = try writeDifference("", samples.deltaF, samples.standardError)
    if let audit {
      _ = try writeDifference(
        "audited/", audit.artifact.scalar("results/delta_f", as: Double.self),
        audit.artifact.scalar("results/delta_f_standard_error", as: Double.self))
    }

    let distances = try TorsionDistances(
      of: samples.torsions, from: reference.torsions, halves: (reference.torsionHalves[0], reference.torsionHalves[1]),
      points: parameters.points, seed: context.seed)
    try scalar("t_w2", distances.weighted, "rad")
    try scalar("t_w2_floor", distances.floor, "rad")
    try scalar("t_w2_unweighted", distances.unweighted, "rad")
    try scalar("t_w2_published", distances.published, "rad")
    try scalar("t_w2_published_floor", distances.publishedFloor, "rad")

    if let energies = reference.energies {
      let kT = PhysicalConstants.thermalEnergy(temperature: context.temperature)
      let ours = samples.energies.scaled(1 / kT)
      let theirs = energies.scaled(1 / kT)
      try scalar("e_w2", ours.distance(to: theirs), "kT")
      try scalar("e_w2_unweighted", ours.unweighted.distance(to: theirs), "kT")
      let halves = reference.energyHalves.map { $0.scaled(1 / kT) }
      try scalar("e_w2_floor", halves[0].distance(to: halves[1]), "kT")
      if let coverage = reference.energyCoverage { try scalar("e_w2_coverage", coverage) }
    }
    try writeCosts(context, samples, reference, error: max(abs(difference), samples.standardError))
    context.log(
      String(
        format: "dF %.3f ± %.3f, reference %.3f ± %.3f kT", samples.deltaF, samples.standardError, reference.deltaF,
        reference.standardError))
  }

  private static func writeCosts(
    _ context: StageContext, _ samples: ComparedSamples, _ reference: ComparedReference, error: Double
  ) throws {
    let output = context.output
    let evaluations = samples.evaluations
    try output.writeScalar("results/cost/energy_evaluations", Int64(evaluations))
    if let other = reference.evaluations {
      try output.writeScalar("results/cost/energy_evaluations_reference", Int64(other))
      try output.writeScalar("results/cost/energy_saving", Double(other) / Double(max(1, evaluations)))
    }
    if let dynamics = reference.dynamics {
      let time = TwoStateKinetics(
        deltaF: reference.deltaF, exits: dynamics.exits, timeInside: dynamics.timeInside
      ).time(forError: error)
      try output.writeScalar("results/md/time", time, units: "ps")
      try output.writeScalar("results/md/energy_evaluations", time * dynamics.stepsPerTime)
      try output.writeScalar("results/md/speed_up", time * dynamics.stepsPerTime / Double(max(1, evaluations)))
      let seconds = time * dynamics.stepsPerTime * dynamics.secondsPerStep
      try output.writeMeasurement("results/md/seconds", seconds)
      try output.writeMeasurement("results/md/wall_speed_up", seconds / max(samples.seconds, 1e-300))
      try output.writeScalar("results/md/error", error, units: "kT")
      try output.writeScalar("results/md/exits", Int64(dynamics.exits))
    }
    try output.writeMeasurement("results/cost/seconds", samples.seconds)
    try output.writeMeasurement("results/cost/seconds_reference", reference.seconds)
  }
}

/// What cannot be compared.
public enum CompareError: Error, Equatable, CustomStringConvertible {
  case noTorsion(stage: String, torsion: String, known: [String])
  /// A stage of an older version, or one whose results were cut short.
  case missing(stage: String, dataset: String)
  case otherAudit(audit: String, of: String, wanted: String)
  /// All frames of a reference are inside the state, or outside.
  case oneSided(stage: String, isInside: Bool)

  public var description: String {
    switch self {
    case .noTorsion(let stage, let torsion, let known):
      return
        "stage '\(stage)' has no torsion '\(torsion)' (it has: \(known.joined(separator: ", "))); name others under torsions, or its "
        + "four atoms under system.torsions"
    case .missing(let stage, let dataset):
      return "stage '\(stage)' has no \(dataset), which a comparison needs; run it again"
    case .otherAudit(let audit, let of, let wanted):
      return
        "stage '\(audit)' audits '\(of)', but the comparison is of '\(wanted)': name an audit of that, or leave audit out"
    case .oneSided(let stage, let isInside):
      return "the frames of '\(stage)' are all \(isInside ? "inside" : "outside") the state: they are no reference"
    }
  }
}
