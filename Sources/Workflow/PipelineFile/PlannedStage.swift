import Basics
import Foundation

/// A stage of a pipeline file before anything runs, as `StageType.check` sees it: the declared values of the stage and of the stages it
/// reads, and a place to tell what is wrong with them.
///
/// What holds for many stages of a file (a topology that reads well) is found out once: see `once`.
public final class PlannedStage {
  public let definition: StageDefinition
  private let pipeline: PipelineDefinition
  private let memory: CheckMemory

  init(_ definition: StageDefinition, in pipeline: PipelineDefinition, memory: CheckMemory) {
    (self.definition, self.pipeline, self.memory) = (definition, pipeline, memory)
  }

  public var name: String { definition.name }
  public var type: any StageType.Type { definition.type }
  /// The resolved parameters, as `StageContext.values`.
  public var values: ParameterValue { definition.parameters }
  /// What the stage type declared in `reads`, as `StageContext.shared`.
  public var shared: [String: ParameterValue] { definition.shared }
  public var settings: [String: ParameterValue] { pipeline.settings }

  /// The parameters of the stage type, or of a group of that declaration.
  public func parameters<Group: ParameterGroup>(_ type: Group.Type) throws -> Group { try Group(resolved: values) }

  /// The stages of a slot, in the file's order, with their own values and inputs, however far back.
  public func inputs<Inputs: StageInputs>(_ slot: KeyPath<Inputs, Input>) -> [PlannedStage] {
    definition.inputs(Inputs.slot(slot)).compactMap { name in
      pipeline[name].map { PlannedStage($0, in: pipeline, memory: memory) }
    }
  }

  /// The word that stands in the place of a stage; nil where there is a stage.
  public func word<Inputs: StageInputs>(_ slot: KeyPath<Inputs, Input>) -> String? {
    inputs(slot).isEmpty ? values[Inputs.slot(slot)]?.string : nil
  }

  // MARK: What is found

  /// What a finding is about, which tells the line of the file that it names.
  public enum Place: Equatable, Sendable {
    case stage
    case parameter(String)  // Of the stage, by its name in the file
    case shared(SharedField)

    public static func == (first: Place, second: Place) -> Bool { first.name == second.name }

    private var name: String {
      switch self {
      case .stage: ""
      case .parameter(let name): "parameter " + name
      case .shared(let field): "shared " + field.name
      }
    }
  }

  /// Something for which nothing may run. The same text at the same place is told once, however many stages find it.
  public func refuse(_ text: String, at place: Place = .stage) {
    memory.add(PipelineFileError.Finding(location: location(place), problem: .refused(text)))
  }

  /// Something the user must know before the run, which does not stop it.
  public func warn(_ text: String, at place: Place = .stage) { memory.add(warning: "\(location(place)): \(text)") }

  /// Runs `body`; an error of it is a finding at `place`, and the result is nil.
  public func checking<Result>(_ place: Place = .stage, _ body: () throws -> Result) -> Result? {
    do {
      return try body()
    } catch {
      refuse("\(error)", at: place)
      return nil
    }
  }

  /// The value of `make`, which is called once for all stages of a check that ask by the same key; its error is thrown again.
  public func once<Value>(_ key: String, _ make: () throws -> Value) throws -> Value {
    try memory.value(key, make)
  }

  /// The stage's files will take this many bytes, at least.
  public func writes(atLeast bytes: Double) { memory.sizes[name] = bytes }

  private func location(_ place: Place) -> SourceLocation {
    switch place {
    case .stage: definition.location
    case .parameter(let name): definition.places.parameters[name] ?? definition.location
    case .shared(let field): definition.places.shared[field.name] ?? definition.location
    }
  }
}

/// What the stages of a check share.
final class CheckMemory {
  private(set) var findings: [PipelineFileError.Finding] = []
  private(set) var warnings: [String] = []
  /// Bytes that stages will write, at least, by name.
  var sizes: [String: Double] = [:]
  /// By bytes: paths that Unicode takes for the same are different files.
  private var values: [[UInt8]: Result<Any, any Error>] = [:]
  private var told: Set<String> = []

  func add(_ finding: PipelineFileError.Finding) {
    if told.insert(finding.description).inserted { findings.append(finding) }
  }

