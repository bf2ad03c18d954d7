import Artifacts
import HDF5
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

extension RecordedStage {
  static var method: ((StageInput) throws -> String)? { nil }
  static var columns: [BatchColumn] { [] }
}

extension BatchColumn {
  init(_ title: String, _ field: Number<some ArtifactScalar>, scale: Double = 1, unit: String? = nil, decimals: Int = 2)
  {
    self.init(title, unit: unit ?? field.unit, dataset: field.path, scale: scale, decimals: decimals)
  }
}
