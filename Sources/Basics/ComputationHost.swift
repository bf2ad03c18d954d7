/// What a long computation needs from whoever runs it: someone who hears how far it is, keeps what it saves, and says when to stop.
public protocol ComputationHost: AnyObject {
  var progress: any ProgressReporting { get }
  /// Seconds between two saved states.
  var checkpointInterval: Double { get }
  /// Someone asked to stop: save the state, then call `checkInterruption`.
  var interruptionRequested: Bool { get }
  /// Throws where someone asked to stop. Called only where the state is saved.
  func checkInterruption() throws
  /// A line for whoever watches.
  func log(_ message: String)
  /// Something the user must know about the result.
  func warn(_ message: String)

  /// Keeps a state in the place of the one before.
  func save(step: Int, _ state: SavedArrays) throws
  /// The newest state that was kept, also by an earlier process; nil where there is none.
  func newestState() throws -> SavedArrays?
  /// Keeps a state of a certain step beside the newest, to go back to; at least the last two of them are kept.
  func saveRollbackPoint(step: Int, _ state: SavedArrays) throws
  func rollbackPoint(step: Int) throws -> SavedArrays?
}

/// Runs a computation from begin to end: nobody watches or stops it, and it goes back only to what is in memory.
public final class UnattendedHost: ComputationHost {
  public let progress: any ProgressReporting
  public let checkpointInterval = Double.infinity
  public let interruptionRequested = false
  private let report: (String) -> Void
  private var rollback: [(step: Int, state: SavedArrays)] = []

  /// `report` hears what would be logged and warned of.
  public init(progress: any ProgressReporting = SilentProgress(), report: @escaping (String) -> Void = { _ in }) {
    self.progress = progress
    self.report = report
  }

  public func checkInterruption() {}
  public func log(_ message: String) { report(message) }
  public func warn(_ message: String) { report("warning: " + message) }
  public func save(step: Int, _ state: SavedArrays) {}
  public func newestState() -> SavedArrays? { nil }

  public func saveRollbackPoint(step: Int, _ state: SavedArrays) {
    rollback = rollback.suffix(1) + [(step, state)]
  }

  public func rollbackPoint(step: Int) -> SavedArrays? { rollback.last { $0.step == step }?.state }
}
