import Artifacts
import Basics
import Foundation

/// What the time of a stage type grows with: told by whoever knows the types, since the engine knows none by name.
public struct StagePace: Sendable {
  public let type: String
  /// Numbers, or lists whose product counts, in proportion to which it takes longer; `samples.count` is the `count` of the stage in the
  /// slot `samples`. One that may be left out stands for something that hangs on others: two stages are alike where both leave it out.
  public let work: [(path: String, mayBeLeftOut: Bool)]
  /// Parameters on which it hardly depends.
  public let indifferent: [String]
  /// Parameters of its inputs that have to be alike: `emulator.network` is the `network` of the stage in the slot `emulator`.
  public let alike: [String]

  public init(
    _ type: String, work: [(path: String, mayBeLeftOut: Bool)], indifferent: [String] = [], alike: [String] = []
  ) {
    (self.type, self.work, self.indifferent, self.alike) = (type, work, indifferent, alike)
  }
}

/// A time that was measured elsewhere, and comes with the program.
public struct MeasuredStage: Sendable {
  public let type: String
  /// What was given; the rest had its defaults.
  public let given: [String: ParameterValue]
  /// By slot, the types of its inputs, which had their defaults.
  public let inputs: [String: String]
  /// By name, the methods that shared values name, "file" for a file.
  public let methods: [String: String]
  public let seconds: Double
  /// Where it was measured, for people: "with pipelines/alanine.yaml on two cores".
  public let place: String

  public init(
    _ type: String, given: [String: ParameterValue] = [:], inputs: [String: String] = [:],
    methods: [String: String] = [:], seconds: Double, place: String
  ) {
    (self.type, self.given, self.inputs, self.seconds, self.place) = (type, given, inputs, seconds, place)
    self.methods = methods
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
    let parameters: String  // Without inputs, files, and what the pace leaves out; in canonical form, in which 2.0 is 2
    let ofInputs: [String]  // What the pace compares of them
    let methods: [String: String]  // Of shared values that are a file or a method
    let work: Work
    let subject: String?  // Digest of the file that tells what it is of
    let seconds: Double
    let place: String
    var end = Date.distantPast
  }

  private let engine: Engine
  private let subject, subjectName: String
  private let paces: [String: StagePace]
  private let known: [String: [Sample]]  // By type

  /// Run folders beside this one, and artifacts in all, that are looked at: the newest.
  private static let (mostFolders, mostArtifacts) = (20, 500)

