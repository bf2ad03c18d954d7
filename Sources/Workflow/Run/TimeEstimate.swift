import Artifacts
import Basics
import Foundation

/// What the time of a stage type grows with: told by whoever knows the types, since the engine knows none by name.
public struct StagePace: Sendable {
  public let type: String
  /// Numbers, or lists whose product counts, in proportion to which it takes longer; `samples.count` is the `count` of the stage in the
  /// slot `samples`. With what stands for one that is left out.
  public let work: [(path: String, leftOut: Double?)]
  /// Parameters on which it hardly depends.
  public let indifferent: [String]

  public init(_ type: String, work: [(path: String, leftOut: Double?)], indifferent: [String] = []) {
    (self.type, self.work, self.indifferent) = (type, work, indifferent)
  }
}

/// A time that was measured elsewhere, and comes with the program.
public struct MeasuredStage: Sendable {
  public let type: String
  /// What was given; the rest had its defaults.
  public let given: [String: ParameterValue]
  public let seconds: Double
  /// Where it was measured, for people: "with pipelines/alanine.yaml on two cores".
  public let place: String

  public init(_ type: String, given: [String: ParameterValue] = [:], seconds: Double, place: String) {
    (self.type, self.given, self.seconds, self.place) = (type, given, seconds, place)
  }
}

/// About how long a stage will take, and on what that rests.
public struct TimeEstimate: Equatable, Sendable {
  public let seconds: Double
  /// "as 'emulator' in runs/own took (2 min 14 s), 0.5 times the work".
  public let basis: String

  /// By two digits: more would not be true.
  var text: String { Self.text(seconds) }

  static func text(_ seconds: Double) -> String {
    guard seconds > 0, seconds.isFinite else { return NumberText.duration(seconds: seconds) }
    let unit = pow(10, floor(log10(seconds)) - 1)
    return NumberText.duration(seconds: (seconds / unit).rounded() * unit)
  }

  var json: ParameterValue { ["seconds": .number(seconds), "basis": .string(basis)] }
}

/// Times of stages that are to run, by those that finished ones of the same type took: first the stage's own of before, then those of the
/// runs beside this one, then what comes with the program. Of what is alike in all that counts for time; else there is none.
public struct TimeEstimates {
  /// What is compared.
  private struct Sample {
    let parameters: ParameterValue  // Without inputs, files, and what the pace leaves out
    let work: Double
    let molecule: String?  // Digest of its topology
    let seconds: Double
    let place: String
    var end = Date.distantPast
  }

  private let engine: Engine
  private let paces: [String: StagePace]
  private let known: [String: [Sample]]  // By type

  /// Run folders beside this one, and artifacts in all, that are looked at: the newest.
  private static let (mostFolders, mostArtifacts) = (20, 500)

  /// Nothing that is looked at here is checked; what cannot be read is left out.
  public init(_ engine: Engine, paces: [StagePace], measured: [MeasuredStage]) {
    self.engine = engine
    let paces = Dictionary(paces.map { ($0.type, $0) }, uniquingKeysWith: { first, _ in first })
    self.paces = paces
    var known: [String: [Sample]] = [:]
    let types = Dictionary(
      engine.pipeline.stages.map { ($0.type.type, $0.type) }, uniquingKeysWith: { first, _ in first })
    var left = Self.mostArtifacts
    for folder in Self.folders(beside: engine.folder.url) {
      guard left > 0 else { break }
      let found = Self.records(in: folder, atMost: left)
      left -= found.count
      for (name, record) in found {
        guard let pace = paces[record.provenance.stageType], let type = types[pace.type],
          type.version == record.provenance.stageVersion,
          let work = Self.work(
            pace, record.value["parameters"],
            inputs: { slot in
              Self.input(slot, of: record.value).flatMap { found[$0]?.value["parameters"] }
            })
        else { continue }
        known[pace.type, default: []].append(
          Sample(
            parameters: Self.plain(record.value["parameters"] ?? [:], pace, type.parameters), work: work,
            molecule: record.value["system"]?["topology"]?.string, seconds: record.provenance.wallSeconds,
            place:
              "as '\(name)' in \(folder.relativePath) took (\(NumberText.duration(seconds: record.provenance.wallSeconds)))",
            end: record.provenance.end))
      }
    }
    for one in measured {
      guard let pace = paces[one.type], let type = types[one.type] else { continue }
      let fields = type.parameters.filter { !$0.kind.isInput }
      guard let parameters = fields.resolved(with: one.given),
        let work = Self.work(pace, parameters, inputs: { _ in nil })
      else { continue }
      known[one.type, default: []].append(
        Sample(
          parameters: Self.plain(parameters, pace, type.parameters), work: work, molecule: nil, seconds: one.seconds,
          place: "as \(one.place) took (\(NumberText.duration(seconds: one.seconds)))"))
    }
    self.known = known
  }

