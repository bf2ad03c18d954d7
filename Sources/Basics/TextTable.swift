import Foundation

/// A table of text cells: the one table of the project, printed on a terminal or set as HTML.
///
/// Numbers stand right-aligned; a unit stands once, in the header ("dF / kT").
public struct TextTable: Equatable, Sendable {
  public enum Alignment: Sendable { case left, right }

  public struct Column: Equatable, Sendable {
    public let title: String
    public let unit: String?
    public let alignment: Alignment

    /// - Parameter alignment: left unless said otherwise; a column with a unit is one of numbers and stands right.
    public init(_ title: String, unit: String? = nil, alignment: Alignment? = nil) {
      (self.title, self.unit) = (title, unit)
      self.alignment = alignment ?? (unit == nil ? .left : .right)
    }

    /// The title with its unit, as it is printed.
    public var header: String { unit.map { "\(title) / \($0)" } ?? title }
  }

  public let title: String?
  public let columns: [Column]
  public private(set) var rows: [[String]] = []

  public init(title: String? = nil, columns: [Column]) { (self.title, self.columns) = (title, columns) }

  /// Appends a row; missing cells stay empty, surplus ones are left out.
  public mutating func addRow(_ cells: [String]) {
    let known = cells.prefix(columns.count)
    rows.append(known + Array(repeating: "", count: columns.count - known.count))
  }

  /// The table as lines of text, columns two spaces apart, without a trailing newline.
  public func rendered() -> String {
    let widths = columns.indices.map { column in
      rows.reduce(columns[column].header.count) { max($0, $1[column].count) }
    }
    func line(_ cells: [String]) -> String {
      let padded = columns.indices.map { column -> String in
        let fill = String(repeating: " ", count: widths[column] - cells[column].count)
        return columns[column].alignment == .right ? fill + cells[column] : cells[column] + fill
      }
      let joined = padded.joined(separator: "  ")
      return String(joined.reversed().drop { $0 == " " }.reversed())
    }
    let rule = widths.map { String(repeating: "─", count: $0) }.joined(separator: "  ")
    return ((title.map { [$0] } ?? []) + [line(columns.map(\.header)), rule] + rows.map(line)).joined(separator: "\n")
  }
}

extension TextTable.Column: ExpressibleByStringLiteral {
  public init(stringLiteral title: String) { self.init(title) }
}

/// Numbers as people read them in tables; nothing here depends on the locale.
public enum NumberText {
  /// What stands where there is no number.
  public static let absent = "–"

  /// `value` with `decimals` digits after the point; "–" for nil, "nan" and "inf" as they are.
  public static func fixed(_ value: Double?, _ decimals: Int) -> String {
    guard let value else { return absent }
    let text = String(format: "%.\(decimals)f", value)
    // what rounds to nothing has no sign
    return text.hasPrefix("-") && text.allSatisfy { "-0.".contains($0) } ? String(text.dropFirst()) : text
  }

  /// `value` with `digits` significant digits, in powers of ten where that is shorter.
  public static func significant(_ value: Double?, _ digits: Int = 4) -> String {
    value.map { String(format: "%.\(digits)g", $0) } ?? absent
  }

  /// A number as a file or a command line takes it: "3000", "0.25".
  public static func plain(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(format: "%.0f", value) : significant(value, 6)
  }

  /// A whole number with thin groups of three: 100,000.
  public static func count(_ value: Int?) -> String {
    guard let value else { return absent }
    let digits = String(value.magnitude)
    var grouped = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { grouped.append(",") }
      grouped.append(digit)
    }
    return value < 0 ? "-" + grouped : grouped
  }

  /// A duration that is easy to take in: "350 ms", "12.3 s", "4 min 05 s", "2 h 03 min".
  public static func duration(seconds: Double?) -> String {
    guard let seconds, seconds.isFinite else { return absent }
    switch seconds {
    case ..<1: return String(format: "%.0f ms", seconds * 1000)
    case ..<60: return String(format: "%.1f s", seconds)
    case ..<3600:
      let whole = Int(seconds.rounded())
      return String(format: "%d min %02d s", whole / 60, whole % 60)
    default:
      let minutes = Int((seconds / 60).rounded())
      return String(format: "%d h %02d min", minutes / 60, minutes % 60)
    }
  }
}
