import Foundation

/// docs/artifacts.md: every dataset that artifacts hold, from the declarations.
public enum RecordDocument {
  /// `sections`: what each table is of, and its record.
  public static func text(_ sections: [(title: String, record: any Record)]) -> String {
    var lines = [
      "# What artifacts hold", "",
      "Made from the declarations in Sources/Records by `swift run pipeline schema --artifacts > docs/artifacts.md`; a test holds it against them.",
      "Paths are those of HDF5; `NAME` stands for a name of the run's own, `PATH@NAME` for an attribute. Each dataset has its unit as the",
      "attribute `units` and its axes as `dims`. A dataset that a run has nothing to say of is not there.", "",
    ]
    for (title, record) in sections {
      lines += ["## \(title)", "", "| path | type | axes | unit | what |", "|---|---|---|---|---|"]
      for field in record.fields {
        let axes = field.axes.isEmpty ? "" : "[\(field.axes.joined(separator: ", "))]"
        let meaning = field.meaning.replacingOccurrences(of: "|", with: "\\|")
        lines.append("| `\(field.path)` | \(field.typeName) | \(axes) | \(field.unit ?? "") | \(meaning) |")
      }
      lines.append("")
    }
    return lines.joined(separator: "\n")
  }
}
