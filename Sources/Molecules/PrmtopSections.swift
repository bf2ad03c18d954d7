import Foundation

/// The sections of an AMBER parameter-topology file: %FLAG names, their %FORMAT, and the lines of values.
///
/// Values are read only when asked for, so that whatever a file claims, no more memory is taken than its own size warrants.
/// Format: ambermd.org/FileFormats.php ("PARM").
struct PrmtopSections {
  /// Larger files are no molecules of the kind meant here.
  static let largestFile = 512 << 20

  struct Section {
    let name: String
    /// Of the %FLAG line, from 1.
    let line: Int
    var width = 80
    var lines: [(number: Int, bytes: ArraySlice<UInt8>)] = []
    var hasFormat = false
  }

  let file: String
  private var sections: [String: Section] = [:]

  /// Throws `MoleculesError.unreadable`.
  static func read(_ url: URL) throws -> PrmtopSections {
    let data = try MoleculesError.reading(url) {
      let attributes = try FileManager.default.attributesOfItem(atPath: url.resolvingSymlinksInPath().path)
      guard attributes[.type] as? FileAttributeType == .typeRegular
      else { throw MoleculesError.unreadable(file: url.path, reason: "it is not a regular file") }
      let size = attributes[.size] as? Int ?? 0
      guard size <= largestFile
      else { throw MoleculesError.unreadable(file: url.path, reason: "\(size) bytes are more than \(largestFile)") }
      return try Data(contentsOf: url)
    }
    return try PrmtopSections(Array(data), file: url.path)
  }

  init(_ bytes: [UInt8], file: String) throws {
    self.file = file
    var current: String?
    var (number, start) = (0, 0)
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      var line = bytes[start..<end]
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      start = end + 1
      number += 1
      guard line.first == UInt8(ascii: "%") else {
        if let current { sections[current]?.lines.append((number, line)) }
        continue
      }
      let text = String(decoding: line, as: UTF8.self)
      if text.hasPrefix("%FLAG") {
        let name = text.dropFirst(5).trimmingCharacters(in: .whitespaces)
        guard !name.isEmpty, sections[name] == nil
        else { throw fail(number, name.isEmpty ? "%FLAG without a name" : "the section \(name) is given twice") }
        sections[name] = Section(name: name, line: number)
        current = name
      } else if text.hasPrefix("%FORMAT") {
        guard let current, sections[current]?.hasFormat == false, sections[current]?.lines.isEmpty == true
        else { throw fail(number, "%FORMAT must follow a %FLAG line") }
        setFormat(of: current, text)
      }
    }
    guard !sections.isEmpty else {
      throw MoleculesError.unreadable(
        file: file, reason: "it holds no %FLAG section; give an AMBER prmtop of version 7 or later")
    }
  }

  /// "(5E16.8)": sixteen columns a value. A format of another kind leaves whole lines.
  private mutating func setFormat(of name: String, _ text: String) {
    let inner = text.drop { $0 != "(" }.dropFirst().prefix { $0 != ")" }
    let rest = inner.drop { $0.isASCII && $0.isNumber }
    let width = Int(rest.dropFirst().prefix { $0.isASCII && $0.isNumber }) ?? 0
    if let kind = rest.first, "aiefAIEF".contains(kind), (1...1000).contains(width) { sections[name]?.width = width }
    sections[name]?.hasFormat = true
  }

  func fail(_ line: Int, _ reason: String) -> MoleculesError { .malformed(file: file, line: line, reason: reason) }
  subscript(name: String) -> Section? { sections[name] }

  /// Throws where the file lacks the section.
  func required(_ name: String) throws -> Section {
    guard let section = sections[name]
    else { throw MoleculesError.unreadable(file: file, reason: "it holds no section %FLAG \(name)") }
    return section
  }

  /// The lines of a section as they stand, without space around them; nil where there is no section or nothing in it.
  func text(_ name: String) -> String? {
    let lines = sections[name]?.lines.map { line in
      String(decoding: line.bytes, as: UTF8.self).trimmingCharacters(in: .whitespaces)
    }
    let text = (lines ?? []).joined(separator: " ").trimmingCharacters(in: .whitespaces)
    return text.isEmpty ? nil : text
  }

  // MARK: Values

  /// A number of a section and the line it stood on.
  struct Value<T> {
    let value: T
    let line: Int
  }

  func integers(_ name: String, count: Int) throws -> [Value<Int>] {
    try values(required(name), count: count, kind: "a whole number") { Int($0) }
  }

  func numbers(_ name: String, count: Int) throws -> [Double] {
    try values(required(name), count: count, kind: "a finite number") { text in
      // Fortran writes double precision with a D
      let isFortran = text.utf8.contains(where: { $0 | 32 == UInt8(ascii: "d") })
      return Double(isFortran ? String(text.map { $0 == "D" || $0 == "d" ? "E" : $0 }) : text)
        .flatMap { $0.isFinite ? $0 : nil }
    }.map(\.value)
  }

  func words(_ name: String, count: Int) throws -> [String] {
    try values(required(name), count: count, kind: "a word") { $0 }.map(\.value)
  }

  private func values<T>(_ section: Section, count: Int, kind: String, _ read: (String) -> T?) throws -> [Value<T>] {
    var values: [Value<T>] = []
    for (number, bytes) in section.lines {
      var end = bytes.endIndex
      while end > bytes.startIndex, bytes[end - 1] == UInt8(ascii: " ") { end -= 1 }
      for start in stride(from: bytes.startIndex, to: end, by: section.width) {
        var field = bytes[start..<min(start + section.width, end)]
        while field.first == UInt8(ascii: " ") { field.removeFirst() }
        while field.last == UInt8(ascii: " ") { field.removeLast() }
        let text = String(decoding: field, as: UTF8.self)
        guard let value = read(text) else { throw fail(number, "\(section.name): \"\(text)\" is not \(kind)") }
        values.append(Value(value: value, line: number))
        if values.count > count { throw wrongCount(section, "more than \(count)", count) }
      }
    }
    guard values.count == count else { throw wrongCount(section, "\(values.count)", count) }
    return values
  }

  private func wrongCount(_ section: Section, _ found: String, _ count: Int) -> MoleculesError {
    fail(section.line, "the section \(section.name) holds \(found) values; the file's POINTERS announce \(count)")
  }
}
