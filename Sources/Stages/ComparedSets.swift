import Artifacts
import Basics
import Foundation
import FreeEnergies
import Workflow

/// Torsion tuples with weights.
struct WeightedTorsions {
  /// rad, [torsions][points].
  var columns: [[Double]]
  /// Of any sum.
  var weights: [Double]

  var unweighted: WeightedTorsions { WeightedTorsions(columns: columns, weights: weights.map { _ in 1 }) }

  func rows(where wanted: (Int) -> Bool) -> WeightedTorsions {
    let rows = weights.indices.filter(wanted)
    return WeightedTorsions(columns: columns.map { c in rows.map { c[$0] } }, weights: rows.map { weights[$0] })
  }
}

/// Energies with weights.
struct WeightedEnergies {
  var values: [Double]
  var weights: [Double]

  var unweighted: WeightedEnergies { WeightedEnergies(values: values, weights: values.map { _ in 1 }) }
  func scaled(_ factor: Double) -> WeightedEnergies {
    WeightedEnergies(values: values.map { $0 * factor }, weights: weights)
  }

  /// 2-Wasserstein distance, of the finite energies that have weight.
  func distance(_ other: WeightedEnergies) throws -> Double {
    let (a, b) = (sound, other.sound)
    return try wassersteinDistance(a.values, b.values, weightsOfA: a.weights, weightsOfB: b.weights)
  }

  private var sound: WeightedEnergies {
    let rows = values.indices.filter { values[$0].isFinite && weights[$0] > 0 }
    return WeightedEnergies(values: rows.map { values[$0] }, weights: rows.map { weights[$0] })
  }
}

/// The reweighted samples: one side of a comparison.
struct ComparedSamples {
  let torsions: WeightedTorsions
  /// kJ/mol
  let energies: WeightedEnergies
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
    energies = WeightedEnergies(values: try artifact.read("energies", as: Double.self).values, weights: weights)
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
  var energies: WeightedEnergies?
  var energyHalves: [WeightedEnergies] = []
  /// Share of the reference in the cells that the energies' frames visit; nil where they are not weighted by cell.
  var energyCoverage: Double?
  var deltaF: Double
  var standardError: Double
  var evaluations: Int?
  var seconds: Double
  var dynamics: Dynamics?

  /// More umbrella samples than this are thinned.
  private static let mostSamples = 40_000

  static func umbrella(
    _ input: StageInput, frames: StageInput?, _ names: [String], _ context: StageContext
  ) throws -> ComparedReference {
    let artifact = input.artifact
    let shape = try artifact.shape("torsions")
    guard shape.count == 4 else { throw CompareError.missing(stage: input.name, dataset: "torsions") }
    let (directions, windows, samples, width) = (shape[0], shape[1], shape[2], shape[3])
    let known = try artifact.readStrings("torsion_names")
    let columns = try names.map { name in
      guard let column = known.firstIndex(of: name) ?? known.firstIndex(where: { $0.hasPrefix(name) }) else {
        throw CompareError.noTorsion(stage: input.name, torsion: name, known: known)
      }
      return column
    }
    let records = try artifact.read("torsions", as: Double.self).values
    let centers = try artifact.read("centers", as: Double.self)
    let biased = centers.shape[1]
    let kT = PhysicalConstants.thermalEnergy(temperature: context.temperature)
    let freeEnergies = try artifact.read("results/window_free_energy", as: Double.self).values
    // those that the estimate left out have none
    let used = freeEnergies.indices.filter { freeEnergies[$0].isFinite }
    let isUsed = Set(used)
    let stride = max(1, directions * used.count * samples / mostSamples)
    var direction: [Int] = []
    var rows: [Int] = []
    for walk in 0..<directions * windows where isUsed.contains(walk % windows) {
      // the places of the samples that are taken go on from window to window
      for sample in 0..<samples where (walk * samples + sample) % stride == 0 {
        rows.append(walk * samples + sample)
        direction.append(walk / windows)
      }
    }
    var logWeights = try umbrellaLogWeights(
      angles: rows.map { row in (0..<biased).map { records[row * width + $0] } },
      centers: used.map { k in Array(centers.values[k * biased..<(k + 1) * biased]) },
      forceConstants: try artifact.read("force_constants", as: Double.self).values.map { $0 / kT },
      freeEnergies: used.map { freeEnergies[$0] })
    if artifact.exists(UmbrellaOutput.sharedBias) {
      let shared = try artifact.read(UmbrellaOutput.sharedBias, as: Double.self).values
      for (n, row) in rows.enumerated() { logWeights[n] += shared[row] / kT }
    }
    let torsions = WeightedTorsions(
      columns: columns.map { column in rows.map { records[$0 * width + column] } },
      weights: normalisedWeights(logWeights: logWeights))
    var result = ComparedReference(
      torsions: torsions,
      torsionHalves: (0..<2).map { half in
        directions > 1
          ? torsions.rows { direction[$0] % 2 == half } : torsions.rows { 2 * (rows[$0] % samples) / samples == half }
      },
      deltaF: try artifact.scalar("results/delta_f", as: Double.self),
      standardError: try artifact.scalar("results/delta_f_standard_error", as: Double.self),
      evaluations: try umbrellaSteps(input), seconds: artifact.provenance.wallSeconds)
    if let frames {
      guard let stateAxis = known.firstIndex(of: context.system.state.torsion) else {
        throw CompareError.noTorsion(stage: input.name, torsion: context.system.state.torsion, known: known)
      }
      let side = try SimulatedSide(frames, state: context.system.state)
      let shared = known.prefix(biased).enumerated().filter { frames.artifact.exists("results/torsions/\($0.element)") }
      let cells = try TorsionCells(
        columns: shared.map { k, _ in rows.map { records[$0 * width + k] } },
        stateAngles: rows.map { records[$0 * width + stateAxis] }, weights: torsions.weights, side.border,
        frames: frames.torsions(shared.map(\.element)), side.inside)
      result.setEnergies(side, cells: cells, population: 1 / (1 + exp(result.deltaF)))
      if cells.coverage < TorsionCells.leastCoverage {
        context.warn(
          String(
            format:
              "the frames of '\(frames.name)' visit cells of \(shared.map(\.element).joined(separator: ", ")) that hold %.1f %% of "
              + "'\(input.name)': E-W2 is against energies of that part alone. Give the dynamics more starts, or more time",
            100 * cells.coverage))
      }
      result.dynamics = side.dynamics
    }
    return result
  }

