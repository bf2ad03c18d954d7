import Artifacts
import Foundation
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
  /// Older versions whose artifacts hold the same fields, though a run may make them anew.
  static var readableVersions: [Int] { get }
}

extension RecordedStage where Output: StageRecord {
  static var type: String { Output.stageType }
}

extension RecordedStage {
  static var method: ((StageInput) throws -> String)? { nil }
  static var columns: [BatchColumn] { [] }
  static var readableVersions: [Int] { soundVersions }
}

extension StageCatalog {
  /// docs/artifacts.md: a section for each kind of artifact, in the catalogue's order.
  public static var artifactDocument: String {
    RecordDocument.text(artifactSections, checkpoints: Recorded.checkpoints)
  }

  /// The same for programs: every field that artifacts hold, and the versions of the stage types that write them.
  public static var artifactDeclarations: ParameterValue {
    let artifacts = artifactSections.map { section in
      let types = section.title.components(separatedBy: ", ")
      let writers = all.filter { types.contains($0.type) }.map { type -> ParameterValue in
        [
          "type": .string(type.type), "version": .integer(type.version),
          "sound_versions": .list(type.soundVersions.map { .integer($0) }),
          "readable_versions": .list(
            ((type as? any RecordedStage.Type)?.readableVersions ?? []).map { .integer($0) }),
        ]
      }
      return ["types": .list(writers), "fields": .list(section.record.fields.map(\.declaration))] as ParameterValue
    }
    return ["artifacts": .list(artifacts)]
  }

  /// docs/stages.md: a section for each stage type.
  public static var stageDocument: String {
    let titles = artifactSections.map(\.title)
    return StageDocument.text(registry) { type in
      titles.first { $0.components(separatedBy: ", ").contains(type.type) }.map { title in
        // as GitHub and its like name a section's place
        let anchor = title.replacingOccurrences(of: ", ", with: "-")
        return "What it writes: [artifacts](artifacts.md#\(anchor))."
      }
    }
  }

  /// Stage types that write the same share a section.
  private static var artifactSections: [RecordDocument.Section] {
    var sections: [RecordDocument.Section] = []
    for type in all {
      guard let record: any Record = (type as? any RecordedStage.Type)?.output else { continue }
      if let same = sections.firstIndex(where: { Swift.type(of: $0.record) == Swift.type(of: record) }) {
        sections[same].title += ", \(type.type)"
      } else {
        sections.append((type.type, record))
      }
    }
    return sections
  }
}

extension BatchColumn {
  init(_ title: String, _ field: Number<some ArtifactScalar>, scale: Double = 1, unit: String? = nil, decimals: Int = 2)
  { self.init(title, unit: unit ?? field.unit, dataset: field.path, scale: scale, decimals: decimals) }

  /// dF with its standard error.
  init(_ answer: FreeEnergyRecord) {
    self.init("dF", answer.deltaF)
    error = answer.standardError.path
  }
}

extension Field {
  fileprivate var declaration: ParameterValue {
    [
      "path": .string(path), "kind": .string(kind.rawValue), "type": .string(typeName), "unit": .optional(unit),
      "axes": .list(axes.map { .string($0) }), "meaning": .string(meaning),
    ]
  }
}
