import Foundation

/// The table that WHAM programs read: one window a line, `file centre... spring... [correlation time] [temperature]`, with as many centres
/// and springs as there are coordinates. The bias is k/2 d^2. Lines that begin with # are comments.
///
/// Source: A. Grossfield, WHAM: the weighted histogram analysis method, sections on file formats.
public struct WindowMetadata: Sendable {
  public struct Entry: Sendable, Equatable {
    /// Relative names are taken from the table's folder.
    public var file: URL
    /// From 1.
    public var line: Int
    /// In the table's units.
    public var centers, forceConstants: [Double]
    /// K, where the line gives it.
    public var temperature: Double?
  }

  public let entries: [Entry]

  /// Throws `WindowFileError`, with the line.
  public init(_ url: URL, coordinates: Int) throws {
    let text = try WindowLines(url)
    let folder = url.deletingLastPathComponent()
    var entries: [Entry] = []
    for (index, words) in Self.rows(text) {
      let numbers = try words.dropFirst().map { word in
        guard let value = WindowLines.number(word) else { throw text.fail(index, "'\(word)' is no finite number") }
        return value
      }
      guard (2 * coordinates...2 * coordinates + 2).contains(numbers.count) else {
        throw text.fail(
          index,
          "\(numbers.count) numbers after the file's name; for \(coordinates) coordinate\(coordinates > 1 ? "s" : "") there are "
            + "\(coordinates) centre and \(coordinates) force constant each, and at most a correlation time and a temperature"
        )
      }
      let temperature = numbers.count == 2 * coordinates + 2 ? numbers[2 * coordinates + 1] : nil
      if let temperature, temperature <= 0 { throw text.fail(index, "a temperature of \(temperature) K cannot be") }
      entries.append(
        Entry(
          file: Self.file(words[0], folder), line: index + 1, centers: Array(numbers[..<coordinates]),
          forceConstants: Array(numbers[coordinates..<2 * coordinates]), temperature: temperature))
    }
    guard !entries.isEmpty else { throw text.fail("no window: not a line that is no comment") }
    guard Set(entries.map { $0.temperature == nil }).count == 1 else {
      throw text.fail("some lines give a temperature and others do not")
    }
    self.entries = entries
  }

  /// The files that a table names, whatever else its lines hold. Throws `WindowFileError`.
  public static func files(_ url: URL) throws -> [URL] {
    let folder = url.deletingLastPathComponent()
    return rows(try WindowLines(url)).map { file($0.words[0], folder) }
  }

  private static func rows(_ text: WindowLines) -> [(index: Int, words: [Substring])] {
    text.lines.enumerated().compactMap { index, line in
      let words = line.split(whereSeparator: \.isWhitespace)
      return words.isEmpty || words[0].hasPrefix("#") ? nil : (index, words)
    }
  }

  private static func file(_ name: Substring, _ folder: URL) -> URL {
    name.hasPrefix("/") ? URL(fileURLWithPath: String(name)) : folder.appendingPathComponent(String(name))
  }
}