  func add(warning: String) {
    if told.insert(warning).inserted { warnings.append(warning) }
  }

  func value<Value>(_ key: String, _ make: () throws -> Value) throws -> Value {
    let typedKey = Array("\(Value.self) \(key)".utf8)
    if let known = values[typedKey], let value = try known.get() as? Value { return value }
    let made = Result<Any, any Error> { try make() }
    values[typedKey] = made
    guard let value = try made.get() as? Value else { return try make() }
    return value
  }
}

extension PipelineDefinition {
  /// Lets the types of the stages named look at their values before anything runs, and holds what they will write against the room that
  /// is left where `folder` lies. Returns warnings; throws `PipelineFileError` with everything that is refused.
  public func check(_ names: Set<String>, folder: RunFolder? = nil) throws -> [String] {
    try check(names, folder: folder, free: folder.flatMap { DiskSpace.free(in: $0.url) })
  }

  /// `free`: bytes that are left.
  func check(_ names: Set<String>, folder: RunFolder?, free: Double?) throws -> [String] {
    let memory = CheckMemory()
    for stage in stages where names.contains(stage.name) {
      let planned = PlannedStage(stage, in: self, memory: memory)
      do {
        try stage.type.check(planned)
      } catch {
        planned.refuse("stage '\(stage.base)': \(error)")
      }
    }
    if let folder, let free { checkSpace(memory, folder, free) }
    guard memory.findings.isEmpty else { throw PipelineFileError(memory.findings).inOrder }
    return memory.warnings
  }

  /// An older artifact stays until the new one is whole, so it frees nothing.
  private func checkSpace(_ memory: CheckMemory, _ folder: RunFolder, _ free: Double) {
    let added = stages.compactMap { stage -> (stage: StageDefinition, bytes: Double)? in
      memory.sizes[stage.name].map { (stage, $0) }
    }
    let all = added.reduce(0) { $0 + $1.bytes }
    guard let largest = added.max(by: { $0.bytes < $1.bytes }), all > 0.9 * free else { return }
    func text(_ bytes: Double) -> String { StatusTable.bytes(Int(min(bytes, 9e18))) }
    let finding =
      "what is to run writes at least \(text(all)), the most of it '\(largest.stage.name)' with \(text(largest.bytes)), and "
      + "\(folder.url.path) has \(text(free)) left: make room, choose another place by --runs, or ask for fewer frames"
    let planned = PlannedStage(largest.stage, in: self, memory: memory)
    if all > free { planned.refuse(finding) } else { planned.warn(finding) }
  }
}

extension Engine {
  /// Throws `PipelineFileError` where an input file of a selected stage that has to run is not there, and `EngineError.inputArchived`
  /// where one of a finished stage is not, unless that stage's result is taken as it is.
  public func requireFiles(of selected: Set<String>, _ assessments: [StageAssessment], archived: Bool) throws {
    let lacking = assessments.filter { selected.contains($0.stage.name) && !$0.missingFiles.isEmpty }
    var findings: [PipelineFileError.Finding] = []
    for finding in lacking.filter({ !$0.isFinished }).flatMap({ $0.missingFiles.map(\.finding) })
    where !findings.contains(finding) { findings.append(finding) }
    guard findings.isEmpty else { throw PipelineFileError(findings).inOrder }
    guard !archived, let first = lacking.first, let file = first.missingFiles.first else { return }
    throw EngineError.inputArchived(stage: first.stage.name, file: file.shown)
  }

  /// Checks, before anything runs, the selected stages that are not finished: see `StageType.check`. Prints warnings. `assessments`: the
  /// stages' states. With `keepGoing` what is refused is a warning: the stage fails when its turn comes, and others go on. Throws
  /// `PipelineFileError`.
  public func checkBeforehand(
    _ selected: Set<String>, _ assessments: [StageAssessment], keepGoing: Bool = false
  ) throws {
    let open = assessments.filter { !$0.isFinished }.map(\.stage.name)
    do {
      for warning in try pipeline.check(selected.intersection(open), folder: folder) {
        console.line("warning: \(warning)")
      }
    } catch let error as PipelineFileError where keepGoing {
      for line in "\(error)".split(separator: "\n") { console.line("warning: \(line)") }
    }
  }
}
