import Artifacts
import Foundation

/// Writes the figures of a report as files: each as SVG, and its numbers as CSV.
public struct ReportFigures {
  private let report: Report

  public init(_ report: Report) { self.report = report }

  /// Files of these names are written anew, where `check` does not throw. Returns their names. Throws `ArtifactError` where a file cannot be
  /// written.
  public func write(to folder: URL, check: (URL) throws -> Void = { _ in }) throws -> [String] {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var names: [String] = []
    func write(_ name: String, _ text: String) throws {
      let file = folder.appendingPathComponent(name)
      try check(file)
      try FileSystem.write(Data(text.utf8), to: file)
      names.append(name)
    }
    for figure in report.sections.flatMap(\.figures) {
      let name = Self.fileName(figure.id)
      try write("\(name).svg", Self.alone(SVGFigure(figure: figure).svg))
      try write("\(name).csv", Self.numbers(figure))
    }
    for molecule in report.sections.flatMap(\.molecules) {
      try write("\(Self.fileName(molecule.id)).svg", Self.alone(molecule.svg))
    }
    return names
  }

  private static func fileName(_ id: String) -> String {
    String(id.map { $0.isLetter || $0.isNumber || "-_.@".contains($0) ? $0 : "-" })
  }

  /// A drawing of the page as a file of its own, on white.
  private static func alone(_ svg: String) -> String {
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      + svg.replacingOccurrences(
        of: "<svg ", with: "<svg xmlns=\"http://www.w3.org/2000/svg\" style=\"background:#fff;font-family:sans-serif\" "
      )
      + "\n"
  }

  /// A row for each point, or for each cell of a map; all digits.
  static func numbers(_ figure: Figure) -> String {
    var lines: [String] = []
    func quoted(_ text: String) -> String {
      text.contains(where: { ",\"\n".contains($0) }) ? "\"\(text.replacingOccurrences(of: "\"", with: "\"\""))\"" : text
    }
    let isMap = figure.series.contains { if case .heatMap = $0 { true } else { false } }
    let titles = [figure.xAxis.title, figure.yAxis.title].map { $0.isEmpty ? "place" : $0 }
    lines.append(
      (isMap ? titles + ["value"] : ["series"] + titles + ["low", "high"]).map(quoted).joined(separator: ","))
    for series in figure.series {
      switch series {
      case .line(let name, let x, let y, let band, _, _), .points(let name, let x, let y, let band, _, _):
        for k in x.indices {
          let ends = band.map { ["\($0.low[k])", "\($0.high[k])"] } ?? ["", ""]
          lines.append(([quoted(name), "\(x[k])", "\(y[k])"] + ends).joined(separator: ","))
        }
      case .heatMap(let x, let y, let z, let label, _, _):
        if lines.count == 1 { lines[0] = (titles + [label]).map(quoted).joined(separator: ",") }
        for (row, values) in z.enumerated() {
          for (column, value) in values.enumerated() where value.isFinite {
            lines.append("\(x[column]),\(y[row]),\(value)")
          }
        }
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
