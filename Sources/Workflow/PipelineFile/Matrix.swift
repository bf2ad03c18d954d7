import Foundation

/// The `matrix:` section of a pipeline file: its axes, and the cells, that is, the combinations of entries that exist.
struct Matrix {
  struct Entry {
    /// What stage names carry; made of the entry's name, with signs that a file's name cannot have replaced by _.
    let label: String
    let name: ConfigurationNode  // The name as it was written, with its place
    let value: ConfigurationNode  // A scalar, a list or a group. A group in a list loses the `name` that names it.
  }

  struct Axis {
    let name: String
    let location: SourceLocation
    var entries: [Entry]
  }

  var axes: [Axis] = []
  var cells: [[Int]] = [[]]  // Each cell as one entry index per axis. Without axes there is one cell.

  static let maximumAxes = 32
  static let maximumCells = 10_000

  /// Bits for the axes of these names, the first axis being bit 0.
  func bits(_ names: some Sequence<String>) -> UInt64 {
    names.reduce(0) { bits, name in axes.firstIndex { $0.name == name }.map { bits | 1 << UInt64($0) } ?? bits }
  }

  /// The cell's entries of the axes in `mask`.
  static func project(_ cell: [Int], _ mask: UInt64) -> [Int] {
    cell.indices.compactMap { mask & (1 << UInt64($0)) == 0 ? nil : cell[$0] }
  }

  /// The substitution of one cell.
  func substitution(_ cell: [Int]) -> Substitution {
    var entries: [String: Entry] = [:]
    for (axis, index) in zip(axes, cell) { entries[axis.name] = axis.entries[index] }
    return Substitution(entries: entries, axes: axes.map(\.name))
  }
}

/// Reads a `matrix:` section, collecting everything that is wrong with it.
struct MatrixReader {
  private(set) var findings: [PipelineFileError.Finding] = []
  private var matrix = Matrix()

  /// The matrix of the section; without any axes where there is no section.
  mutating func read(_ section: ConfigurationNode?) -> Matrix {
    guard let section, !section.isNull else { return matrix }
    guard let entries = section.entries else {
      report(section, .wrong("matrix", section, "a group of axes such as { system: [AC, ET] }"))
      return matrix
    }
    if let placeholder = section.placeholders.first {
      report(section, .limit("matrix: '\(placeholder.written)': the matrix's own values cannot have placeholders"))
      return matrix
    }
    for entry in entries where !["include", "exclude"].contains(entry.key) { axis(entry) }
    if matrix.axes.isEmpty, findings.isEmpty {
      report(section, .limit("matrix: there is no axis; write, for example, matrix: { system: [AC, ET] }"))
    }
    if matrix.axes.count > Matrix.maximumAxes {
      report(section, .limit("matrix: \(matrix.axes.count) axes; at most \(Matrix.maximumAxes)"))
    }
    guard findings.isEmpty else { return matrix }
    let excluded = combinations(section["exclude"], "exclude", adding: false, complete: false)
    let count = matrix.axes.count
    let sizes = matrix.axes.map(\.entries.count)
    let included = combinations(section["include"], "include", adding: true, complete: true)
    product(sizes, section)
    remove(excluded)
    var present = Set(matrix.cells)
    for cell in included {
      let cell = cell.compactMap { $0 }
      if cell.count == count, present.insert(cell).inserted { matrix.cells.append(cell) }
    }
    if matrix.cells.count > Matrix.maximumCells { tooMany(matrix.cells.count, section) }
    if matrix.cells.isEmpty, findings.isEmpty { report(section, .limit("matrix: 'exclude' leaves no combination")) }
    return matrix
  }

  private mutating func report(_ node: ConfigurationNode, _ problem: PipelineFileProblem) {
    findings.append(PipelineFileError.Finding(location: node.location, problem: problem))
  }

  private mutating func tooMany(_ count: Int, _ section: ConfigurationNode) {
    report(section, .limit("matrix: \(count) combinations or more; at most \(Matrix.maximumCells)"))
  }

  // MARK: Axes

  private mutating func axis(_ entry: ConfigurationNode.Entry) {
    guard !entry.value.isNull else { return }
    guard Template.isWord(entry.key) else {
      findings.append(.init(location: entry.keyLocation, problem: .badAxisName(entry.key)))
      return
    }
    var axis = Matrix.Axis(name: entry.key, location: entry.keyLocation, entries: [])
    if let nodes = entry.value.list {
      for node in nodes { if let entry = self.entry(node, axis: axis.name) { axis.entries.append(entry) } }
    } else if let entries = entry.value.entries {
      for entry in entries {
        let name = ConfigurationNode(
          content: .scalar(entry.key, plain: false), location: entry.keyLocation, folder: entry.value.folder)
        let value = entry.value.isNull ? name : entry.value
        axis.entries.append(Matrix.Entry(label: Self.label(entry.key), name: name, value: value))
      }
    } else {
      report(entry.value, .wrong("matrix: \(entry.key)", entry.value, "a list of entries, or a group of them by name"))
      return
    }
    if entry.value.list?.isEmpty ?? entry.value.entries?.isEmpty ?? false { report(entry.value, .emptyAxis(entry.key)) }
    var labels: [String: String] = [:]
    for added in axis.entries {
      let text = added.name.text ?? ""
      if added.label.isEmpty {
        report(added.name, .wrong("matrix: \(axis.name)", added.name, "a name"))
      } else if let other = labels.updateValue(text, forKey: added.label) {
        report(added.name, .clashingEntries(axis: axis.name, first: other, second: text, label: added.label))
      }
    }
    matrix.axes.append(axis)
  }

