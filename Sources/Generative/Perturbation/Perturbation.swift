import Basics
import Foundation
import Molecules
import Torch

/// From an emulator of one potential to an emulator of another (targeted free-energy perturbation with learnt maps).
///
/// Two potentials' bonds and angles lie widths apart, so that weights alone find no overlap; forces need none. In order: points of the
/// emulator get the target's energies and forces; an affine map of the narrow coordinates given the torsions is regressed from the forces
/// (`InternalChart.adapted`); a surrogate of the target's log-density is learnt from all energies and forces so far; two flows are trained on
/// the surrogate's own points, with its gradients in their targets; fresh samples of these flows get energies and forces, and the next
/// round begins. From the second training on the fresh samples themselves, by weight and with true forces, are part of what flows learn from. What comes out is
/// an emulator like any other: its samples are weighed by the target itself, so no step has to be right for a result to be.
public struct Perturbation {
  public struct Settings: Sendable {
    /// Target energies, with forces: of the emulator's points, of torsions everywhere, and of fresh samples in each round.
    public var first = 1000, exploration = 500
    public var rounds = [2500, 4500]
    /// Share of fresh samples, by weight, among what the flows learn from; the others are points of the surrogate.
    public var freshShare = 0.3
    /// Optimisation steps of the surrogate and of the flows, in each round and at last.
    public var surrogateSteps = 1500, flowSteps = 1500
    public var batch = 512
    /// Chains on the surrogate, and blocks of steps that each makes.
    public var chains = 20_000, blocks = 10
    public var recordEvery = 50
    public var seed: UInt64 = 0

    public init() {}
  }

  /// What a round found.
  public struct Round: Codable, Equatable, Sendable {
    /// Energies of the target so far.
    public var energies = 0
    /// Of the surrogate at points that it has not seen: kT, and a gradient's column in its width.
    public var surrogateError = Double.nan, surrogateGradientError = Double.nan
    /// Effective share of fresh samples as the flows draw them; within each state.
    public var effective = Double.nan
    public var effectiveOfStates: [Double] = []
    /// -ln of each state's share, up to a constant; kT.
    public var freeEnergies: [Double] = []
    /// Stein's identity of the fresh samples by weight, and its standard error: 1 where energies, forces and weights belong together.
    public var thermometer = Double.nan, thermometerError = Double.nan
    /// Effective samples of each state among those that were drawn.
    public var effectiveSamples: [Double] = []
  }

  /// All that is kept between two points where the work may stop.
  public struct State: Equatable, Sendable {
    public var points: LabelledPoints
    /// Which of `Phase` comes next, as a number.
    public var phase = 0
    /// The newest flows, and the chart they are on; nil before there are any.
    public var model: ModelArchive?
    public var rounds: [Round] = []

    public init(points: LabelledPoints, phase: Int = 0, model: ModelArchive? = nil, rounds: [Round] = []) {
      (self.points, self.phase, self.model, self.rounds) = (points, phase, model, rounds)
    }
  }

  /// What comes out.
  public struct Result {
    public let emulator: Emulator
    public let state: State
    public let training: TrainingState
    public let shift: (meanSquare: Double, largest: Double)
  }

  let source: Emulator
  let chart: InternalChart
  let topology: Topology
  let forces: BoltzmannForces
  let settings: Settings
  /// The state of each frame by its positions, [frames, atoms, 3], nm, and how many there are.
  let states: ([Double]) -> [Int]
  let stateNames: [String]
  /// Places of the states that somebody asks for.
  let asked: [Int]
  private let host: any PerturbationHost

  /// `states`: the state of each frame by its positions. Throws `PerturbationError` where the emulator is none of internal coordinates.
  public init(
    from source: Emulator, of topology: Topology, to forces: BoltzmannForces, stateNames: [String],
    asked: [Int], states: @escaping ([Double]) -> [Int], settings: Settings, host: any PerturbationHost
  ) throws {
    guard case .internal(let chart) = source.chart else { throw PerturbationError.cartesian }
    guard chart.held == nil else { throw PerturbationError.held }
    guard chart.space.angles > 0, chart.space.euclidean > 0 else { throw EmulatorError.noBroadTorsions }
    _ = try source.flow(for: topology)
    (self.source, self.chart, self.topology, self.forces) = (source, chart, topology, forces)
    (self.settings, self.states, self.stateNames, self.asked) = (settings, states, stateNames, asked)
    self.host = host
  }

