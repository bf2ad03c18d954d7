import Foundation

/// A kind of stage: what it is called in a pipeline file, what it takes, and how it runs.
///
/// Raise `version` when the same parameters and inputs give another result: finished stages of the older version run again.
public protocol StageType {
  /// The word after `uses:`.
  static var type: String { get }
  static var version: Int { get }
  /// One line for help and schema.
  static var summary: String { get }
  static var parameters: [ParameterField] { get }
  /// What the stage reads of `system:` and the temperature. Only these are handed to it, and these enter its key.
  static var systemFields: Set<SystemField> { get }
  /// Inputs of inputs that the stage reads, as paths of slots: `[["samples", "emulator"]]`. Their digests enter its key.
  static var indirectInputs: [[String]] { get }
  /// Does the work, writing its results to `context.output`; the engine commits them. Throws `WorkflowInterruption` (see
  /// `StageContext.checkInterruption`) after saving a checkpoint when it was asked to stop.
  static func run(_ context: StageContext) throws
}

extension StageType {
  public static var systemFields: Set<SystemField> { [] }
  public static var indirectInputs: [[String]] { [] }
}

/// A part of the pipeline file's `system:` section (and the temperature) that a stage type depends on.
public enum SystemField: String, CaseIterable, Sendable {
  case topology, forcefield, temperature, torsions, state
}

/// The two-state division of a torsion whose free-energy difference is asked for: inside [from, to] against outside, in rad.
public struct StateDefinition: Codable, Equatable, Sendable {
  public var torsion: String
  public var from: Double
  public var to: Double

  public init(torsion: String = "phi", from: Double = 0, to: Double = 2) {
    self.torsion = torsion
    self.from = from
    self.to = to
  }
}

/// The molecule as the pipeline file states it. A stage sees only the fields it declared in `systemFields`.
public struct SystemFiles: Sendable {
  /// A PDB file. `/dev/null` for a stage that did not declare `.topology`.
  public var topology: URL
  /// A force field's file.
  public var forcefield: URL?
  /// The method that stands in the place of a force field's file.
  public var forcefieldMethod: ForceFieldChoice?
  /// Torsions by name, four atom indices each (from 0); empty where the file names none.
  public var torsions: [String: [Int]]
  public var state: StateDefinition

  public init(
    topology: URL, forcefield: URL? = nil, forcefieldMethod: ForceFieldChoice? = nil, torsions: [String: [Int]] = [:],
    state: StateDefinition = StateDefinition()
  ) {
    self.topology = topology
    self.forcefield = forcefield
    self.forcefieldMethod = forcefieldMethod
    self.torsions = torsions
    self.state = state
  }
}

/// Thrown by a stage that was asked to stop and has saved its checkpoint: the run ends with exit code 75 and can be resumed.
public struct WorkflowInterruption: Error, CustomStringConvertible {
  public init() {}
  public var description: String { "interrupted; the checkpoint is saved" }
}
