import Basics
import Torch

/// What a training needs from whoever runs it: someone who hears how far it is, keeps what it saves, and says when to stop.
public protocol TrainingHost: AnyObject {
  var progress: any ProgressReporting { get }
  /// A line for whoever watches.
  func log(_ message: String)
  /// Something the user must know about the result.
  func warn(_ remark: Remark)
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

extension TrainingHost {
  /// `cure`: what to do about it, where the message does not say so itself.
  func warn(_ message: String, _ gravity: Remark.Gravity = .warning, cure: String? = nil) {
    warn(Remark(message, gravity, cure: cure))
  }
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
  public func warn(_ remark: Remark) { report("warning: " + remark.message) }
  public func checkInterruption() {}
  public func saveIfDue(_ state: () throws -> TrainingCheckpoint) {}
  public func newestState() -> TrainingCheckpoint? { nil }
  public func saveRollbackPoint(_ state: TrainingCheckpoint) { rollback = rollback.suffix(1) + [state] }
  public func rollbackPoint(step: Int) -> TrainingCheckpoint? { rollback.last { $0.training.step == step } }
}

/// What a `Trainer` needs to go on bit for bit.
public struct TrainingState: Equatable, Sendable {
  public var step: Int
  /// "GROUP/NAME" for the groups parameters, average, first_moment, second_moment and constants, and kept where an average was.
  public var tensors: [String: NDArray<Float>]
  /// Of the random stream.
  public var generator: [UInt8]
  public var curve: LossCurve
  /// How often the learning rate was halved after the training had broken down.
  public var halvings: Int

  public init(step: Int, tensors: [String: NDArray<Float>], generator: [UInt8], curve: LossCurve, halvings: Int) {
    (self.step, self.tensors, self.generator, self.curve, self.halvings) = (step, tensors, generator, curve, halvings)
  }
}

/// A whole training on its way.
public struct TrainingCheckpoint: Equatable, Sendable {
  public var training: TrainingState
  /// Losses since the last row of the curve, a row per step.
  public var recent: [[Double]]
  /// Of an energy model: the samples it trains on.
  public var pool: SavedPool?

  public init(training: TrainingState, recent: [[Double]], pool: SavedPool?) {
    (self.training, self.recent, self.pool) = (training, recent, pool)
  }
}

/// Recorded losses: a row of `columns` per recorded step.
public struct LossCurve: Equatable, Sendable {
  public let columns: [String]
  public private(set) var steps: [Int] = []
  public private(set) var rows: [[Double]] = []

  public init(columns: [String]) { self.columns = columns }

  public mutating func record(step: Int, _ row: [Double]) {
    steps.append(step)
    rows.append(row)
  }

  public func column(_ name: String) -> [Double] {
    guard let index = columns.firstIndex(of: name) else { return [] }
    return rows.map { $0[index] }
  }
}

extension [String: NDArray<Float>] {
  /// The saved tensor for the place of `mine`. Throws `TrainingError.badState` where it is missing or of another shape.
  func tensor(_ name: String, like mine: Tensor) throws -> Tensor {
    guard let array = self[name] else { throw TrainingError.badState("no \(name)") }
    guard array.shape == mine.shape else {
      throw TrainingError.badState("\(name) has shape \(array.shape), not \(mine.shape)")
    }
    return try Tensor(array)
  }
}
