import Artifacts
import Basics
import Foundation
import FreeEnergies
import Records
import Workflow

/// The reweighted samples: one side of a comparison.
struct ComparedSamples {
  let torsions: WeightedTorsions
  /// kJ/mol
  let energies: WeightedValues
  let deltaF: Double
  let standardError: Double
  /// Energies that the samples cost, and steps of the simulation that the emulator was trained on.
  let evaluations: Int
  /// Wall time of everything up to the weights.
  let seconds: Double

  init(_ reweight: StageInput, torsions names: [String]) throws {
    let artifact = reweight.artifact
    let weights = normalisedWeights(logWeights: try artifact.read("log_weights", as: Double.self).values)
    torsions = WeightedTorsions(columns: try reweight.torsions(names), weights: weights)
    energies = WeightedValues(values: try artifact.read("energies", as: Double.self).values, weights: weights)
    deltaF = try artifact.scalar("results/delta_f", as: Double.self)
    standardError = try artifact.scalar("results/delta_f_standard_error", as: Double.self)
    let samples = reweight.optionalInput("samples")
    let emulator = samples?.optionalInput("emulator")
    let frames = emulator?.optionalInput("frames")
    let simulation = frames?.optionalInput("simulation")
    let density = reweight.optionalInput("density")
    let trained = try simulation.map { try $0.artifact.scalar("results/energy_evaluations", as: Int.self) } ?? 0
    evaluations = try artifact.scalar("results/energy_evaluations", as: Int.self) + trained
    let stages = [reweight, samples, emulator, frames, simulation, density, density?.optionalInput("samples")]
    seconds = stages.reduce(0) { $0 + ($1?.artifact.provenance.wallSeconds ?? 0) }
  }
}

/// The other side.
struct ComparedReference {
  struct Dynamics {
    /// Exits from the state, and ps spent in it.
    var exits: Int
    var timeInside: Double
    var stepsPerTime: Double
    /// Wall time, s.
    var secondsPerStep: Double
  }

  var torsions: WeightedTorsions
  var torsionHalves: [WeightedTorsions]
  /// kJ/mol
  var energies: WeightedValues?
  var energyHalves: [WeightedValues] = []
  /// Share of the reference in the cells that the energies' frames visit; nil where they are not weighted by cell.
  var energyCoverage: Double?
  var deltaF: Double
  var standardError: Double
  var evaluations: Int?
  var seconds: Double
  var dynamics: Dynamics?

  /// Frames that visit cells of a smaller share of the reference than this are warned of.
  private static let leastCoverage = 0.95

  static func umbrella(
    _ input: StageInput, frames: StageInput?, _ names: [String], _ context: StageContext
  ) throws -> ComparedReference {
    let artifact = input.artifact
    let records = try artifact.read("torsions", as: Double.self)
    guard records.shape.count == 4 else { throw CompareError.missing(stage: input.name, dataset: "torsions") }
    let known = try artifact.readStrings("torsion_names")
    let columns = try names.map { name in
      guard let column = known.firstIndex(of: name) ?? known.firstIndex(where: { $0.hasPrefix(name) }) else {
        throw CompareError.noTorsion(stage: input.name, torsion: name, known: known)
      }
      return column
    }
    let centers = try artifact.read("centers", as: Double.self)
    let kT = PhysicalConstants.thermalEnergy(temperature: context.temperature)
    let path = Recorded.umbrella.sharedBias.path
    let samples = try UmbrellaSamples(
      records: records, centers: centers,
      forceConstants: artifact.read("force_constants", as: Double.self).values.map { $0 / kT },
      freeEnergies: artifact.read("results/window_free_energy", as: Double.self).values,
      sharedBias: artifact.exists(path) ? artifact.read(path, as: Double.self).values.map { $0 / kT } : nil)
    let torsions = samples.torsions(columns)
    var result = ComparedReference(
      torsions: torsions, torsionHalves: (0..<2).map { half in torsions.points { samples.half(of: $0) == half } },
      deltaF: try artifact.scalar("results/delta_f", as: Double.self),
      standardError: try artifact.scalar("results/delta_f_standard_error", as: Double.self),
      evaluations: try umbrellaSteps(input), seconds: artifact.provenance.wallSeconds)
    guard let frames else { return result }
    guard let stateAxis = known.firstIndex(of: context.system.state.torsion) else {
      throw CompareError.noTorsion(stage: input.name, torsion: context.system.state.torsion, known: known)
    }
    let side = try SimulatedSide(frames, state: context.system.state)
    let shared = known.prefix(centers.shape[1]).enumerated().filter {
      frames.artifact.exists("results/torsions/\($0.element)")
    }
    let cells = try TorsionCells(
      reference: samples.torsions(shared.map(\.offset)),
      referenceInside: samples.angles(stateAxis).map(side.border.contains),
      frames: frames.torsions(shared.map(\.element)), inside: side.occupancy.inside)
    let population = 1 / (1 + exp(result.deltaF))
    result.setEnergies(side) { cells.weights(ofFrames: $0, population: population) }
    result.energyCoverage = cells.coverage
    if cells.coverage < leastCoverage {
      context.warn(
        String(
          format:
            "the frames of '\(frames.name)' visit cells of \(shared.map(\.element).joined(separator: ", ")) that hold %.1f %% of "
            + "'\(input.name)': E-W2 is against energies of that part alone. Give the dynamics more starts, or more time",
          100 * cells.coverage))
    }
    result.dynamics = side.dynamics
    return result
  }

