import Basics
import Foundation
import FreeEnergies
import Molecules
import Records
import Workflow

/// The reweighted samples: one side of a comparison.
struct ComparedSamples {
  let torsions: WeightedTorsions
  let energies: WeightedValues  // kJ/mol
  let deltaF, standardError: Double
  let evaluations: Int  // Energies that the samples cost, and steps of the simulation that the emulator was trained on
  let seconds: Double  // Wall time of everything up to the weights; NaN where some of it is not there any more

  init(_ reweight: StageInput, torsions names: [String]) throws {
    let (artifact, record) = (reweight.artifact, Recorded.reweight)
    let weights = normalisedWeights(logWeights: try artifact.read(record.logWeights).values)
    torsions = WeightedTorsions(columns: try reweight.torsions(names), weights: weights)
    energies = WeightedValues(values: try artifact.read(record.energies).values, weights: weights)
    deltaF = try artifact.read(record.freeEnergy.deltaF)
    standardError = try artifact.read(record.freeEnergy.standardError)
    let emulator = reweight.optionalInput(\ReweightStage.Inputs.samples)?.asDrawn.optionalInput(
      \SampleStage.Inputs.emulator)
    evaluations = try artifact.read(record.energyEvaluations) + (emulator?.trainingEvaluations ?? 0)
    seconds = reweight.wallSeconds ?? .nan
  }
}

extension StageInput {
  /// Of an emulator: steps of the dynamics that it learnt from, and of one that was refined the energies of all that came before.
  var trainingEvaluations: Int {
    get throws {
      if let known = try artifact.readIfThere(Recorded.emulator.energyEvaluations) { return known }
      let simulation = optionalInput(\EmulatorStage.Inputs.frames)?.optionalInput(\IngestStage.Inputs.simulation)
      return try simulation.map { try $0.artifact.read(Recorded.simulate.energyEvaluations) } ?? 0
    }
  }
}

/// The other side.
struct ComparedReference {
  struct Dynamics {
    var exits: Int  // Exits from the state, and ps spent in it
    var timeInside, stepsPerTime: Double
    var secondsPerStep: Double  // Wall time, s
  }

  var torsions: WeightedTorsions
  var torsionHalves: [WeightedTorsions]
  var energies: WeightedValues?  // kJ/mol
  var energyHalves: [WeightedValues] = []
  /// Share of the reference in the cells that the energies' frames visit; nil where they are not weighted by cell.
  var energyCoverage: Double?
  var deltaF, standardError: Double
  /// Of the first pair's state whose exits are counted, where the question is not of a state against all else.
  var population: Double?
  var evaluations: Int?
  var seconds: Double
  var dynamics: Dynamics?

  /// Frames that visit cells of a smaller share of the reference than this are warned of.
  private static let leastCoverage = 0.95

