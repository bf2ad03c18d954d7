import Artifacts

/// A finished stage as the report sees it: its artifact and the stages it was made from.
public struct ReportedStage {
  public let name: String
  /// The stage's type as `uses:` names it ("reweight").
  public let type: String
  public let artifact: Artifact
  /// Its inputs by slot ("samples", "density"); those the report does not need may be left out.
  public let inputs: [String: ReportedStage]

  public init(name: String, type: String, artifact: Artifact, inputs: [String: ReportedStage] = [:]) {
    self.name = name
    self.type = type
    self.artifact = artifact
    self.inputs = inputs
  }

  /// This stage's whole ancestry, inputs before those that use them, itself last.
  var lineage: [ReportedStage] { inputs.sorted { $0.key < $1.key }.flatMap(\.value.lineage) + [self] }
}

extension ReportedStage {
  // A dataset that is absent is nil: stages write what they know. One that is there but broken throws.

  /// The value of a dataset with a single element.
  public func number(_ path: String) throws -> Double? {
    guard artifact.exists(path), try artifact.shape(path).reduce(1, *) == 1 else { return nil }
    return try artifact.read(path, as: Double.self).values[0]
  }

  func numbers(_ path: String) throws -> [Double]? {
    artifact.exists(path) ? try artifact.read(path, as: Double.self).values : nil
  }

  func strings(_ path: String) throws -> [String]? {
    artifact.exists(path) ? try artifact.readStrings(path) : nil
  }

  /// The two ends of an interval dataset [2].
  public func interval(_ path: String) throws -> (low: Double, high: Double)? {
    guard let values = try numbers(path), values.count == 2 else { return nil }
    return (values[0], values[1])
  }

  /// The datasets of one to four numbers below a group, with their full paths.
  func shortPaths(below group: String) throws -> [String] {
    guard artifact.exists(group) else { return [] }
    return try artifact.list(group).sorted().flatMap { name -> [String] in
      let path = "\(group)/\(name)"
      if try artifact.isGroup(path) { return try shortPaths(below: path) }
      return try holdsNumbers(path) && (1...4).contains(artifact.shape(path).reduce(1, *)) ? [path] : []
    }
  }

  func holdsNumbers(_ path: String) throws -> Bool { try !artifact.typeName(path).lowercased().contains("string") }

  /// A torsion series that `ingest` and `sample` write, rad.
  func torsion(_ name: String) throws -> [Double]? { try numbers("results/torsions/\(name)") }

  func torsionNames() throws -> [String] {
    artifact.exists("results/torsions") ? try artifact.list("results/torsions").sorted() : []
  }
}
