import Artifacts
import Basics
import Foundation
import Generative
import Torch
import Workflow

/// The loop around a `Trainer` that every training stage shares: progress, checkpoints by time, interruption, resume, and what
/// happens when the loss is not finite: back to the last rollback point with half the learning rate, three times at most.
struct TrainingDriver<Net: Network> {
  let context: StageContext
  let trainer: Trainer<Net>
  let title: String
  /// Steps between rollback points, at least: so many that writing one is lost among them.
  var leastRollbackInterval = 500

  private static var halvingsAtMost: Int { 3 }

  /// Depends on nothing but the settings, so that a run that was killed rolls back as one that was not.
  private var rollbackInterval: Int { max(leastRollbackInterval, (trainer.settings.steps + 9) / 10) }

  /// Goes on from the newest checkpoint, if there is one. `extra` restores what the stage itself saved there.
  func resume(_ extra: (Artifact) throws -> Void = { _ in }) throws {
    guard let found = try context.checkpoints.latest() else { return }
    if let warning = found.warning { context.warn(warning) }
    try trainer.restore(TrainingStateStore.read(found.artifact))
    try extra(found.artifact)
    context.log("going on from step \(trainer.step) of \(trainer.settings.steps)")
  }

  /// Calls `step` (one optimisation step that returns the numbers to show) until training is finished.
  /// `extra` adds what the stage needs to go on to a checkpoint, `restore` takes it back (the closure given to `resume`), and
  /// `batch` names the samples of a step.
  func run(
    extra: (ArtifactWriter) throws -> Void = { _ in }, restore: (Artifact) throws -> Void = { _ in },
    batch: (Int) throws -> String = { _ in "" }, step: () throws -> [(name: String, value: String)]
  ) throws {
    context.progress.begin(title, total: trainer.settings.steps, unit: "steps")
    defer { context.progress.end() }
    let start = (watch: Stopwatch(), step: trainer.step)
    var saved = Stopwatch()
    var checkpoints = (count: 0, seconds: 0.0)
    func timed(_ write: () throws -> Bool) rethrows {
      let watch = Stopwatch()
      guard try write() else { return }
      checkpoints = (checkpoints.count + 1, checkpoints.seconds + watch.seconds)
    }
    while !trainer.isFinished {
      if trainer.step % rollbackInterval == 0 { try timed { try saveRollbackPoint(extra) } }
      let metrics: [(name: String, value: String)]
      do {
        metrics = try step()
      } catch TrainingError.notFinite(let step, let loss, let norm) {
        try rollBack(restore, batch, step: step, loss: loss, gradientNorm: norm)
        continue
      }
      let elapsed = max(1e-9, start.watch.seconds)
      let rate = Double((trainer.step - start.step) * trainer.settings.batch) / elapsed
      // after the loss, which comes first
      let shown = metrics.prefix(1) + [(name: "samples/s", value: String(format: "%.0f", rate))] + metrics.dropFirst()
      context.progress.update(completed: trainer.step, metrics: Array(shown))
      let asked = context.interruptionRequested
      if asked || saved.seconds >= context.checkpointInterval {
        try timed {
          try save(extra)
          return true
        }
        saved.restart()
        if asked { try context.checkInterruption() }
      }
    }
    if checkpoints.count > 0 {
      let share = String(format: "%.2f", 100 * checkpoints.seconds / max(1e-9, start.watch.seconds))
      context.log("\(checkpoints.count) checkpoints took \(share) % of the time")
    }
  }

  /// False where it is there already: a resumed run passes here again, and the point before this one must stay.
  private func saveRollbackPoint(_ extra: (ArtifactWriter) throws -> Void) throws -> Bool {
    let store = context.checkpoints.rollback
    guard try store.artifact(step: trainer.step) == nil else { return false }
    try save(extra, to: store)
    return true
  }

