import Artifacts
import Basics
import Foundation
import TestSupport
import Workflow

/// Which fake stages ran, by run folder: tests run side by side.
final class RunLog: @unchecked Sendable {
  static let shared = RunLog()
  private let lock = NSLock()
  private var names: [String: [String]] = [:]

  func add(_ context: StageContext) {
    lock.withLock { names[Self.folder(context), default: []].append(context.stage) }
  }

  /// The stages that ran in the folder since it was last asked.
  func take(_ folder: URL) -> [String] {
    lock.withLock { names.removeValue(forKey: folder.standardizedFileURL.path) ?? [] }
  }

  private static func folder(_ context: StageContext) -> String {
    context.output.url.deletingLastPathComponent().standardizedFileURL.path
  }
}

/// Writes numbers it is given, or those of a file.
enum SourceStage: StageType {
  static let type = "source"
  static let version = 1
  static let summary = "numbers from the pipeline file"

  struct Parameters: ParameterGroup {
    @Parameter("the numbers", in: -1000...1000, single: true) var values: [Double] = [1, 2, 3]
    @Parameter("a file whose bytes are the numbers") var file: InputFile?
    @Parameter("changes the key and not the content") var note = ""
    @Parameter("something to warn of") var warning: String?
  }

  static func run(_ context: StageContext) throws {
    RunLog.shared.add(context)
    let parameters = try context.parameters(Parameters.self)
    var values = parameters.values
    if let file = parameters.file { values = try Data(contentsOf: file.url).map(Double.init) }
    if let warning = parameters.warning { context.warn(warning) }
    try context.output.write("values", values, shape: [values.count], units: "nm")
  }
}

/// Scales its input's numbers.
enum ScaleStage: StageType {
  static let type = "scale"
  static let version = 1
  static let summary = "numbers times a factor"
  static let reads: [SharedField] = [.temperature]

  struct Inputs: StageInputs {
    let of = Input("what is scaled", of: SourceStage.self, ScaleStage.self, CountStage.self)
  }

  struct Failure: Error, CustomStringConvertible { var description: String { "told to fail" } }

  struct Parameters: ParameterGroup {
    struct Training: ParameterGroup {
      @Parameter("a whole number", in: .count) var steps = 20000
      @Parameter("a number above zero", in: .positive) var learningRate = 1e-3
    }
    @Parameter("a group") var training = Training()
    @Parameter("the factor", unit: "nm", in: -10...10) var factor = 2.0
    @Parameter("how", words: ["plain", "fail", "crash-never"]) var mode = "plain"
  }

  static func run(_ context: StageContext) throws {
    RunLog.shared.add(context)
    let parameters = try context.parameters(Parameters.self)
    if parameters.mode == "fail" { throw Failure() }
    let values = try context.input(\Inputs.of).artifact.read("values", as: Double.self).values.map {
      $0 * parameters.factor
    }
    try context.output.write("values", values, shape: [values.count])
    try context.output.writeScalar(
      "results/temperature", context.shared["temperature"].flatMap(Double.init(_:)) ?? .nan, units: "K")
  }
}

/// Counts upwards with a checkpoint at each step; stops itself at a step where it is told to be interrupted.
enum CountStage: StageType {
  static let type = "count"
  static let version = 1
  static let summary = "a long stage"

  /// By run folder: calls when the step is reached.
  static let hooks = Hooks()
  final class Hooks: @unchecked Sendable {
    private let lock = NSLock()
    private var actions: [String: (Int) -> Void] = [:]
    func set(_ folder: URL, _ action: @escaping (Int) -> Void) {
      lock.withLock { actions[folder.standardizedFileURL.path] = action }
    }
    func call(_ folder: URL, _ step: Int) {
      lock.withLock { actions[folder.standardizedFileURL.path] }?(step)
    }
  }

  struct Parameters: ParameterGroup {
    @Parameter("how far to count", in: 1...1000) var steps = 10
    @Parameter("a file whose size is added to each number") var file: InputFile?
  }

  static func run(_ context: StageContext) throws {
    RunLog.shared.add(context)
    context.usesDevice(context.settings["device"] == "cuda" ? "cuda: Test" : "cpu")
    let steps = try context.parameters(Parameters.self).steps
    let offset =
      try context.parameters(Parameters.self).file.map { file in
        try FileManager.default.attributesOfItem(atPath: file.url.path)[.size] as? Double ?? 0
      } ?? 0
    let folder = context.output.url.deletingLastPathComponent()
    var stream = RandomStream(seed: context.seed)
    var values: [Double] = []
    if let found = try context.checkpoints.latest() {
      values = try found.artifact.read("values", as: Double.self).values
      let state = try found.artifact.readString("stream")
      stream = try JSONDecoder().decode(RandomStream.self, from: Data(state.utf8))
    }
    context.progress.begin("count", total: steps, unit: "steps")
    while values.count < steps {
      values.append(stream.uniform() + offset)
      context.progress.update(completed: values.count)
      hooks.call(folder, values.count)
      try context.checkpoints.save(step: values.count) { writer in
        try writer.write("values", values, shape: [values.count])
        try writer.write("stream", string: String(decoding: try JSONEncoder().encode(stream), as: UTF8.self))
      }
      if values.count < steps { try context.checkInterruption() }
    }
    context.progress.end()
    try context.output.write("values", values, shape: [values.count])
  }
}

/// Reads several stages and what one of them was made from.
enum GatherStage: StageType {
  static let type = "gather"
  static let version = 1
  static let summary = "several inputs together"

  struct Inputs: StageInputs {
    let compare = Input("what is gathered", eachOf: { [ScaleStage.type, SourceStage.type].contains($0.type) })
    let against = Input("a base", of: SourceStage.self, orWords: ["nothing", "zero"], default: "nothing")
  }

