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
  public var clipped = TrainingWeights.clipped
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
    let some = min(20, samples.weights.count)
    let positions = try chart.coordinates.cartesian(
      Array(samples.values.prefix(some * chart.coordinates.dimension)), frames: some
    ).coordinates
    if let (rotor, difference) = try forces.unequalEnds(of: chart, positions, frames: some) {
      throw RefinementError.unequalEnds(chart.coordinates.label(of: rotor.torsion, in: topology), difference)
    }
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
}