  static func simulation(_ input: StageInput, _ names: [String], _ context: StageContext) throws -> ComparedReference {
    let side = try SimulatedSide(input, state: context.system.state)
    let torsions = WeightedTorsions(columns: try input.torsions(names), weights: side.inside.map { _ in 1 })
    let population = side.population { _ in true }
    let halves = (0..<2).map { half in side.population { side.half(of: $0) == half } }
    func deltaF(_ p: Double) -> Double { -log(p / (1 - p)) }
    let spread = abs(deltaF(halves[0]) - deltaF(halves[1])) / 2
    var result = ComparedReference(
      torsions: torsions, torsionHalves: (0..<2).map { half in torsions.rows { side.half(of: $0) == half } },
      deltaF: deltaF(population), standardError: spread, evaluations: side.evaluations,
      seconds: input.artifact.provenance.wallSeconds)
    guard result.deltaF.isFinite else {
      throw FreeEnergiesError.emptyState(
        "the frames of '\(input.name)' are all \(population > 0 ? "inside" : "outside") the state: they are no reference"
      )
    }
    result.setEnergies(side, cells: nil, population: nil)
    result.dynamics = side.dynamics
    if side.transitions < 20 {
      context.warn(
        "the reference '\(input.name)' changed its state \(side.transitions) times: its populations are those of its starts, and no "
          + "reference for dF and distances; use an umbrella stage")
    }
    return result
  }

  /// `population` of the state, to which the frames are weighted, and within it and outside to the cells' shares; nil: as they are.
  private mutating func setEnergies(_ side: SimulatedSide, cells: TorsionCells?, population: Double?) {
    func weighted(_ wanted: (Int) -> Bool) -> WeightedEnergies {
      let rows = side.inside.indices.filter(wanted)
      var weights = cells?.weights(ofFrames: rows) ?? rows.map { _ in 1 }
      if let population {
        for (isInside, share) in [(true, population), (false, 1 - population)] {
          let places = rows.indices.filter { side.inside[rows[$0]] == isInside }
          let sum = places.reduce(0) { $0 + weights[$1] }
          // frames in no cell of the reference: as they are
          for k in places { weights[k] = share * (sum > 0 ? weights[k] / sum : 1 / Double(places.count)) }
        }
      }
      return WeightedEnergies(values: rows.map { side.energies[$0] }, weights: weights)
    }
    energyCoverage = cells?.coverage
    energies = weighted { _ in true }
    energyHalves = (0..<2).map { half in weighted { side.half(of: $0) == half } }
  }

  private static func umbrellaSteps(_ input: StageInput) throws -> Int? {
    let path = "results/energy_evaluations"
    return input.artifact.exists(path) ? try input.artifact.scalar(path, as: Int.self) : nil
  }
}

/// A simulate stage's frames and what they tell of the state.
private struct SimulatedSide {
  let border: TorsionState
  let inside: [Bool]
  let energies: [Double]
  let run: [Int]
  let evaluations: Int
  let transitions: Int
  let dynamics: ComparedReference.Dynamics

  init(_ input: StageInput, state: StateDefinition) throws {
    let artifact = input.artifact
    let angles = try input.torsions([state.torsion])[0]
    let border = TorsionState(from: state.from, to: state.to)
    self.border = border
    inside = angles.map(border.contains)
    energies = try artifact.read("energies", as: Double.self).values
    run = try artifact.read("results/run", as: Int.self).values
    evaluations = try artifact.scalar("results/energy_evaluations", as: Int.self)
    let times = try artifact.read("time", as: Double.self).values
    let interval = times.first ?? 0
    var counted = (transitions: 0, exits: 0, inside: 0)
    for (_, rows) in Dictionary(grouping: angles.indices, by: { [run] in run[$0] }) {
      let found = StateTransitions(rows.map { angles[$0] }, state: border)
      counted.transitions += found.count
      counted.exits += found.exits
      counted.inside += found.samplesInside
    }
    transitions = counted.transitions
    let simulated = try artifact.scalar("results/simulated_time", as: Double.self)
    dynamics = .init(
      exits: counted.exits, timeInside: Double(counted.inside) * interval,
      stepsPerTime: Double(evaluations) / max(simulated, 1e-300),
      secondsPerStep: artifact.provenance.wallSeconds / Double(max(1, evaluations)))
  }

  /// Runs take turns between the halves; a single run is cut in the middle.
  func half(of row: Int) -> Int {
    (run.last ?? 0) > 0 ? run[row] % 2 : (2 * row < run.count ? 0 : 1)
  }

  func population(of rows: (Int) -> Bool) -> Double {
    let chosen = inside.indices.filter(rows)
    return Double(chosen.filter { inside[$0] }.count) / Double(max(1, chosen.count))
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