  /// An entry of a list: a scalar names itself, a group has a `name`.
  private mutating func entry(_ node: ConfigurationNode, axis: String) -> Matrix.Entry? {
    if let text = node.text { return Matrix.Entry(label: Self.label(text), name: node, value: node) }
    guard let entries = node.entries, let name = node["name"], let text = name.text else {
      let place = "matrix: \(axis)"
      if node.entries != nil {
        report(node, .missingKey("name", place: place, help: "what this entry is called in stage names"))
      } else {
        report(
          node,
          .wrong(
            place, node, "a word, a number or a group with a name; name a list like this: \(axis): { fine: [36, 24] }"))
      }
      return nil
    }
    let value = node.with(.mapping(entries.filter { $0.key != "name" }))
    return Matrix.Entry(label: Self.label(text), name: name, value: value)
  }

  static func label(_ text: String) -> String {
    String(
      decoding: text.utf8.map { byte -> UInt8 in
        let isUsable =
          (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || "_.-".utf8.contains(byte)
        return isUsable ? byte : UInt8(ascii: "_")
      }, as: UTF8.self)
  }

  // MARK: Cells

  private mutating func product(_ sizes: [Int], _ section: ConfigurationNode) {
    var count = 1
    for size in sizes {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, product <= Matrix.maximumCells else { return tooMany(overflow ? Int.max : product, section) }
      count = product
    }
    var cells: [[Int]] = [[]]
    for size in sizes { cells = cells.flatMap { cell in (0..<size).map { cell + [$0] } } }
    matrix.cells = cells
  }

  /// Removes the cells that agree with one of the parts in every axis the part has.
  private mutating func remove(_ parts: [[Int?]]) {
    // by the axes they have, so that each cell is looked up once per such set of axes
    let groups = Dictionary(grouping: parts) { part in part.indices.filter { part[$0] != nil } }
    for (axes, parts) in groups {
      let removed = Set(parts.map { part in axes.compactMap { part[$0] } })
      matrix.cells.removeAll { cell in removed.contains(axes.map { cell[$0] }) }
    }
  }

  /// The combinations of `include` or `exclude`: an entry's index per axis, nil for an axis that is left out. With `adding`,
  /// a value that its axis does not have becomes an entry of it.
  private mutating func combinations(
    _ node: ConfigurationNode?, _ word: String, adding: Bool, complete: Bool
  ) -> [[Int?]] {
    guard let node, !node.isNull else { return [] }
    let place = "matrix: \(word)"
    guard let list = node.list else {
      report(node, .wrong(place, node, "a list of combinations such as [{ system: AC }]"))
      return []
    }
    return list.compactMap { combination in
      guard let given = combination.entries, !given.isEmpty else {
        report(combination, .wrong(place, combination, "a combination such as { system: AC }"))
        return nil
      }
      var indices = [Int?](repeating: nil, count: matrix.axes.count)
      for entry in given {
        guard let axis = matrix.axes.firstIndex(where: { $0.name == entry.key }) else {
          findings.append(
            .init(
              location: entry.keyLocation,
              problem: .unknownAxis(entry.key, place: place, known: matrix.axes.map(\.name))))
          continue
        }
        indices[axis] = index(of: entry.value, axis: axis, place: "\(place): \(entry.key)", adding: adding)
      }
      if complete {
        for (axis, index) in zip(matrix.axes, indices) where index == nil && combination[axis.name] == nil {
          report(combination, .missingKey(axis.name, place: place, help: "a combination names an entry of every axis"))
        }
      }
      return indices
    }
  }

  private mutating func index(of value: ConfigurationNode, axis: Int, place: String, adding: Bool) -> Int? {
    let entries = matrix.axes[axis].entries
    if let text = value.text {
      if let index = entries.firstIndex(where: { $0.name.text == text || $0.label == text }) { return index }
      if let number = value.number, let index = entries.firstIndex(where: { $0.value.number == number }) {
        return index
      }
    }
    guard adding else {
      report(
        value, .unknownWord(place: place, found: value.text ?? value.shown, known: entries.compactMap(\.name.text)))
      return nil
    }
    guard let entry = entry(value, axis: matrix.axes[axis].name) else { return nil }
    if let other = entries.first(where: { $0.label == entry.label }) {
      report(
        value,
        .clashingEntries(
          axis: matrix.axes[axis].name, first: other.name.text ?? "", second: entry.name.text ?? "", label: entry.label)
      )
      return nil
    }
    matrix.axes[axis].entries.append(entry)
    return entries.count
  }
}
