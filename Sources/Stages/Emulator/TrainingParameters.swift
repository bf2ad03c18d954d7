import Generative
import Workflow

/// Parameters of training, shared by the stages that train.
struct TrainingParameters: Decodable {
  var steps: Int
  var batch: Int
  var learningRate: Double
  var warmUp: Int
  var weightDecay: Double
  var averageDecay: Double
  var clip: Double

  var settings: OptimizationSettings {
    OptimizationSettings(
      steps: steps, batch: batch, learningRate: learningRate, warmUp: min(warmUp, max(1, steps / 4)),
      weightDecay: weightDecay, averageDecay: averageDecay, clip: clip)
  }

  static func field(steps: Int, batch: Int, learningRate: Double, clip: Double) -> ParameterField {
    ParameterField(
      "training",
      .object([
        ParameterField("steps", .count, default: .integer(steps), help: "optimisation steps"),
        ParameterField("batch", .count, default: .integer(batch), help: "samples per step"),
        ParameterField(
          "learning_rate", .positive, default: .number(learningRate), help: "peak learning rate of AdamW"),
        ParameterField(
          "warm_up", .count, default: 500,
          help: "steps of linear warm-up (at most a quarter of all); a cosine to 0 follows"),
        ParameterField("weight_decay", .nonNegative, default: 0.01, help: "decoupled weight decay"),
        ParameterField(
          "average_decay", .number(0...0.999999), default: 0.999, help: "decay of the moving average of the parameters"),
        ParameterField("clip", .positive, default: .number(clip), help: "largest norm of the gradient"),
      ]), help: "optimiser and schedule")
  }
}
