import Basics
import Foundation
import Records

extension ReportedRun {
  /// Nil where no stage asks for a free energy.
  func verdict() throws -> Verdict? {
    let groups = try answers()
    guard !groups.isEmpty else { return nil }
    let findings = try self.findings()
    let graves = findings.filter(\.isGrave)
    func isBelieved(_ answer: Answer) -> Bool {
      !answer.value.isNaN
        && !graves.contains { grave in
          grave.touches.contains(answer.stage.name)
            && (grave.states.flatMap { states in answer.states.map { !Set(states).isDisjoint(with: $0) } } ?? true)
        }
    }
    var (said, agreement, disagreements): ([String], Agreement, [Finding]) = ([], Agreement(), [])
    var open: [String] = []
    var firstHeadline: Answer?
    var standing = Verdict.Standing.sound
    for (place, group) in groups.enumerated() {
      let headline = headline(of: group.filter(isBelieved))
      firstHeadline = firstHeadline ?? headline
      let told = sentence(group, headline) + (said.isEmpty ? surroundings(of: headline) : "")
      if place < Self.mostSentences { said.append(told) }
      if headline == nil {
        open.append(told)
        standing = max(standing, group.allSatisfy(\.value.isNaN) ? .noNumber : .notBelieved)
      }
      guard let first = headline ?? group.first(where: { !$0.value.isNaN }) else { continue }
      for other in group where other.stage.name != first.stage.name && !other.value.isNaN {
        let comparison = Comparison(first, other)
        let pair = groups.count > 1 ? "\(first.pair)\(cell(of: first))" : ""
        let sentence = pair.isEmpty ? comparison.sentence : "\(pair): \(comparison.sentence)"
        agreement.add(comparison, of: pair, sentence)
        guard isBelieved(first), isBelieved(other) else { continue }
        switch comparison.outcome {
        case .disagreement: disagreements.append(disagreement(first, other, sentence))
        case .uneasy: open.append(sentence)
        case .fine: break
        }
      }
    }
    if groups.count > Self.mostSentences {
      said.append(
        "\(groups.count - Self.mostSentences) further pairs of states or molecules stand in the tables below.")
    }
    let agreed = try agreement.sentences + trajectorySentences(groups)
    let doubts = (findings + disagreements).sorted { $0.cause < $1.cause }
    let nextStep = try doubts.first?.cure ?? furtherStep(groups, firstHeadline, open: open)
    if !doubts.isEmpty || !open.isEmpty { standing = max(standing, .doubts) }
    return Verdict(
      standing: standing, answers: said, agreement: Self.shortened(agreed, "further comparisons"),
      support: Self.shortened(try support(), "further stages"),
      doubts: Self.shortened(doubts), next: nextStep)
  }

  /// The gravest, and how many more there are.
  private static func shortened(_ doubts: [Finding]) -> [Verdict.Doubt] {
    let shown = doubts.prefix(mostDoubts).map { Verdict.Doubt(isGrave: $0.isGrave, text: $0.text, cure: $0.cure) }
    guard doubts.count > mostDoubts else { return shown }
    return shown + [
      Verdict.Doubt(
        isGrave: doubts[mostDoubts].isGrave, text: "\(doubts.count - mostDoubts) further findings of the same kinds.",
        cure: "see the warnings below")
    ]
  }

  private static let mostDoubts = 24

  private static let mostSentences = 8

  private static func shortened(_ sentences: [String], _ what: String) -> [String] {
    guard sentences.count > mostSentences else { return sentences }
    return sentences.prefix(mostSentences) + ["\(sentences.count - mostSentences) \(what) stand in the tables below."]
  }

  // MARK: what came out

