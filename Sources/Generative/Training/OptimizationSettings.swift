import Foundation

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
