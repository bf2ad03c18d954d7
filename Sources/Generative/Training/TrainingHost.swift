import Basics

/// What a training needs from whoever runs it: someone who hears how far it is, keeps what it saves, and says when to stop.
public protocol TrainingHost: AnyObject {
  var progress: any ProgressReporting { get }
  /// A line for whoever watches.
  func log(_ message: String)
  /// Something the user must know about the result.
  func warn(_ message: String)
  /// Throws where someone asked to stop. Called only where nothing is lost by it.
  func checkInterruption() throws

  /// The training stands at a place from which it can go on. Where a state is due, keeps it in the place of the one before; throws after
  /// that where someone asked to stop.
  func saveIfDue(_ state: () throws -> TrainingCheckpoint) throws
  /// The newest state that was kept, also by an earlier process; nil where there is none.
  func newestState() throws -> TrainingCheckpoint?
  /// Keeps a state of a certain step beside the newest, to go back to; at least the last two of them are kept.
  func saveRollbackPoint(_ state: TrainingCheckpoint) throws
  func rollbackPoint(step: Int) throws -> TrainingCheckpoint?
}

/// Runs a training from begin to end: nobody watches or stops it, and it goes back only to what is in memory.
public final class UnattendedHost: TrainingHost {
  public let progress: any ProgressReporting
  private let report: (String) -> Void
  private var rollback: [TrainingCheckpoint] = []

  /// `report` hears what would be logged and warned of.
  public init(progress: any ProgressReporting = SilentProgress(), report: @escaping (String) -> Void = { _ in }) {
    (self.progress, self.report) = (progress, report)
  }

  public func log(_ message: String) { report(message) }
  public func warn(_ message: String) { report("warning: " + message) }
  public func checkInterruption() {}
  public func saveIfDue(_ state: () throws -> TrainingCheckpoint) {}
  public func newestState() -> TrainingCheckpoint? { nil }
  public func saveRollbackPoint(_ state: TrainingCheckpoint) { rollback = rollback.suffix(1) + [state] }
  public func rollbackPoint(step: Int) -> TrainingCheckpoint? { rollback.last { $0.training.step == step } }
}
