import Foundation

/// Reads a profile, with everything that is wrong with it by file and line, as a pipeline file is read.
public struct SlurmProfileReader {
  private let pipeline: PipelineDefinition
  private let registry: StageRegistry
  private var checker: PipelineChecker

  /// Throws `PipelineFileError`.
  public static func read(
    _ url: URL, shownAs name: String, for pipeline: PipelineDefinition, registry: StageRegistry
  ) throws -> SlurmProfile {
    var reader = SlurmProfileReader(pipeline: pipeline, registry: registry)
    return try reader.profile(YAMLDocument.read(url, shownAs: name))
  }

  /// Finds the profile that a command line names: as given, else in pipelines/.
  public static func find(_ argument: String) throws -> (url: URL, shown: String) { try PipelineLoader.find(argument) }

  init(pipeline: PipelineDefinition, registry: StageRegistry) {
    self.pipeline = pipeline
    self.registry = registry
    checker = PipelineChecker(registry: registry)
  }

  static let fields = [
    ParameterField("partition", .string, optional: true, help: "the queue"),
    ParameterField("account", .string, optional: true, help: "who pays"),
    ParameterField("qos", .string, optional: true, help: "quality of service"),
    ParameterField("time", .string, optional: true, help: "time limit"),
    ParameterField("cpus", .integer(1...4096), optional: true, help: "cores of a task, and its stages' threads"),
    ParameterField("memory", .string, optional: true, help: "memory of a node"),
    ParameterField("gres", .string, optional: true, help: "generic resources"),
    ParameterField("constraint", .string, optional: true, help: "features of the node"),
    ParameterField("options", .list(.string), optional: true, help: "further words for sbatch"),
    ParameterField("prologue", .list(.string, acceptsSingle: true), optional: true, help: "lines of shell"),
    ParameterField("max_concurrent", .integer(1...1_000_000), optional: true, help: "tasks of an array at a time"),
    ParameterField("signal_lead", .integer(0...65_535), optional: true, unit: "s", help: "time to save a checkpoint"),
    ParameterField("requeue_limit", .integer(0...1000), optional: true, help: "requeues without progress"),
  ]

  /// What this package itself says to sbatch.
  private static let reserved = [
    "array", "chdir", "comment", "cpus-per-task", "dependency", "error", "export-file", "hold", "input", "job-name",
    "kill-on-invalid-dep", "mem", "no-requeue", "ntasks", "open-mode", "output", "parsable", "quiet", "requeue",
    "signal",
    "test-only", "time", "wait", "wrap", "partition", "account", "qos", "gres", "constraint",
  ]

  mutating func profile(_ root: ConfigurationNode) throws -> SlurmProfile {
    var profile = SlurmProfile()
    guard root.entries != nil else {
      throw PipelineFileError(
        root.location, .wrongType(place: "the profile", found: root.shown, expected: "a group of keys (defaults, ...)"))
    }
    checker.checkKeys(
      root, known: ["unit", "defaults", "types", "stages", "together", "max_array"], place: "the profile")
    if let node = root["unit"],
      let unit = checker.value(node, .choice(["stage"] + pipeline.axes), place: "unit")?.string
    {
      profile.unit = unit == "stage" ? .stage : .axis(unit)
    }
    if let node = root["max_array"],
      case .integer(let count)? = checker.value(node, .integer(1...4_000_001), place: "max_array")
    {
      profile.maximumArray = count
    }
    profile.defaults = resources(root["defaults"], place: "defaults")
    profile.together = resources(root["together"], place: "together")
    for entry in group(root["types"], place: "types") {
      if registry[entry.key] == nil {
        checker.report(entry.keyLocation, .unknownStageType(entry.key, known: registry.names))
      }
      profile.types[entry.key] = resources(entry.value, place: "types.\(entry.key)")
    }
    let bases = pipeline.stages.map(\.base).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
    for entry in group(root["stages"], place: "stages") {
      if !pipeline.stages.contains(where: { $0.matches(entry.key) }) {
        checker.report(entry.keyLocation, .unknownStage(entry.key, place: "stages", known: bases))
      }
      profile.stages.append((entry.key, resources(entry.value, place: "stages.\(entry.key)")))
    }
    guard checker.findings.isEmpty else { throw PipelineFileError(checker.findings).inOrder }
    return profile
  }

