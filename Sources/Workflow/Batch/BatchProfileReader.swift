import Foundation

/// Reads a profile, with everything that is wrong with it by file and line, as a pipeline file is read.
public struct BatchProfileReader {
  private let pipeline: PipelineDefinition
  private let registry: StageRegistry
  private let systems: [any BatchSystem]
  private var system: any BatchSystem
  private var checker: PipelineChecker

  /// Throws `PipelineFileError`.
  public static func read(_ url: URL, shownAs name: String, for pipeline: PipelineDefinition, registry: StageRegistry)
    throws -> BatchProfile
  { try read(url, shownAs: name, for: pipeline, registry: registry, systems: BatchSystems.all) }

  static func read(
    _ url: URL, shownAs name: String, for pipeline: PipelineDefinition, registry: StageRegistry,
    systems: [any BatchSystem]
  ) throws -> BatchProfile {
    var reader = BatchProfileReader(
      pipeline: pipeline, registry: registry, systems: systems, system: systems[0],
      checker: PipelineChecker(registry: registry))
    return try reader.profile(YAMLDocument.read(url, shownAs: name))
  }

  private mutating func profile(_ root: ConfigurationNode) throws -> BatchProfile {
    var profile = BatchProfile()
    guard root.entries != nil else {
      throw PipelineFileError(root.location, .wrong("the profile", root, "a group of keys (defaults, ...)"))
    }
    // with one system there is nothing to choose
    let choice = systems.count > 1 ? ["system"] : []
    checker.checkKeys(
      root, known: choice + ["unit", "defaults", "types", "stages", "together", "max_array"], place: "the profile")
    let names = systems.map { $0.name.lowercased() }
    if !choice.isEmpty, let node = root["system"] {
      profile.system = checker.value(node, .choice(names), place: "system")?.string
      if let place = names.firstIndex(where: { $0 == profile.system }) { system = systems[place] }
    }
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
    for entry in group(root["stages"], place: "stages") {
      if !pipeline.stages.contains(where: { $0.matches(entry.key) }) {
        checker.report(entry.keyLocation, .unknownStage(entry.key, place: "stages", known: pipeline.bases))
      }
      profile.stages.append((entry.key, resources(entry.value, place: "stages.\(entry.key)")))
    }
    guard checker.findings.isEmpty else { throw PipelineFileError(checker.findings).inOrder }
    return profile
  }

  private mutating func group(_ node: ConfigurationNode?, place: String) -> [ConfigurationNode.Entry] {
    guard let node, !node.isNull else { return [] }
    guard let entries = node.entries else {
      checker.report(node.location, .wrong(place, node, "a group of resources by name"))
      return []
    }
    return entries
  }

  private mutating func resources(_ node: ConfigurationNode?, place: String) -> BatchResources {
    guard let node, !node.isNull, case .object(let values)? = checker.value(node, .object(system.fields), place: place)
    else { return BatchResources() }
    let resources = BatchResources(values)
    for problem in system.problems(in: resources) + resources.problems {
      let own = node[problem.key]
      let location = problem.index.flatMap { own?.list?[$0] }?.location ?? own?.location ?? node.location
      checker.report(location, problem.text("\(place).\(problem.key)"))
    }
    return resources
  }
}
