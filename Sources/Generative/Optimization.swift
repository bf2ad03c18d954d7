import Basics
import Foundation
import Torch

/// Optimiser settings that the emulator and the energy model share.
public struct OptimizationSettings: Codable, Equatable, Sendable {
  public var steps: Int
  public var batch: Int
  public var learningRate: Double
  /// Steps of linear warm-up; a cosine to zero follows.
  public var warmUp: Int
  public var weightDecay: Double
  /// Decay of the moving average of the parameters, which is what is used in the end.
  public var averageDecay: Double
  /// Largest 2-norm of the gradient.
  public var clip: Double

  public init(
    steps: Int, batch: Int, learningRate: Double = 1e-3, warmUp: Int = 500, weightDecay: Double = 0.01,
    averageDecay: Double = 0.999, clip: Double = 1
  ) {
    self.steps = steps
    self.batch = batch
    self.learningRate = learningRate
    self.warmUp = warmUp
    self.weightDecay = weightDecay
    self.averageDecay = averageDecay
    self.clip = clip
  }

  /// Learning rate of step 0, 1, ...
  public func learningRate(at step: Int) -> Double {
    if step < warmUp { return learningRate * Double(step + 1) / Double(warmUp) }
    let progress = Double(step - warmUp) / Double(max(1, steps - warmUp))
    return learningRate * 0.5 * (1 + cos(Double.pi * min(1, progress)))
  }
}

public enum TrainingError: Error, CustomStringConvertible, Equatable {
  case notFinite(step: Int, loss: Double, gradientNorm: Double)
  /// The same after the learning rate was halved as often as is sensible. `batch` names the samples.
  case broken(step: Int, loss: Double, gradientNorm: Double, batch: String, halvings: Int)
  case tooFewSamples(count: Int, batch: Int)
  case badState(String)

  public var description: String {
    switch self {
    case .notFinite(let step, let loss, let norm):
      return "training broke at step \(step): loss \(loss), gradient norm \(norm); lower training.learning_rate"
    case .broken(let step, let loss, let norm, let batch, let halvings):
      return "training broke at step \(step)\(batch.isEmpty ? "" : ", \(batch)"): loss \(loss), gradient norm \(norm), "
        + "with the learning rate halved \(halvings) times; look at these samples, or lower training.learning_rate"
    case .tooFewSamples(let count, let batch):
      return "\(count) training samples are fewer than one batch of \(batch); lower training.batch or give more data"
    case .badState(let reason): return "a saved training state does not fit this training: \(reason)"
    }
  }
}

/// Everything a training needs to go on bit for bit: named float tensors, the random stream, and the step.
public struct TrainingState {
  public var step: Int
  public var tensors: [(name: String, array: NDArray<Float>)]
  public var generator: [UInt8]
  /// Loss curve so far: one row per recorded step.
  public var curve: LossCurve
  /// How often the learning rate was halved after the training had broken down.
  public var halvings: Int

  public init(
    step: Int, tensors: [(name: String, array: NDArray<Float>)], generator: [UInt8], curve: LossCurve, halvings: Int = 0
  ) {
    self.halvings = halvings
    self.step = step
    self.tensors = tensors
    self.generator = generator
    self.curve = curve
  }
}

/// Recorded losses: a row of `columns` per recorded step.
public struct LossCurve: Equatable, Sendable {
  public let columns: [String]
  public private(set) var steps: [Int] = []
  public private(set) var rows: [[Double]] = []

  public init(columns: [String]) { self.columns = columns }

  public mutating func record(step: Int, _ row: [Double]) {
    steps.append(step)
    rows.append(row)
  }

  public func column(_ name: String) -> [Double] {
    guard let index = columns.firstIndex(of: name) else { return [] }
    return rows.map { $0[index] }
  }
}

/// Parameters, their moving average, Adam's moments and the schedule: one optimisation step at a time.
public final class Trainer<Net: Network> {
  public let settings: OptimizationSettings
  public private(set) var network: Net
  /// The moving average: the network to use.
  public let average: Net
  public let generator: Generator
  public private(set) var step = 0
  public var curve: LossCurve
  /// The learning rate is that of the schedule times 2^-halvings.
  public var halvings = 0
  private let optimizer: Adam

  /// Start of a training. `generator` feeds initial parameters, then noise and times.
  public init(
    network: Net, settings: OptimizationSettings, generator: Generator, columns: [String]
  ) throws {
    self.settings = settings
    self.network = network.replacing(parameters: try network.parameters.map { try $0.requiringGradient() })
    average = try network.cloned()
    optimizer = try Adam(self.network.parameters, weightDecay: settings.weightDecay)
    self.generator = generator
    curve = LossCurve(columns: columns)
  }