  /// The first that is believed; in its place its audit, which has a bias of its log-density taken out.
  private func headline(of believed: [Answer]) -> Answer? {
    // one without an error leads only where there is no other
    let believed = believed.contains { $0.interval != nil } ? believed.filter { $0.interval != nil } : believed
    guard let first = believed.first else { return nil }
    return believed.first {
      $0.stage.type == AuditRecord.stageType && $0.stage.inputs["reweight"]?.name == first.stage.name
    }
      ?? believed.first {
        $0.stage.type == AuditRecord.stageType && $0.stage.drawnSamples == first.stage.drawnSamples
      }
      ?? first
  }

  private func sentence(_ group: [Answer], _ headline: Answer?) -> String {
    let pair = group[0].pair
    let what = "dF of \(pair)\(cell(of: group[0]))"
    if let headline {
      let share = 1 / (1 + exp(headline.value))
      let holds =
        options.isOfNamedStates
        ? "" : ": the state holds \(NumberText.significant(100 * share, 2)) % of the molecule's weight"
      let of = headline.isConstrained ? ", of the molecule with its bonds held" : ""
      return "\(what) is \(headline.text)\(of), by \(Self.name(headline.stage))\(holds)."
    }
    let given = group.filter { !$0.value.isNaN }
    guard !given.isEmpty else {
      return "\(what) is not determined by \(Self.list(group.map { Self.name($0.stage) }))."
    }
    let texts = given.map { "\($0.stage.name) gives \($0.text)" }
    return "No stage gives a \(what) that may be believed; \(Self.list(texts)), and the reasons against stand below."
  }

  /// Of which molecule it is, where there are several.
  private func cell(of answer: Answer) -> String {
    molecule(of: answer.stage).isEmpty ? "" : Self.cell(of: answer.stage.name)
  }

  /// What the molecule is in, which the number is of, where the force field tells.
  private func surroundings(of headline: Answer?) -> String {
    guard let headline, let text = headline.stage.forceFieldText.flatMap(options.readers.surroundings) else {
      return ""
    }
    return " It is of the molecule alone \(text), at \(NumberText.significant(options.temperature)) K."
  }

  private static func cell(of name: String) -> String {
    name.split(separator: "@", maxSplits: 1).dropFirst().first.map { " at \($0)" } ?? ""
  }

  /// "boltzmann (energy-model ebm)".
  static func name(_ stage: ReportedStage) -> String { stage.name + (stage.method.map { " (\($0))" } ?? "") }

  /// "a", "a and b", "a, b and c".
  static func list(_ parts: [String]) -> String {
    guard let last = parts.last, parts.count > 1 else { return parts.first ?? "" }
    return parts.dropLast().joined(separator: ", ") + " and " + last
  }

  private func disagreement(_ first: Answer, _ other: Answer, _ sentence: String) -> Finding {
    Finding(
      cause: .disagreement, touches: [first.stage.name, other.stage.name], about: other.stage.name,
      text: "\(sentence) One of the two errors is too small, or one of them misses a part.",
      cure: exploreStep(first, other))
  }

  private func exploreStep(_ first: Answer, _ other: Answer) -> String {
    guard let reweight = [first.stage, other.stage].first(where: { $0.type == ReweightRecord.stageType }) else {
      return "look at the overlap of the windows and at the halves below, and lengthen the shorter of the two"
    }
    return
      "add a stage 'found: { uses: explore, reweight: \(reweight.base) }' to the pipeline file, and 'found' to the report's "
      + "'compare': it looks for what the emulator misses"
  }

  // MARK: the trajectory's own

