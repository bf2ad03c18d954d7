import Foundation

/// A stage of the file for one cell of the matrix, or for all of them if it depends on no axis.
struct StageInstance {
  let base: String  // Of the file: `emulator`
  let name: String  // Of the run: `emulator@AC`
  let type: any StageType.Type
  let keyLocation: SourceLocation
  let node: ConfigurationNode  // The stage's group, placeholders replaced
  let coordinates: [Int?]  // The entry of each axis; nil for axes the stage does not depend on
  let cell: Int  // The first cell it belongs to
  let isBroken: Bool  // A placeholder could not be replaced; that is reported, and what follows from it need not be
}

/// Multiplies the stages of a file over those axes of its matrix that they depend on.
struct MatrixExpansion {
  struct Stage {
    let entry: ConfigurationNode.Entry
    let type: any StageType.Type
  }

  let matrix: Matrix
  let root: ConfigurationNode
  private let stages: [Stage]
  private let index: [String: Int]
  private(set) var findings: [PipelineFileError.Finding] = []
  private var axes: [UInt64] = []  // The axes each stage of the file depends on, as bits
  private var conditions: [[Condition]] = []  // Of each stage: which entries it is run for
  private var misasked: Set<String> = []  // Stages whose `where` is wrong, which is reported
  private(set) var instances: [StageInstance] = []
  private var byName: [String: Int] = [:]
  private var byBase: [String: [Int]] = [:]
  private var byCoordinates: [String: [[Int]: Int]] = [:]
  private var distinct: [UInt64: [Int]] = [:]

  static let maximumInstances = 20_000
  static let maximumValues = 1_000_000

  init(_ stages: [Stage], matrix: Matrix, root: ConfigurationNode) {
    (self.stages, self.matrix, self.root) = (stages, matrix, root)
    index = Dictionary(stages.enumerated().map { ($1.entry.key, $0) }, uniquingKeysWith: { first, _ in first })
    findDependence()
    multiply()
  }

  // MARK: Dependence

  /// What `where` asks of an entry.
  private struct Condition {
    let axis: Int
    /// Of the entry's group; nil for its name.
    let key: String?
    let allowed: Set<String>

    func holds(_ entry: Matrix.Entry) -> Bool {
      ((key.map { entry.value[$0] } ?? entry.name)?.text).map(allowed.contains) ?? false
    }
  }

  private mutating func findDependence() {
    conditions = stages.map { findConditions($0) }
    axes = stages.map { ownAxes($0) }
    for (position, asked) in conditions.enumerated() {
      axes[position] |= matrix.bits(asked.map { matrix.axes[$0.axis].name })
    }
    var consumers: [[Int]] = Array(repeating: [], count: stages.count)
    for (position, stage) in stages.enumerated() {
      for input in singleInputs(stage) {
        if let index = index[input] { consumers[index].append(position) }
      }
    }
    var open = Array(stages.indices)
    while let position = open.popLast() {
      for consumer in consumers[position] where axes[position] & ~axes[consumer] != 0 {
        axes[consumer] |= axes[position]
        open.append(consumer)
      }
    }
    let used = axes.reduce(0, |)
    for (number, axis) in matrix.axes.enumerated() where used & (1 << number) == 0 {
      report(axis.location, .unusedAxis(axis.name, known: ["include", "exclude"]))
    }
  }

  private func bits(_ node: ConfigurationNode?) -> UInt64 { matrix.bits((node?.placeholders ?? []).map(\.axis)) }

  /// One cell, by its number, for each combination of entries of the axes in `mask`.
  private mutating func cells(_ mask: UInt64) -> [Int] {
    if mask == 0 { return [0] }
    if let known = distinct[mask] { return known }
    guard distinct.count * matrix.cells.count <= Self.maximumValues / 4 else {
      if !findings.contains(where: { $0.problem == Self.tooLarge }) { report(root.location, Self.tooLarge) }
      return [0]
    }
    var seen: Set<[Int]> = []
    let found = matrix.cells.indices.filter { seen.insert(Matrix.project(matrix.cells[$0], mask)).inserted }
    distinct[mask] = found
    return found
  }