  static let indirectInputs = [InputPath(\Inputs.compare, \ScaleStage.Inputs.of)]

  static func run(_ context: StageContext) throws {
    RunLog.shared.add(context)
    var sums: [Double] = []
    var names: [String] = []
    for input in context.inputs(\Inputs.compare) {
      sums.append(try input.artifact.read("values", as: Double.self).values.reduce(0, +))
      names.append(input.name)
      if let inner = input.optionalInput(\ScaleStage.Inputs.of) {
        names.append(inner.name)
        sums.append(try inner.artifact.read("values", as: Double.self).values.reduce(0, +))
      }
    }
    try context.output.write("sums", sums, shape: [sums.count])
    try context.output.write("names", strings: names)
    try context.output.write("against", string: context.optionalInput(\Inputs.against)?.name ?? "none")
  }
}

/// Leaves a text beside its artifact: one that is made again by running, and one that is made of the artifact.
enum TextStage: StageType {
  static let type = "text"
  static let version = 1
  static let summary = "numbers as text"
  static let sideFiles = [
    SideFile("html"), SideFile("csv") { try Data(numbers($0).utf8).write(to: $1) },
  ]

  struct Inputs: StageInputs { let of = Input("what is written", of: ScaleStage.self) }

  static func numbers(_ artifact: Artifact) throws -> String {
    try "\(artifact.read("values", as: Double.self).values)\n"
  }

  static func run(_ context: StageContext) throws {
    RunLog.shared.add(context)
    let artifact = try context.input(\Inputs.of).artifact
    let values = try artifact.read("values", as: Double.self).values
    _ = try context.writeSideFile("html") { try Data("<p>\(numbers(artifact))</p>".utf8).write(to: $0) }
    _ = try context.writeSideFile("csv") { try Data(numbers(artifact).utf8).write(to: $0) }
    try context.output.write("values", values, shape: [values.count])
  }
}

/// Needs the molecule.
enum MoleculeStage: StageType {
  static let type = "molecule"
  static let version = 3
  static let summary = "reads the system section"
  static let reads: [SharedField] = [.topology, .torsions, .state, .temperature]

  static func run(_ context: StageContext) throws {
    RunLog.shared.add(context)
    try context.output.write(
      "topology", string: String(contentsOfFile: context.shared["topology"]?.string ?? "", encoding: .utf8))
    try context.output.write("state", string: context.shared["state"]?["torsion"]?.string ?? "")
  }
}

/// What stands around the fake stages: a number at the top level, and a group.
extension SharedField {
  static let temperature = SharedField(
    ParameterField("temperature", .number(1e-3...1e5), default: 300, unit: "K", help: "how warm"))
  static let topology = SharedField(
    in: "system", ParameterField("topology", .path, optional: true, help: "a file"), isNeeded: true)
  static let state = SharedField(
    in: "system",
    ParameterField(
      "state",
      .object([
        ParameterField("torsion", .string, default: "phi", help: "a name"),
        ParameterField("from", .number(-6.2832...6.2832), default: 0, help: "lower end"),
        ParameterField("to", .number(-6.2832...6.2832), default: 2, help: "upper end"),
      ]), help: "a group in a group"))
  static let torsions = SharedField(
    in: "system",
    ParameterField(
      "torsions", .map(.list(.integer(0...10_000_000), count: 4...4), example: "{ phi: [4, 6, 8, 14] }"),
      default: .object([:]), help: "lists by name"))
}

let fakeRegistry = StageRegistry(
  [
    SourceStage.self, ScaleStage.self, CountStage.self, GatherStage.self, MoleculeStage.self, TextStage.self,
  ],
  shared: [.temperature, .topology, .state, .torsions],
  settings: [ParameterField("device", .choice(["auto", "cpu", "cuda"]), default: "auto", help: "where")])

/// A folder of its own for a test, with a pipeline file in it.
final class Workplace {
  private let scratch: Scratch
  var folder: URL { scratch.url }
  var lines: [String] = []

  init() throws { scratch = try Scratch() }

  func write(_ text: String, to name: String = "test.yaml") throws { try scratch.write(text, to: name) }

  func load(_ text: String? = nil, overrides: [String] = [], name: String = "test.yaml") throws -> PipelineDefinition {
    if let text { try write(text, to: name) }
    return try PipelineLoader(registry: fakeRegistry).load(
      folder.appendingPathComponent(name), shownAs: name, overrides: overrides, workingFolder: folder)
  }

  /// What loading the text says is wrong.
  func problems(_ text: String, overrides: [String] = []) -> String {
    do {
      _ = try load(text, overrides: overrides)
      return "nothing"
    } catch {
      return "\(error)"
    }
  }

  func runFolder(_ pipeline: PipelineDefinition) -> RunFolder {
    RunFolder(runs: folder.appendingPathComponent("runs"), pipeline: pipeline)
  }

  func engine(_ pipeline: PipelineDefinition, interruption: Interruption = Interruption()) -> Engine {
    Engine(
      pipeline: pipeline, folder: runFolder(pipeline),
      console: Console(isTerminal: false, clock: { 0 }, output: { [unowned self] in lines.append($0) }),
      interruption: interruption,
      environment: { RunEnvironment(versions: ["LibTest": "1.2"]) })
  }

  /// Runs the text as the pipeline file; returns the outcome and the stages whose code ran.
  func run(
    _ text: String, overrides: [String] = [], options: RunOptions = RunOptions(),
    interruption: Interruption = Interruption()
  ) throws -> (outcome: RunOutcome, ran: [String]) {
    let pipeline = try load(text, overrides: overrides)
    let engine = engine(pipeline, interruption: interruption)
    let outcome = try engine.run(options)
    return (outcome, RunLog.shared.take(engine.folder.url))
  }
}