  /// By the full names of stages that are to run; those of which nothing is known are left out.
  public func of(_ assessments: [StageAssessment]) -> [String: TimeEstimate] {
    Dictionary(
      assessments.compactMap { found in estimate(found).map { (found.stage.name, $0) } }, uniquingKeysWith: { $1 })
  }

  private func estimate(_ assessment: StageAssessment) -> TimeEstimate? {
    let stage = assessment.stage
    guard let pace = paces[stage.type.type] else { return nil }
    let work = Self.work(pace, stage.parameters) { slot in
      stage.inputs(slot).first.flatMap { engine.pipeline[$0]?.parameters }
    }
    guard let work else { return nil }
    let parameters = Self.plain(stage.parameters, pace, stage.type.parameters)
    let molecule = self.molecule(of: stage)
    let alike = (known[pace.type] ?? []).filter { $0.parameters == parameters && $0.work > 0 }
    func isBetter(_ one: Sample, _ other: Sample) -> Bool {
      let same = (one.molecule == molecule && molecule != nil, other.molecule == molecule && molecule != nil)
      return same.0 != same.1 ? same.0 : one.end > other.end
    }
    guard let best = alike.min(by: isBetter) else {
      // made before, with other parameters
      return assessment.provenance.map { before in
        TimeEstimate(seconds: before.wallSeconds, basis: "as it took when it was made last, with other parameters")
      }
    }
    let factor = work / best.work
    let amount = factor == 1 ? "" : ", \(NumberText.significant(factor)) times the work"
    let other = molecule == nil || best.molecule == molecule ? "" : ", another molecule"
    return TimeEstimate(seconds: best.seconds * factor, basis: best.place + amount + other)
  }

  private func molecule(of stage: StageDefinition) -> String? {
    guard let path = stage.shared["topology"]?.string,
      let found = try? engine.assessor.files.reading(URL(fileURLWithPath: path))
    else { return nil }
    return "sha256:" + found.digest
  }

  // MARK: What is compared

  /// Nil where a number that counts is not told.
  private static func work(
    _ pace: StagePace, _ parameters: ParameterValue?, inputs: (String) -> ParameterValue?
  ) -> Double? {
    pace.work.reduce(1.0) { product, entry in
      guard let product else { return nil }
      let names = entry.path.split(separator: ".").map(String.init)
      let own = number(parameters, names)
      let found = own ?? (names.count > 1 ? number(inputs(names[0]), Array(names.dropFirst())) : nil) ?? entry.leftOut
      return found.map { product * $0 }
    }
  }

  private static func number(_ value: ParameterValue?, _ names: [String]) -> Double? {
    guard let value else { return nil }
    guard names.isEmpty else { return number(value[names[0]], Array(names.dropFirst())) }
    switch value {
    case .integer(let number): return Double(number)
    case .number(let number): return number
    case .list(let values):
      let numbers = values.compactMap { number($0, []) }
      return numbers.count == values.count ? numbers.reduce(1, *) : nil
    default: return nil
    }
  }

