import Artifacts
import Basics
import Foundation
import Records

extension ReportedRun {
  func timingSection() throws -> Report.Section {
    var table = TextTable(
      title: "Wall time",
      columns: [
        "stage", "type", .init("time", alignment: .right), .init("energies", alignment: .right), "device",
        "started (UTC)",
      ])
    for stage in inFull.stages {
      let provenance = stage.artifact.provenance
      table.addRow([
        stage.name, stage.type, NumberText.duration(seconds: provenance.wallSeconds),
        try stage.count(Recorded.reweight.energyEvaluations), provenance.device, Self.time(provenance.start),
      ])
    }
    let total = stages.map(\.artifact.provenance.wallSeconds).reduce(0, +)
    let energies = try stages.compactMap { try $0.number(Recorded.reweight.energyEvaluations) }.reduce(0, +)
    table.addRow(["all", "", NumberText.duration(seconds: total), NumberText.count(Int(energies))])
    return Report.Section(
      title: "Timing",
      text:
        "From each artifact's provenance. A stage that was skipped shows the run that made it. Energies: evaluations of the force field, "
        + "of the stages that count them.",
      tables: [table])
  }

  /// Every scalar and short list under /results, so that nothing a stage says is left out.
  func resultsSection() throws -> Report.Section {
    var table = TextTable(title: "All results", columns: ["stage", "name", .init("value", alignment: .right), "unit"])
    for stage in stages {
      for path in try stage.shortPaths(below: resultsGroup) {
        let values = try stage.numbers(at: path) ?? []
        table.addRow([
          stage.name, String(path.dropFirst(resultsGroup.count + 1)),
          values.map { NumberText.significant($0, 6) }.joined(separator: ", "),
          try stage.artifact.attribute(path, "units") ?? "",
        ])
      }
    }
    return Report.Section(
      title: "All results", text: "Every number, and every list of at most four, that a stage wrote under /results.",
      tables: [table])
  }

  func provenanceSection() throws -> Report.Section {
    var table = TextTable(
      title: "Stages",
      columns: [
        "stage", "type", .init("version", alignment: .right), .init("seed", alignment: .right), "key", "content",
      ])
    var versions: [String: String] = [:]
    for stage in stages {
      let provenance = stage.artifact.provenance
      table.addRow([
        stage.name, stage.type, String(provenance.stageVersion), String(provenance.seed),
        String(provenance.key.prefix(16)), String(provenance.contentDigest.prefix(16)),
      ])
      for (part, version) in provenance.versions {
        let others = versions[part].map { $0 == version ? $0 : "\($0), \(version)" }
        versions[part] = others ?? version
      }
    }
    var libraries = TextTable(title: "Versions", columns: ["part", "version"])
    for (part, version) in versions.sorted(by: { $0.key < $1.key }) { libraries.addRow([part, version]) }
    return Report.Section(
      title: "Provenance",
      text:
        "A stage's key is the hash of its type, parameters, seed and the content of its inputs; the content hash is over"
        + " what it wrote. Both are cut to 16 digits here; the artifacts hold them in full.",
      tables: [table, libraries])
  }

  static func time(_ date: Date) -> String {
    date.formatted(
      Date.ISO8601FormatStyle(dateTimeSeparator: .space).year().month().day().time(includingFractionalSeconds: false))
  }
}
