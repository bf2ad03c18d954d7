import Basics
import Foundation
import Molecules
import Torch

/// Samples of an emulator with their weights, to learn from again.
public struct RefinementSamples: Sendable {
  /// nm, [samples, atoms, 3].
  public let positions: [Double]
  /// ln w, up to a constant of all; where it is not finite a sample does not count. [samples]; empty of frames of dynamics
  public let logWeights: [Double]
  /// The state of each, by its place. [samples]
  public let states: [Int]

  public init(positions: [Double], logWeights: [Double], states: [Int]) {
    (self.positions, self.logWeights, self.states) = (positions, logWeights, states)
  }

  /// Whether all are of as many conformations of `size` numbers, and every state is one of `count`; without weights: frames.
  fileprivate func isWhole(_ size: Int, _ count: Int) -> Bool {
    positions.count == size * states.count && (logWeights.isEmpty || logWeights.count == states.count)
      && states.allSatisfy { (0..<count).contains($0) }
  }
}

/// How an emulator is trained again on its own weighted samples.
public struct RefinementSettings: Sendable {
  /// Share of the weighted samples among what is learnt from, where there are frames of dynamics too.
  public var sampleShare = 0.5
  /// Share of each state's samples whose weights, the largest, are cut to the next one.
  public var clipped = 0.002
  public var optimization = OptimizationSettings(steps: 2000, batch: 512)
  public var recordEvery = 50
  public var seed: UInt64 = 0

  public init() {}
}

public enum RefinementError: Error, Equatable, CustomStringConvertible {
  /// It is none of two flows over internal coordinates without held bonds.
  case otherEmulator
  /// No sample has a weight.
  case noWeight
  /// A round, or frames, whose numbers of positions, weights and states do not go together.
  case shape(String)
  /// The force field takes milliseconds for a conformation: its forces would be lost with every stop.
  case dear
  /// The force field tells the ends of a rotor apart that the emulator folds, by so many kT.
  case unequalEnds(String, Double)
  /// The frames are not those of the force field.
  case otherFrames(reason: String)

  public var description: String {
    switch self {
    case .otherEmulator:
      "only an emulator of two flows over internal coordinates, none of whose bonds is held, can be refined by its own samples"
    case .shape(let what):
      "\(what): positions, weights and states are not of as many conformations, or not of this molecule"
    case .dear:
      "forces of this potential are dear, and a refinement keeps none on the way; perturb, which keeps them, has rounds of feedback of its own"
    case .noWeight: "no sample has a weight: there is nothing to learn from"
    case .unequalEnds(let torsion, let difference):
      "the emulator takes the three ends of \(torsion) for equal, and the force field tells them apart by "
        + String(format: "%.2g kT", difference)
    case .otherFrames(let reason): "the frames beside the samples are not those of the force field: \(reason)"
    }
  }
}

/// How often weighted samples are drawn in training.
enum TrainingWeights {
  /// Within each state and round in proportion to the weights, of which the largest are cut; rounds by their effective samples, states by
  /// their shares. [samples]
  static func clipped(
    _ logWeights: [Double], states: [Int], rounds: [Int], shares: [Double], clipped: Double
  ) -> [Double] {
    var weights = [Double](repeating: 0, count: logWeights.count)
    for state in shares.indices {
      var total = 0.0
      var members: [Int] = []
      for round in 0..<((rounds.max() ?? -1) + 1) {
        let rows = states.indices.filter { states[$0] == state && rounds[$0] == round }
        guard !rows.isEmpty else { continue }
        let logs = rows.map { logWeights[$0] }
        let level = logs.filter(\.isFinite).max() ?? 0
        var own = logs.map { $0.isFinite ? exp($0 - level) : 0 }
        let sorted = own.filter { $0 > 0 }.sorted()
        guard !sorted.isEmpty else { continue }
        let cut = sorted[max(0, sorted.count - 1 - Int((clipped * Double(own.count)).rounded(.up)))]
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

  /// E[-g (y - mean)] over narrow latents y and gradients g of ln p, [samples, n], by weights, and its standard error: 1 where samples, weights
  /// and forces belong together.
  static func thermometer(_ y: Tensor, _ g: Tensor, _ raw: [Double]) throws -> (value: Double, error: Double) {
    let total = raw.reduce(0, +)
    let weights = raw.map { $0 / total }
    let column = try Tensor(weights, shape: [weights.count, 1])
    let products = try (g * (y - (y * column).sum(0))).mean(-1).values(as: Double.self).map { -$0 }
    let mean = zip(weights, products).reduce(0) { $0 + $1.0 * $1.1 }
    let variance = zip(weights, products).reduce(0) { $0 + $1.0 * $1.0 * ($1.1 - mean) * ($1.1 - mean) }
    return (mean, variance.squareRoot())
  }
}

extension TwoFlows {
  /// Goes on training on rows [n, 2 d] of latents and gradients over them, drawn with `weights` [n], all alike where it is empty. Nothing is
  /// held out: the last average is taken.
  func trained(
    on rows: Tensor, weights: [Double], space: LatentSpace, _ optimization: OptimizationSettings, recordEvery: Int,
    seed: UInt64, host: any TrainingHost
  ) throws -> (TwoFlows, TrainingState) {
    let d = space.dimension
    let uniform = [Double](repeating: 1, count: rows.shape[0])
    let loss = EmulatorLoss(
      plain: FlowMatchingLoss(interpolant: interpolant),
      forces: try ForceTargets(
        rows.slice(d..<2 * d, axis: 1), weights: weights.isEmpty ? uniform : weights, space: space,
        interpolant: interpolant),
      times: .likelihood)
    var plan = EmulatorSettings()
    (plan.seed, plan.recordEvery) = (seed, recordEvery)
    let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["noise"]))
    let own = TwoFlows(network: network, space: space, interpolant: interpolant)
    let (field, state) = try Emulator.optimize(
      own, loss, on: rows, weights: weights, validation: nil, optimization, plan, generator, host)
    guard let trained = field as? TwoFlows else { throw EmulatorError.noBroadTorsions }
    return (trained, state)
  }
}

extension Emulator {
  /// What a refinement ends with.
  public struct Refined {
    public let emulator: Emulator
    /// Of the samples by weight, by Stein's identity over the narrow coordinates: 1 where they are the force field's; and its standard error.
    public let thermometer: (value: Double, error: Double)
    public let state: TrainingState
    /// Samples with a weight, and frames.
    public let samples: Int, frames: Int
    /// Effective samples of each state in the training, the largest weights cut.
    public let effective: [Double]
  }

