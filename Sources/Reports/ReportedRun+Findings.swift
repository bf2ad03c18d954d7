import Basics
import Foundation
import Records

/// What a run's records say against its answers.
struct Finding {
  /// What is wrong; what causes the rest comes first.
  enum Cause: Int, Comparable {
    case constraints, noFrames, otherForceField, missingRegion, logDensity, gap, undetermined, tail, contradiction, said
    case bias, disagreement, concentrated, fewSamples, unconverged, unexplored

    static func < (one: Self, other: Self) -> Bool { one.rawValue < other.rawValue }

    /// Whether numbers that it touches must not be believed; the others are doubts.
    var isGrave: Bool { self < .disagreement }
  }

  let cause: Cause
  /// Names of the compared stages whose numbers rest on it.
  let touches: Set<String>
  /// The stage whose record says so.
  let about: String
  let text, cure: String
  /// The states that it is about; nil for all.
  var states: [String]?
  var isGrave: Bool { cause.isGrave }
}

extension ReportedRun {
  /// Everything that speaks against an answer, the gravest causes first, each once.
  func findings() throws -> [Finding] {
    var found: [Finding] = []
    for stage in stages {
      switch stage.type {
      case IngestRecord.stageType: found += constraints(stage)
      case EmulatorRecord.stageType: found += try thermometer(stage)
      case EnergyModelRecord.stageType: found += try logDensity(stage)
      case ReweightRecord.stageType: found += try weights(stage)
      case AuditRecord.stageType: found += try bias(stage)
      case CycleRecord.stageType: found += try contradictions(stage)
      case ExploreRecord.stageType: found += try exploration(stage)
      case _ where Self.umbrellaTypes.contains(stage.type): found += try windows(stage)
      default: break
      }
    }
    found += said(beside: found)
    var seen: Set<String> = []
    return found.filter { !$0.touches.isEmpty && seen.insert($0.text).inserted }.sorted { $0.cause < $1.cause }
  }

  /// The compared stages that rest on `stage`.
  private func resting(on stage: ReportedStage) -> Set<String> { resting[stage.name] ?? [] }

  private func finding(
    _ cause: Finding.Cause, _ stage: ReportedStage, _ text: String, _ cure: String, states: [String]? = nil
  ) -> Finding {
    Finding(
      cause: cause, touches: resting(on: stage), about: stage.name,
      text: "\(stage.name): \(text)\(text.hasSuffix(".") ? "" : ".")", cure: cure, states: states)
  }

  // MARK: the data

  /// Bonds that were held, and went to the emulator as they were: told by the stage's own warning.
  private func constraints(_ stage: ReportedStage) -> [Finding] {
    guard !stage.artifact.has(Recorded.ingest.constraints) else { return [] }
    return stage.graveRemarks.filter { $0.subject == .heldBonds }.map {
      finding(
        .constraints, stage, $0.text,
        "let their lengths be drawn anew (or keep them, with 'rigid'): \(setting(stage, "constraints", "flexible"))")
    }
  }

  private func thermometer(_ stage: ReportedStage) throws -> [Finding] {
    let (record, limits) = (Recorded.emulator, options.limits)
    guard let mean = try stage.number(record.thermometer), let error = try stage.number(record.thermometerError) else {
      return []
    }
    func worst(_ names: Texts, _ values: Reals, _ errors: Reals, from ideal: Double, _ limit: Double) throws -> String?
    {
      guard let names = try stage.texts(names), let values = try stage.numbers(values),
        let errors = try stage.numbers(errors), names.count == values.count, names.count == errors.count,
        let place = names.indices.max(by: { abs(values[$0] - ideal) < abs(values[$1] - ideal) }),
        abs(values[place] - ideal) > max(limit, 5 * errors[place])
      else { return nil }
      return "\(names[place]) has \(NumberText.fixed(values[place], 2)) ± \(NumberText.fixed(errors[place], 2))"
    }
    let parts = record.thermometers
    let one = try worst(parts.names, parts.values, parts.errors, from: 1, limits.thermometerOfCoordinate)
    let torsion = try worst(
      parts.torsionNames, parts.torsionValues, parts.torsionErrors, from: 0, limits.thermometerOfTorsion)
    let isOff = abs(mean - 1) > max(limits.thermometer, 3 * error)
    guard isOff || one != nil || torsion != nil else { return [] }
    let details = [one, torsion.map { "\($0), 0 where all is well" }].compactMap { $0 }
    return [
      finding(
        .otherForceField, stage,
        "the frames are not those of the force field at this temperature: Stein's identity gives "
          + "\(NumberText.fixed(mean, 3)) ± \(NumberText.fixed(error, 3)) where 1 is due"
          + (details.isEmpty ? "" : " (\(details.joined(separator: "; ")))"),
        "compare system.forcefield and temperature with what made the trajectory; if they were others, name them as 'sampled_by' and "
          + "'sampled_at' under 'system:'")
    ]
  }

