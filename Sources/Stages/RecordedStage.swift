import Artifacts
import Records
import Workflow

/// A stage type as the catalogue takes it: inputs, parameters and output declared, each once, and its place in reports and tables.
protocol RecordedStage: StageType where Parameters: ParameterGroup {
  associatedtype Output: Record
  /// What its artifact holds.
  static var output: Output { get }
  /// How a stage of this type came to its answer, in a word or two. Nil for types that `report` does not set side by side.
  static var method: ((StageInput) throws -> String)? { get }
  /// Numbers of its artifact that the table of a batch shows.
  static var columns: [BatchColumn] { get }
}

extension RecordedStage where Output: StageRecord {
  static var type: String { Output.stageType }
}

extension RecordedStage {
  static var method: ((StageInput) throws -> String)? { nil }
  static var columns: [BatchColumn] { [] }
}

extension StageCatalog {
  /// docs/artifacts.md: a section for each kind of artifact, in the catalogue's order.
  public static var artifactDocument: String {
    var sections: [RecordDocument.Section] = []
    for type in all {
      guard let record: any Record = (type as? any RecordedStage.Type)?.output else { continue }
      if let same = sections.firstIndex(where: { Swift.type(of: $0.record) == Swift.type(of: record) }) {
        sections[same].title += ", \(type.type)"
      } else {
        sections.append((type.type, record))
      }
    }
    return RecordDocument.text(sections, checkpoints: Recorded.checkpoints)
  }
}

extension BatchColumn {
  init(_ title: String, _ field: Number<some ArtifactScalar>, scale: Double = 1, unit: String? = nil, decimals: Int = 2)
  { self.init(title, unit: unit ?? field.unit, dataset: field.path, scale: scale, decimals: decimals) }
}
