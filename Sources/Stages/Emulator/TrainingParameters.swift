import Generative
import Workflow

/// Optimiser and schedule, for the stages that train.
struct TrainingParameters: ParameterGroup {
  @Parameter("optimisation steps", in: .count) var steps = 1
  @Parameter("samples per step", in: .count) var batch = 1
  @Parameter("peak learning rate of AdamW", in: .positive) var learningRate = 1e-3
  @Parameter("steps of linear warm-up (at most a quarter of all); a cosine to 0 follows", in: .count) var warmUp = 500
  @Parameter("decoupled weight decay", in: .atLeastZero) var weightDecay = 0.01
  @Parameter("decay of the moving average of the parameters", in: 0...0.999999) var averageDecay = 0.999
  @Parameter("largest norm of the gradient", in: .positive) var clip = 1.0

  var settings: OptimizationSettings {
    OptimizationSettings(
      steps: steps, batch: batch, learningRate: learningRate, warmUp: min(warmUp, max(1, steps / 4)),
      weightDecay: weightDecay, averageDecay: averageDecay, clip: clip)
  }
}
