import Foundation

/// Turns a document into a definition, collecting everything that is wrong with it.
struct PipelineChecker {
  let registry: StageRegistry
  var toleratesMissingFiles = false
  private(set) var missingFiles: [PipelineDefinition.MissingFile] = []
  private(set) var findings: [PipelineFileError.Finding] = []
  private var reported: Set<String> = []
  var stageNames: [String] = []
  var isStage: Set<String> = []
  var expansion: MatrixExpansion?
  var current: StageInstance?  // The instance that is being checked
  var inputCount = 0
  private var surroundingsMask: UInt64?  // The axes on which they depend
  private var surroundingsByCell: [[Int]: Surroundings] = [:]

  static let maximumInputs = 200_000

  init(registry: StageRegistry) { self.registry = registry }

  mutating func check(_ root: ConfigurationNode, file: URL, shownAs source: String) throws -> PipelineDefinition {
    checkKeys(root, known: registry.topLevelKeys + ["extends"], place: "the file")
    for key in ["name", "seed"] + registry.settings.map(\.name) {
      guard let node = root[key], let placeholder = node.placeholders.first else { continue }
      report(node.location, .limit("'\(key)' is the whole run's and cannot be '\(placeholder.written)'"))
    }
    let given = root["name"].map { value($0, .string, place: "name")?.string ?? "" }
    let name = given ?? file.deletingPathExtension().lastPathComponent
    if !Self.isUsableName(name) { report(root["name"]?.location ?? root.location, .badName(name, what: "name")) }
    var seed: UInt64 = 0
    if let node = root["seed"], case .integer(let given) = value(node, .integer(0...Int.max), place: "seed") {
      seed = UInt64(clamping: given)
    }
    var settings: [String: ParameterValue] = [:]
    for field in registry.settings {
      settings[field.name] = root[field.name].map { value($0, field.kind, place: field.name) } ?? field.resolvedDefault
    }
    var reader = MatrixReader()
    let matrix = reader.read(root["matrix"])
    findings += reader.findings
    // a broken matrix would make every placeholder look wrong
    guard reader.findings.isEmpty else { throw PipelineFileError(findings).inOrder }
    let stages = stageDefinitions(root, matrix)
    let ordered = findings.isEmpty ? sorted(stages) : []
    // with everything else that is wrong, also what is tolerated by itself
    guard findings.isEmpty else { throw PipelineFileError(findings + missingFiles.map(\.finding)).inOrder }
    var definition = PipelineDefinition(
      name: name, seed: seed, settings: settings, source: source, stages: ordered, axes: matrix.axes.map(\.name),
      cells: matrix.axes.isEmpty
        ? [] : matrix.cells.map { zip(matrix.axes, $0).map { axis, index in axis.entries[index].label } })
    definition.missingFiles = missingFiles
    return definition
  }

  /// A file that is not there: wrong, or noted where it need not be there.
  mutating func miss(_ path: String, _ location: SourceLocation, _ shown: String, place: String) {
    let problem = PipelineFileProblem.missingFile(shown, place: place)
    guard toleratesMissingFiles else { return report(location, problem) }
    let finding = PipelineFileError.Finding(location: location, problem: problem)
    let file = PipelineDefinition.MissingFile(path: path, shown: shown, finding: finding)
    // in every cell of a matrix, once is enough
    if !missingFiles.contains(file) { missingFiles.append(file) }
  }

  /// Names become file names: nothing in them may lead out of the run folder or hide the file, or be taken for a checkpoint or
  /// a file that was set aside.
  static func isUsableName(_ name: String) -> Bool {
    guard let first = name.utf8.first, name.utf8.count <= 100 else { return false }
    func isWord(_ byte: UInt8) -> Bool {
      (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "_")
    }
    return isWord(first) && name.utf8.allSatisfy { isWord($0) || "@.-".utf8.contains($0) }
      && [".ckpt-", ".part-", ".h5"].allSatisfy { !name.contains($0) }
  }