  private func rollBack(
    _ restore: (Artifact) throws -> Void, _ batch: (Int) throws -> String, step: Int, loss: Double, gradientNorm: Double
  ) throws {
    let halvings = trainer.halvings + 1
    let place = step - step % rollbackInterval
    let found = try batch(step)
    guard halvings <= Self.halvingsAtMost, let artifact = try context.checkpoints.rollback.artifact(step: place) else {
      throw TrainingError.broken(
        step: step, loss: loss, gradientNorm: gradientNorm, batch: found, halvings: trainer.halvings)
    }
    try trainer.restore(TrainingStateStore.read(artifact))
    try restore(artifact)
    trainer.halvings = halvings
    context.warn(
      "training broke at step \(step)\(found.isEmpty ? "" : ", \(found)"): loss \(loss), gradient norm \(gradientNorm); "
        + "went back to step \(place) with half the learning rate")
  }

  private func save(_ extra: (ArtifactWriter) throws -> Void, to store: CheckpointStore? = nil) throws {
    let state = try trainer.state()
    try (store ?? context.checkpoints).save(step: state.step) { writer in
      try TrainingStateStore.write(state, to: writer)
      try extra(writer)
    }
  }
}

/// Layout of a training state in an artifact or checkpoint: /training/tensors/<name>, /training/generator, /training/curve.
enum TrainingStateStore {
  static func write(_ state: TrainingState, to writer: ArtifactWriter) throws {
    try writer.writeScalar("training/step", Int64(state.step))
    if state.halvings > 0 { try writer.writeScalar("training/halvings", Int64(state.halvings)) }
    for (name, array) in state.tensors { try writer.write("training/tensors/\(name)", array, compression: .none) }
    try writer.write("training/generator", state.generator, shape: [state.generator.count])
    try writer.write("training/curve/columns", strings: state.curve.columns)
    try writer.write("training/curve/steps", state.curve.steps.map(Int64.init), shape: [state.curve.steps.count])
    try writer.write(
      "training/curve/rows", state.curve.rows.flatMap { $0 },
      shape: [state.curve.rows.count, state.curve.columns.count])
  }

  static func read(_ artifact: Artifact) throws -> TrainingState {
    let columns = try artifact.readStrings("training/curve/columns")
    var curve = LossCurve(columns: columns)
    let steps = try artifact.read("training/curve/steps", as: Int64.self).values
    let rows = try artifact.read("training/curve/rows", as: Double.self).values
    for (index, step) in steps.enumerated() {
      curve.record(step: Int(step), Array(rows[index * columns.count..<(index + 1) * columns.count]))
    }
    var tensors: [(name: String, array: NDArray<Float>)] = []
    try collect(artifact, "training/tensors", "", &tensors)
    return TrainingState(
      step: Int(try artifact.scalar("training/step", as: Int64.self)), tensors: tensors,
      generator: try artifact.read("training/generator", as: UInt8.self).values, curve: curve,
      halvings: artifact.exists("training/halvings") ? Int(try artifact.scalar("training/halvings", as: Int64.self)) : 0
    )
  }

  private static func collect(
    _ artifact: Artifact, _ root: String, _ path: String, _ tensors: inout [(name: String, array: NDArray<Float>)]
  ) throws {
    for name in try artifact.list(path.isEmpty ? root : "\(root)/\(path)") {
      let next = path.isEmpty ? name : "\(path)/\(name)"
      if try artifact.isGroup("\(root)/\(next)") {
        try collect(artifact, root, next, &tensors)
      } else {
        tensors.append((name: next, array: try artifact.read("\(root)/\(next)", as: Float.self)))
      }
    }
  }

  /// Averages the rows of a curve over blocks of `every` steps: what a plot needs. Writes results/loss/<column> and step.
  static func writeResults(_ curve: LossCurve, to writer: ArtifactWriter) throws {
    try writer.write("results/loss/step", curve.steps.map(Int64.init), shape: [curve.steps.count], dims: ["step"])
    for column in curve.columns {
      let values = curve.column(column)
      try writer.write("results/loss/\(column)", values, shape: [values.count], dims: ["step"])
    }
  }
}

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
