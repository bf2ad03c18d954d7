import Basics
import Torch

/// What a `Trainer` needs to go on bit for bit.
public struct TrainingState: Equatable, Sendable {
  public var step: Int
  /// "GROUP/NAME" for the groups parameters, average, first_moment, second_moment and constants.
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