  // MARK: the density

  private func logDensity(_ stage: ReportedStage) throws -> [Finding] {
    guard let error = try stage.number(Recorded.energyModel.rmse), !(error <= options.limits.energyModelError) else {
      return []
    }
    // an audit puts exact likelihoods in its place
    let audits = Set(compared.filter { $0.type == AuditRecord.stageType }.map(\.name))
    return [
      Finding(
        cause: .logDensity, touches: resting(on: stage).subtracting(audits), about: stage.name,
        text: "\(stage.name): its log-density is off by \(NumberText.fixed(error, 2)) nat rms (at most "
          + "\(NumberText.significant(options.limits.energyModelError)) is bearable), so weights by it are mostly its own error.",
        cure: longer(stage, "training.steps", "train the energy model longer"))
    ]
  }

  private func bias(_ stage: ReportedStage) throws -> [Finding] {
    let record = Recorded.audit
    guard let correction = try stage.number(record.correction), let error = try stage.number(record.correctionError),
      abs(correction) > options.limits.auditBias * error, let reweight = stage.inputs["reweight"]
    else { return [] }
    return [
      Finding(
        cause: .bias, touches: [reweight.name], about: stage.name,
        text: "\(reweight.name): its log-density is biased between the states; exact likelihoods move dF by "
          + "\(NumberText.fixed(correction, 2)) ± \(NumberText.fixed(error, 2)) kT. Take the audited value.",
        cure: reweight.inputs["density"].map { longer($0, "training.steps", "train the energy model longer") }
          ?? "take the dF of '\(stage.name)'")
    ]
  }

  // MARK: the weights

  private func weights(_ stage: ReportedStage) throws -> [Finding] {
    let (record, limits) = (Recorded.reweight, options.limits)
    var found: [Finding] = []
    let effective = try stage.numbers(record.stateEffective) ?? []
    let names = try stateNames(stage, count: effective.count)
    let pairs = record.states.pairs
    let inPairs = Set(try (stage.texts(pairs.from) ?? []) + (stage.texts(pairs.to) ?? []))
    let asked = names.indices.filter { !options.isOfNamedStates || inPairs.isEmpty || inPairs.contains(names[$0]) }
    func alone(_ state: Int) -> [String]? { options.isOfNamedStates ? [names[state]] : nil }
    let frames = stage.lineage.last { $0.type == IngestRecord.stageType }
    let learnt = try stage.numbers(record.statePopulationsTrajectory) ?? []
    let empty = asked.filter { $0 < learnt.count && learnt[$0] == 0 }
    for state in empty {
      let source = frames.map { "'\($0.name)'" } ?? "the trajectory"
      found.append(
        Finding(
          cause: .noFrames, touches: resting(on: frames ?? stage), about: frames?.name ?? stage.name,
          text:
            "\(frames?.name ?? stage.name): no frame lies in \(names[state]). What the emulator never saw it does not draw, and no weight "
            + "can bring it back.",
          cure:
            "give \(source) frames of \(names[state]): a stage 'more: { uses: simulate }' begins in each state; name the more.nc that it "
            + "writes in the 'trajectory' of \(source)", states: alone(state)))
    }
    let isUndetermined = try stage.number(record.freeEnergy.deltaF)?.isNaN ?? false
    for state in asked
    where !empty.contains(state) && state < effective.count && effective[state] < limits.samplesForNumber {
      found.append(
        finding(
          .undetermined, stage,
          "\(names[state]) rests on \(NumberText.fixed(effective[state], 1)) effective samples "
            + "(\(NumberText.significant(limits.samplesForNumber)) are the least), so its dF is not determined",
          try more(stage), states: alone(state)))
    }
    if isUndetermined, found.isEmpty {
      let (shares, most) = (try stage.numbers(record.stateLargestWeight) ?? [], try stage.number(record.heaviestShare))
      let reasons = asked.filter { $0 < shares.count && shares[$0] > (most ?? 1) }.map { state in
        "one sample has \(NumberText.significant(100 * shares[state], 2)) % of the weight of \(names[state]), and "
          + "\(NumberText.significant(100 * (most ?? 1))) % are the most"
      }
      let reason = reasons.isEmpty ? nil : ": " + Self.list(reasons)
      found.append(finding(.undetermined, stage, "dF is not determined" + (reason ?? ""), try more(stage)))
    }
    let shapes = try stage.numbers(record.tailShape) ?? []
    for state in asked where state < shapes.count && shapes[state] > limits.tailShape {
      found.append(
        finding(
          .tail, stage,
          "the weights of \(names[state]) have a tail of shape \(NumberText.fixed(shapes[state], 2)) (above "
            + "\(NumberText.significant(limits.tailShape)) their sum depends on single samples), so dF may be off by more than its interval",
          try more(stage), states: alone(state)))
    }
    guard found.isEmpty else { return found }
    let fraction = try stage.number(record.effectiveFraction) ?? .nan
    let heaviest = try stage.number(record.largestWeight) ?? .nan
    if fraction < limits.effectiveFraction || heaviest > limits.largestWeight {
      found.append(
        finding(
          .concentrated, stage,
          "few samples carry the weight: \(percent(fraction)) % of them count"
            + (heaviest.isFinite ? ", and the heaviest has \(NumberText.significant(100 * heaviest, 2)) % of it" : "")
            + "; the interval may be too narrow", try more(stage)))
    }
    for state in asked where state < effective.count && effective[state] < limits.samplesForInterval {
      found.append(
        finding(
          .fewSamples, stage,
          "\(names[state]) rests on \(NumberText.fixed(effective[state], 0)) effective samples, few for an interval (\(NumberText.significant(limits.samplesForInterval)) are enough)",
          try more(stage), states: alone(state)))
    }
    return found
  }

