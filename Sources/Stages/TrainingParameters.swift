import Generative
import Workflow

/// Optimiser and schedule, for the stages that train.
struct TrainingParameters: ParameterGroup {
  @Parameter("optimisation steps", in: .count) var steps = 1
  var schedule = ScheduleParameters()

  var settings: OptimizationSettings { schedule.settings(steps: steps) }
}

/// The same for an emulator, whose number of steps depends on what its targets are.
struct EmulatorTrainingParameters: ParameterGroup {
  @Parameter(
    "optimisation steps; left out: 3000 with forces in the targets, 8000 without, 6000 for a network over pairs",
    in: .count)
  var steps: Int?
  var schedule = ScheduleParameters()

  func settings(withForces: Bool, overPairs: Bool) -> OptimizationSettings {
    schedule.settings(steps: steps ?? (overPairs ? 6000 : withForces ? 3000 : 8000))
  }
}

/// The same for an energy model, which learns faster from samples that carry scores.
struct EnergyTrainingParameters: ParameterGroup {
  @Parameter("optimisation steps; left out: 1500 where it learns from scores, 3000 where not", in: .count) var steps:
    Int?
  var schedule = ScheduleParameters()

  func settings(scored: Bool) -> OptimizationSettings { schedule.settings(steps: steps ?? (scored ? 1500 : 3000)) }
}

/// All of a training but its length.
struct ScheduleParameters: ParameterGroup {
  @Parameter("samples per step", in: .count) var batch = 1
  @Parameter("peak learning rate of AdamW", in: .positive) var learningRate = 1e-3
  @Parameter("steps of linear warm-up (at most a quarter of all); a cosine to 0 follows", in: .count) var warmUp = 500
  @Parameter("decoupled weight decay", in: .atLeastZero) var weightDecay = 0.01
  @Parameter("decay of the moving average of the parameters", in: 0...0.999999) var averageDecay = 0.999
  @Parameter("largest norm of the gradient", in: .positive) var clip = 1.0

  func settings(steps: Int) -> OptimizationSettings {
    OptimizationSettings(
      steps: steps, batch: batch, learningRate: learningRate, warmUp: min(warmUp, max(1, steps / 4)),
      weightDecay: weightDecay, averageDecay: averageDecay, clip: clip)
  }
}