  /// Goes on training on weighted samples of one or more rounds, the newest last, and on `frames` of dynamics under the same force field, where
  /// there are some (their weights are not looked at). The chart stays.
  ///
  /// Weights are what makes samples those of the force field: drawn by weight, with forces in the targets, they teach what the emulator has too
  /// little of. States keep the shares that the newest round drew them with. For emulators of two flows over internal coordinates. Throws
  /// `RefinementError`, `TrainingError`, and what forces throw.
  public func refined(
    by rounds: [RefinementSamples], frames: RefinementSamples?, stateCount: Int, of topology: Topology,
    forces: BoltzmannForces, settings: RefinementSettings, host: any TrainingHost = UnattendedHost()
  ) throws -> Refined {
    guard case .internal(let chart) = chart, chart.held == nil, let flows = field as? TwoFlows else {
      throw RefinementError.otherEmulator
    }
    _ = try flow(for: topology)
    guard !forces.areDear else { throw RefinementError.dear }
    for (number, round) in rounds.enumerated() where !round.isWhole(3 * chart.coordinates.atomCount, stateCount) {
      throw RefinementError.shape("round \(number + 1)")
    }
    if let frames, !frames.isWhole(3 * chart.coordinates.atomCount, stateCount) {
      throw RefinementError.shape("frames")
    }
    let shares = Self.shares(rounds.last?.states ?? [], stateCount)
    // the frames first: what is refused is refused early
    let beside =
      try settings.sampleShare < 1
      ? frames.map { try replayed($0, shares, chart, topology, forces, host) } : nil
    let (samples, effective) = try weighted(rounds, shares, chart, forces, settings, host)
    guard samples.weights.contains(where: { $0 > 0 }) else { throw RefinementError.noWeight }
    try checkRotors(chart, samples.values, topology, forces)
    var (rows, weights) = (try samples.rows(chart), samples.weights)
    let (y, g) = (
      try chart.space.split(rows.slice(0..<chart.space.dimension, axis: 1).cast(.float64)).euclidean,
      try chart.space.split(
        rows.slice(chart.space.dimension..<2 * chart.space.dimension, axis: 1).cast(.float64)
      ).euclidean
    )
    let thermometer = try TrainingWeights.thermometer(y, g, weights)
    if let beside {
      let (own, theirs) = (weights.reduce(0, +), beside.weights.reduce(0, +))
      weights =
        weights.map { $0 / own * settings.sampleShare }
        + beside.weights.map { $0 / max(theirs, .leastNormalMagnitude) * (1 - settings.sampleShare) }
      rows = try Tensor.concatenated([rows, beside.rows(chart)], axis: 0)
    }
    let (trained, state) = try flows.trained(
      on: rows, weights: weights, space: chart.space, settings.optimization, recordEvery: settings.recordEvery,
      seed: settings.seed, host: host)
    return Refined(
      emulator: Emulator(header: header, chart: self.chart, field: trained), thermometer: thermometer, state: state,
      samples: samples.weights.count, frames: beside?.weights.count ?? 0, effective: effective)
  }

