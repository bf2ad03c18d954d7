import Artifacts
import Basics
import Foundation

/// An artifact as a tree: names, types, shapes, units, and the values of what is small.
public enum ArtifactInspection {
  public static func text(_ artifact: Artifact) throws -> String {
    let provenance = artifact.provenance
    var lines = [
      artifact.url.lastPathComponent,
      "stage \(provenance.stage) (\(provenance.stageType), version \(provenance.stageVersion)), seed \(provenance.seed)",
      "finished \(provenance.end.formatted(.iso8601)) in \(NumberText.duration(seconds: provenance.wallSeconds))"
        + " on \(provenance.device)" + (provenance.threads.map { $0 == 1 ? ", 1 thread" : ", \($0) threads" } ?? ""),
      "key \(provenance.key)", "content \(provenance.contentDigest)",
    ]
    if !provenance.versions.isEmpty {
      let versions = provenance.versions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
      lines.append("versions: " + versions.joined(separator: ", "))
    }
    lines += provenance.allRemarks.map { "\($0.word): \($0.message)" }
    lines.append("")
    for name in try artifact.list("") where name != "provenance" {
      try append(artifact, path: name, name: name, depth: 0, to: &lines)
    }
    return lines.joined(separator: "\n")
  }

  private static func append(
    _ artifact: Artifact, path: String, name: String, depth: Int, to lines: inout [String]
  ) throws {
    let indent = String(repeating: "  ", count: depth)
    if try artifact.isGroup(path) {
      lines.append("\(indent)\(name)/")
      for child in try artifact.list(path) {
        try append(artifact, path: "\(path)/\(child)", name: child, depth: depth + 1, to: &lines)
      }
      return
    }
    let shape = try artifact.shape(path)
    let type = try artifact.typeName(path)
    var line = "\(indent)\(name)"
    if let value = try value(artifact, path: path, shape: shape, type: type) {
      line += " = \(value)"
    } else {
      line += "  \(type) [\(shape.map(String.init).joined(separator: ", "))]"
    }
    if let units = try artifact.attribute(path, "units") { line += "  \(units)" }
    lines.append(line)
  }

  /// The values of a dataset of at most four; nil for a larger one.
  private static func value(_ artifact: Artifact, path: String, shape: [Int], type: String) throws -> String? {
    guard shape.count <= 1, shape.reduce(1, *) <= 4 else { return nil }
    let texts: [String]
    if type.hasPrefix("float") {
      texts = try artifact.read(path, as: Double.self).values.map { NumberText.significant($0, 6) }
    } else if type.hasPrefix("int") || type.hasPrefix("uint") {
      texts = try artifact.read(path, as: Int.self).values.map { String($0) }
    } else if type.contains("tring") {
      texts = try artifact.readStrings(path).map { $0.count > 60 ? $0.prefix(57) + "..." : $0 }
    } else {
      return nil
    }
    return shape.isEmpty ? texts.first : "[" + texts.joined(separator: ", ") + "]"
  }
}