  /// Parameters without inputs and files, without what is proportional or hardly counts, and without what is left out.
  private static func plain(_ value: ParameterValue, _ pace: StagePace, _ fields: [ParameterField]) -> ParameterValue {
    let left = Set(pace.work.map(\.path) + pace.indifferent)
    func kept(_ value: ParameterValue, _ fields: [ParameterField], _ path: String) -> ParameterValue {
      var found: [String: ParameterValue] = [:]
      for field in fields {
        let place = path + field.name
        guard !left.contains(place), let member = value[field.name], member != .null else { continue }
        switch field.kind {
        case .path, .files, .fileOfFiles, .fileOrVariant, .stage, .stages: continue
        case .object(let inner): found[field.name] = kept(member, inner, place + ".")
        // the word that stands in the place of a stage counts
        case .stageOrChoice(_, let words):
          if member.string.map(words.contains) ?? false { found[field.name] = member }
        default: found[field.name] = member
        }
      }
      return .object(found)
    }
    return kept(value, fields, "")
  }

  private static func input(_ slot: String, of record: ParameterValue) -> String? {
    record["inputs"]?[slot]?[0]?["stage"]?.string
  }

  // MARK: Finished runs

  /// This folder first, then those beside it, the newest first.
  private static func folders(beside folder: URL) -> [URL] {
    let runs = folder.deletingLastPathComponent()
    let all =
      (try? FileManager.default.contentsOfDirectory(
        at: runs, includingPropertiesForKeys: [.isDirectoryKey, .contentModificationDateKey])) ?? []
    let others = all.compactMap { url -> (url: URL, date: Date)? in
      guard let values = try? url.resourceValues(forKeys: [.isDirectoryKey, .contentModificationDateKey]),
        values.isDirectory == true, url.lastPathComponent != folder.lastPathComponent
      else { return nil }
      return (runs.appendingPathComponent(url.lastPathComponent), values.contentModificationDate ?? .distantPast)
    }.sorted { ($1.date, $0.url.path) < ($0.date, $1.url.path) }
    return [folder] + others.prefix(mostFolders).map(\.url)
  }

  /// Of the artifacts in a folder, by stage: where they come from, and their keys' text as values.
  private static func records(
    in folder: URL, atMost count: Int
  ) -> [String: (provenance: Provenance, value: ParameterValue)] {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
      .filter { $0.hasSuffix(".h5") && !$0.hasPrefix(".") && !$0.contains(".ckpt-") && !$0.contains(".part-") }
    let found = names.prefix(count).compactMap { name -> (String, (Provenance, ParameterValue))? in
      guard let provenance = try? Artifact.open(folder.appendingPathComponent(name), check: .nothing).provenance,
        let value = try? JSONDecoder().decode(ParameterValue.self, from: Data(provenance.canonical.utf8))
      else { return nil }
      return (provenance.stage, (provenance, value))
    }
    return Dictionary(found, uniquingKeysWith: { $1 })
  }
}

extension TimeEstimates {
  /// "about 12 min, one stage after the other; no estimate of frames, report"; nil where there is none of any.
  public static func total(_ estimates: [String: TimeEstimate], of stages: [String]) -> String? {
    let known = stages.compactMap { estimates[$0]?.seconds }
    guard !known.isEmpty else { return nil }
    let without = stages.filter { estimates[$0] == nil }
    let shown = without.prefix(6).joined(separator: ", ") + (without.count > 6 ? ", ..." : "")
    return "about \(TimeEstimate.text(known.reduce(0, +))), one stage after the other"
      + (without.isEmpty ? "" : "; no estimate of \(shown)")
  }

  /// What the estimates rest on, a line for each of the first stages.
  static func bases(_ estimates: [String: TimeEstimate], of stages: [String]) -> [String] {
    let known = stages.filter { estimates[$0] != nil }
    let lines = known.prefix(mostLines).map { "  \($0): \(estimates[$0]?.basis ?? "")" }
    return lines + (known.count > mostLines ? ["  and \(known.count - mostLines) more"] : [])
  }

  private static let mostLines = 12
}
