import Artifacts
import Basics
import Foundation

/// What a running stage is given: its parameters, its inputs, what it reads of the shared values, and where its results, checkpoints, progress
/// and warnings go.
public final class StageContext {
  public let stage: String  // The stage's name in the pipeline file
  public let seed: UInt64  // Derived from the pipeline's seed and the stage's name
  /// The values of the pipeline file that all stages share, by name; those that the stage type declared in `reads`.
  public let shared: [String: ParameterValue]
  /// The run's settings, by name. No key depends on them.
  public let settings: [String: ParameterValue]
  /// Where the results go. The engine commits it when `run` returns.
  public let output: ArtifactWriter
  /// The stage's checkpoints of this key; removed by the engine once the stage is finished.
  public let checkpoints: CheckpointStore
  public let progress: any Basics.ProgressReporting
  public let threads: Int  // How many threads the stage may keep busy
  /// Where its numbers come from, for the provenance; see `usesDevice`.
  public private(set) var deviceName = "cpu"
  public let checkpointInterval: Double  // Seconds between checkpoints
  /// The resolved parameters: defaults filled in, paths absolute, inputs by stage name.
  public let values: ParameterValue
  /// Stages of the file that it would read and that are not finished: for a preview alone.
  public let missingInputs: [String]
  /// Warnings so far; they end up in the artifact's provenance.
  public private(set) var remarks: [Remark] = []
  public var warnings: [String] { remarks.map(\.message) }

  private let inputsBySlot: [String: [StageInput]]
  private let interruption: () -> Bool
  private let sideFiles: SideFileWriter
  private let warned: (Remark) -> Void
  private let logger: (String) -> Void

  /// A context of one's own, for tests of a stage and for use without a pipeline file; the engine makes its own.
  ///
  /// `values` holds every parameter the stage reads: `ParameterField.resolvedDefaults` fills in what is left out.
  public init(
    stage: String, seed: UInt64, values: ParameterValue, inputs: [String: [StageInput]] = [:], output: ArtifactWriter,
    checkpoints: CheckpointStore, shared: [String: ParameterValue] = [:], settings: [String: ParameterValue] = [:],
    progress: any Basics.ProgressReporting = SilentProgress(), threads: Int = 1, checkpointInterval: Double = 60,
    interruption: @escaping () -> Bool = { false }, sideFiles: SideFileWriter? = nil, missingInputs: [String] = [],
    warned: @escaping (Remark) -> Void = { _ in }, log: @escaping (String) -> Void = { _ in }
  ) {
    (self.stage, self.seed, self.values, self.inputsBySlot, self.output) = (stage, seed, values, inputs, output)
    (self.checkpoints, self.shared, self.settings, self.progress) = (checkpoints, shared, settings, progress)
    (self.threads, self.checkpointInterval, self.interruption) = (threads, checkpointInterval, interruption)
    (self.warned, self.logger, self.missingInputs) = (warned, log, missingInputs)
    self.sideFiles = sideFiles ?? SideFileWriter(folder: RunFolder(output.url.deletingLastPathComponent()), report: log)
  }

  /// The parameters of the stage type, or of a group of that declaration.
  public func parameters<Group: ParameterGroup>(_ type: Group.Type) throws -> Group { try Group(resolved: values) }

  /// The one input of a slot. Throws `StageContextError` where the file gives none (or a word instead of a stage).
  public func input<Inputs: StageInputs>(_ slot: KeyPath<Inputs, Input>) throws -> StageInput {
    guard let first = optionalInput(slot) else { throw StageContextError(stage: stage, slot: Inputs.slot(slot)) }
    return first
  }

  /// The input of a slot, or nil where the file gives none or a word.
  public func optionalInput<Inputs: StageInputs>(_ slot: KeyPath<Inputs, Input>) -> StageInput? { inputs(slot).first }