  mutating func report(_ location: SourceLocation, _ problem: PipelineFileProblem) {
    let finding = PipelineFileError.Finding(location: location, problem: problem)
    // what is wrong in the file is wrong in every cell of the matrix: once is enough
    var text = finding.description
    if let current { text = text.replacingOccurrences(of: "'\(current.name)'", with: "'\(current.base)'") }
    guard reported.insert(text).inserted || current?.name == current?.base else { return }
    findings.append(finding)
  }

  mutating func checkKeys(_ node: ConfigurationNode, known: [String], place: String) {
    for entry in node.entries ?? [] where !known.contains(entry.key) {
      report(entry.keyLocation, .unknownKey(entry.key, place: place, known: known.filter { $0 != "extends" }))
    }
  }

  // MARK: Shared values

  /// What the file says around a stage, in one cell of the matrix.
  private struct Surroundings {
    var values: [String: ParameterValue?] = [:]  // By the field's name. One that is wrong is nil, and reported already.
    var locations: [String: SourceLocation] = [:]  // Where groups stood
    var places: [String: SourceLocation] = [:]  // Where fields stood, or their groups
  }

  /// The surroundings in the cell of each number, those that are equal being made once.
  private mutating func surroundings(_ root: ConfigurationNode, _ matrix: Matrix, of number: Int) -> Surroundings {
    let keys = registry.shared.map(\.topLevelKey)
    let mask = surroundingsMask ?? matrix.bits(keys.unique.flatMap { root[$0]?.placeholders ?? [] }.map(\.axis))
    surroundingsMask = mask
    let projection = Matrix.project(matrix.cells[number], mask)
    if let known = surroundingsByCell[projection] { return known }
    var substitution = matrix.substitution(matrix.cells[number])
    var nodes: [String: ConfigurationNode] = [:]
    for key in keys { nodes[key] = root[key].map { substitution.apply($0) } }
    var found = Surroundings()
    if substitution.findings.isEmpty {
      for field in registry.shared where field.section == nil {
        let given = nodes[field.name].map { value($0, field.field.kind, place: field.name) }
        found.values[field.name] = given ?? field.field.resolvedDefault
        found.places[field.name] = nodes[field.name]?.location
      }
      for section in registry.sections { readSection(section, nodes[section], root.location, into: &found) }
    }
    for finding in substitution.findings where !findings.contains(finding) { findings.append(finding) }
    surroundingsByCell[projection] = found
    return found
  }

  private mutating func readSection(
    _ section: String, _ node: ConfigurationNode?, _ location: SourceLocation, into found: inout Surroundings
  ) {
    let fields = registry.fields(in: section)
    let empty = ConfigurationNode(
      content: .mapping([]), location: location, folder: node?.folder ?? URL(fileURLWithPath: "/"))
    if let node, node.entries == nil { report(node.location, .wrong(section, node, "a group of keys")) }
    let group = node?.entries == nil ? empty : node ?? empty
    found.locations[section] = group.location
    checkKeys(group, known: fields.map(\.name), place: "'\(section)'")
    for field in fields {
      found.values[field.name] = fieldValue(field.field, in: group, place: section, location: group.location)
      found.places[field.name] = group[field.name]?.location ?? group.location
    }
    for field in fields { make(field, section, into: &found) }
  }

  /// Fills in what another value of the group makes of one that the file leaves out.
  private mutating func make(_ field: SharedField, _ section: String, into found: inout Surroundings) {
    guard let made = field.made, let given = found.values[made.from] ?? nil, given != .null,
      let own = found.values[field.name] ?? nil, let place = found.places[made.from]
    else { return }
    guard own == .null else {
      if made.isInPlace {
        report(
          found.places[field.name] ?? place,
          .limit("\(section).\(field.name) and \(section).\(made.from) are given, and mean the same: remove one"))
      }
      return
    }
    found.places[field.name] = place
    do {
      found.values[field.name] = try made.make(given)
    } catch {
      found.values[field.name] = .some(.none)
      let problem = PipelineFileProblem.limit("\(section).\(made.from): \(error)")
      // several values may be made of one
      if !findings.contains(.init(location: place, problem: problem)) { report(place, problem) }
    }
  }