  /// Goes on from what the host has saved. Throws `PerturbationError`, `TrainingError`, `SamplingError`, what the potential throws, and
  /// what the host throws to stop.
  public func run() throws -> Result {
    var state = try host.saved() ?? State(points: LabelledPoints(dimension: chart.coordinates.dimension))
    let least = chart.leastPointsForMap
    guard settings.first >= least else { throw PerturbationError.tooFewAsked(settings.first, least: least) }
    guard settings.chains >= settings.batch else {
      throw PerturbationError.tooFewChains(settings.chains, batch: settings.batch)
    }
    if state.phase < Phase.first { try checkRotors() }
    let shares = try label(first: &state)
    let found = try chart.adapted(to: state.points.picked(first: settings.first).sound())
    host.log(
      String(
        format:
          "the target lies %.2f widths away (root mean square; largest %.1f), its widths are %.2f to %.2f times the emulator's",
        found.shift.meanSquare, found.shift.largest, found.shift.widths.lowerBound, found.shift.widths.upperBound))
    let target = found.chart
    try label(exploring: &state, on: target)
    var flows = try newestFlows(state, target)
    for round in settings.rounds.indices {
      if state.phase < Phase.trained(round) {
        var found = Round()
        flows = try train(round: round, state, &found, target, from: flows, shares: shares).0
        state.model = try flows.map { try Emulator(header: header($0), chart: .internal(target), field: $0).archive() }
        state.rounds.append(found)
        try finish(Phase.trained(round), &state, isDue: true)
      }
      if let flows { try label(round: round, flows, target, &state) }
    }
    var quality = Round()
    if let found = state.rounds.last {
      for place in asked where found.effectiveSamples[place] < Self.fewestEffective {
        host.warn(
          "the target is not reached in \(stateNames[place]): \(String(format: "%.1f", found.effectiveSamples[place])) effective samples of the last round's fresh ones; what is drawn from "
            + "this emulator will hardly carry a number", .grave)
      }
    }
    let (last, training) = try train(
      round: settings.rounds.count, state, &quality, target, from: flows, shares: shares)
    return Result(
      emulator: Emulator(header: header(last), chart: .internal(target), field: last), state: state, training: training,
      shift: (found.shift.meanSquare, found.shift.largest))
  }

  // MARK: energies

  /// Phases are numbers: what is labelled and what is trained, in their order.
  enum Phase {
    static let first = 1, exploration = 2
    static func trained(_ round: Int) -> Int { 3 + 2 * round }
    static func labelled(_ round: Int) -> Int { 4 + 2 * round }
  }

  private func checkRotors() throws {
    for rotor in chart.rotors ?? [] {
      let values = try drawn(source.field, chart, count: 20, stream: "rotors").values
      let frames = values.count / chart.coordinates.dimension
      let difference = try forces.difference(turning: rotor, chart.coordinates, values, frames: frames)
      guard difference < FrameForces.equalEnergies else {
        throw PerturbationError.unequalEnds(chart.coordinates.label(of: rotor.torsion, in: topology), difference)
      }
    }
  }

  /// Points of the emulator, alike in each state. Returns the shares of the states among what it draws.
  private func label(first state: inout State) throws -> [Double] {
    let (picked, shares) = try stratified(source.field, chart, count: settings.first, stream: "first")
    guard state.phase < Phase.first else { return shares }
    try label(picked.values, picked.states, .emulator, round: 0, into: &state)
    try finish(Phase.first, &state, isDue: true)
    return shares
  }

  /// Torsions everywhere, with the narrow coordinates that the map gives them.
  private func label(exploring state: inout State, on target: InternalChart) throws {
    guard state.phase < Phase.exploration else { return }
    let generator = try Generator(seed: RandomStream.derivedSeed(settings.seed, ["exploration"]))
    let latents = try target.space.prior(settings.exploration, generator)
    let values = try target.internalCoordinates(latents: latents)
    try label(values, try places(values), .exploration, round: 0, into: &state)
    try finish(Phase.exploration, &state, isDue: true)
  }

  /// Fresh samples of the flows, with their log-densities.
  private func label(round: Int, _ flows: TwoFlows, _ target: InternalChart, _ state: inout State) throws {
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
  private func finish(_ phase: Int, _ state: inout State, isDue: Bool = false) throws {
    state.phase = phase
    try host.save(state, isDue: isDue)
  }

  private static func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }

