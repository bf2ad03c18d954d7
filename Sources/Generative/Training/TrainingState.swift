import Basics

/// Everything a training needs to go on bit for bit: named float tensors, the random stream, and the step.
public struct TrainingState {
  public var step: Int
  public var tensors: [(name: String, array: NDArray<Float>)]
  public var generator: [UInt8]
  /// Loss curve so far: one row per recorded step.
  public var curve: LossCurve
  /// How often the learning rate was halved after the training had broken down.
  public var halvings: Int

  public init(
    step: Int, tensors: [(name: String, array: NDArray<Float>)], generator: [UInt8], curve: LossCurve, halvings: Int = 0
  ) {
    self.halvings = halvings
    self.step = step
    self.tensors = tensors
    self.generator = generator
    self.curve = curve
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

extension TrainingState {
  /// "step", "halvings" where there were any, "generator", "curve/...", and "tensors/NAME".
  public func saved() throws -> SavedArrays {
    var saved = SavedArrays()
    try saved.set("step", step)
    if halvings > 0 { try saved.set("halvings", halvings) }
    for (name, array) in tensors { saved["tensors/\(name)"] = .floats(array) }
    saved["generator"] = .bytes(NDArray(generator))
    saved["curve/columns"] = .strings(curve.columns)
    saved["curve/steps"] = .integers(NDArray(curve.steps.map(Int64.init)))
    saved["curve/rows"] = .doubles(
      try NDArray(curve.rows.flatMap { $0 }, shape: [curve.rows.count, curve.columns.count]))
    return saved
  }

  /// Throws `SavedArraysError` where a part is missing.
  public init(_ saved: SavedArrays) throws {
    let columns = try saved.strings("curve/columns")
    let rows = try saved.doubles("curve/rows").values
    var curve = LossCurve(columns: columns)
    for (index, step) in try saved.integers("curve/steps").values.enumerated() {
      curve.record(step: Int(step), Array(rows[index * columns.count..<(index + 1) * columns.count]))
    }
    let tensors = saved.group("tensors")
    self.init(
      step: try saved.integer("step"),
      tensors: try tensors.values.keys.sorted().map { (name: $0, array: try tensors.floats($0)) },
      generator: try saved.bytes("generator"), curve: curve,
      halvings: saved.contains("halvings") ? try saved.integer("halvings") : 0)
  }
}