  /// A cycle that finds another dF by forward works, which owe the target's emulator nothing, speaks against the weights.
  private func contradictions(_ stage: ReportedStage) throws -> [Finding] {
    let record = Recorded.cycle
    func values(_ answers: CycleAnswersRecord) throws -> [(value: Double, error: Double)] {
      Array(zip(try stage.numbers(answers.values) ?? [], try stage.numbers(answers.errors) ?? []))
        .map { (value: $0, error: $1) }
    }
    let (forward, weights) = (try values(record.forwardAlone), try values(record.target))
    let pairs = zip(try stage.texts(record.from) ?? [], try stage.texts(record.to) ?? [])
    let reweight = stage.inputs["reweight"]
    let names = try stage.texts(record.stateNames) ?? []
    let effective = try stage.numbers(record.forwardEffective) ?? []
    let tails = try stage.numbers(record.forwardTail) ?? []
    func isBelievable(_ name: String) -> Bool {
      guard let state = names.firstIndex(of: name), state < effective.count, state < tails.count else { return false }
      return effective[state] >= options.limits.samplesForInterval && !(tails[state] > options.limits.tailShape)
    }
    // an audit has the log-density's bias taken out
    let audits = Set(stages.filter { $0.type == AuditRecord.stageType }.map(\.name))
    return zip(zip(forward, weights), pairs).compactMap { answers, pair in
      let (one, other) = answers
      let errors = abs(one.value - other.value) / hypot(one.error, other.error)
      guard errors > options.limits.contradiction, isBelievable(pair.0), isBelievable(pair.1) else { return nil }
      func text(_ answer: (value: Double, error: Double)) -> String {
        "\(NumberText.fixed(answer.value, 2)) ± \(NumberText.fixed(answer.error, 2)) kT"
      }
      return Finding(
        cause: .contradiction, touches: resting(on: stage).union((reweight.map(resting) ?? []).subtracting(audits)),
        about: stage.name,
        text:
          "\(stage.name): dF of \(pair.0) and \(pair.1) under the target is \(text(one)) by forward works, which owe the target's emulator "
          + "nothing, and \(text(other)) by the weights of \(reweight?.name ?? "its samples"): \(NumberText.fixed(errors, 1)) joint standard errors "
          + "apart. One of the two emulators lacks something, or the log-density of the weights is off.",
        cure:
          "look at the torsions of the heaviest samples of both; give perturb more energies (rounds, exploration), and the first emulator frames of "
          + "all places", states: options.isOfNamedStates ? [pair.0, pair.1] : nil)
    }
  }

  // MARK: what is looked for elsewhere