  /// Effective shares, and free energies of the states, by weights.
  private func judge(_ round: inout Round, _ points: LabelledPoints, _ shares: [Double]) {
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
  private func measure(
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
    let total = raw.reduce(0, +)
    let weights = raw.map { $0 / total }
    let column = try Tensor(weights, shape: [weights.count, 1])
    let products = try (g * (y - (y * column).sum(0))).mean(-1).values(as: Double.self).map { -$0 }
    let mean = zip(weights, products).reduce(0) { $0 + $1.0 * $1.1 }
    let variance = zip(weights, products).reduce(0) { $0 + $1.0 * $1.0 * ($1.1 - mean) * ($1.1 - mean) }
    (round.thermometer, round.thermometerError) = (mean, variance.squareRoot())
  }

  /// Asks the target for what is not known yet, and keeps each piece as it comes.
  private func label(
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
  private static let fewestEffective = 10.0
  private static let mostSecondsUnsaved = 5.0

  // MARK: draws

  private struct Draws {
    var values: [Double] = []
    var states: [Int] = []
    /// ln q over internal coordinates; empty without.
    var densities: [Double] = []
  }

  private func places(_ values: [Double]) throws -> [Int] {
    let frames = values.count / chart.coordinates.dimension
    return states(try chart.coordinates.cartesian(values, frames: frames).coordinates)
  }

  private func sampler(_ field: any FlowModel, _ method: LogDensityMethod) throws -> FlowSampler {
    try FlowSampler(field: field, integrator: .rungeKutta4(steps: 6), method: method)
  }

  private func drawn(_ field: any FlowModel, _ chart: InternalChart, count: Int, stream: String) throws -> Draws {
    let seed = RandomStream.derivedSeed(settings.seed, ["draw", stream])
    let flow = try sampler(field, .none).batch(count, seed: seed, index: 0).withoutLost()
    var draws = Draws(values: try chart.internalCoordinates(latents: flow.latents))
    draws.states = try places(draws.values)
    return draws
  }

  /// A state that so many batches never show is not drawn.
  private static let drawBatch = 2000, leastBatches = 5, mostBatches = 40

  /// As many of each state that is drawn at all as can be had, together `count`; and each state's share of all that was drawn.
  private func stratified(
    _ field: any FlowModel, _ chart: InternalChart, count: Int, stream: String, densities: Bool = false
  ) throws -> (Draws, shares: [Double]) {
    let seed = RandomStream.derivedSeed(settings.seed, ["draw", stream])
    let plain = try sampler(field, .none)
    let size = chart.coordinates.dimension
    var found = stateNames.map { _ in [(values: [Double], prior: Tensor)]() }
    var counts = stateNames.map { _ in 0 }
    /// Of each state that is drawn at all.
    var wanted: Int { (count + max(1, counts.filter { $0 > 0 }.count) - 1) / max(1, counts.filter { $0 > 0 }.count) }
    for index in 0..<Self.mostBatches {
      let flow = try plain.batch(Self.drawBatch, seed: seed, index: index).withoutLost()
      let values = try chart.internalCoordinates(latents: flow.latents)
      let places = try places(values)
      for state in stateNames.indices {
        let rows = places.indices.filter { places[$0] == state }
        let room = count - counts[state]
        counts[state] += rows.count
        guard room > 0, !rows.isEmpty else { continue }
        let kept = Array(rows.prefix(room))
        found[state].append(
          (kept.flatMap { values[$0 * size..<($0 + 1) * size] }, try flow.prior.selected(Tensor(kept.map(Int64.init)))))
      }
      if index + 1 >= Self.leastBatches, counts.allSatisfy({ $0 == 0 || $0 >= wanted }) { break }
      try host.checkInterruption()
    }
    let total = Double(max(1, counts.reduce(0, +)))
    for state in asked where counts[state] == 0 {
      host.warn("the emulator draws nothing in \(stateNames[state]): nothing is learnt of it", .grave)
    }
    var draws = Draws()
    for (state, parts) in found.enumerated() where !parts.isEmpty {
      let values = Array(parts.flatMap(\.values).prefix(wanted * size))
      guard densities else {
        draws.values += values
        draws.states += [Int](repeating: state, count: values.count / size)
        continue
      }
      let prior = try Tensor.concatenated(parts.map(\.prior), axis: 0).slice(0..<values.count / size)
      for first in stride(from: 0, to: prior.shape[0], by: Self.drawBatch) {
        let generator = try Generator(
          seed: RandomStream.derivedSeed(seed, ["density", String(state), String(first)]))
        let part = try prior.slice(first..<min(first + Self.drawBatch, prior.shape[0]))
        let flow = try sampler(field, .stochasticTrace).integrate(from: part, generator)
        // a few that fold over are left out, all of a small state too
        guard flow.lost.count < part.shape[0] else { continue }
        let kept = try flow.withoutLost()
        let values = try chart.internalCoordinates(latents: kept.latents)
        draws.values += values
        draws.states += try places(values)
        let logs = try kept.logDensities?.mean(0).values(as: Double.self) ?? []
        draws.densities += logs.map { $0 + chart.logDeterminant }
      }
    }
    return (draws, counts.map { Double($0) / total })
  }

  // MARK: training

  private func newestFlows(_ state: State, _ target: InternalChart) throws -> TwoFlows? {
    if let archive = state.model { return try Emulator(archive).field as? TwoFlows }
    return source.field as? TwoFlows
  }

  private func header(_ flows: TwoFlows) -> Emulator.Header {
    Emulator.Header(
      architecture: .twoFlows(
        torsions: flows.network.torsions.configuration, rest: flows.network.rest.configuration),
      interpolant: flows.interpolant)
  }

  private func fresh(_ target: InternalChart) throws -> TwoFlows {
    let generator = try Generator(seed: RandomStream.derivedSeed(settings.seed, ["network"]))
    let field = try EmulatorArchitecture.standard(for: .internal(target), inTwo: true).field(
      .internal(target), .linear, generator)
    guard let flows = field as? TwoFlows else { throw EmulatorError.noBroadTorsions }
    return flows
  }

  /// On points of the surrogate, and on the fresh samples so far, by weight and their own forces.
  private func train(
    round: Int, _ state: State, _ found: inout Round, _ target: InternalChart, from flows: TwoFlows?, shares: [Double]
  ) throws -> (TwoFlows, TrainingState) {
    let seed = RandomStream.derivedSeed(settings.seed, ["round", String(round)])
    let host = host.trainingHost(state)
    let points = state.points.sound()
    let data = try SurrogateData(points, chart: target, shares: stateNames.map { _ in 1 })
    let (surrogate, quality) = try DensitySurrogate.trained(
      on: data, from: nil, steps: settings.surrogateSteps, seed: seed, host: host)
    let start = try chainStarts(points, target, shares, seed: seed)
    let sampler = SurrogateSampler(surrogate: surrogate, widths: try data.scales.reciprocal()) { latents in
      try places(target.internalCoordinates(latents: latents))
    }
    let chains = try sampler.run(
      from: start.latents, places: start.states, blocks: settings.blocks, seed: seed, host: host)
    host.log(
      String(
        format:
          "surrogate: off by %.2f kT, gradients by %.2f widths; chains: %.0f %% of steps and %.0f %% of turns accepted",
        quality.value, quality.gradient, 100 * chains.accepted, 100 * chains.turned))
    (found.surrogateError, found.surrogateGradientError) = (quality.value, quality.gradient)
    var rows = try Tensor.concatenated([chains.latents, chains.gradients], axis: 1)
    var weights: [Double] = []
    let fresh = points.picked(
      points.sources.indices.filter { points.sources[$0] == LabelledPoints.Source.fresh.rawValue })
    if fresh.count > 0, settings.freshShare > 0 {
      let count = rows.shape[0]
      let own = trainingWeights(fresh, shares)
      let total = max(own.reduce(0, +), .leastNormalMagnitude)
      weights =
        [Double](repeating: (1 - settings.freshShare) / Double(count), count: count)
        + own.map { $0 / total * settings.freshShare }
      let (latents, _, slopes) = try fresh.onChart(target)
      rows = try Tensor.concatenated(
        [rows, Tensor.concatenated([latents, slopes], axis: 1).cast(.float32)], axis: 0)
    }
    return try optimised(
      flows ?? self.fresh(target), rows, weights: weights, target, steps: settings.flowSteps, seed: seed, host: host)
  }

  /// Torsions of points in each state, as many as its share says, beside narrow coordinates as the map has them.
  private func chainStarts(
    _ points: LabelledPoints, _ target: InternalChart, _ shares: [Double], seed: UInt64
  ) throws -> (latents: Tensor, states: [Int]) {
    var random = RandomStream(seed: seed, "starts")
    var rows: [Int] = []
    for state in stateNames.indices {
      let own = points.states.indices.filter { points.states[$0] == state }
      guard !own.isEmpty else { continue }
      let chains = Int((shares[state] * Double(settings.chains)).rounded())
      for _ in 0..<chains { rows.append(own[Int(random.uniform() * Double(own.count))]) }
    }
    let theta = try target.space.split(points.onChart(target).latents).angles.cast(.float32)
    let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["starts"]))
    let y = try generator.normal([rows.count, target.space.euclidean])
    let latents = try target.space.joined(y, theta.selected(Tensor(rows.map(Int64.init))))
    // a state may hang on narrow coordinates too
    let places = try places(target.internalCoordinates(latents: latents))
    return (latents, places)
  }