  private mutating func group(_ node: ConfigurationNode?, place: String) -> [ConfigurationNode.Entry] {
    guard let node, !node.isNull else { return [] }
    guard let entries = node.entries else {
      checker.report(
        node.location, .wrongType(place: place, found: node.shown, expected: "a group of resources by name"))
      return []
    }
    return entries
  }

  private mutating func resources(_ node: ConfigurationNode?, place: String) -> SlurmResources {
    var resources = SlurmResources()
    guard let node, !node.isNull else { return resources }
    guard let values = checker.value(node, .object(Self.fields), place: place) else { return resources }
    func text(_ name: String) -> String? { values[name]?.string }
    func number(_ name: String) -> Int? { if case .integer(let number)? = values[name] { number } else { nil } }
    func texts(_ name: String) -> [String]? {
      if case .list(let texts)? = values[name] { texts.compactMap(\.string) } else { nil }
    }
    resources.partition = text("partition")
    resources.account = text("account")
    resources.qos = text("qos")
    resources.time = text("time")
    resources.cpus = number("cpus")
    resources.memory = text("memory")
    resources.gres = text("gres")
    resources.constraint = text("constraint")
    resources.options = texts("options")
    resources.prologue = texts("prologue")
    resources.maxConcurrent = number("max_concurrent")
    resources.signalLead = number("signal_lead")
    resources.requeueLimit = number("requeue_limit")
    check(resources, node, place: place)
    return resources
  }

  /// What words and numbers mean to Slurm.
  private mutating func check(_ resources: SlurmResources, _ node: ConfigurationNode, place: String) {
    func location(_ name: String) -> SourceLocation { node[name]?.location ?? node.location }
    for (name, value) in [
      ("partition", resources.partition), ("account", resources.account), ("qos", resources.qos),
      ("gres", resources.gres), ("constraint", resources.constraint),
    ] {
      guard let value, value.isEmpty || value.utf8.contains(where: { $0 <= 32 || $0 == 127 }) else { continue }
      checker.report(
        location(name), .wrongType(place: "\(place).\(name)", found: "'\(value)'", expected: "one word"))
    }
    if let time = resources.time {
      let seconds = SlurmResources.seconds(ofTime: time)
      if seconds ?? 0 < 60 {
        checker.report(
          location("time"),
          .wrongType(
            place: "\(place).time", found: "'\(time)'",
            expected: "a time limit of a minute or more: 90 (minutes), 2:00:00 or 1-12:00:00"))
      }
      if let seconds, let lead = resources.signalLead, lead >= seconds, seconds >= 60 {
        checker.report(
          location("signal_lead"),
          .outOfRange(
            place: "\(place).signal_lead", found: "\(lead)", expected: "less than the time limit, \(seconds) s"))
      }
    }
    if let memory = resources.memory {
      let digits = memory.last.map { "KMGT".contains($0) } == true ? memory.dropLast() : memory[...]
      if digits.isEmpty || digits.count > 12 || !digits.utf8.allSatisfy({ (48...57).contains($0) }) {
        checker.report(
          location("memory"),
          .wrongType(place: "\(place).memory", found: "'\(memory)'", expected: "a size such as 4G or 4000M"))
      }
    }
    for (index, option) in (resources.options ?? []).enumerated() {
      let node = node["options"]?.list?[index] ?? node
      let name = String(option.dropFirst(2).prefix { $0 != "=" })
      if !option.hasPrefix("--") || name.isEmpty || option.utf8.contains(where: { $0 < 32 || $0 == 127 }) {
        checker.report(
          node.location,
          .wrongType(place: "\(place).options", found: "'\(option)'", expected: "a word such as --exclusive"))
      } else if Self.reserved.contains(name) {
        checker.report(
          node.location, .syntax("\(place).options: --\(name) is set by 'submit' or by a key of the profile"))
      }
    }
    for (index, line) in (resources.prologue ?? []).enumerated()
    where line.utf8.contains(where: { $0 < 32 && $0 != 9 }) {
      checker.report(
        node["prologue"]?.list?[index].location ?? location("prologue"),
        .wrongType(place: "\(place).prologue", found: "a text of several lines", expected: "one line of shell each"))
    }
  }
}
