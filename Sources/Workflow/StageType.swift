import Foundation

/// A kind of stage: what it is called in a pipeline file, what it takes, and how it runs.
///
/// Raise `version` when the same parameters and inputs give another result: finished stages of the older version run again.
public protocol StageType {
  associatedtype Parameters = NoParameters
  associatedtype Inputs: StageInputs = NoInputs

  /// The word after `uses:`.
  static var type: String { get }
  static var version: Int { get }
  /// Older versions whose finished results stand though another version is written now: what changed is no number.
  static var soundVersions: [Int] { get }
  /// One line for help and schema.
  static var summary: String { get }
  /// Inputs and parameters as a pipeline file knows them: made from the declarations of `Inputs` and `Parameters`.
  static var parameters: [ParameterField] { get }
  /// What the stage reads of the values that all stages share.
  static var reads: [SharedField] { get }
  /// What it reads of them besides where the file gives a parameter, by the parameter's name.
  static var readsWith: [String: [SharedField]] { get }
  /// What it looks at for warnings alone: no key depends on it.
  static var consults: [SharedField] { get }
  /// Inputs of inputs that the stage reads. Their digests enter its key.
  static var indirectInputs: [InputPath] { get }
  /// Files that it writes beside its artifact: see `StageContext.writeSideFile`.
  static var sideFiles: [SideFile] { get }
  /// Looks at the values of the pipeline file before any stage runs, and tells what is wrong with them: whatever needs no computing is
  /// found here, and not after the stages before have worked. What it throws is refused too. Where nothing is told, nothing is wrong.
  static func check(_ stage: PlannedStage) throws
  /// Does the work, writing its results to `context.output`; the engine commits them. Throws `WorkflowInterruption` (see
  /// `StageContext.checkInterruption`) after saving a checkpoint when it was asked to stop.
  static func run(_ context: StageContext) throws
}

extension StageType {
  public static var soundVersions: [Int] { [] }
  public static var reads: [SharedField] { [] }
  public static var readsWith: [String: [SharedField]] { [:] }
  public static var consults: [SharedField] { [] }
  public static var indirectInputs: [InputPath] { [] }
  public static var sideFiles: [SideFile] { [] }
  public static func check(_ stage: PlannedStage) throws {}
}

extension StageType {
  /// What it reads of the shared values where `isGiven` tells which parameters the file gives. Their keys hold these.
  static func reads(where isGiven: (String) -> Bool) -> [SharedField] {
    reads + readsWith.sorted { $0.key < $1.key }.filter { isGiven($0.key) }.flatMap(\.value)
  }
}

extension StageType where Parameters: ParameterGroup {
  public static var parameters: [ParameterField] {
    DeclaredFields.shared.fields(of: self) { Inputs.fields + Parameters.fields }
  }
}

/// The fields of each stage type, made once: a pipeline may have thousands of stages.
private final class DeclaredFields: @unchecked Sendable {
  static let shared = DeclaredFields()
  private let lock = NSLock()
  private var known: [ObjectIdentifier: [ParameterField]] = [:]

  func fields(of type: any StageType.Type, _ make: () -> [ParameterField]) -> [ParameterField] {
    lock.withLock {
      if let fields = known[ObjectIdentifier(type)] { return fields }
      let fields = make()
      known[ObjectIdentifier(type)] = fields
      return fields
    }
  }
}

/// Thrown by a stage that was asked to stop and has saved its checkpoint: the run ends with exit code 75 and can be resumed.
public struct WorkflowInterruption: Error, CustomStringConvertible {
  public init() {}
  public var description: String { "interrupted; the checkpoint is saved" }
}