  /// All inputs of a slot, in the file's order.
  public func inputs<Inputs: StageInputs>(_ slot: KeyPath<Inputs, Input>) -> [StageInput] {
    inputsBySlot[Inputs.slot(slot)] ?? []
  }

  /// The word that stands in the place of a stage; nil where there is a stage.
  public func word<Inputs: StageInputs>(_ slot: KeyPath<Inputs, Input>) -> String? {
    optionalInput(slot) == nil ? values[Inputs.slot(slot)]?.string : nil
  }

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

  /// Writes a file that belongs to the artifact and stands beside it, `<stage>.<ending>`: one of the type's `sideFiles`. `fill` is given the
  /// place to write to. Returns where the file stands in the end. Throws what `fill` throws, and `ArtifactError.system`.
  public func writeSideFile(_ ending: String, _ fill: (URL) throws -> Void) throws -> URL {
    let url = output.url.deletingLastPathComponent().appendingPathComponent("\(stage).\(ending)")
    try sideFiles.write(url, fill)
    return url
  }

  /// The same with what is to be in the file.
  public func writeSideFile(_ ending: String, _ data: Data) throws -> URL {
    try writeSideFile(ending) { try FileSystem.write(data, to: $0) }
  }

  /// Something the user must know about the result. Printed, kept in the provenance, and shown again by `status`.
  public func warn(_ remark: Remark) {
    remarks.append(remark)
    warned(remark)
    logger("\(remark.word): \(remark.message)")
  }

  /// `cure`: what to do about it, where the message does not say so itself.
  public func warn(_ message: String, _ gravity: Remark.Gravity = .warning, cure: String? = nil) {
    warn(Remark(message, gravity, cure: cure))
  }

  /// A line for whoever watches; not kept.
  public func log(_ message: String) { logger(message) }
}

/// A finished stage that another one reads.
public struct StageInput {
  public let name: String  // The input stage's name and type
  public let type: String
  /// Its type as the registry has it; nil for an input that was made without one.
  public let stageType: (any StageType.Type)?
  public let artifact: Artifact  // Its finished artifact, verified
  private let inputsBySlot: [String: [StageInput]]
  private let lineageSeconds: () -> Double?

  /// `lineageSeconds` is asked for `wallSeconds`; the artifact's own time where it is left out.
  public init(
    name: String, type: String, stageType: (any StageType.Type)? = nil, artifact: Artifact,
    inputs: [String: [StageInput]] = [:], lineageSeconds: (() -> Double?)? = nil
  ) {
    (self.name, self.type, self.stageType, self.artifact, self.inputsBySlot) = (name, type, stageType, artifact, inputs)
    self.lineageSeconds = lineageSeconds ?? { artifact.provenance.wallSeconds }
  }

  /// Wall time of this stage and of everything it was made from, s, each stage once; nil where one of them is not there any more. It
  /// reaches further than `StageType.indirectInputs`: write it as a measurement only, on which no key and no digest depends.
  public var wallSeconds: Double? { lineageSeconds() }

  /// The first input of each declared slot.
  public var inputs: [String: StageInput] { inputsBySlot.compactMapValues(\.first) }

  /// An input of this input. Only those declared in `StageType.indirectInputs` are there, because only they enter the key.
  public func input<Inputs: StageInputs>(_ slot: KeyPath<Inputs, Input>) throws -> StageInput {
    guard let first = optionalInput(slot) else { throw StageContextError(stage: name, slot: Inputs.slot(slot)) }
    return first
  }

  public func optionalInput<Inputs: StageInputs>(_ slot: KeyPath<Inputs, Input>) -> StageInput? {
    inputsBySlot[Inputs.slot(slot)]?.first
  }
}

/// A stage asks for an input that it was not given: its declaration and its code do not fit together.
public struct StageContextError: Error, CustomStringConvertible {
  public let stage, slot: String
  public var description: String { "stage '\(stage)' has no input '\(slot)'" }
}