  private static let tooLarge = PipelineFileProblem.limit(
    "the matrix makes more than \(maximumInstances) stages or \(maximumValues) values")

  /// Of `where: { system.role: train }`, or a list of values.
  private mutating func findConditions(_ stage: Stage) -> [Condition] {
    guard !matrix.axes.isEmpty, let node = stage.entry.value["where"] else { return [] }
    let place = "stage '\(stage.entry.key)': where"
    guard let entries = node.entries else {
      report(node.location, .wrong(place, node, "a group such as { \(matrix.axes[0].name).role: train }"))
      return []
    }
    return entries.compactMap { entry in
      let parts = entry.key.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let name = parts.first ?? ""
      guard let axis = matrix.axes.firstIndex(where: { $0.name == name }) else {
        report(entry.keyLocation, .unknownAxis(name, place: place, known: matrix.axes.map(\.name)))
        return nil
      }
      let key = parts.count > 1 && parts[1] != "name" ? parts[1] : nil
      var allowed: Set<String> = []
      for value in entry.value.list ?? [entry.value] {
        guard let text = value.text else {
          report(value.location, .wrong("\(place): \(entry.key)", value, "a value, or a list of them"))
          misasked.insert(stage.entry.key)
          continue
        }
        let condition = Condition(axis: axis, key: key, allowed: [text])
        if !matrix.axes[axis].entries.contains(where: condition.holds) {
          report(value.location, .limit("\(place): no entry of '\(name)' has \(entry.key) \(text)"))
          misasked.insert(stage.entry.key)
        }
        allowed.insert(text)
      }
      return Condition(axis: axis, key: key, allowed: allowed)
    }
  }

  /// By its own placeholders, by what it says it goes `over`, and by what it reads of the shared values.
  private mutating func ownAxes(_ stage: Stage) -> UInt64 {
    var found = bits(stage.entry.value)
    if !matrix.axes.isEmpty, let over = stage.entry.value["over"] {
      for node in over.list ?? [over] {
        guard let name = node.text, matrix.bits([name]) != 0 else {
          let problem: PipelineFileProblem =
            node.text.map {
              .unknownAxis($0, place: "stage '\(stage.entry.key)': over", known: matrix.axes.map(\.name))
            }
            ?? .wrong("stage '\(stage.entry.key)': over", node, "an axis or a list of them")
          report(node.location, problem)
          continue
        }
        found |= matrix.bits([name])
      }
    }
    let read = stage.type.reads(where: { stage.entry.value[$0] != nil })
    func isGiven(_ name: String?) -> Bool {
      guard let node = read.first(where: { $0.name == name }).flatMap(node) else { return false }
      // a placeholder alone may stand for nothing in some entry
      return !node.isNull && (node.text == nil || node.placeholders.first?.written != node.text)
    }
    func axes(of field: SharedField) -> UInt64 {
      let made = field.made.flatMap { made in root[field.topLevelKey]?[made.from] }
      return bits(node(field)) | (node(field)?.isNull ?? true ? bits(made) : 0)
    }
    for field in read where !isGiven(field.yieldsTo) {
      found |= axes(of: field)
      // a value that the file gives has no stand-in, in whatever entry
      if isGiven(field.name) { continue }
      for other in field.standsFor?({ stage.entry.value.at($0)?.text }) ?? [] { found |= axes(of: other) }
    }
    return found
  }

  /// What the file says of a shared value; all of its group where that is no group yet.
  private func node(_ field: SharedField) -> ConfigurationNode? {
    let node = root[field.topLevelKey]
    return field.section == nil || node?.entries == nil ? node : node?[field.name]
  }

  /// The stages named by inputs of one stage each: their axes are the stage's own too. A list of stages collects instead.
  private mutating func singleInputs(_ stage: Stage) -> [String] {
    var found: [String] = []
    for field in stage.type.parameters {
      let words: [String]
      switch field.kind {
      case .stage: words = []
      case .stageOrChoice(_, let allowed): words = allowed
      default: continue
      }
      guard let node = stage.entry.value[field.name] else { continue }
      for cell in cells(bits(node)) {
        var substitution = matrix.substitution(matrix.cells[cell])
        if let name = substitution.apply(node).text, !words.contains(name) { found.append(name) }
      }
    }
    return found
  }

