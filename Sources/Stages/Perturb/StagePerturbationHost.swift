import Artifacts
import Basics
import Generative
import Records
import Workflow

/// Runs a perturbation for a stage: what it saves goes into the stage's checkpoints.
final class StagePerturbationHost: PerturbationHost {
  private let context: StageContext
  private var clock: CheckpointClock
  private let watch = Stopwatch()
  private var before = 0.0
  private var number = 0

  init(_ context: StageContext) {
    self.context = context
    clock = CheckpointClock(context)
  }

  /// Wall time, with that before an interruption.
  var seconds: Double { before + watch.seconds }
  var progress: any ProgressReporting { context.progress }
  func log(_ message: String) { context.log(message) }
  func warn(_ remark: Remark) { context.warn(remark) }
  func checkInterruption() throws { try context.checkInterruption() }

  func saved() throws -> Perturbation.State? {
    guard let artifact = try context.newestCheckpoint() else { return nil }
    before = try artifact.read(Recorded.perturbCheckpoint.seconds)
    let state = try artifact.perturbation()
    context.log("going on after \(state.points.count) energies")
    return state
  }

  func save(_ state: Perturbation.State, isDue: Bool) throws {
    try clock.saveIfDue(force: isDue) { try keep(state, nil, context.checkpoints) }
  }

  func trainingHost(_ state: Perturbation.State) -> any TrainingHost { Training(self, state) }

  private func keep(_ state: Perturbation.State, _ training: TrainingCheckpoint?, _ store: CheckpointStore) throws {
    try store.save(step: Self.step(state, training: training?.training.step ?? 0)) {
      try $0.write(state)
      try $0.write(Recorded.perturbCheckpoint.seconds, seconds)
      if let training { try $0.write(training) }
    }
  }

  /// Energies count as steps too: a job that only asks for some gets on.
  private static func step(_ state: Perturbation.State, training: Int) -> Int {
    state.phase * stepsPerPhase + state.points.count + training
  }

  private static let stepsPerPhase = 100_000_000

  /// A training within: its checkpoints hold the state that it began in.
  private final class Training: TrainingHost {
    private let host: StagePerturbationHost
    private let state: Perturbation.State

    init(_ host: StagePerturbationHost, _ state: Perturbation.State) { (self.host, self.state) = (host, state) }

    var progress: any ProgressReporting { host.progress }
    func log(_ message: String) { host.log(message) }
    func warn(_ remark: Remark) { host.warn(remark) }
    func checkInterruption() throws { try host.checkInterruption() }

    func saveIfDue(_ training: () throws -> TrainingCheckpoint) throws {
      try host.clock.saveIfDue { try host.keep(state, training(), host.context.checkpoints) }
    }

    /// That of this training, not of one before it.
    func newestState() throws -> TrainingCheckpoint? {
      guard let artifact = try host.context.newestCheckpoint(),
        try artifact.read(Recorded.perturbCheckpoint.phase) == state.phase,
        artifact.has(Recorded.trainingCheckpoint.training.step)
      else { return nil }
      return try artifact.trainingCheckpoint()
    }

    func saveRollbackPoint(_ training: TrainingCheckpoint) throws {
      try host.keep(state, training, host.context.checkpoints.rollback)
    }

    func rollbackPoint(step: Int) throws -> TrainingCheckpoint? {
      try host.context.checkpoints.rollback.artifact(step: StagePerturbationHost.step(state, training: step))?
        .trainingCheckpoint()
    }
  }
}
