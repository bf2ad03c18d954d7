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
/// round begins. From the second training on the fresh samples themselves, by weight and with true forces, are part of what flows learn
/// from. What comes out is an emulator like any other: its samples are weighed by the target itself, so no step has to be right for a result to be.
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
  let host: any PerturbationHost

  /// Root mean square of the narrow coordinates' shifts, in widths: below it weights alone have kept 19 to 52 % of the samples.
  static let near = 0.1

  /// Where another potential is so near that its own weights may do; nil elsewhere.
  static func hint(_ shift: Double) -> String? {
    guard shift < near else { return nil }
    return
      "the two potentials lie only \(String(format: "%.2f", shift)) widths apart in bonds and angles: weights under the target, of the first "
      + "emulator's own samples, may do without this stage"
  }

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
    let found = try chart.adapted(to: state.points.ofEmulator().sound())
    host.log(
      String(
        format:
          "the target lies %.2f widths away (root mean square; largest %.1f), its widths are %.2f to %.2f times the emulator's",
        found.shift.meanSquare, found.shift.largest, found.shift.widths.lowerBound, found.shift.widths.upperBound))
    if let hint = Self.hint(found.shift.meanSquare) { host.warn(Remark(hint, .note)) }
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
}
