import Basics
import Foundation
import Molecules
import Torch

/// What the target is asked, and what its answers say.
extension Perturbation {
  /// Phases are numbers: what is labelled and what is trained, in their order.
  enum Phase {
    static let first = 1, exploration = 2
    static func trained(_ round: Int) -> Int { 3 + 2 * round }
    static func labelled(_ round: Int) -> Int { 4 + 2 * round }
  }

  func checkRotors() throws {
    guard chart.rotors?.isEmpty == false else { return }
    let values = try drawn(source.field, chart, count: 20, stream: "rotors").values
    let frames = values.count / chart.coordinates.dimension
    let positions = try chart.coordinates.cartesian(values, frames: frames).coordinates
    if let (rotor, difference) = try forces.unequalEnds(of: chart, positions, frames: frames) {
      throw PerturbationError.unequalEnds(chart.coordinates.label(of: rotor.torsion, in: topology), difference)
    }
  }

  /// Points of the emulator, alike in each state. Returns the shares of the states among what it draws.
  func label(first state: inout State) throws -> [Double] {
    let (picked, shares) = try stratified(source.field, chart, count: settings.first, stream: "first")
    guard state.phase < Phase.first else { return shares }
    try label(picked.values, picked.states, .emulator, round: 0, into: &state)
    try finish(Phase.first, &state, isDue: true)
    return shares
  }

  /// Torsions everywhere, with the narrow coordinates that the map gives them.
  func label(exploring state: inout State, on target: InternalChart) throws {
    guard state.phase < Phase.exploration else { return }
    let generator = try Generator(seed: RandomStream.derivedSeed(settings.seed, ["exploration"]))
    let latents = try target.space.prior(settings.exploration, generator)
    let values = try target.internalCoordinates(latents: latents)
    try label(values, try places(values), .exploration, round: 0, into: &state)
    try finish(Phase.exploration, &state, isDue: true)
  }

  /// Fresh samples of the flows, with their log-densities.
  func label(round: Int, _ flows: TwoFlows, _ target: InternalChart, _ state: inout State) throws {
    guard state.phase < Phase.labelled(round) else { return }
    let name = "round\(round)"
    let (picked, shares) = try stratified(flows, target, count: settings.rounds[round], stream: name, densities: true)
    try label(picked.values, picked.states, .fresh, round: round, densities: picked.densities, into: &state)
    let points = state.points
    state.rounds[round].energies = points.count
    let rows = (0..<points.count).filter {
      points.sources[$0] == LabelledPoints.Source.fresh.rawValue && points.rounds[$0] == round
    }
    let own = points.picked(rows)
    judge(&state.rounds[round], own, shares)
    try measure(&state.rounds[round], own.sound(), target, shares)
    let found = state.rounds[round]
    host.log(
      "round \(round + 1): \(points.count) energies, effective sample size \(Self.percent(found.effective)), within states "
        + found.effectiveOfStates.map(Self.percent).joined(separator: ", ")
        + String(format: "; thermometer %.3f ± %.3f", found.thermometer, found.thermometerError))
    try finish(Phase.labelled(round), &state, isDue: true)
  }

  /// Only now: what is stopped before it does all of the phase again but for the energies.
  func finish(_ phase: Int, _ state: inout State, isDue: Bool = false) throws {
    state.phase = phase
    try host.save(state, isDue: isDue)
  }

  static func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }

  /// Effective shares, and free energies of the states, by weights.
  func judge(_ round: inout Round, _ points: LabelledPoints, _ shares: [Double]) {
    let logWeights = zip(points.logDensities, points.drawnDensities).map { $0 - $1 }
    let level = logWeights.filter(\.isFinite).max() ?? 0
    var (sum, squares) = (0.0, 0.0)
    (round.effectiveOfStates, round.effectiveSamples) = ([], [])
    round.freeEnergies = []
    for state in stateNames.indices {
      let weights = points.states.indices.filter { points.states[$0] == state }
        .map { logWeights[$0].isFinite ? exp(logWeights[$0] - level) : 0 }
      let count = Double(max(1, weights.count))
      let mean = weights.reduce(0, +) / count
      let square = weights.reduce(0) { $0 + $1 * $1 } / count
      round.effectiveOfStates.append(square > 0 ? mean * mean / square : .nan)
      round.effectiveSamples.append(square > 0 ? mean * mean / square * Double(weights.count) : 0)
      round.freeEnergies.append(mean > 0 ? -log(shares[state] * mean) : .nan)
      sum += shares[state] * mean
      squares += shares[state] * square
    }
    let lowest = round.freeEnergies.filter(\.isFinite).min() ?? 0
    round.freeEnergies = round.freeEnergies.map { $0 - lowest }
    round.effective = squares > 0 ? sum * sum / squares : .nan
  }

  /// E[-g (y - mean)] over the narrow latents y, by weight.
  func measure(
    _ round: inout Round, _ points: LabelledPoints, _ target: InternalChart, _ shares: [Double]
  ) throws {
    guard points.count > 1 else { return }
    let (latents, _, slopes) = try points.onChart(target)
    let (y, g) = (try target.space.split(latents).euclidean, try target.space.split(slopes).euclidean)
    var counts = stateNames.map { _ in 0.0 }
    for state in points.states { counts[state] += 1 }
    let logWeights = points.states.indices.map {
      points.logDensities[$0] - points.drawnDensities[$0]
        + log(shares[points.states[$0]] / counts[points.states[$0]])
    }
    let level = logWeights.filter(\.isFinite).max() ?? 0
    let raw = logWeights.map { $0.isFinite ? exp($0 - level) : 0 }
    (round.thermometer, round.thermometerError) = try TrainingWeights.thermometer(y, g, raw)
  }

  /// Asks the target for what is not known yet, and keeps each piece as it comes.
  func label(
    _ values: [Double], _ places: [Int], _ source: LabelledPoints.Source, round: Int, densities: [Double] = [],
    into state: inout State
  ) throws {
    let dimension = chart.coordinates.dimension
    let known = zip(state.points.sources, state.points.rounds).filter { $0 == source.rawValue && $1 == round }.count
    let count = places.count
    guard known < count else { return }
    host.progress.begin("target", total: count, unit: "energies")
    defer { host.progress.end() }
    var next = known
    var watch = Stopwatch()
    try forces.logDensities(
      chart.coordinates, Array(values[known * dimension..<count * dimension]), frames: count - known
    ) { piece in
      var points = LabelledPoints(dimension: dimension)
      let rows = next..<next + piece.logDensities.count
      points.values = Array(values[rows.lowerBound * dimension..<rows.upperBound * dimension])
      (points.logDensities, points.gradients) = (piece.logDensities, piece.gradients)
      points.drawnDensities = densities.isEmpty ? rows.map { _ in .nan } : Array(densities[rows])
      points.states = Array(places[rows])
      points.sources = rows.map { _ in source.rawValue }
      points.rounds = rows.map { _ in round }
      state.points.append(points)
      next = rows.upperBound
      host.progress.update(completed: next)
      // a dear energy is not to be asked for twice
      let isDue = forces.areDear && watch.seconds > Self.mostSecondsUnsaved
      try host.save(state, isDue: isDue)
      if isDue { watch.restart() }
    }
  }

  /// With fewer, a round has found nothing to go on from.
  static let fewestEffective = 10.0
  static let mostSecondsUnsaved = 5.0
}

extension LabelledPoints {
  /// Those that the emulator gave.
  func ofEmulator() -> LabelledPoints {
    picked(sources.indices.filter { sources[$0] == Source.emulator.rawValue })
  }
}
