import Artifacts
import Basics
import Generative
import Records
import Workflow

/// Runs a training for a stage: what it saves goes into the stage's checkpoints.
final class StageTrainingHost: TrainingHost {
  private let context: StageContext
  private var clock: CheckpointClock

  init(_ context: StageContext) {
    self.context = context
    clock = CheckpointClock(context)
  }

  var progress: any ProgressReporting { context.progress }
  func log(_ message: String) { context.log(message) }
  func warn(_ remark: Remark) { context.warn(remark) }
  func checkInterruption() throws { try context.checkInterruption() }

  func saveIfDue(_ state: () throws -> TrainingCheckpoint) throws {
    try clock.saveIfDue { try save(state(), to: context.checkpoints) }
  }

  func newestState() throws -> TrainingCheckpoint? { try context.newestCheckpoint()?.trainingCheckpoint() }

  func saveRollbackPoint(_ state: TrainingCheckpoint) throws { try save(state, to: context.checkpoints.rollback) }

  func rollbackPoint(step: Int) throws -> TrainingCheckpoint? {
    try context.checkpoints.rollback.artifact(step: step)?.trainingCheckpoint()
  }

  private func save(_ state: TrainingCheckpoint, to store: CheckpointStore) throws {
    try store.save(step: state.training.step) { try $0.write(state) }
  }
}

extension StageContext {
  /// Warns where the newest was damaged and an older one is taken.
  func newestCheckpoint() throws -> Artifact? {
    let found = try checkpoints.latest()
    if let warning = found?.warning { warn(warning) }
    return found?.artifact
  }
}

extension ArtifactWriter {
  /// What a training ended with, and the loss curve once more for plots.
  func write(_ state: TrainingState) throws {
    try write(state, Recorded.emulator.training)
    let loss = Recorded.emulator.loss
    try write(loss.step, state.curve.steps)
    for column in state.curve.columns { try write(loss.columns[column], state.curve.column(column)) }
  }

  /// A model, without its tensors where they belong to a training's state.
  func write(_ archive: ModelArchive, _ record: ModelRecord) throws {
    try write(record.header, archive.header)
    try write(record.chart, archive.chart)
  }

  func write(tensors: [String: NDArray<Float>]) throws {
    let family = Recorded.emulator.training.tensors
    for (name, array) in tensors.sorted(by: { $0.key < $1.key }) { try write(family[name], array) }
  }

  func write(_ checkpoint: TrainingCheckpoint) throws {
    let record = Recorded.trainingCheckpoint
    try write(checkpoint.training, record.training)
    let columns = checkpoint.recent.first?.count ?? 1
    try write(record.recent, checkpoint.recent.flatMap { $0 }, shape: [checkpoint.recent.count, columns])
    guard let pool = checkpoint.pool else { return }
    try write(record.pool.latents, pool.latents)
    if let labels = pool.labels { try write(record.pool.labels, labels) }
    if let scores = pool.scores { try write(record.pool.scores, scores) }
    try write(record.pool.next, pool.next)
  }

  private func write(_ state: TrainingState, _ record: TrainingRecord) throws {
    try write(record.step, state.step)
    if state.halvings > 0 { try write(record.halvings, state.halvings) }
    try write(tensors: state.tensors)
    try write(record.generator, state.generator)
    try write(record.curveColumns, state.curve.columns)
    try write(record.curveSteps, state.curve.steps)
    try write(
      record.curveRows, state.curve.rows.flatMap { $0 }, shape: [state.curve.rows.count, state.curve.columns.count])
  }
}

extension Artifact {
  /// A model with its tensors. Errors name the file.
  func model<Model>(_ record: ModelRecord, _ make: (ModelArchive) throws -> Model) throws -> Model {
    do {
      return try make(
        ModelArchive(
          header: read(record.header), chart: read(record.chart), tensors: modelTensors()))
    } catch TrainingError.badState(let reason) {
      throw TrainingError.badState("\(url.lastPathComponent): \(reason)")
    }
  }

  /// Those that a model is made of, by "GROUP/NAME".
  func modelTensors() throws -> [String: NDArray<Float>] { try tensors(in: ModelArchive.groups) }

  /// By "GROUP/NAME".
  private func tensors(in groups: [String]? = nil) throws -> [String: NDArray<Float>] {
    let family = Recorded.emulator.training.tensors
    var tensors: [String: NDArray<Float>] = [:]
    for group in try names(family) where groups?.contains(group) ?? true {
      for name in try list("\(family.group)/\(group)") {
        tensors["\(group)/\(name)"] = try read(family["\(group)/\(name)"])
      }
    }
    return tensors
  }

  func trainingCheckpoint() throws -> TrainingCheckpoint {
    let record = Recorded.trainingCheckpoint
    let training = record.training
    var curve = LossCurve(columns: try read(training.curveColumns))
    for (step, row) in zip(try read(training.curveSteps).values, try read(training.curveRows).rows) {
      curve.record(step: step, row)
    }
    var pool: SavedPool?
    if has(record.pool.latents) {
      pool = SavedPool(
        latents: try read(record.pool.latents), labels: try readIfThere(record.pool.labels),
        scores: try readIfThere(record.pool.scores), next: try read(record.pool.next))
    }
    return TrainingCheckpoint(
      training: TrainingState(
        step: try read(training.step), tensors: try tensors(), generator: try read(training.generator).values,
        curve: curve, halvings: try readIfThere(training.halvings) ?? 0),
      recent: try read(record.recent).rows, pool: pool)
  }
}

extension NDArray {
  /// Of a table; of a list, rows of one element each.
  fileprivate var rows: [[Scalar]] {
    let width = shape.count > 1 ? shape[1] : 1
    return stride(from: 0, to: values.count, by: max(1, width)).map { Array(values[$0..<$0 + width]) }
  }
}
