import Foundation

/// A pipeline file, read and checked: what every stage is to do, in an order in which they can run.
public struct PipelineDefinition {
  public let name: String
  public let seed: UInt64
  public let settings: [String: ParameterValue]  // The run's settings, by name: no key depends on them
  public let source: String  // The file as it was named, for messages
  public let stages: [StageDefinition]  // Each stage after those it needs; otherwise as in the file
  public let axes: [String]  // The axes of the file's matrix, in its order
  public let cells: [[String]]  // Each combination of the matrix, by one label per axis
  /// Input files that are not there, where the loader was told to go on without them.
  public internal(set) var missingFiles: [MissingFile] = []
  /// What it was read from; nil for one that was put together otherwise.
  public internal(set) var origin: PipelineOrigin?
  private let indices: [String: Int]

  /// A file that a value names and that is not there.
  public struct MissingFile: Equatable, Sendable {
    public let path: String
    public let shown: String  // As the pipeline file says it
    let finding: PipelineFileError.Finding
  }

  init(
    name: String, seed: UInt64, settings: [String: ParameterValue] = [:], source: String, stages: [StageDefinition],
    axes: [String] = [], cells: [[String]] = []
  ) {
    (self.name, self.seed, self.settings, self.source) = (name, seed, settings, source)
    (self.stages, self.axes, self.cells) = (stages, axes, cells)
    indices = Dictionary(stages.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The files that its stages read, in the order of the stages, each once.
  public var inputFiles: [URL] {
    get throws { try stages.flatMap { try StageKey.files(of: $0, in: self) }.unique }
  }

  public subscript(name: String) -> StageDefinition? { indices[name].map { stages[$0] } }

  /// The stages' names in the file, each once.
  var bases: [String] { stages.map(\.base).unique }

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

extension Sequence where Element: Hashable {
  /// Each element once, where it comes first.
  public var unique: [Element] {
    var seen: Set<Element> = []
    return filter { seen.insert($0).inserted }
  }
}

/// One stage of a pipeline file, with its parameters resolved.
public struct StageDefinition {
  public struct Slot: Equatable, Sendable {
    public let name: String
    public let stages: [String]
  }

  /// The entry of an axis of the matrix, by its label.
  public struct Coordinate: Hashable, Sendable {
    public let axis, label: String
  }

  public let name: String  // As in the run folder: `emulator`, or `emulator@AC` for one cell of the matrix
  public let base: String  // As in the file: `emulator`
  public let cell: [Coordinate]  // The entries of those axes of the matrix that the stage depends on
  public let type: any StageType.Type
  public let parameters: ParameterValue  // Defaults filled in, paths absolute
  public let slots: [Slot]  // The direct inputs by slot, in the order of the type's fields
  public internal(set) var shared: [String: ParameterValue]  // What the type reads of the shared values, by name
  public let location: SourceLocation
  public let places: Places

  /// Where values stood that the file gives, by their names.
  public struct Places: Sendable {
    public var shared: [String: SourceLocation] = [:]
    public var parameters: [String: SourceLocation] = [:]
  }

  /// Every stage this one reads directly, without repetition.
  public var inputNames: [String] { slots.flatMap(\.stages).unique }

  func inputs(_ slot: String) -> [String] { slots.first { $0.name == slot }?.stages ?? [] }
}