  private static let clipped = 0.002

  /// Within each state and round in proportion to the weights, of which the largest are cut; rounds by their effective samples, states by
  /// their shares.
  private func trainingWeights(_ points: LabelledPoints, _ shares: [Double]) -> [Double] {
    var weights = [Double](repeating: 0, count: points.count)
    for state in stateNames.indices {
      var total = 0.0
      var members: [Int] = []
      for round in settings.rounds.indices {
        let rows = points.states.indices.filter { points.states[$0] == state && points.rounds[$0] == round }
        guard !rows.isEmpty else { continue }
        let logs = rows.map { points.logDensities[$0] - points.drawnDensities[$0] }
        let level = logs.filter(\.isFinite).max() ?? 0
        var own = logs.map { $0.isFinite ? exp($0 - level) : 0 }
        let cut = own.sorted()[max(0, own.count - 1 - Int((Self.clipped * Double(own.count)).rounded(.up)))]
        own = own.map { min($0, cut) }
        let (sum, squares) = (own.reduce(0, +), own.reduce(0) { $0 + $1 * $1 })
        guard sum > 0, squares > 0 else { continue }
        // as many as they count for
        for (row, weight) in zip(rows, own) { weights[row] = weight / sum * (sum * sum / squares) }
        total += sum * sum / squares
        members += rows
      }
      for row in members { weights[row] *= shares[state] / max(total, .leastNormalMagnitude) }
    }
    return weights
  }