  /// What the frames that the emulator learnt from say by themselves, once for each molecule.
  private func trajectorySentences(_ groups: [[Answer]]) throws -> [String] {
    var seen: Set<String> = []
    var sentences: [String] = []
    for stage in groups.joined().map(\.stage) where stage.type == ReweightRecord.stageType {
      guard let frames = stage.lineage.last(where: { $0.type == IngestRecord.stageType }),
        seen.insert(frames.name).inserted, !options.isOfNamedStates,
        let shares = try stage.numbers(Recorded.reweight.statePopulationsTrajectory), shares.count == 2
      else { continue }
      let held = "\(small(shares[0])) % of the frames of '\(frames.name)' lie in the state"
      guard shares[0] > 0, shares[1] > 0 else {
        sentences.append("The trajectory by itself says nothing of dF: \(held).")
        continue
      }
      let own = NumberText.fixed(log(shares[1] / shares[0]), 2)
      let slow = Recorded.ingest.slowTorsions
      let names = try frames.texts(slow.names) ?? []
      // "phi" of the file is "phi2" among all torsions of the molecule: the residue's number is added
      let places = options.torsion.map { torsion in
        names.indices.filter {
          names[$0].hasPrefix(torsion) && names[$0].dropFirst(torsion.count).allSatisfy(\.isNumber)
        }
      }
      // one of that name; otherwise nothing is known of it
      let place = places.flatMap { $0.count == 1 ? $0[0] : nil }
      let changes = try place.flatMap { place in try frames.numbers(slow.changes).map { Int($0[place]) } }
      let isSampled = try place.flatMap { place in try frames.numbers(slow.sampled).map { $0[place] == 1 } }
      let why =
        isSampled == true
        ? "" : changes.map { ", but \(options.torsion ?? "") changed its place \($0) times in it" } ?? ""
      let meaning =
        isSampled != false
        ? "it stands without an error here"
        : "that is a matter of where it began, and the weights are what mends it"
      sentences.append("The trajectory by itself would give \(own) kT (\(held))\(why): \(meaning).")
    }
    return sentences
  }

  // MARK: what it rests on

  private func support() throws -> [String] {
    try compared.compactMap { stage in
      switch stage.type {
      case ReweightRecord.stageType: try supportOfWeights(stage)
      case AuditRecord.stageType: try supportOfAudit(stage)
      case _ where Self.umbrellaTypes.contains(stage.type): try supportOfWindows(stage)
      default: nil
      }
    }
  }

  private func supportOfWeights(_ stage: ReportedStage) throws -> String? {
    let record = Recorded.reweight
    guard let fraction = try stage.number(record.effectiveFraction), fraction.isFinite else { return nil }
    let count = try stage.artifact.has(record.logWeights) ? stage.artifact.shape(record.logWeights).first : nil
    let samples = count.map { "\(NumberText.count($0)) samples" } ?? "the samples"
    var parts = ["\(samples) are worth \(percent(fraction)) % of their number"]
    let names = try stateNames(stage, count: stage.numbers(record.stateEffective)?.count ?? 0)
    if let effective = try stage.numbers(record.stateEffective), effective.count == names.count {
      parts.append(
        Self.list(zip(names, effective).map { "\($0) rests on \(NumberText.fixed($1, 0)) effective ones" }))
    }
    if let heaviest = try stage.number(record.largestWeight) {
      parts.append("the heaviest sample has \(NumberText.significant(100 * heaviest, 2)) % of the weight")
    }
    if let shape = try stage.numbers(record.tailShape)?.filter(\.isFinite).max() {
      parts.append(
        "the heaviest tail has shape \(NumberText.fixed(shape, 2)) (sound up to \(NumberText.significant(options.limits.tailShape)))"
      )
    }
    return "\(stage.name): \(parts.joined(separator: "; "))."
  }

  private func supportOfAudit(_ stage: ReportedStage) throws -> String? {
    let record = Recorded.audit
    guard let correction = try stage.number(record.correction), let error = try stage.number(record.correctionError)
    else { return nil }
    return "\(stage.name): exact likelihoods of \(try stage.count(record.auditedSamples)) samples move dF by "
      + "\(NumberText.fixed(correction, 3)) ± \(NumberText.fixed(error, 3)) kT."
  }

