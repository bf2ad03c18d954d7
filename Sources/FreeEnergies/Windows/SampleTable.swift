import Foundation

/// Columns of numbers from a text file: plain columns (GROMACS' .xvg and sander's DUMPAVE among them) or PLUMED's COLVAR.
///
/// Comments begin with #, and with @ or & in .xvg files. PLUMED's `#! FIELDS` names the columns, and may stand again where a run was gone
/// on with; its `#! SET min_X` says that X is periodic.
public struct SampleTable: Sendable {
  /// [columns][rows], in the file's units.
  public let columns: [[Double]]
  /// PLUMED's; empty where the file names none.
  public let names: [String]
  /// Names of columns that the file calls periodic over a full turn in rad.
  public let periodic: Set<String>
  /// Rows left out because they say the same time as the row before: a run that was gone on with writes its last step again.
  public let repeated: Int
  private let file: String

  /// - timeColumn: index of the column whose values must not go back; nil: none is looked at.
  ///
  /// Throws `WindowFileError`, with the line.
  public init(_ url: URL, timeColumn: Int?) throws {
    let text = try WindowLines(url)
    file = text.file
    var columns: [[Double]] = []
    var (names, periodic, repeated) = ([String](), Set<String>(), 0)
    for (index, line) in text.lines.enumerated() {
      let words = WindowLines.words(line)
      guard let first = words.first else { continue }
      if first == "#!" {
        let rest = words.dropFirst().map(String.init)
        if rest.first == "FIELDS" {
          let fields = Array(rest.dropFirst())
          guard names.isEmpty || names == fields else {
            throw text.fail(
              index, "other columns (\(fields.joined(separator: " "))) than above (\(names.joined(separator: " ")))")
          }
          names = fields
        } else if rest.count == 3, rest[0] == "SET", rest[1].hasPrefix("min_"), rest[2] == "-pi" {
          periodic.insert(String(rest[1].dropFirst(4)))
        }
        continue
      }
      if first.hasPrefix("#") || first.hasPrefix("@") || first.hasPrefix("&") { continue }
      let values = try words.map { word in
        guard let value = WindowLines.number(word) else { throw text.fail(index, "'\(word)' is no finite number") }
        return value
      }
      if columns.isEmpty { columns = values.map { _ in [] } }
      let expected = names.isEmpty ? columns.count : names.count
      guard values.count == expected, values.count == columns.count else {
        let isLast = text.lines[(index + 1)...].allSatisfy { $0.allSatisfy(\.isWhitespace) }
        throw text.fail(
          index, "\(values.count) columns where there are \(expected)" + (isLast ? "; the last line is cut short" : ""))
      }
      if let timeColumn, columns.indices.contains(timeColumn), let last = columns[timeColumn].last {
        if values[timeColumn] == last {
          // the row that is written last counts: the one that the run goes on from
          for c in columns.indices { columns[c][columns[c].count - 1] = values[c] }
          repeated += 1
          continue
        }
        guard values[timeColumn] > last else {
          throw text.fail(
            index,
            "time goes back from \(last) to \(values[timeColumn]): a run that was begun anew follows another; leave one of them out"
          )
        }
      }
      for c in columns.indices { columns[c].append(values[c]) }
    }
    guard !columns.isEmpty else { throw text.fail("no line of numbers") }
    (self.columns, self.names, self.periodic, self.repeated) = (columns, names, periodic, repeated)
  }

  public var rows: Int { columns.first?.count ?? 0 }

  /// The column of that name, or of that number counted from 1. Throws `WindowFileError.content`, with what there is.
  public func column(_ name: String) throws -> [Double] {
    if let index = names.firstIndex(of: name) { return columns[index] }
    if let number = Int(name) {
      guard (1...columns.count).contains(number) else {
        throw WindowFileError.content(
          file: file, "there is no column \(number); it has \(columns.count) (the first is 1)")
      }
      return columns[number - 1]
    }
    throw WindowFileError.content(
      file: file,
      names.isEmpty
        ? "its columns have no names: '\(name)' cannot be found; give a number, from 1"
        : "there is no column '\(name)' (there are: \(names.joined(separator: ", ")))")
  }

  /// Of column 1, its usual place: time between rows, where it is even and positive; in the file's unit.
  public var interval: Double? {
    guard let times = columns.first, times.count > 2 else { return nil }
    let step = (times[times.count - 1] - times[0]) / Double(times.count - 1)
    guard step > 0 else { return nil }
    let isEven = zip(times, times.dropFirst()).allSatisfy { abs($1 - $0 - step) < 0.02 * step }
    return isEven ? step : nil
  }
}