  /// Conformations as flows learn from them.
  private struct Lesson {
    /// Internal coordinates, nm and rad, and gradients of ln p over them; [rows, dimension].
    var values: [Double] = []
    var gradients: [Double] = []
    /// How often each is drawn. [rows]
    var weights: [Double] = []

    /// Latents and gradients over them, [rows, 2 d], Float32.
    func rows(_ chart: InternalChart) throws -> Tensor {
      let (latents, slopes) = try chart.latents(internal: values, gradient: gradients, frames: weights.count)
      return try Tensor.concatenated([latents, slopes], axis: 1).cast(.float32)
    }

    /// Without those that have no finite gradient, or one that no molecule at this temperature has.
    func sound(_ dimension: Int) -> Lesson {
      var result = Lesson()
      for row in weights.indices {
        let own = gradients[row * dimension..<(row + 1) * dimension]
        guard own.allSatisfy({ $0.isFinite && abs($0) < 1e6 }) else { continue }
        result.values += values[row * dimension..<(row + 1) * dimension]
        result.gradients += own
        result.weights.append(weights[row])
      }
      return result
    }
  }

  /// Of each state among places.
  private static func shares(_ places: [Int], _ count: Int) -> [Double] {
    var counts = [Double](repeating: 0, count: count)
    for place in places { counts[place] += 1 }
    return counts.map { $0 / Double(max(1, places.count)) }
  }

  private func lesson(
    _ positions: [Double], _ weights: [Double], _ chart: InternalChart, _ forces: BoltzmannForces,
    _ host: any TrainingHost
  ) throws -> Lesson {
    let values = try chart.coordinates.internalCoordinates(positions, frames: weights.count).values
    let gradients = try forces.gradients(chart.coordinates, values, frames: weights.count, host)
    return Lesson(values: values, gradients: gradients, weights: weights)
  }

  private func weighted(
    _ rounds: [RefinementSamples], _ shares: [Double], _ chart: InternalChart, _ forces: BoltzmannForces,
    _ settings: RefinementSettings, _ host: any TrainingHost
  ) throws -> (Lesson, effective: [Double]) {
    let states = rounds.flatMap(\.states)
    let weights = TrainingWeights.clipped(
      rounds.flatMap(\.logWeights), states: states,
      rounds: rounds.enumerated().flatMap { number, round in round.states.map { _ in number } }, shares: shares,
      clipped: settings.clipped)
    let chosen = weights.indices.filter { weights[$0] > 0 }
    let size = 3 * chart.coordinates.atomCount
    var (positions, first) = ([Double](), 0)
    positions.reserveCapacity(chosen.count * size)
    for round in rounds {
      for row in 0..<round.states.count where weights[first + row] > 0 {
        positions += round.positions[row * size..<(row + 1) * size]
      }
      first += round.states.count
    }
    let found = try lesson(positions, chosen.map { weights[$0] }, chart, forces, host).sound(
      chart.coordinates.dimension)
    let counted = shares.indices.map { state -> Double in
      let own = weights.indices.filter { states[$0] == state }.map { weights[$0] }
      let (sum, squares) = (own.reduce(0, +), own.reduce(0) { $0 + $1 * $1 })
      return squares > 0 ? sum * sum / squares : 0
    }
    host.log(
      "\(found.weights.count) of \(states.count) samples have a weight; effective ones by state, the largest weights cut: "
        + counted.map { String(format: "%.0f", $0) }.joined(separator: ", "))
    return (found, counted)
  }

  /// Within each state alike, states by their shares.
  private func replayed(
    _ frames: RefinementSamples, _ shares: [Double], _ chart: InternalChart, _ topology: Topology,
    _ forces: BoltzmannForces, _ host: any TrainingHost
  ) throws -> Lesson {
    let own = Self.shares(frames.states, shares.count)
    let weights = frames.states.map { own[$0] > 0 ? shares[$0] / own[$0] : 0 }
    let found = try lesson(frames.positions, weights, chart, forces, host)
    let check = SteinCheck(chart, topology, found.values, found.gradients, frames: weights.count)
    guard check.isSound else {
      throw RefinementError.otherFrames(reason: check.verdict(temperature: forces.temperature))
    }
    host.log("frames beside them: " + check.summary)
    return found
  }

  private func checkRotors(
    _ chart: InternalChart, _ values: [Double], _ topology: Topology, _ forces: BoltzmannForces
  ) throws {
    let rows = min(20, values.count / chart.coordinates.dimension)
    let positions = try chart.coordinates.cartesian(
      Array(values.prefix(rows * chart.coordinates.dimension)), frames: rows
    ).coordinates
    for rotor in chart.rotors ?? [] {
      let difference = try forces.difference(turning: rotor, positions, frames: rows)
      guard difference < FrameForces.equalEnergies else {
        throw RefinementError.unequalEnds(chart.coordinates.label(of: rotor.torsion, in: topology), difference)
      }
    }
  }
}