  private func supportOfWindows(_ stage: ReportedStage) throws -> String? {
    let record = Recorded.umbrella
    var parts: [String] = []
    if stage.artifact.has(record.overlap), let windows = try stage.artifact.shape(record.overlap).first {
      parts.append("\(windows) windows")
    }
    if let time = try stage.number(record.simulatedTime) {
      parts.append("\(NumberText.significant(time / 1000, 3)) ns in all")
    }
    if let link = try stage.number(record.weakestLink) {
      parts.append(
        "the weakest overlap that holds them together is \(NumberText.significant(link, 2)) (needed: "
          + "\(NumberText.significant(options.limits.overlap)))")
    }
    if let halves = try stage.numbers(record.halves.values), halves.count == 2 {
      parts.append("its halves give \(NumberText.fixed(halves[0], 2)) and \(NumberText.fixed(halves[1], 2)) kT")
    }
    if let found = try directions(stage) { parts.append("its walking directions give \(found.text)") }
    return parts.isEmpty ? nil : "\(stage.name): \(parts.joined(separator: "; "))."
  }
}

/// Sentences on what agrees with what. What is so for all pairs alike, since two stages weight the same samples, is said once.
private struct Agreement {
  private enum Entry {
    case sentence(String)
    case alike(names: String, differences: [(pair: String, text: String)], meaning: String)
  }

  private var entries: [Entry] = []

  mutating func add(_ comparison: Comparison, of pair: String, _ sentence: String) {
    guard let alike = comparison.alike, !pair.isEmpty else { return entries.append(.sentence(sentence)) }
    let known = entries.indices.first {
      if case .alike(alike.names, _, alike.meaning) = entries[$0] { true } else { false }
    }
    guard let known, case .alike(let names, let differences, let meaning) = entries[known] else {
      return entries.append(
        .alike(names: alike.names, differences: [(pair, alike.difference)], meaning: alike.meaning))
    }
    entries[known] = .alike(names: names, differences: differences + [(pair, alike.difference)], meaning: meaning)
  }

  var sentences: [String] {
    entries.map { entry in
      switch entry {
      case .sentence(let text): return text
      case .alike(let names, let differences, let meaning):
        let shown = differences.prefix(Self.most).map { "\($0.text) (\($0.pair))" }
        let rest =
          differences.count > Self.most ? ["\(differences.count - Self.most) further pairs by what the tables say"] : []
        return "\(names) differ by \(ReportedRun.list(shown + rest)). \(meaning)"
      }
    }
  }

  /// Pairs that one sentence names.
  private static let most = 8
}

extension ReportedStage {
  /// The samples that it weights as they were drawn, also where they were carried on by annealing; nil for methods of their own.
  /// Those of both sides, of a cycle.
  fileprivate var allSamples: Set<String> {
    guard type == CycleRecord.stageType else { return Set([drawnSamples].compactMap { $0 }) }
    return Set([inputs["samples"]?.name, inputs["reweight"]?.drawnSamples].compactMap { $0 })
  }

  fileprivate var drawnSamples: String? {
    if type == CycleRecord.stageType { return nil }
    guard let samples = inputs["samples"] ?? inputs["reweight"]?.inputs["samples"] else { return nil }
    return samples.type == AnnealRecord.stageType ? samples.inputs["samples"]?.name ?? samples.name : samples.name
  }

  /// The emulator that drew its samples, and the frames that it learnt from.
  fileprivate var source: (emulator: String?, frames: String?) {
    let all = lineage
    return (
      all.last {
        EmulatorRecord.stageTypes.contains($0.type) || $0.type == PerturbRecord.stageType
      }?.name,
      all.last { $0.type == IngestRecord.stageType }?.name
    )
  }

  /// What it calls its force field, as text of one order; an audit's is that of what it audits.
  fileprivate var forceFieldText: String? {
    let dynamics =
      type == SimulateRecord.stageType ? Self.sharedText("sampled_by", in: artifact.provenance.canonical) : nil
    if let dynamics, dynamics != "null" { return dynamics }
    return [self, inputs["reweight"]].lazy.compactMap {
      $0.flatMap { Self.sharedText("forcefield", in: $0.artifact.provenance.canonical) }
    }.first
  }
}