  public var isFinished: Bool { step >= settings.steps }

  /// One step on `loss`, which must depend on `network.parameters`. Returns the loss; throws when it or the gradient is not
  /// finite, before anything is changed.
  public func update(_ loss: Tensor) throws -> Double {
    let gradients = try loss.gradients(of: network.parameters)
    let value = try loss.item()
    let norm = try clipNormInPlace(gradients, maximum: settings.clip)
    guard value.isFinite, norm.isFinite else {
      throw TrainingError.notFinite(step: step, loss: value, gradientNorm: norm)
    }
    try optimizer.update(gradients, learningRate: settings.learningRate(at: step) * pow(0.5, Double(halvings)))
    // a short memory at first, so that the average does not drag the initial parameters along
    let decay = min(settings.averageDecay, Double(step + 1) / Double(step + 10))
    try updateAveragesInPlace(average.parameters, network.parameters, decay: decay)
    step += 1
    return value
  }

  // MARK: - saving and going on

  public func state() throws -> TrainingState {
    var tensors: [(name: String, array: NDArray<Float>)] = []
    let groups = [
      ("parameters", network.parameters), ("average", average.parameters), ("first_moment", optimizer.firstMoments),
      ("second_moment", optimizer.secondMoments),
    ]
    for (group, list) in groups {
      for (name, tensor) in zip(network.parameterNames, list) {
        tensors.append((name: "\(group)/\(name)", array: try tensor.array()))
      }
    }
    for constant in network.constants {
      tensors.append((name: "constants/\(constant.name)", array: try constant.tensor.array()))
    }
    return TrainingState(
      step: step, tensors: tensors, generator: try generator.state(), curve: curve, halvings: halvings)
  }

  public func restore(_ state: TrainingState) throws {
    let saved = Dictionary(state.tensors.map { ($0.name, $0.array) }, uniquingKeysWith: { first, _ in first })
    func tensors(_ group: String, _ like: [(name: String, tensor: Tensor)]) throws -> [Tensor] {
      try like.map { name, mine in
        guard let array = saved["\(group)/\(name)"] else { throw TrainingError.badState("no \(group)/\(name)") }
        guard array.shape == mine.shape else {
          throw TrainingError.badState("\(group)/\(name) has shape \(array.shape), not \(mine.shape)")
        }
        return try Tensor(array)
      }
    }
    let named = zip(network.parameterNames, network.parameters).map { (name: $0, tensor: $1) }
    let (parameters, averages) = (try tensors("parameters", named), try tensors("average", named))
    let constants = try tensors("constants", network.constants)
    let (first, second) = (try tensors("first_moment", named), try tensors("second_moment", named))
    for (mine, theirs) in zip(network.parameters, parameters) { try mine.copyInPlace(from: theirs) }
    for (mine, theirs) in zip(average.parameters, averages) { try mine.copyInPlace(from: theirs) }
    for (mine, theirs) in zip(network.constants, constants) { try mine.tensor.copyInPlace(from: theirs) }
    try optimizer.restore(firstMoments: first, secondMoments: second, step: state.step)
    try generator.restore(state.generator)
    step = state.step
    curve = state.curve
    halvings = state.halvings
  }
}

/// Batches that visit every sample once per epoch, in an order that (seed, epoch) alone decides.
public struct EpochSampler {
  public let count: Int
  public let batch: Int
  private let seed: UInt64
  private var epoch = -1
  private var order: Tensor?

  public init(count: Int, batch: Int, seed: UInt64) throws {
    guard count >= batch else { throw TrainingError.tooFewSamples(count: count, batch: batch) }
    self.count = count
    self.batch = batch
    self.seed = seed
  }

  /// The batch of a step in words: its place in the epoch and its first rows.
  public mutating func name(step: Int) throws -> String {
    let rows = try indices(step: step).array(as: Int64.self).values.prefix(8).map(String.init)
    let perEpoch = count / batch
    return "batch \(step % perEpoch + 1) of epoch \(step / perEpoch + 1) (samples \(rows.joined(separator: ", "))"
      + "\(batch > 8 ? ", ..." : ""))"
  }

  /// Row indices [batch] of training step `step`. The incomplete batch at the end of an epoch is left out.
  public mutating func indices(step: Int) throws -> Tensor {
    let perEpoch = count / batch
    let wanted = step / perEpoch
    if wanted != epoch || order == nil {
      let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["epoch", String(wanted)]))
      order = try generator.permutation(count)
      epoch = wanted
    }
    let start = (step % perEpoch) * batch
    guard let order else { throw TrainingError.badState("no epoch order") }
    return try order.slice(start..<(start + batch))
  }
}