  private func exploration(_ stage: ReportedStage) throws -> [Finding] {
    let (record, regions) = (Recorded.explore, Recorded.explore.regions)
    guard let reweight = stage.inputs["reweight"], let missing = try stage.number(record.missing) else { return [] }
    let emulator = reweight.lineage.last { $0.type == EmulatorRecord.stageType }
    let touched = resting(on: emulator ?? reweight)
    if missing > 0 {
      let names = try stage.texts(regions.names) ?? []
      let flags = try stage.numbers(regions.isMissing) ?? []
      let shifts = try stage.numbers(regions.shift) ?? []
      let first = names.indices.first { $0 < flags.count && flags[$0] > 0 }
      let place = first.map { names[$0] } ?? "a region"
      let shift = first.flatMap { $0 < shifts.count && shifts[$0].isFinite ? shifts[$0] : nil }
      let bounds = try stage.numbers(regions.bounds) ?? []
      let own = first.flatMap { 2 * $0 < bounds.count ? bounds[2 * $0] : nil }
      let weight = try (own ?? stage.number(record.missingWeight)).map { 100 * $0 }
      let frames = reweight.lineage.last { $0.type == IngestRecord.stageType }
      return [
        Finding(
          cause: .missingRegion, touches: touched, about: stage.name,
          text:
            "\(stage.name): the emulator misses \(place), which has at least \(NumberText.significant(weight, 2)) % of the Boltzmann weight"
            + (shift.map { "; dF moves by \(NumberText.fixed($0, 2)) kT or more with it" } ?? "")
            + (missing > 1 ? ", and \(Int(missing) - 1) more." : "."),
          cure:
            "train with its frames too: add \(stage.artifact.url.lastPathComponent) (from the run folder) to the 'trajectory' of "
            + "'\(frames?.base ?? "frames")', and run again")
      ]
    }
    guard try stage.artifact.readIfThere(record.verdict) == "cannot tell" else { return [] }
    return [
      Finding(
        cause: .unexplored, touches: touched, about: stage.name,
        text: "\(stage.name): nothing was found missing, but walks or samples were too few for that to say anything.",
        cure: longer(
          stage, "length", "let the walks last longer, or draw more samples (its warning says which)"))
    ]
  }

  // MARK: windows

  private func windows(_ stage: ReportedStage) throws -> [Finding] {
    let record = Recorded.umbrella
    let needed = options.limits.overlap
    var found: [Finding] = []
    // a stage ends below its own threshold, which may have been set lower
    if let link = try stage.number(record.weakestLink), link < needed {
      found.append(
        finding(
          .gap, stage,
          "its windows do not hold together: the weakest overlap is \(NumberText.significant(link, 2)) where "
            + "\(NumberText.significant(needed)) is needed, so the free energy across that gap is made up",
          "more windows there, or a smaller force constant"
            + (stage.type == UmbrellaRecord.stageType
              ? " ('windows' and 'force_constant' of stage '\(stage.base)')" : "")))
    }
    let short = Int(try stage.number(record.shortWindows) ?? 0)
    let apart = try directions(stage).flatMap { $0.difference > Self.largestTellingError ? $0.text : nil }
    let reasons = [
      short > 0 ? "\(short) of its windows are too short against their slowest torsion" : nil,
      apart.map { "its walking directions disagree: \($0)" },
    ].compactMap { $0 }
    if !reasons.isEmpty {
      found.append(
        finding(
          .unconverged, stage, reasons.joined(separator: ", and ") + "; its error counts that, roughly",
          longer(stage, "production", "let the windows last longer")))
    }
    return found
  }

  /// What the walks in either direction give, and how far they are apart, kT; nil where there are not several.
  func directions(_ stage: ReportedStage) throws -> (text: String, difference: Double)? {
    let part = Recorded.umbrella.directions
    guard let values = try stage.numbers(part.values)?.filter(\.isFinite), let low = values.min(),
      let high = values.max(), values.count > 1
    else { return nil }
    let names = try stage.artifact.read(part.names)?.components(separatedBy: ", ") ?? []
    let parts = values.enumerated().map { place, value in
      (names.count == values.count ? names[place] + " " : "") + NumberText.fixed(value, 2)
    }
    return ("\(Self.list(parts)) kT", high - low)
  }

  /// Of a joint error, or between two walks, kT: with more there is no telling.
  static let largestTellingError = 0.3

  // MARK: what stages said themselves

  /// Grave warnings of stages of which nothing was found in their numbers.
  private func said(beside found: [Finding]) -> [Finding] {
    let known = Set(found.filter(\.isGrave).map(\.about))
    return stages.filter { !known.contains($0.name) }.flatMap { stage in
      stage.graveRemarks.map {
        finding(.said, stage, $0.text, $0.cure ?? "see the warning of '\(stage.name)' below")
      }
    }
  }
}