  // MARK: Stages

  private mutating func stageDefinitions(_ root: ConfigurationNode, _ matrix: Matrix) -> [StageDefinition] {
    guard let section = root["stages"] else {
      report(root.location, .missingKey("stages", place: "the file", help: "a group of stages by name"))
      return []
    }
    guard let entries = section.entries, !entries.isEmpty else {
      report(section.location, .wrong("stages", section, "a group of stages by name"))
      return []
    }
    var known: [MatrixExpansion.Stage] = []
    for entry in entries {
      stageNames.append(entry.key)
      isStage.insert(entry.key)
      if !Self.isUsableName(entry.key) { report(entry.keyLocation, .badName(entry.key, what: "stage name")) }
      guard entry.value.entries != nil else {
        report(
          entry.value.location,
          .wrong("stage '\(entry.key)'", entry.value, "a group such as { uses: ingest, ... }"))
        continue
      }
      guard let uses = entry.value["uses"] else {
        let help = "a stage type: " + registry.names.joined(separator: ", ")
        report(entry.keyLocation, .missingKey("uses", place: "stage '\(entry.key)'", help: help))
        continue
      }
      guard let type = registry[uses.text ?? ""] else {
        report(uses.location, .unknownStageType(uses.text ?? uses.shown, known: registry.names))
        continue
      }
      known.append(MatrixExpansion.Stage(entry: entry, type: type))
    }
    _ = surroundings(root, matrix, of: 0)  // checked even where no stage reads it
    let expansion = MatrixExpansion(known, matrix: matrix, root: root)
    self.expansion = expansion
    findings += expansion.findings
    let order = expansion.instances.enumerated().sorted { ($0.element.cell, $0.offset) < ($1.element.cell, $1.offset) }
    let instances = order.filter { !$0.element.isBroken }.map(\.element)
    var stages: [StageDefinition] = []
    var around: [[String: ParameterValue]] = []
    for instance in instances {
      current = instance
      defer { current = nil }
      let surroundings = surroundings(root, matrix, of: instance.cell)
      stages.append(stage(instance, surroundings))
      around.append(surroundings.values.compactMapValues { $0 })
    }
    return findings.isEmpty ? completed(stages, around) : stages
  }

  /// The stages with what stands in for shared values that the file leaves out, where other stages of the file tell it.
  private func completed(_ stages: [StageDefinition], _ around: [[String: ParameterValue]]) -> [StageDefinition] {
    let beside = Neighbours(stages)
    return zip(stages, around).map { stage, values in
      let missing = stage.type.reads.filter { $0.standIn != nil && (stage.shared[$0.name] ?? .null) == .null }
      guard !missing.isEmpty else { return stage }
      var stage = stage
      let known = values.merging(stage.shared.filter { $0.value != .null }) { $1 }
      let others = beside.stages(of: stage)
      for field in missing {
        stage.shared[field.name] = field.standIn?(.init(values: known, stages: others, asking: stage)) ?? .null
      }
      return stage
    }
  }

  /// Finds the stages of the same entries: a look at all of them for each would take as long as the square of their number.
  private struct Neighbours {
    private let all: [StageDefinition]
    private var byEntry: [StageDefinition.Coordinate: [Int]] = [:]
    private var outside: [Int] = []  // Those of no entry

    init(_ stages: [StageDefinition]) {
      all = stages
      for (index, stage) in stages.enumerated() {
        for entry in stage.cell { byEntry[entry, default: []].append(index) }
        if stage.cell.isEmpty { outside.append(index) }
      }
    }

    /// In the order of all of them.
    func stages(of stage: StageDefinition) -> [StageDefinition] {
      let found = stage.cell.map { byEntry[$0] ?? [] }
      guard let fewest = found.min(by: { $0.count < $1.count }) else { return all }
      let same = fewest.filter { index in stage.cell.allSatisfy(all[index].cell.contains) }
      return (same + outside).sorted().map { all[$0] }
    }
  }