  private func optimised(
    _ start: TwoFlows, _ rows: Tensor, weights: [Double], _ target: InternalChart, steps: Int, seed: UInt64,
    host: any TrainingHost
  ) throws -> (TwoFlows, TrainingState) {
    let d = target.space.dimension
    let gradients = try rows.slice(d..<2 * d, axis: 1)
    let uniform = [Double](repeating: 1, count: rows.shape[0])
    let loss = EmulatorLoss(
      plain: FlowMatchingLoss(interpolant: start.interpolant),
      forces: try ForceTargets(
        gradients, weights: weights.isEmpty ? uniform : weights, space: target.space, interpolant: start.interpolant),
      times: .likelihood)
    var plan = EmulatorSettings()
    (plan.seed, plan.recordEvery) = (seed, settings.recordEvery)
    let optimization = OptimizationSettings(steps: steps, batch: settings.batch, warmUp: min(200, max(1, steps / 4)))
    let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["noise"]))
    let own = TwoFlows(network: start.network, space: target.space, interpolant: start.interpolant)
    let (field, state) = try Emulator.optimize(
      own, loss, on: rows, weights: weights, validation: nil, optimization, plan, generator, host)
    guard let trained = field as? TwoFlows else { throw EmulatorError.noBroadTorsions }
    return (trained, state)
  }
}

extension LabelledPoints {
  /// The first of those that the emulator gave.
  func picked(first count: Int) -> LabelledPoints {
    picked(Array(self.sources.indices.filter { sources[$0] == Source.emulator.rawValue }.prefix(count)))
  }
}

public enum PerturbationError: Error, Equatable, CustomStringConvertible {
  /// The emulator works on positions.
  case cartesian
  /// The emulator keeps bonds at their lengths.
  case held
  /// The target tells the ends of a rotor apart that the emulator folds, by so many kT.
  case unequalEnds(String, Double)
  /// So many points are asked for, and the map needs more.
  case tooFewAsked(Int, least: Int)
  /// Fewer points of the surrogate than one step of a training takes.
  case tooFewChains(Int, batch: Int)
  /// Too few points of the emulator have a finite energy under the target.
  case tooFewPoints(Int, least: Int)

  public var description: String {
    switch self {
    case .cartesian: "only an emulator of internal coordinates can be carried to another potential"
    case .held: "an emulator that keeps bonds at their lengths cannot be carried to another potential"
    case .unequalEnds(let torsion, let difference):
      "the emulator takes the three ends of \(torsion) for equal, and the other potential tells them apart by "
        + String(format: "%.2g kT", difference)
    case .tooFewAsked(let asked, let least):
      "the map to the other potential needs energies at \(least) points of the emulator at least, not \(asked)"
    case .tooFewChains(let chains, let batch):
      "\(chains) points of the surrogate are fewer than one step takes, \(batch)"
    case .tooFewPoints(let found, let least):
      "\(found) points of the emulator have a finite energy under the other potential, and the map to it needs \(least)"
    }
  }
}