  static func biased(
    _ input: StageInput, _ samples: BiasedSamples, frames: StageInput?, _ names: [String], _ context: StageContext
  ) throws -> ComparedReference {
    let (artifact, record, known) = (input.artifact, Recorded.umbrella, samples.names)
    let columns = try names.map { name in
      guard let column = known.firstIndex(of: name) ?? known.firstIndex(where: { $0.hasPrefix(name) }) else {
        throw CompareError.noTorsion(stage: input.name, torsion: name, known: known)
      }
      return column
    }
    let deltaF = try artifact.readIfThere(record.freeEnergy.deltaF)
    guard let deltaF, deltaF.isFinite else { throw CompareError.noDifference(stage: input.name) }
    let torsions = samples.torsions(columns)
    var result = ComparedReference(
      torsions: torsions, torsionHalves: (0..<2).map { half in torsions.points { samples.half($0) == half } },
      deltaF: deltaF, standardError: try artifact.read(record.freeEnergy.standardError),
      evaluations: try artifact.readIfThere(record.energyEvaluations), seconds: input.wallSeconds ?? .nan)
    guard let frames else { return result }
    let side = try SimulatedSide(frames, context)
    let set = side.set
    // of the leading state alone: what other states need may not have been recorded
    let stateColumns = try set.leading.coordinates.map { coordinate in
      let name = set.coordinates[coordinate].name
      guard let column = known.firstIndex(of: name) else {
        throw CompareError.noTorsion(stage: input.name, torsion: name, known: known)
      }
      return column
    }
    if !set.isStateAgainstRest, let shares = try artifact.readIfThere(Recorded.umbrella.states.population)?.values {
      result.population = shares[set.leadingPlace]
    }
    let shared = known.prefix(samples.biased).enumerated().filter {
      frames.artifact.has(Recorded.simulate.trajectory.torsions.angles[$0.element])
    }
    let cells = try TorsionCells(
      reference: samples.torsions(shared.map(\.offset)),
      referenceInside: side.inside(samples.torsions(stateColumns).columns),
      frames: frames.torsions(shared.map(\.element)), inside: side.occupancy.inside)
    let population = result.population ?? 1 / (1 + exp(result.deltaF))
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
    let side = try SimulatedSide(input, context)
    let occupancy = side.occupancy
    let answer = side.estimates.differences[0]
    let torsions = WeightedTorsions(columns: try input.torsions(names), weights: occupancy.inside.map { _ in 1 })
    var result = ComparedReference(
      torsions: torsions, torsionHalves: (0..<2).map { half in torsions.points { occupancy.half(of: $0) == half } },
      deltaF: side.set.isStateAgainstRest ? occupancy.deltaF : answer.value,
      standardError: side.set.isStateAgainstRest ? occupancy.standardError : answer.standardError,
      population: side.set.isStateAgainstRest ? nil : occupancy.population, evaluations: side.evaluations,
      seconds: input.wallSeconds ?? .nan)
    guard result.deltaF.isFinite else {
      throw CompareError.oneSided(stage: input.name, isInside: occupancy.population > 0)
    }
    result.setEnergies(side) { $0.map { _ in 1 } }
    result.dynamics = side.dynamics
    if occupancy.changes < 20 {
      context.warn(
        "the reference '\(input.name)' changed its state \(occupancy.changes) times: its populations are those of its starts, and no "
          + "reference for dF and distances", .grave, cure: "use an umbrella stage")
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
}

/// A simulate stage's frames and what they tell of the state.
private struct SimulatedSide {
  let set: StateSet
  let estimates: StateEstimates
  let occupancy: StateOccupancy  // Of the leading state
  let energies: [Double]
  let evaluations: Int
  let dynamics: ComparedReference.Dynamics

  init(_ input: StageInput, _ context: StageContext) throws {
    let (artifact, record) = (input.artifact, Recorded.simulate)
    let distances = context.distances
    set = try context.declaredStates().stateSet { distances[$0] == nil }
    let columns = try set.coordinates.map { coordinate -> [Double] in
      guard let pair = coordinate.isTorsion ? nil : distances[coordinate.name] else {
        return try input.torsions([coordinate.name])[0]
      }
      let positions = try artifact.read(record.trajectory.coordinates, as: Double.self)
      guard positions.shape.count == 3, pair.allSatisfy({ $0 < positions.shape[1] }) else {
        throw CompareError.noTorsion(stage: input.name, torsion: coordinate.name, known: [])
      }
      return Molecules.distances(positions.values, atoms: positions.shape[1], between: pair)
    }
    let runs = try artifact.read(record.run, as: Int.self).values
    occupancy = StateOccupancy(columns: columns, runs: runs, state: set.leading)
    let rows = Dictionary(grouping: runs.indices, by: { runs[$0] }).values
    estimates = StateEstimates(
      counting: set.assignment(columns, count: runs.count), runs: runs,
      changes: set.changes(rows.map { rows in columns.map { column in rows.map { column[$0] } } }))
    energies = try artifact.read(record.energies).values
    evaluations = try artifact.read(record.energyEvaluations)
    let interval = try artifact.read(record.trajectory.time, as: Double.self).values.first ?? 0
    dynamics = .init(
      exits: occupancy.exits, timeInside: Double(occupancy.framesInside) * interval,
      stepsPerTime: Double(evaluations) / max(try artifact.read(record.simulatedTime), 1e-300),
      secondsPerStep: artifact.provenance.wallSeconds / Double(max(1, evaluations)))
  }
}

extension SimulatedSide {
  /// Whether samples lie in the state of `occupancy`; `columns`: of the coordinates that it depends on, in their order.
  func inside(_ columns: [[Double]]) -> [Bool] {
    let places = Dictionary(uniqueKeysWithValues: zip(set.leading.coordinates, columns))
    return (columns.first?.indices ?? 0..<0).map { n in set.leading.contains { places[$0]?[n] ?? .nan } }
  }
}

/// The pairs of named states that a stage's artifact holds.
struct ComparedPairs {
  let pairs: [(from: String, to: String, deltaF: Double, error: Double)]

  /// Nil where it holds none.
  init?(_ input: StageInput) throws {
    let (artifact, record) = (input.artifact, Recorded.reweight.states.pairs)
    guard artifact.has(record.deltaF) else { return nil }
    let (from, to) = (try artifact.read(record.from), try artifact.read(record.to))
    let (values, errors) = (try artifact.read(record.deltaF).values, try artifact.read(record.standardError).values)
    pairs = from.indices.map { (from[$0], to[$0], values[$0], errors[$0]) }
  }
}

extension StageInput {
  /// Torsions that a stage reports, rad. Throws `CompareError.noTorsion`.
  fileprivate func torsions(_ names: [String]) throws -> [[Double]] {
    let angles = Recorded.reweight.torsions.angles
    return try names.map { name in
      guard let values = try artifact.readIfThere(angles[name]) else {
        throw CompareError.noTorsion(stage: self.name, torsion: name, known: try artifact.names(angles))
      }
      return values.values
    }
  }
}
