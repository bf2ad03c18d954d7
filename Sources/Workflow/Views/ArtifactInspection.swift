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
    lines += try entries(artifact).map { entry in
      let indent = String(repeating: "  ", count: entry.depth)
      guard let type = entry.type, let shape = entry.shape else { return "\(indent)\(entry.name)/" }
      let content =
        entry.value.map { " = \(text($0))" } ?? "  \(type) [\(shape.map(String.init).joined(separator: ", "))]"
      return indent + entry.name + content + (entry.units.map { "  \($0)" } ?? "")
    }
    return lines.joined(separator: "\n")
  }

  public static func json(_ artifact: Artifact) throws -> ParameterValue {
    let provenance = artifact.provenance
    let datasets = try entries(artifact).compactMap { entry -> ParameterValue? in
      guard let type = entry.type, let shape = entry.shape else { return nil }
      return [
        "path": .string(entry.path), "type": .string(type), "shape": .list(shape.map { .integer($0) }),
        "units": .optional(entry.units), "value": entry.value ?? .null,
      ]
    }
    return [
      "file": .string(artifact.url.lastPathComponent), "stage": .string(provenance.stage),
      "type": .string(provenance.stageType), "version": .integer(provenance.stageVersion),
      "seed": .string("\(provenance.seed)"), "end": .string(provenance.end.formatted(.iso8601)),
      "wall_seconds": .number(provenance.wallSeconds), "device": .string(provenance.device),
      "threads": provenance.threads.map { .integer($0) } ?? .null, "key": .string(provenance.key),
      "content_digest": .string(provenance.contentDigest),
      "versions": .object(provenance.versions.mapValues { .string($0) }),
      "warnings": .list(provenance.warnings.map { .string($0) }), "datasets": .list(datasets),
    ]
  }

  private struct Entry {
    let path, name: String
    let depth: Int
    var type: String?  // Nil for a group
    var shape: [Int]?
    var units: String?
    var value: ParameterValue?  // Of what is small
  }

  /// Groups and datasets, each group before what is in it.
  private static func entries(_ artifact: Artifact) throws -> [Entry] {
    var found: [Entry] = []
    func add(_ path: String, _ name: String, _ depth: Int) throws {
      var entry = Entry(path: path, name: name, depth: depth)
      if try artifact.isGroup(path) {
        found.append(entry)
        for child in try artifact.list(path) { try add("\(path)/\(child)", child, depth + 1) }
        return
      }
      let (type, shape) = (try artifact.typeName(path), try artifact.shape(path))
      (entry.type, entry.shape) = (type, shape)
      entry.value = try value(artifact, path: path, shape: shape, type: type)
      entry.units = try artifact.attribute(path, "units")
      found.append(entry)
    }
    for name in try artifact.list("") where name != "provenance" { try add(name, name, 0) }
    return found
  }

  /// The values of a dataset of at most four; nil for a larger one.
  private static func value(
    _ artifact: Artifact, path: String, shape: [Int], type: String
  ) throws -> ParameterValue? {
    guard shape.count <= 1, shape.reduce(1, *) <= 4 else { return nil }
    let values: [ParameterValue]
    if type.hasPrefix("float") {
      values = try artifact.read(path, as: Double.self).values.map { .number($0) }
    } else if type.hasPrefix("int") || type.hasPrefix("uint") {
      values = try artifact.read(path, as: Int.self).values.map { .integer($0) }
    } else if type.contains("tring") {
      values = try artifact.readStrings(path).map { .string($0) }
    } else {
      return nil
    }
    return shape.isEmpty ? values.first : .list(values)
  }

  private static func text(_ value: ParameterValue) -> String {
    switch value {
    case .number(let number): NumberText.significant(number, 6)
    case .string(let text): text.count > 60 ? text.prefix(57) + "..." : text
    case .list(let values): "[" + values.map(text).joined(separator: ", ") + "]"
    default: value.canonicalJSON
    }
  }
}