  // MARK: Instances

  private mutating func multiply() {
    var values = 0
    for (position, stage) in stages.enumerated() {
      let mask = axes[position]
      let base = stage.entry.key
      let before = instances.count
      for number in cells(mask) {
        let cell = matrix.cells[number]
        guard conditions[position].allSatisfy({ $0.holds(matrix.axes[$0.axis].entries[cell[$0.axis]]) }) else {
          continue
        }
        var substitution = matrix.substitution(cell)
        let node = substitution.apply(stage.entry.value)
        findings += substitution.findings
        values += substitution.values
        let labels = zip(matrix.axes, cell).enumerated().compactMap { place, pair in
          mask & (1 << UInt64(place)) == 0 ? nil : pair.0.entries[pair.1].label
        }
        let name = mask == 0 ? base : base + "@" + labels.joined(separator: "-")
        byCoordinates[base, default: [:]][Matrix.project(cell, mask)] = instances.count
        add(
          StageInstance(
            base: base, name: name, type: stage.type, keyLocation: stage.entry.keyLocation, node: node,
            coordinates: cell.indices.map { mask & (1 << UInt64($0)) == 0 ? nil : cell[$0] }, cell: number,
            isBroken: !substitution.findings.isEmpty))
        guard instances.count <= Self.maximumInstances, values <= Self.maximumValues else {
          report(stage.entry.keyLocation, Self.tooLarge)
          return
        }
      }
      if instances.count == before, !misasked.contains(base), let node = stage.entry.value["where"] {
        report(node.location, .limit("stage '\(base)': where: no combination of the matrix has all of this"))
      }
    }
  }

  private mutating func add(_ instance: StageInstance) {
    if let other = byName.updateValue(instances.count, forKey: instance.name) {
      findings.append(
        .init(
          location: instance.keyLocation,
          problem: .clashingNames(
            instance.name, first: describe(instances[other]), second: describe(instance))))
    }
    if instance.name != instance.base, !PipelineChecker.isUsableName(instance.name) {
      report(instance.keyLocation, .badName(instance.name, what: "stage name"))
    }
    byBase[instance.base, default: []].append(instances.count)
    instances.append(instance)
  }

  private mutating func report(_ location: SourceLocation, _ problem: PipelineFileProblem) {
    findings.append(.init(location: location, problem: problem))
  }

  private func describe(_ instance: StageInstance) -> String {
    let place = cell(of: instance).map { "\($0.axis): \($0.label)" }.joined(separator: ", ")
    return "'\(instance.base)'" + (place.isEmpty ? "" : " for \(place)")
  }

  // MARK: Look-up

  /// The axes the instance depends on, with its entry of each.
  func cell(of instance: StageInstance) -> [StageDefinition.Coordinate] {
    zip(matrix.axes, instance.coordinates).compactMap { axis, index in
      index.map { StageDefinition.Coordinate(axis: axis.name, label: axis.entries[$0].label) }
    }
  }

  /// The instances that `name` means for a stage at `coordinates`: the one of its own cell, or, over the axes that the stage
  /// does not depend on, all of them. A full name (`emulator@AC`) means that one. Empty if there is no such stage.
  func resolve(_ name: String, at coordinates: [Int?]) -> [StageInstance] {
    guard let position = index[name] else { return byName[name].map { [instances[$0]] } ?? [] }
    let mask = axes[position]
    let dependent: [Int] = coordinates.indices.filter { mask & (1 << UInt64($0)) != 0 }
    let own: [Int] = dependent.compactMap { coordinates[$0] }
    if own.count == dependent.count {
      return byCoordinates[name]?[own].map { [instances[$0]] } ?? []
    }
    return (byBase[name] ?? []).map { instances[$0] }.filter { instance in
      zip(instance.coordinates, coordinates).allSatisfy { (own: Int?, other: Int?) -> Bool in
        own == nil || other == nil || own == other
      }
    }
  }
}
