import Foundation

/// docs/artifacts.md: every dataset that artifacts hold, from the declarations.
public enum RecordDocument {
  /// What a table is of, and its record.
  public typealias Section = (title: String, record: any Record)

  /// `checkpoints`: what those of a stage type hold beside the fields of its artifact.
  public static func text(_ stages: [Section], checkpoints: [Section]) -> String {
    var lines = [
      "# What artifacts hold", "",
      "Made from the declarations in Sources/Records by `swift run pipeline schema --artifacts > docs/artifacts.md`; a test holds it against",
      "them. Paths are those of HDF5; `NAME` stands for a name of the run's own, `PATH@NAME` for an attribute. Each dataset has its unit as",
      "the attribute `units` and its axes as `dims`. A dataset that a run has nothing to say of is not there.", "",
    ]
    for section in stages { lines += ["## \(section.title)", ""] + table(section.record) }
    lines += [
      "## Checkpoints", "",
      "A stage's own matter, removed once it is finished: what they hold beside datasets of the artifact may change with any version.",
      "",
    ]
    for section in checkpoints { lines += ["### \(section.title)", ""] + table(section.record) }
    return lines.dropLast().joined(separator: "\n") + "\n"
  }

  private static func table(_ record: any Record) -> [String] {
    let rows = record.fields.map { field in
      let axes = field.axes.isEmpty ? "" : "[\(field.axes.joined(separator: ", "))]"
      let meaning = field.meaning.replacingOccurrences(of: "|", with: "\\|")
      return "| `\(field.path)` | \(field.typeName) | \(axes) | \(field.unit ?? "") | \(meaning) |"
    }
    return ["| path | type | axes | unit | what |", "|---|---|---|---|---|"] + rows + [""]
  }
}
