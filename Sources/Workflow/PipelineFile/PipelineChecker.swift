import Foundation

/// Turns a document into a definition, collecting everything that is wrong with it.
struct PipelineChecker {
  let registry: StageRegistry
  private(set) var findings: [PipelineFileError.Finding] = []
  private var reported: Set<String> = []
  var stageNames: [String] = []
  var isStage: Set<String> = []
  var expansion: MatrixExpansion?
  /// The instance that is being checked.
  var current: StageInstance?
  var inputCount = 0
  private var surroundingsByCell: [[Int]: Surroundings] = [:]

  static let maximumInputs = 200_000

  init(registry: StageRegistry) { self.registry = registry }

  mutating func check(_ root: ConfigurationNode, file: URL, shownAs source: String) throws -> PipelineDefinition {
    checkKeys(
      root, known: ["name", "seed", "device", "temperature", "system", "matrix", "stages", "extends"], place: "the file"
    )
    for key in ["name", "seed", "device"] {
      guard let node = root[key], let placeholder = node.placeholders.first else { continue }
      report(node.location, .limit("'\(key)' is the whole run's and cannot be '\(placeholder.written)'"))
    }
    let name =
      root["name"].map { value($0, .string, place: "name")?.string ?? "" }
      ?? file.deletingPathExtension().lastPathComponent
    if !Self.isUsableName(name) { report(root["name"]?.location ?? root.location, .badName(name, what: "name")) }
    var seed: UInt64 = 0
    if let node = root["seed"], case .integer(let given) = value(node, .integer(0...Int.max), place: "seed") {
      seed = UInt64(clamping: given)
    }
    var device = DeviceChoice.auto
    if let node = root["device"],
      let word = value(node, .choice(DeviceChoice.allCases.map(\.rawValue)), place: "device")?.string
    {
      device = DeviceChoice(rawValue: word) ?? .auto
    }
    var reader = MatrixReader()
    let matrix = reader.read(root["matrix"])
    findings += reader.findings
    // a broken matrix would make every placeholder look wrong
    guard reader.findings.isEmpty else { throw PipelineFileError(findings).inOrder }
    let stages = stageDefinitions(root, matrix)
    let ordered = findings.isEmpty ? sorted(stages) : []
    guard findings.isEmpty else { throw PipelineFileError(findings).inOrder }
    return PipelineDefinition(
      name: name, seed: seed, device: device, source: source, stages: ordered, axes: matrix.axes.map(\.name),
      cells: matrix.axes.isEmpty
        ? [] : matrix.cells.map { zip(matrix.axes, $0).map { axis, index in axis.entries[index].label } })
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

  // MARK: System

  /// What the file says around a stage: the system section and the temperature, in one cell of the matrix.
  private struct Surroundings {
    var files: SystemFiles?
    /// Where it stood.
    var location: SourceLocation
    var temperature = 300.0
  }

  /// The surroundings in the cell of each number, those that are equal being made once.
  private mutating func surroundings(_ root: ConfigurationNode, _ matrix: Matrix, of number: Int) -> Surroundings {
    let mask = matrix.bits([root["system"], root["temperature"]].flatMap { $0?.placeholders ?? [] }.map(\.axis))
    let projection = Matrix.project(matrix.cells[number], mask)
    if let known = surroundingsByCell[projection] { return known }
    var substitution = matrix.substitution(matrix.cells[number])
    let section = root["system"].map { substitution.apply($0) }
    let temperature = root["temperature"].map { substitution.apply($0) }
    var found = Surroundings(location: root.location)
    if substitution.findings.isEmpty {
      let system = systemFiles(section)
      found.files = system?.files
      found.location = system?.location ?? root.location
      if let temperature, case .number(let given) = value(temperature, .number(1e-3...1e5), place: "temperature") {
        found.temperature = given
      }
    }
    for finding in substitution.findings where !findings.contains(finding) { findings.append(finding) }
    surroundingsByCell[projection] = found
    return found
  }

  private mutating func systemFiles(_ node: ConfigurationNode?) -> (files: SystemFiles, location: SourceLocation)? {
    guard let node else { return nil }
    let fields = [
      ParameterField("topology", .path, optional: true, help: "PDB file"),
      ParameterField(
        "state",
        .object([
          ParameterField("torsion", .string, default: "phi", help: "name of a torsion"),
          ParameterField("from", .number(-6.2832...6.2832), default: 0, unit: "rad", help: "lower end"),
          ParameterField("to", .number(-6.2832...6.2832), default: 2, unit: "rad", help: "upper end"),
        ]), help: "the two states"),
    ]
    guard node.entries != nil else {
      report(node.location, .wrongType(place: "system", found: node.shown, expected: "a group of keys"))
      return nil
    }
    checkKeys(node, known: fields.map(\.name) + ["forcefield", "torsions"], place: "'system'")
    var values: [String: ParameterValue] = [:]
    for field in fields {
      values[field.name] = fieldValue(field, in: node, place: "system", location: node.location) ?? .null
    }
    var files = SystemFiles(topology: URL(fileURLWithPath: values["topology"]?.string ?? "/dev/null"))
    if let forcefield = node["forcefield"], !forcefield.isNull {
      forceField(forcefield, into: &files)
      // one that is wrong is not reported as missing too
      if !files.hasForceField { files.forcefield = URL(fileURLWithPath: "/dev/null") }
    }
    if case .object(let state)? = values["state"], case .string(let torsion)? = state["torsion"],
      case .number(let from)? = state["from"], case .number(let to)? = state["to"]
    {
      files.state = StateDefinition(torsion: torsion, from: from, to: to)
    }
    if let torsions = node["torsions"] { files.torsions = self.torsions(torsions) }
    return (files, node.location)
  }

  /// A file's path, a method's name, or a group that names a method and gives its parameters.
  private mutating func forceField(_ node: ConfigurationNode, into files: inout SystemFiles) {
    let place = "system: forcefield"
    let names = registry.forceFieldMethods.map(\.name)
    func method(_ name: ConfigurationNode) -> ForceFieldMethod? {
      name.text.flatMap { text in registry.forceFieldMethods.first { $0.name == text } }
    }
    guard node.entries != nil else {
      if let method = method(node) {
        if let defaults = method.defaults {
          files.forcefieldMethod = ForceFieldChoice(method: method.name, values: defaults)
        } else {
          let required = method.parameters.filter(\.isRequired).map { "\($0.name): ..." }.joined(separator: ", ")
          report(
            node.location,
            .wrongType(place: place, found: node.shown, expected: "a group { method: \(method.name), \(required) }"))
        }
      } else if let text = node.text, !FileManager.default.fileExists(atPath: node.folder.file(text).path),
        Suggestion.nearest(to: text, among: names) != nil
      {
        report(node.location, .unknownWord(place: place, found: text, known: names + ["a file's path"]))
      } else {
        files.forcefield = path(node, place: place)?.string.map { URL(fileURLWithPath: $0) }
      }
      return
    }
    guard let name = node["method"] else {
      report(node.location, .missingKey("method", place: place, help: "one of " + names.joined(separator: ", ")))
      return
    }
    guard let method = method(name) else {
      report(name.location, .unknownWord(place: place + ".method", found: name.text ?? name.shown, known: names))
      return
    }
    checkKeys(node, known: ["method"] + method.parameters.map(\.name), place: "\(place) (\(method.name))")
    var values: [String: ParameterValue] = [:]
    for field in method.parameters {
      values[field.name] = fieldValue(field, in: node, place: place, location: node.location)
    }
    files.forcefieldMethod = ForceFieldChoice(method: method.name, values: .object(values))
  }

  private mutating func torsions(_ node: ConfigurationNode) -> [String: [Int]] {
    guard let entries = node.entries else {
      report(
        node.location,
        .wrongType(place: "system: torsions", found: node.shown, expected: "a group such as { phi: [4, 6, 8, 14] }"))
      return [:]
    }
    var torsions: [String: [Int]] = [:]
    for entry in entries {
      let place = "system: torsions.\(entry.key)"
      guard
        case .list(let indices)? = value(entry.value, .list(.integer(0...10_000_000), count: 4...4), place: place)
      else { continue }
      let atoms = indices.compactMap { index -> Int? in if case .integer(let atom) = index { atom } else { nil } }
      if atoms.count == 4, Set(atoms).count < 4 {
        report(
          entry.value.location, .outOfRange(place: place, found: "\(atoms)", expected: "four different atom indices"))
      }
      torsions[entry.key] = atoms
    }
    return torsions
  }

  // MARK: Stages

  private mutating func stageDefinitions(_ root: ConfigurationNode, _ matrix: Matrix) -> [StageDefinition] {
    guard let section = root["stages"] else {
      report(root.location, .missingKey("stages", place: "the file", help: "a group of stages by name"))
      return []
    }
    guard let entries = section.entries, !entries.isEmpty else {
      report(section.location, .wrongType(place: "stages", found: section.shown, expected: "a group of stages by name"))
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
          .wrongType(
            place: "stage '\(entry.key)'", found: entry.value.shown, expected: "a group such as { uses: ingest, ... }"))
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
    return order.filter { !$0.element.isBroken }.map { _, instance in
      current = instance
      defer { current = nil }
      return stage(instance, surroundings(root, matrix, of: instance.cell))
    }
  }

  private mutating func stage(_ instance: StageInstance, _ surroundings: Surroundings) -> StageDefinition {
    let type = instance.type
    let place = "stage '\(instance.name)'"
    let engineKeys = expansion?.matrix.axes.isEmpty == false ? ["uses", "over"] : ["uses"]
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
    for field in [SystemField.topology, .forcefield] where type.systemFields.contains(field) {
      let files = surroundings.files
      let isThere = field == .topology ? files?.topology.path != "/dev/null" : files?.hasForceField == true
      if files == nil || !isThere {
        report(surroundings.location, .missingSystemField(field.rawValue, stage: instance.name))
      }
    }
    var visible = SystemFiles(topology: URL(fileURLWithPath: "/dev/null"))
    if let files = surroundings.files {
      if type.systemFields.contains(.topology) { visible.topology = files.topology }
      if type.systemFields.contains(.forcefield) {
        visible.forcefield = files.forcefield
        visible.forcefieldMethod = files.forcefieldMethod
      }
      if type.systemFields.contains(.torsions) { visible.torsions = files.torsions }
      if type.systemFields.contains(.state) { visible.state = files.state }
    }
    return StageDefinition(
      name: instance.name, base: instance.base, cell: expansion?.cell(of: instance) ?? [], type: type,
      parameters: .object(values), slots: slots,
      temperature: type.systemFields.contains(.temperature) ? surroundings.temperature : .nan, system: visible,
      forceFieldFields: registry.forceFieldMethods.first { $0.name == visible.forcefieldMethod?.method }?.parameters,
      location: instance.keyLocation)
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