  static func simulation(_ input: StageInput, _ names: [String], _ context: StageContext) throws -> ComparedReference {
    let side = try SimulatedSide(input, state: context.system.state)
    let occupancy = side.occupancy
    let torsions = WeightedTorsions(columns: try input.torsions(names), weights: occupancy.inside.map { _ in 1 })
    var result = ComparedReference(
      torsions: torsions, torsionHalves: (0..<2).map { half in torsions.points { occupancy.half(of: $0) == half } },
      deltaF: occupancy.deltaF, standardError: occupancy.standardError, evaluations: side.evaluations,
      seconds: input.artifact.provenance.wallSeconds)
    guard result.deltaF.isFinite else {
      throw CompareError.oneSided(stage: input.name, isInside: occupancy.population > 0)
    }
    result.setEnergies(side) { $0.map { _ in 1 } }
    result.dynamics = side.dynamics
    if occupancy.changes < 20 {
      context.warn(
        "the reference '\(input.name)' changed its state \(occupancy.changes) times: its populations are those of its starts, and no "
          + "reference for dF and distances; use an umbrella stage")
    }
    return result
  }

  private mutating func setEnergies(_ side: SimulatedSide, weights: ([Int]) -> [Double]) {
    func weighted(_ rows: [Int]) -> WeightedValues {
      WeightedValues(values: rows.map { side.energies[$0] }, weights: weights(rows))
    }
    let rows = Array(side.energies.indices)
    energies = weighted(rows)
    energyHalves = (0..<2).map { half in weighted(rows.filter { side.occupancy.half(of: $0) == half }) }
  }

  private static func umbrellaSteps(_ input: StageInput) throws -> Int? {
    let path = "results/energy_evaluations"
    return input.artifact.exists(path) ? try input.artifact.scalar(path, as: Int.self) : nil
  }
}

/// A simulate stage's frames and what they tell of the state.
private struct SimulatedSide {
  let border: TorsionState
  let occupancy: StateOccupancy
  let energies: [Double]
  let evaluations: Int
  let dynamics: ComparedReference.Dynamics

  init(_ input: StageInput, state: StateDefinition) throws {
    let artifact = input.artifact
    border = TorsionState(from: state.from, to: state.to)
    occupancy = try StateOccupancy(
      angles: input.torsions([state.torsion])[0], runs: artifact.read("results/run", as: Int.self).values, state: border
    )
    energies = try artifact.read("energies", as: Double.self).values
    evaluations = try artifact.scalar("results/energy_evaluations", as: Int.self)
    let interval = try artifact.read("time", as: Double.self).values.first ?? 0
    let simulated = try artifact.scalar("results/simulated_time", as: Double.self)
    dynamics = .init(
      exits: occupancy.exits, timeInside: Double(occupancy.framesInside) * interval,
      stepsPerTime: Double(evaluations) / max(simulated, 1e-300),
      secondsPerStep: artifact.provenance.wallSeconds / Double(max(1, evaluations)))
  }
}

extension StageInput {
  /// Torsions that a stage reports, rad. Throws `CompareError.noTorsion`.
  fileprivate func torsions(_ names: [String]) throws -> [[Double]] {
    try names.map { name in
      let path = "results/torsions/\(name)"
      guard artifact.exists(path) else {
        let known = artifact.exists("results/torsions") ? try artifact.list("results/torsions") : []
        throw CompareError.noTorsion(stage: self.name, torsion: name, known: known)
      }
      return try artifact.read(path, as: Double.self).values
    }
  }
}
