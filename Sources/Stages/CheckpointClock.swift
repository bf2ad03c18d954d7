import Basics
import Workflow

/// When a stage saves: if the run was asked to stop, if the checkpoint interval is over, or if the stage says so.
struct CheckpointClock {
  private let context: StageContext
  private var watch = Stopwatch()

  init(_ context: StageContext) { self.context = context }

  /// Saves where it is due. Throws what `save` throws, and `WorkflowInterruption` after saving where the run was asked to stop.
  mutating func saveIfDue(force: Bool = false, _ save: () throws -> Void) throws {
    let asked = context.interruptionRequested
    guard asked || force || watch.seconds >= context.checkpointInterval else { return }
    try save()
    watch.restart()
    if asked { try context.checkInterruption() }
  }
}
