import Artifacts
import Basics
import Foundation
import HDF5
import Records

/// A finished stage as the report sees it: its artifact and the stages it was made from.
public struct ReportedStage {
  public let name: String
  public let type: String  // The stage's type as `uses:` names it ("reweight")
  public let method: String?  // How it came to its answer, in a word or two; nil where it gives none
  public let artifact: Artifact
  /// Its inputs by slot ("samples", "density"); those the report does not need may be left out.
  public let inputs: [String: ReportedStage]

  public init(
    name: String, type: String, method: String? = nil, artifact: Artifact, inputs: [String: ReportedStage] = [:]
  ) { (self.name, self.type, self.method, self.artifact, self.inputs) = (name, type, method, artifact, inputs) }

  /// This stage's whole ancestry, inputs before those that use them, itself last.
  var lineage: [ReportedStage] { inputs.sorted { $0.key < $1.key }.flatMap(\.value.lineage) + [self] }
}

extension ReportedStage {
  /// Its name in the pipeline file, without the place in a matrix.
  var base: String { name.split(separator: "@").first.map(String.init) ?? name }

  /// What its key was made of: its parameters, and what it reads of the values around the stages.
  var parameters: [String: Any] { keyed("parameters") }
  var shared: [String: Any] { keyed("system") }

  private func keyed(_ part: String) -> [String: Any] {
    let canonical = try? JSONSerialization.jsonObject(with: Data(artifact.provenance.canonical.utf8))
    return (canonical as? [String: Any])?[part] as? [String: Any] ?? [:]
  }

  /// What a key's canonical text says of a value around the stages, as text of one order; nil where it does not.
  public static func sharedText(_ name: String, in canonical: String) -> String? {
    let whole = (try? JSONSerialization.jsonObject(with: Data(canonical.utf8))) as? [String: Any]
    return (whole?["system"] as? [String: Any])?[name].flatMap {
      try? JSONSerialization.data(withJSONObject: $0, options: [.sortedKeys, .fragmentsAllowed])
    }.map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whether weights by the key `canonical` are of another force field than that whose forces an emulator learnt from; false where either does
  /// not say.
  public static func isOfAnotherForceField(_ canonical: String, than emulator: Artifact) -> Bool {
    guard (try? emulator.readIfThere(Recorded.emulator.targets)) == "forces",
      let theirs = sharedText("sampled_by", in: emulator.provenance.canonical),
      let own = sharedText("forcefield", in: canonical)
    else { return false }
    return theirs != own
  }

  /// A number among its parameters, by path: "training.steps".
  func parameter(_ path: String) -> Double? {
    let parts = path.split(separator: ".").map(String.init)
    let group = parts.dropLast().reduce(parameters) { $0[$1] as? [String: Any] ?? [:] }
    return (group[parts.last ?? ""] as? NSNumber)?.doubleValue
  }

  var graveRemarks: [Remark] { artifact.provenance.allRemarks.filter { $0.gravity == .grave } }

  // A dataset that is absent is nil: stages write what they know. One that is there but broken throws.

  /// The value of a dataset with a single element.
  public func number(_ field: Number<some ArtifactScalar>) throws -> Double? { try numbers(at: field.path)?.first }
  func fixed(_ field: Number<Double>, _ decimals: Int) throws -> String {
    NumberText.fixed(try number(field), decimals)
  }
  func significant(_ field: Number<Double>, _ digits: Int) throws -> String {
    NumberText.significant(try number(field), digits)
  }
  func count(_ field: Number<some ArtifactScalar>) throws -> String {
    NumberText.count(try number(field).map { Int($0) })
  }
  func duration(_ field: Measured) throws -> String { NumberText.duration(seconds: try number(field)) }
  func number(_ field: Measured) throws -> Double? { try numbers(at: field.path)?.first }
  func numbers(_ field: Numbers<some ArtifactScalar>) throws -> [Double]? { try numbers(at: field.path) }
  func texts(_ field: Texts) throws -> [String]? { try artifact.readIfThere(field) }

  func numbers(at path: String) throws -> [Double]? {
    artifact.exists(path) ? try artifact.read(path, as: Double.self).values : nil
  }

  /// The two ends of an interval dataset [2].
  public func interval(_ field: Numbers<Double>) throws -> (low: Double, high: Double)? {
    guard let values = try numbers(field), values.count == 2 else { return nil }
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
  public func torsion(_ name: String) throws -> [Double]? { try numbers(Self.torsions.angles[name]) }

  func torsionNames() throws -> [String] { try artifact.names(Self.torsions.angles).sorted() }

  private static let torsions = Recorded.reweight.torsions
}
