import Basics
import Foundation
import Records

extension ReportedRun {
  // MARK: populations

  func populationSection() throws -> Report.Section {
    var table = TextTable(
      title: "Share of each state",
      columns: [
        "stage", "state", .init("population", unit: "%"), .init("95 % from", unit: "%"),
        .init("to", unit: "%"), .init("unweighted", unit: "%"), .init("trajectory", unit: "%"),
      ])
    // where states have names, the references the samples are compared with stand beside them
    let references = options.isOfNamedStates ? comparedReferences : []
    for stage in compared + references {
      let named = Recorded.reweight.states
      guard let populations = try stage.numbers(Recorded.reweight.statePopulations) ?? stage.numbers(named.population)
      else { continue }
      let intervals = try stage.numbers(Recorded.reweight.stateIntervals) ?? stage.numbers(named.interval)
      let raw = try stage.numbers(Recorded.reweight.statePopulationsUnweighted)
      let learnt = try stage.numbers(Recorded.reweight.statePopulationsTrajectory)
      let names = try stateNames(stage, count: populations.count)
      for (state, population) in populations.enumerated() {
        let ends = intervals.flatMap { $0.count == 2 * populations.count ? ($0[2 * state], $0[2 * state + 1]) : nil }
        table.addRow([
          stage.name, names[state], small(population), small(ends?.0), small(ends?.1),
          small(raw.flatMap { state < $0.count ? $0[state] : nil }),
          small(learnt.flatMap { state < $0.count ? $0[state] : nil }),
        ])
      }
    }
    return Report.Section(
      title: "Populations",
      text:
        "A missing state leaves the ESS high: these rows expose it. Unweighted is the share among the samples before"
        + " reweighting, trajectory the share among the frames that the emulator learnt from. The weighted shares are those of the"
        + " force field that was given, of the molecule in an implicit solvent or in vacuum; a trajectory in explicit solvent has its own.",
      tables: [table])
  }

  func small(_ fraction: Double?) -> String {
    NumberText.significant(fraction.flatMap { $0.isNaN ? nil : 100 * $0 }, 3)
  }

  func stateNames(_ stage: ReportedStage, count: Int) throws -> [String] {
    let found = try stage.texts(Recorded.reweight.stateNames) ?? stage.texts(Recorded.reweight.states.names)
    if let found, found.count == count { return found }
    return count == 2 ? [options.state, "elsewhere"] : (0..<count).map { "state \($0)" }
  }

  // MARK: pairs

  /// The stages that `compare` stages hold samples against, where they are not set side by side themselves.
  var comparedReferences: [ReportedStage] { Self.references(others, beside: compared) }

  static func references(_ others: [ReportedStage], beside compared: [ReportedStage]) -> [ReportedStage] {
    var seen = Set(compared.map(\.name))
    return others.filter { $0.type == CompareRecord.stageType }.compactMap { $0.inputs["reference"] }
      .filter { seen.insert($0.name).inserted }
  }

  /// Free energies of all pairs of named states, pair by pair; beside each its difference from the reference's.
  func pairSection() throws -> Report.Section {
    let record = Recorded.reweight.states.pairs
    typealias Row = (stage: ReportedStage, value: Double, error: Double, low: Double, high: Double)
    var rows: [String: [Row]] = [:]
    var order: [[String]] = []
    for stage in compared + comparedReferences {
      guard let from = try stage.texts(record.from), let to = try stage.texts(record.to),
        let values = try stage.numbers(record.deltaF), let errors = try stage.numbers(record.standardError),
        let ends = try stage.numbers(record.interval), to.count == from.count, values.count == from.count,
        errors.count == from.count, ends.count == 2 * from.count
      else { continue }
      for k in from.indices {
        let pair = [from[k], to[k]]
        if !order.contains(pair) { order.append(pair) }
        rows[pair.joined(separator: "\n"), default: []].append(
          (stage, values[k], errors[k], ends[2 * k], ends[2 * k + 1]))
      }
    }
    let reference = umbrellas.first?.name ?? comparedReferences.first?.name
    var table = TextTable(
      title: "Free energy of each pair of states",
      columns: [
        "from", "to", "stage", .init("dF", unit: "kT"), .init("error", unit: "kT"), .init("95 % from", unit: "kT"),
        .init("to", unit: "kT"), .init("minus \(reference ?? "reference")", unit: "kT"),
      ])
    func text(_ value: Double, _ decimals: Int) -> String? { value.isNaN ? nil : NumberText.fixed(value, decimals) }
    for pair in order {
      let found = rows[pair.joined(separator: "\n")] ?? []
      let known = found.first { $0.stage.name == reference }
      for row in found {
        let difference = known.flatMap { $0.stage.name == row.stage.name ? nil : text(row.value - $0.value, 2) }
        table.addRow([
          pair[0], pair[1], row.stage.name, text(row.value, 2) ?? "not determined",
          text(row.error, 3) ?? NumberText.absent, text(row.low, 2) ?? NumberText.absent,
          text(row.high, 2) ?? NumberText.absent, difference ?? NumberText.absent,
        ])
      }
    }
    return Report.Section(
      title: "Pairs of states",
      text:
        "dF = -ln(P(from) / P(to)); positive: the first is the rarer one. Of weighted samples, a difference of which a state is carried by"
        + " fewer than 10 effective ones is not determined. The last column sets it against the reference: umbrella sampling or dynamics.",
      tables: [table])
  }
}
