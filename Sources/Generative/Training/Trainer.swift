import Basics
import Foundation
import Torch

public enum TrainingError: Error, CustomStringConvertible, Equatable {
  case notFinite(step: Int, loss: Double, gradientNorm: Double)
  /// The same after the learning rate was halved as often as is sensible. `batch` names the samples.
  case broken(step: Int, loss: Double, gradientNorm: Double, batch: String, halvings: Int)
  case tooFewSamples(count: Int, batch: Int)
  /// Not one weight for each sample, or none above zero.
  case badWeights(samples: Int, weights: Int)
  case badState(String)

  public var description: String {
    switch self {
    case .notFinite(let step, let loss, let norm): "training broke at step \(step): loss \(loss), gradient norm \(norm)"
    case .broken(let step, let loss, let norm, let batch, let halvings):
      "training broke at step \(step)\(batch.isEmpty ? "" : ", \(batch)"): loss \(loss), gradient norm \(norm), "
        + "with the learning rate halved \(halvings) times; look at these samples"
    case .tooFewSamples(let count, let batch): "\(count) training samples are fewer than one batch of \(batch)"
    case .badWeights(let samples, let weights):
      "\(samples) training samples have \(weights) weights, of which one at least must be above zero"
    case .badState(let reason): "a saved training state does not fit this training: \(reason)"
    }
  }
}

/// Parameters, their moving average, Adam's moments and the schedule: one optimisation step at a time.
public final class Trainer<Net: Network> {
  public let settings: OptimizationSettings
  public let network: Net
  /// The moving average: the network to use.
  public let average: Net
  public let generator: Generator
  public private(set) var step = 0
  public var curve: LossCurve
  /// The learning rate is that of the schedule times 2^-halvings.
  var halvings = 0
  private let optimizer: Adam
  /// A moving average that may be gone back to, see `keepAverage`.
  private var kept: Net?

  /// Start of a training. `generator` feeds initial parameters, then noise and times.
  public init(network: Net, settings: OptimizationSettings, generator: Generator, columns: [String]) throws {
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

  /// Keeps the moving average as it is now, in the place of one kept before.
  func keepAverage() throws {
    let copy = try kept ?? average.cloned()
    for (mine, now) in zip(copy.parameters, average.parameters) { try mine.copyInPlace(from: now) }
    kept = copy
  }

  /// Makes the moving average the one that was kept, and keeps none any more. False where none was.
  func returnToKeptAverage() throws -> Bool {
    guard let kept else { return false }
    for (mine, before) in zip(average.parameters, kept.parameters) { try mine.copyInPlace(from: before) }
    forgetKeptAverage()
    return true
  }

  func forgetKeptAverage() { kept = nil }

  /// All that a state holds, by group and name.
  private var tensors: [(name: String, tensor: Tensor)] {
    let groups = [
      ("parameters", network.parameters), ("average", average.parameters), ("first_moment", optimizer.firstMoments),
      ("second_moment", optimizer.secondMoments), (Self.keptGroup, kept?.parameters ?? []),
    ]
    return groups.flatMap { group, list in zip(network.parameterNames, list).map { ("\(group)/\($0)", $1) } }
      + network.constants.map { ("constants/\($0.name)", $0.tensor) }
  }

  func state() throws -> TrainingState {
    TrainingState(
      step: step, tensors: try Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, try $0.tensor.array()) }),
      generator: try generator.state(), curve: curve, halvings: halvings)
  }

  /// Throws `TrainingError.badState`, and then has changed nothing.
  func restore(_ state: TrainingState) throws {
    let before = kept
    kept = state.tensors.keys.contains { $0.hasPrefix(Self.keptGroup + "/") } ? try before ?? average.cloned() : nil
    let restored: [(mine: Tensor, saved: Tensor)]
    do {
      restored = try restorable(state)
    } catch {
      kept = before
      throw error
    }
    for (mine, saved) in restored { try mine.copyInPlace(from: saved) }
    optimizer.step = state.step
    try generator.restore(state.generator)
    step = state.step
    curve = state.curve
    halvings = state.halvings
  }

  private static var keptGroup: String { "kept" }

  private func restorable(_ state: TrainingState) throws -> [(mine: Tensor, saved: Tensor)] {
    try tensors.map { (mine: $0.tensor, saved: try state.tensors.tensor($0.name, like: $0.tensor)) }
  }
}

/// Optimiser settings that the emulator and the energy model share.
public struct OptimizationSettings: Codable, Equatable, Sendable {
  public var steps, batch: Int
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
    (self.steps, self.batch, self.learningRate, self.warmUp) = (steps, batch, learningRate, warmUp)
    (self.weightDecay, self.averageDecay, self.clip) = (weightDecay, averageDecay, clip)
  }

  /// Learning rate of step 0, 1, ...
  public func learningRate(at step: Int) -> Double {
    if step < warmUp { return learningRate * Double(step + 1) / Double(warmUp) }
    let progress = Double(step - warmUp) / Double(max(1, steps - warmUp))
    return learningRate * 0.5 * (1 + cos(Double.pi * min(1, progress)))
  }
}