  private mutating func stage(_ instance: StageInstance, _ surroundings: Surroundings) -> StageDefinition {
    let type = instance.type
    let place = "stage '\(instance.name)'"
    let engineKeys = expansion?.matrix.axes.isEmpty == false ? ["uses", "over", "where"] : ["uses"]
    checkKeys(instance.node, known: type.parameters.map(\.name) + engineKeys, place: place + " (\(type.type))")
    var values: [String: ParameterValue] = [:]
    for field in type.parameters {
      values[field.name] = fieldValue(field, in: instance.node, place: place, location: instance.keyLocation)
    }
    var slots: [StageDefinition.Slot] = []
    for field in type.parameters {
      guard let value = values[field.name], let names = field.kind.inputNames(value) else { continue }
      slots.append(StageDefinition.Slot(name: field.name, stages: names))
    }
    var shared: [String: ParameterValue] = [:]
    for field in type.reads(where: { values[$0] ?? .null != .null }) {
      if let other = field.yieldsTo, let given = surroundings.values[other] ?? nil, given != .null {
        shared[field.name] = .null
        continue
      }
      var value = surroundings.values[field.name] ?? .some(nil)
      if value == nil || value == .null, let standIn = field.standIn {
        let isWrong = surroundings.values[field.name] == .some(.none)
        let known = surroundings.values.compactMapValues { $0 }.merging(shared) { $1 }
        // a bare nil would be `.null`, and a wrong value be called missing besides
        value = isWrong ? Optional.none : standIn(.init(values: known, stages: [], asking: nil))
      }
      if field.isNeeded, value == .null {
        let location = field.section.flatMap { surroundings.locations[$0] } ?? instance.keyLocation
        report(location, .missingShared(field.name, section: field.section, stage: instance.name))
      }
      shared[field.name] = value
    }
    for field in type.consults where shared[field.name] == nil {
      shared[field.name] = surroundings.values[field.name] ?? .some(nil)
    }
    var places = StageDefinition.Places(shared: surroundings.places)
    for field in type.parameters { places.parameters[field.name] = instance.node[field.name]?.location }
    return StageDefinition(
      name: instance.name, base: instance.base, cell: expansion?.cell(of: instance) ?? [], type: type,
      parameters: .object(values), slots: slots, shared: shared, location: instance.keyLocation, places: places)
  }

  /// Each stage after its inputs, otherwise in the file's order. A circle is reported.
  private mutating func sorted(_ stages: [StageDefinition]) -> [StageDefinition] {
    var consumers: [String: [Int]] = [:]
    var open = stages.map { $0.inputNames.count }
    for (index, stage) in stages.enumerated() {
      for input in stage.inputNames { consumers[input, default: []].append(index) }
    }
    var ready = ReadyList(stages.indices.filter { open[$0] == 0 })
    var ordered: [StageDefinition] = []
    while let index = ready.popSmallest() {
      ordered.append(stages[index])
      for consumer in consumers[stages[index].name] ?? [] {
        open[consumer] -= 1
        if open[consumer] == 0 { ready.insert(consumer) }
      }
    }
    if ordered.count < stages.count {
      let rest = stages.indices.filter { open[$0] > 0 }.map { stages[$0] }
      report(rest[0].location, .cycle(circle(among: rest)))
    }
    return ordered
  }

  private func circle(among stages: [StageDefinition]) -> [String] {
    let byName = Dictionary(stages.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var path: [String] = []
    var current = stages.first?.name
    while let name = current {
      if let start = path.firstIndex(of: name) { return Array(path[start...]) + [name] }
      path.append(name)
      current = byName[name]?.inputNames.first { byName[$0] != nil }
    }
    return path
  }
}

/// Indices, smallest first.
private struct ReadyList {
  private var sorted: [Int]  // largest first

  init(_ indices: [Int]) { sorted = indices.sorted(by: >) }

  mutating func popSmallest() -> Int? { sorted.popLast() }

  mutating func insert(_ index: Int) {
    var low = 0
    var high = sorted.count
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] > index { low = middle + 1 } else { high = middle }
    }
    sorted.insert(index, at: low)
  }
}
