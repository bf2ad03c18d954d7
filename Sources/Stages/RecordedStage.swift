import Records
import Workflow

/// A stage type as the catalogue takes it: inputs, parameters and output declared, each once.
protocol RecordedStage: StageType {
  associatedtype Output: Record
  /// What its artifact holds.
  static var output: Output { get }
}