  /// `subject`: the shared value whose file tells what a run is of, and what people call that. Nothing that is looked at here is checked;
  /// what cannot be read is left out.
  public init(
    _ engine: Engine, paces: [StagePace], measured: [MeasuredStage], subject: (field: SharedField, name: String)
  ) {
    self.engine = engine
    (self.subject, subjectName) = (subject.field.name, subject.name)
    let subject = subject.field.name
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
        func input(_ slot: String) -> ParameterValue? {
          Self.input(slot, of: record.value).flatMap { found[$0]?.value["parameters"] }
        }
        guard let pace = paces[record.provenance.stageType], let type = types[pace.type],
          type.version == record.provenance.stageVersion,
          let work = Self.work(pace, record.value["parameters"], inputs: input)
        else { continue }
        let seconds = record.provenance.wallSeconds
        let device = record.provenance.device
        let place = device == "cpu" || device.isEmpty ? "" : " on \(device)"
        let took = "took (\(NumberText.duration(seconds: seconds))\(place))"
        known[pace.type, default: []].append(
          Sample(
            parameters: Self.plain(record.value["parameters"] ?? [:], pace, type.parameters),
            ofInputs: Self.alike(pace, input), methods: Self.methods(type) { record.value["system"]?[$0] }, work: work,
            subject: record.value["system"]?[subject]?.string, seconds: seconds,
            place: "as '\(name)' in \(folder.relativePath) \(took)", end: record.provenance.end))
      }
    }
    for one in measured {
      guard let pace = paces[one.type], let type = types[one.type] else { continue }
      func input(_ slot: String) -> ParameterValue? {
        one.inputs[slot].flatMap { types[$0] }?.parameters.filter { !$0.kind.isInput }.resolved(with: [:])
      }
      let fields = type.parameters.filter { !$0.kind.isInput }
      guard let parameters = fields.resolved(with: one.given), let work = Self.work(pace, parameters, inputs: input)
      else { continue }
      known[one.type, default: []].append(
        Sample(
          parameters: Self.plain(parameters, pace, type.parameters), ofInputs: Self.alike(pace, input),
          methods: one.methods, work: work, subject: nil, seconds: one.seconds,
          place: "as \(one.place) took (\(NumberText.duration(seconds: one.seconds)))"))
    }
    self.known = known
  }

  /// Of stages that are to run.
  public func of(_ assessments: [StageAssessment]) -> TimeOutlook {
    var outlook = TimeOutlook(stages: assessments.map(\.stage.name))
    for assessment in assessments {
      let name = assessment.stage.name
      outlook.estimates[name] = estimate(assessment)
      if outlook.estimates[name] == nil, paces[assessment.stage.type.type] != nil { outlook.isPartial = true }
    }
    return outlook
  }

  private func estimate(_ assessment: StageAssessment) -> TimeEstimate? {
    let stage = assessment.stage
    func input(_ slot: String) -> ParameterValue? {
      stage.inputs(slot).first.flatMap { engine.pipeline[$0]?.parameters }
    }
    guard let pace = paces[stage.type.type], let work = Self.work(pace, stage.parameters, inputs: input) else {
      return nil
    }
    let parameters = Self.plain(stage.parameters, pace, stage.type.parameters)
    let (own, ofInputs) = (digest(of: stage), Self.alike(pace, input))
    let methods = Self.methods(stage.type) { stage.shared[$0] }
    let alike = (known[pace.type] ?? []).filter {
      $0.parameters == parameters && $0.ofInputs == ofInputs && $0.methods == methods
        && $0.work.leftOut == work.leftOut && $0.work.amount > 0
    }
    func isBetter(_ one: Sample, _ other: Sample) -> Bool {
      let same = (one.subject == own && own != nil, other.subject == own && own != nil)
      return same.0 != same.1 ? same.0 : one.end > other.end
    }
    guard let best = alike.min(by: isBetter) else { return nil }
    let factor = work.amount / best.work.amount
    let amount = factor == 1 ? "" : ", \(NumberText.significant(factor, 3)) times the work"
    let isOther = best.subject != nil && own != nil && best.subject != own
    return TimeEstimate(
      seconds: best.seconds * factor, basis: best.place + amount + (isOther ? ", another \(subjectName)" : ""))
  }

  private func digest(of stage: StageDefinition) -> String? {
    guard let path = stage.shared[subject]?.string,
      let found = try? engine.assessor.files.reading(URL(fileURLWithPath: path))
    else { return nil }
    return "sha256:" + found.digest
  }

  // MARK: What is compared

  /// What a stage has to do, and what of it is left out.
  private struct Work {
    var amount = 1.0
    var leftOut: [String] = []
  }

  /// Nil where a number that counts is not told and may not be left out.
  private static func work(
    _ pace: StagePace, _ parameters: ParameterValue?, inputs: (String) -> ParameterValue?
  ) -> Work? {
    var work = Work()
    for entry in pace.work {
      let names = entry.path.split(separator: ".").map(String.init)
      let own = number(parameters, names)
      if let found = own ?? (names.count > 1 ? number(inputs(names[0]), Array(names.dropFirst())) : nil) {
        work.amount *= found
      } else if entry.mayBeLeftOut {
        work.leftOut.append(entry.path)
      } else {
        return nil
      }
    }
    return work
  }

  /// By name, of the shared values that a type reads and that are a file or a method: the method's name, or "file".
  private static func methods(
    _ type: any StageType.Type, _ value: (String) -> ParameterValue?
  ) -> [String: String] {
    var found: [String: String] = [:]
    for field in type.reads(where: { _ in false }) {
      guard case .fileOrVariant = field.field.kind, let given = value(field.name), given != .null else { continue }
      found[field.name] = given["method"]?.string ?? "file"
    }
    return found
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
  private static func plain(_ value: ParameterValue, _ pace: StagePace, _ fields: [ParameterField]) -> String {
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
    return kept(value, fields, "").canonicalJSON
  }

  /// Of inputs, in the order of the pace; null where there is none.
  private static func alike(_ pace: StagePace, _ inputs: (String) -> ParameterValue?) -> [String] {
    pace.alike.map { path in
      let names = path.split(separator: ".").map(String.init)
      return names.dropFirst().reduce(names.first.flatMap(inputs)) { $0?[$1] }?.canonicalJSON ?? ""
    }
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

/// How long stages that are to run will take, one after the other.
public struct TimeOutlook {
  /// Their names, in order.
  let stages: [String]
  /// By name, of those of which something is known.
  public internal(set) var estimates: [String: TimeEstimate] = [:]
  /// Nothing is known of a stage that may take long.
  var isPartial = false

  init(stages: [String]) { self.stages = stages }

  /// "about 12 min, one stage after the other; no estimate of frames, report"; nil where nothing is known of any.
  public var total: String? {
    guard !estimates.isEmpty else { return nil }
    let seconds = stages.compactMap { estimates[$0]?.seconds }.reduce(0, +)
    let without = stages.filter { estimates[$0] == nil }
    let shown = without.prefix(6).joined(separator: ", ") + (without.count > 6 ? ", ..." : "")
    return "\(isPartial ? "more than" : "about") \(TimeEstimate.text(seconds)), one stage after the other"
      + (without.isEmpty ? "" : "; no estimate of \(shown)")
  }

  /// What the estimates rest on, a line for each of the first stages.
  var bases: [String] {
    let known = stages.filter { estimates[$0] != nil }
    let lines = known.prefix(Self.mostLines).map { "  \($0): \(estimates[$0]?.basis ?? "")" }
    return lines + (known.count > Self.mostLines ? ["  and \(known.count - Self.mostLines) more"] : [])
  }

  private static let mostLines = 12
}
