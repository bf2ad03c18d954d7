import Artifacts
import Basics
import Foundation

/// Where tensors live and operations on them run: `device:` of a pipeline file. No key depends on it.
public enum DeviceChoice: String, CaseIterable, Sendable {
  /// A GPU if there is one.
  case auto
  case cpu, cuda
}

/// What a running stage is given: its parameters, its inputs, the molecule, and where its results, checkpoints, progress
/// and warnings go.
public final class StageContext {
  /// The stage's name in the pipeline file.
  public let stage: String
  /// Derived from the pipeline's seed and the stage's name.
  public let seed: UInt64
  /// In K. NaN for a stage that did not declare `.temperature`.
  public let temperature: Double
  /// The molecule; only the declared `systemFields` are filled in.
  public let system: SystemFiles
  /// Where the results go. The engine commits it when `run` returns.
  public let output: ArtifactWriter
  /// The stage's checkpoints of this key; removed by the engine once the stage is finished.
  public let checkpoints: CheckpointStore
  public let progress: any Basics.ProgressReporting
  /// How many threads the stage may keep busy.
  public let threads: Int
  /// Where the stage's tensors may live.
  public let device: DeviceChoice
  /// Where they do, for the provenance; see `usesDevice`.
  public private(set) var deviceName = "cpu"
  /// Seconds between checkpoints.
  public let checkpointInterval: Double
  /// The resolved parameters: defaults filled in, paths absolute, inputs by stage name.
  public let values: ParameterValue
  /// Warnings so far; they end up in the artifact's provenance.
  public private(set) var warnings: [String] = []

  private let inputsBySlot: [String: [StageInput]]
  private let interruption: () -> Bool
  private let logger: (String) -> Void

  /// A context of one's own, for tests of a stage and for use without a pipeline file; the engine makes its own.
  ///
  /// `values` holds every parameter the stage reads: `ParameterField.resolvedDefaults` fills in what is left out.
  public init(
    stage: String, seed: UInt64, values: ParameterValue, inputs: [String: [StageInput]] = [:], output: ArtifactWriter,
    checkpoints: CheckpointStore, temperature: Double = .nan,
    system: SystemFiles = SystemFiles(topology: URL(fileURLWithPath: "/dev/null")),
    progress: any Basics.ProgressReporting = SilentProgress(), threads: Int = 1, device: DeviceChoice = .cpu,
    checkpointInterval: Double = 60, interruption: @escaping () -> Bool = { false },
    log: @escaping (String) -> Void = { _ in }
  ) {
    self.stage = stage
    self.seed = seed
    self.values = values
    self.inputsBySlot = inputs
    self.output = output
    self.checkpoints = checkpoints
    self.temperature = temperature
    self.system = system
    self.progress = progress
    self.threads = threads
    self.device = device
    self.checkpointInterval = checkpointInterval
    self.interruption = interruption
    self.logger = log
  }

  /// The parameters as a type of the stage's own; `learning_rate` in the file is `learningRate` in Swift.
  public func parameters<P: Decodable>(_ type: P.Type) throws -> P {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do {
      return try decoder.decode(type, from: Data(values.canonicalJSON.utf8))
    } catch let error as DecodingError {
      throw StageContextError.undecodable(stage: stage, type: "\(type)", detail: Self.describe(error))
    }
  }

  /// The one input of a slot. Throws `StageContextError.noInput` where the file gives none (or a word instead of a stage).
  public func input(_ slot: String) throws -> StageInput {
    guard let first = inputsBySlot[slot]?.first else { throw StageContextError.noInput(stage: stage, slot: slot) }
    return first
  }

  /// All inputs of a slot, in the file's order.
  public func inputs(_ slot: String) throws -> [StageInput] {
    guard let inputs = inputsBySlot[slot] else { throw StageContextError.noInput(stage: stage, slot: slot) }
    return inputs
  }

  /// The input of a slot, or nil where the file gives none or a word.
  public func optionalInput(_ slot: String) -> StageInput? { inputsBySlot[slot]?.first }

  /// Someone asked the run to stop: finish the step, save a checkpoint, throw `WorkflowInterruption`.
  public var interruptionRequested: Bool { interruption() }

  /// Throws `WorkflowInterruption` when the run was asked to stop. Call it only where the state is saved.
  public func checkInterruption() throws {
    if interruption() { throw WorkflowInterruption() }
  }

  /// The device that the stage's numbers come from, for the provenance of its results and checkpoints: "cpu" where it is not said.
  public func usesDevice(_ name: String) {
    deviceName = name
    checkpoints.device = name
  }

  /// Something the user must know about the result. Printed, kept in the provenance, and shown again by `status`.
  public func warn(_ message: String) {
    warnings.append(message)
    logger("warning: " + message)
  }

  /// A line for whoever watches; not kept.
  public func log(_ message: String) { logger(message) }

  private static func describe(_ error: DecodingError) -> String {
    let (context, what): (DecodingError.Context, String) =
      switch error {
      case .keyNotFound(let key, let context): (context, "no value for '\(key.stringValue)'")
      case .typeMismatch(let type, let context): (context, "not a \(type)")
      case .valueNotFound(let type, let context): (context, "null where a \(type) belongs")
      case .dataCorrupted(let context): (context, context.debugDescription)
      @unknown default: (DecodingError.Context(codingPath: [], debugDescription: ""), "\(error)")
      }
    let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
    return path.isEmpty ? what : "\(path): \(what)"
  }
}

/// A finished stage that another one reads.
public struct StageInput {
  /// The input stage's name and type.
  public let name: String
  public let type: String
  /// Its finished artifact, verified.
  public let artifact: Artifact
  private let inputsBySlot: [String: [StageInput]]

  public init(name: String, type: String, artifact: Artifact, inputs: [String: [StageInput]] = [:]) {
    self.name = name
    self.type = type
    self.artifact = artifact
    self.inputsBySlot = inputs
  }

  /// An input of this input. Only paths declared in `StageType.indirectInputs` are there, because only they enter the key.
  public func input(_ slot: String) throws -> StageInput {
    guard let first = inputsBySlot[slot]?.first else { throw StageContextError.noInput(stage: name, slot: slot) }
    return first
  }

  public func optionalInput(_ slot: String) -> StageInput? { inputsBySlot[slot]?.first }
}

/// A stage and its declaration do not fit together.
public enum StageContextError: Error, CustomStringConvertible {
  case noInput(stage: String, slot: String)
  case undecodable(stage: String, type: String, detail: String)

  public var description: String {
    switch self {
    case .noInput(let stage, let slot): "stage '\(stage)' has no input '\(slot)'"
    case .undecodable(let stage, let type, let detail):
      "stage '\(stage)': its parameters do not fit \(type) (\(detail)); compare the stage type's ParameterField list with it"
    }
  }
}