/// Two answers to one question, in joint standard errors where they are independent.
private struct Comparison {
  enum Outcome {
    /// They agree, or are no test of each other.
    case fine
    /// They differ by more than chance makes easily.
    case uneasy
    case disagreement
  }

  let sentence: String
  let outcome: Outcome
  /// Where both weight the same samples: the parts of the sentence.
  var alike: (names: String, difference: String, meaning: String)?

  init(_ one: Answer, _ other: Answer) {
    let names = "\(one.stage.name) and \(other.stage.name)"
    let difference = "\(NumberText.fixed(abs(one.value - other.value), 2)) kT"
    let forces = [one, other].map(\.stage.forceFieldText)
    var alike: (names: String, difference: String, meaning: String)?
    (outcome, sentence) = {
      if let first = forces[0], let second = forces[1], first != second {
        return (.fine, "\(names) are of two force fields: the \(difference) between them are no error of either.")
      }
      if one.isConstrained != other.isConstrained {
        return (
          .fine,
          "\(names) are of two ensembles, since bonds are held in one of them: the \(difference) between them are no error of either."
        )
      }
      if [one, other].contains(where: { $0.stage.type == CycleRecord.stageType }),
        let shared = one.stage.allSamples.intersection(other.stage.allSamples).sorted().first
      {
        return (
          .fine,
          "\(names) differ by \(difference); they share samples ('\(shared)'). What the cycle finds without them stands in its own section."
        )
      }
      if let reweight = other.stage.inputs["reweight"]?.name ?? one.stage.inputs["reweight"]?.name,
        [one.stage.name, other.stage.name].contains(reweight)
      {
        return (
          .fine,
          "\(names) differ by \(difference); one corrects the other, so that is the bias that was found, and no test of the samples."
        )
      }
      if let samples = one.stage.drawnSamples, samples == other.stage.drawnSamples {
        let meaning =
          "They weight the same samples ('\(samples)'), so this tests the log-densities alone: what the "
          + "samples miss, both miss."
        alike = (names, difference, meaning)
        return (.fine, "\(names) differ by \(difference). \(meaning)")
      }
      guard let first = one.error, let second = other.error, first > 0 || second > 0 else {
        return (.fine, "\(names) differ by \(difference); an error that would say whether that is much is not there.")
      }
      let joint = (first * first + second * second).squareRoot()
      let errors = abs(one.value - other.value) / joint
      let told =
        "\(difference), \(NumberText.fixed(errors, 1)) joint standard errors of \(NumberText.fixed(joint, 2)) kT"
      let (mine, theirs) = (one.stage.source, other.stage.source)
      let dependence =
        mine.emulator != nil && mine.emulator == theirs.emulator
        ? " Their samples are independent and their emulator is one: what it misses, both miss."
        : mine.emulator != nil && theirs.emulator != nil && mine.frames != nil && mine.frames == theirs.frames
          ? " Their emulators learnt from the same frames: what those miss, both miss." : ""
      if joint > ReportedRun.largestTellingError, errors <= Self.agreeing {
        return (.fine, "\(names) differ by \(told): an error so large agrees with nearly everything.\(dependence)")
      }
      if errors <= Self.agreeing { return (.fine, "\(names) agree: they differ by \(told).\(dependence)") }
      if errors <= Self.disagreeing {
        return (.uneasy, "\(names) differ by \(told): more than chance makes easily.\(dependence)")
      }
      return (.disagreement, "\(names) DISAGREE: they differ by \(told).\(dependence)")
    }()
    self.alike = alike
  }

  /// In joint standard errors.
  private static let agreeing = 2.0, disagreeing = 3.0
}
