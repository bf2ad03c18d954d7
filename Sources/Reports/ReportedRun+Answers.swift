import Basics
import Foundation
import Records

/// dF of a pair of states by one stage.
struct Answer {
  let stage: ReportedStage
  /// "0 < phi < 2 rad against the rest", "alpha against beta".
  let pair: String
  /// The names of the two; nil for the single pair of a short form.
  let states: [String]?
  /// kT; nan where it is not determined.
  let value: Double
  /// kT; nil where none was recorded.
  let error: Double?
  let interval: (low: Double, high: Double)?
  /// Whether it is of a molecule with bonds held.
  let isConstrained: Bool

  /// "3.84 kT (95 %: 3.82 to 3.85)".
  var text: String {
    "\(NumberText.fixed(value, 2)) kT"
      + (interval.map { " (95 %: \(NumberText.fixed($0.low, 2)) to \(NumberText.fixed($0.high, 2)))" }
        ?? " (no interval)")
  }
}

extension ReportedRun {
  /// Half of a 95 % interval in standard errors.
  static let halfInterval = 1.96

  /// The answers of all stages and references, pair by pair, each molecule by itself.
  func answers() throws -> [[Answer]] {
    var order: [String] = []
    var found: [String: [Answer]] = [:]
    for stage in compared + comparedReferences where stage.type != ToyEnergyModelRecord.stageType {
      let molecule = self.molecule(of: stage)
      for answer in try answers(of: stage) {
        let key = "\(molecule)\n\(answer.pair)"
        if found[key] == nil { order.append(key) }
        found[key, default: []].append(answer)
      }
    }
    return order.compactMap { found[$0] }
  }

  private func answers(of stage: ReportedStage) throws -> [Answer] {
    let (single, pairs) = (Recorded.reweight.freeEnergy, Recorded.reweight.states.pairs)
    // an audit is of the ensemble of what it audits
    let ensemble = try (stage.inputs["reweight"] ?? stage).artifact.readIfThere(single.ensemble)
    let isConstrained = ensemble.map(options.readers.isConstrained) ?? false
    func answer(
      _ pair: String, _ states: [String]?, _ value: Double, _ error: Double?, _ ends: (low: Double, high: Double)?
    ) -> Answer {
      let ends = ends.flatMap { $0.low.isFinite && $0.high.isFinite ? $0 : nil }
      let error =
        error.flatMap { $0.isFinite ? $0 : nil }
        ?? ends.map { ($0.high - $0.low) / (2 * Self.halfInterval) }
      let around = error.map { (value - Self.halfInterval * $0, value + Self.halfInterval * $0) }
      return Answer(
        stage: stage, pair: pair, states: states, value: value, error: error,
        interval: value.isNaN ? nil : ends ?? around,
        isConstrained: isConstrained)
    }
    if let from = try stage.texts(pairs.from), let to = try stage.texts(pairs.to),
      let values = try stage.numbers(pairs.deltaF), let errors = try stage.numbers(pairs.standardError),
      let ends = try stage.numbers(pairs.interval), to.count == from.count, values.count == from.count,
      errors.count == from.count, ends.count == 2 * from.count
    {
      return from.indices.map { k in
        answer("\(from[k]) against \(to[k])", [from[k], to[k]], values[k], errors[k], (ends[2 * k], ends[2 * k + 1]))
      }
    }
    guard let value = try stage.number(single.deltaF) else { return [] }
    return [
      answer(pairInWords, nil, value, try stage.number(single.standardError), try stage.interval(single.interval))
    ]
  }

  /// The pair of single answers.
  private var pairInWords: String { options.isOfNamedStates ? options.state : "\(options.state) against the rest" }

  /// What tells one molecule from another: the content of its topology, or else the stage's place in the batch.
  func molecule(of stage: ReportedStage) -> String {
    if moleculeCount < 2 { return "" }
    return Self.topology(stage) ?? stage.name.split(separator: "@").dropFirst().joined()
  }

  static func topology(_ stage: ReportedStage) -> String? {
    (stage.lineage.reversed().lazy.compactMap { $0.shared["topology"] }.first).map { "\($0)" }
  }
}
