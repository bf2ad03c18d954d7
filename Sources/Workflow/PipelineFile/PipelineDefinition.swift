import Foundation

/// A pipeline file, read and checked: what every stage is to do, in an order in which they can run.
public struct PipelineDefinition {
  public let name: String
  public let seed: UInt64
  /// The run's settings, by name: no key depends on them.
  public let settings: [String: ParameterValue]
  /// The file as it was named, for messages.
  public let source: String
  /// Each stage after those it needs; otherwise as in the file.
  public let stages: [StageDefinition]
  /// The axes of the file's matrix, in its order.
  public let axes: [String]
  /// Each combination of the matrix, by one label per axis.
  public let cells: [[String]]
  private let indices: [String: Int]

  init(
    name: String, seed: UInt64, settings: [String: ParameterValue] = [:], source: String, stages: [StageDefinition],
    axes: [String] = [], cells: [[String]] = []
  ) {
    self.axes = axes
    self.cells = cells
    self.name = name
    self.seed = seed
    self.settings = settings
    self.source = source
    self.stages = stages
    indices = Dictionary(stages.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  public subscript(name: String) -> StageDefinition? { indices[name].map { stages[$0] } }

  /// The stages and everything they need, directly or not.
  func ancestors(of names: Set<String>) -> Set<String> {
    var found: Set<String> = []
    var open = Array(names)
    while let next = open.popLast() {
      guard found.insert(next).inserted, let stage = self[next] else { continue }
      open += stage.inputNames
    }
    return found
  }

  /// The stages and everything that needs them, directly or not.
  func descendants(of names: Set<String>) -> Set<String> {
    var found = names
    for stage in stages where stage.inputNames.contains(where: found.contains) { found.insert(stage.name) }
    return found
  }
}

/// One stage of a pipeline file, with its parameters resolved.
public struct StageDefinition {
  public struct Slot: Equatable, Sendable {
    public let name: String
    public let stages: [String]
  }

  /// The entry of an axis of the matrix, by its label.
  public struct Coordinate: Equatable, Sendable {
    public let axis: String
    public let label: String
  }

  /// As in the run folder: `emulator`, or `emulator@AC` for one cell of the matrix.
  public let name: String
  /// As in the file: `emulator`.
  public let base: String
  /// The entries of those axes of the matrix that the stage depends on.
  public let cell: [Coordinate]
  public let type: any StageType.Type
  /// Defaults filled in, paths absolute.
  public let parameters: ParameterValue
  /// The direct inputs by slot, in the order of the type's fields.
  public let slots: [Slot]
  /// What the stage's type reads of the shared values, by name.
  public let shared: [String: ParameterValue]
  public let location: SourceLocation

  /// Every stage this one reads directly, without repetition.
  public var inputNames: [String] {
    var seen: Set<String> = []
    return slots.flatMap(\.stages).filter { seen.insert($0).inserted }
  }

  func inputs(_ slot: String) -> [String] { slots.first { $0.name == slot }?.stages ?? [] }
}
