import Basics
import Foundation
import Records

extension ReportedRun {
  /// Free-energy differences, with what they stand on, one row for each compared stage.
  func freeEnergyTable() throws -> TextTable {
    var table = TextTable(
      title: "Free-energy difference of the state \(options.state)",
      columns: [
        "stage", "method", .init("dF", unit: "kT"), .init("error", unit: "kT"),
        .init("95 % interval", unit: "kT"), .init("ESS", unit: "%"), .init("truncated", unit: "%"),
        .init("in state / rest", alignment: .right),
        .init("dropped", alignment: .right), .init("tail", alignment: .right), .init("energies", alignment: .right),
      ])
    let (answer, record) = (Recorded.reweight.freeEnergy, Recorded.reweight)
    for stage in compared where stage.type != ToyEnergyModelRecord.stageType {
      let interval = try stage.interval(answer.interval)
      table.addRow([
        stage.name, stage.method ?? stage.type, Self.text(try stage.number(answer.deltaF), 2) ?? "not determined",
        Self.text(try stage.number(answer.standardError), 3) ?? NumberText.absent, Self.text(interval),
        percent(try stage.number(record.effectiveFraction)),
        percent(try stage.number(record.effectiveFractionTruncated)),
        try stage.numbers(record.stateEffective).map { $0.map { NumberText.fixed($0, 0) }.joined(separator: " / ") }
          ?? NumberText.absent, try stage.count(record.dropped),
        NumberText.fixed(try stage.numbers(record.tailShape)?.filter(\.isFinite).max(), 2),
        try stage.count(record.energyEvaluations),
      ])
    }
    return table
  }

  /// Effective sample sizes by four yardsticks; nil where no stage has them.
  private func effectiveTable() throws -> TextTable? {
    var table = TextTable(
      title: "Effective sample sizes",
      columns: [
        "stage", .init("of all samples", unit: "%"), .init("of its mixture", unit: "%"),
        .init("within the states", unit: "%", alignment: .right), .init("without the heaviest", unit: "%"),
        .init("without the 10 heaviest", unit: "%"),
      ])
    let record = Recorded.reweight
    for stage in compared {
      guard let states = try stage.numbers(record.stateEffectiveFraction),
        let without = try stage.numbers(record.effectiveFractionWithoutHeaviest), without.count == 2
      else { continue }
      table.addRow([
        stage.name, percent(try stage.number(record.effectiveFraction)),
        percent(try stage.number(record.effectiveFractionOfMixture)),
        states.map { percent($0) }.joined(separator: " / "), percent(without[0]), percent(without[1]),
      ])
    }
    return table.rows.isEmpty ? nil : table
  }

  /// What annealing did to the samples of compared stages; nil where none were annealed.
  private func annealingTable() throws -> TextTable? {
    var table = TextTable(
      title: "Annealing: effective sample sizes before and after",
      columns: [
        "stage", .init("before", unit: "%"), .init("annealed", unit: "%"), .init("unbiased", unit: "%"),
        .init("steps", alignment: .right), .init("accepted", unit: "%", alignment: .right),
        .init("energies", alignment: .right),
      ])
    let record = Recorded.anneal
    for stage in samplesOfReweighted() where stage.type == AnnealRecord.stageType {
      let accepted = try stage.numbers(record.acceptance) ?? []
      table.addRow([
        stage.name, percent(try stage.number(record.before.all)), percent(try stage.number(record.annealed.all)),
        percent(try stage.number(record.unbiased.all)), "\(try stage.numbers(record.lambdas)?.count ?? 0)",
        "\(percent(accepted.min())) to \(percent(accepted.max()))", try stage.count(record.energyEvaluations),
      ])
    }
    return table.rows.isEmpty ? nil : table
  }

  func freeEnergySection() throws -> Report.Section {
    let annealing = try annealingTable()
    let table = try freeEnergyTable()
    let ensembles = try compared.compactMap { stage in
      try stage.artifact.readIfThere(Recorded.reweight.freeEnergy.ensemble).map { "\(stage.name): \($0)." }
    }
    return Report.Section(
      title: "Free energy",
      text:
        "dF = -ln(\(options.isOfNamedStates ? "P(first) / P(second)" : "P(state) / P(elsewhere)")) at "
        + "\(NumberText.significant(options.temperature)) K; positive: the \(options.isOfNamedStates ? "first" : "state") is"
        + " the rarer one. Error is one standard error. ESS is Kish's, of all weights; the one of truncated weights stands beside"
        + " it, never in its place. Of its mixture: over what a perfect sampler with these samples' shares of the states would reach. In state / rest are the effective samples that carry each side: with fewer than 10 dF is not"
        + " determined, and with fewer than 50 its interval may be too narrow. Tail is the Pareto shape of the weights, the worse of the two sides: above 0.7 their sum is not to be"
        + " believed, and above 1 no interval is given. Energies counts evaluations of the force field."
        + (annealing == nil
          ? ""
          : " Annealed samples were carried from the energy model's density to Boltzmann's first; annealed-unbiased has their own log-density in"
            + " the first weight, in place of the model's.")
        + ensembles.map { " " + $0 }.joined(),
      tables: [table] + (try [effectiveTable(), annealing, temperatureTable()].compactMap { $0 }),
      figures: try [forest(), inFull.profile()].compactMap { $0 })
  }

  private static func text(_ interval: (low: Double, high: Double)?) -> String {
    guard let interval, !interval.low.isNaN, !interval.high.isNaN else { return NumberText.absent }
    return "\(NumberText.fixed(interval.low, 2)) to \(NumberText.fixed(interval.high, 2))"
  }

  /// nil for what is no number: too few samples carry it.
  private static func text(_ value: Double?, _ decimals: Int) -> String? {
    value.flatMap { $0.isNaN ? nil : NumberText.fixed($0, decimals) }
  }

  func percent(_ fraction: Double?) -> String { NumberText.fixed(fraction.map { 100 * $0 }, 1) }

  /// Each stage's dF with its 95 % interval (an umbrella's standard error drawn 1.96 times).
  private func forest() throws -> Figure? {
    let answer = Recorded.reweight.freeEnergy
    var series: [Figure.Series] = []
    var many: (x: [Double], y: [Double], low: [Double], high: [Double]) = ([], [], [], [])
    let isFull = compared.count <= Self.fullCount
    for (place, stage) in compared.enumerated() {
      guard let value = try stage.number(answer.deltaF), !value.isNaN else { continue }
      let half = try stage.number(answer.standardError).flatMap { $0.isNaN ? nil : 1.96 * $0 }
      let interval = try stage.interval(answer.interval) ?? half.map { (value - $0, value + $0) }
      guard isFull else {
        many.x.append(Double(place + 1))
        many.y.append(value)
        many.low.append(interval?.low ?? value)
        many.high.append(interval?.high ?? value)
        continue
      }
      series.append(
        .points(
          name: stage.name, x: [Double(place)], y: [value],
          errors: interval.map { Figure.Band(low: [$0.low], high: [$0.high]) }, colour: colour(stage), size: 11))
    }
    if !many.x.isEmpty {
      series.append(
        .points(
          name: "dF", x: many.x, y: many.y, errors: Figure.Band(low: many.low, high: many.high),
          colour: Palette.stage(0), size: 4))
    }
    guard !series.isEmpty else { return nil }
    return Figure(
      id: "free-energy-differences", title: "dF side by side",
      caption: "Points are the stages' answers, bars their 95 % intervals."
        + (isFull ? "" : " Numbers are rows of the table."),
      xAxis: isFull
        ? .init(
          title: "", range: -0.6...(Double(compared.count) - 0.4),
          labels: compared.enumerated().map { (Double($0.offset), $0.element.name) })
        : .init(title: "stage", range: 0...Double(compared.count + 1)),
      yAxis: .init(title: "dF / kT"), series: series)
  }

  /// Free energy along the state's torsion, overlaid, with bands of one standard error.
  private func profile() throws -> Figure? {
    guard let torsion = options.torsion else { return nil }
    var top = 12.0
    var series: [Figure.Series] = []
    for sample in samplesOfReweighted() {
      guard let line = try unweightedProfile(sample, name: "\(sample.name), unweighted", colour: Palette.raw) else {
        continue
      }
      series.append(line)
    }
    for frames in trajectories {
      let line = try unweightedProfile(frames, name: "\(frames.name), the trajectory's own", colour: Palette.data)
      if let line { series.append(line) }
    }
    let record = Recorded.reweight.profile
    for stage in compared {
      guard let x = try stage.numbers(record.angles[torsion]),
        let y = try stage.numbers(record.freeEnergy)?.map(Binning.drawn), x.count == y.count
      else { continue }
      let errors = try stage.numbers(record.standardError).flatMap { $0.count == y.count ? $0 : nil }
      // A bin that hardly any weight fell into says nothing, however high its line would stand.
      let drawn = y.indices.map { (errors?[$0] ?? 0) <= Self.largestError ? y[$0] : .nan }
      if Self.umbrellaTypes.contains(stage.type) { top = max(top, drawn.lazy.filter(\.isFinite).max() ?? 0) }
      series.append(
        .line(
          name: stage.name, x: x, y: drawn, band: errors.map { Figure.Band(around: drawn, errors: $0) },
          colour: colour(stage)))
    }
    guard !series.isEmpty else { return nil }
    return Figure(
      id: "profile", title: "Free energy along \(torsion)",
      caption:
        "Bands are one standard error; bins with more than \(NumberText.significant(Self.largestError)) kT of it are"
        + " left out. Dashed: the emulator's samples as they come, without weights, and the frames that it learnt from.",
      xAxis: .init(title: "\(torsion) / rad", range: -Double.pi...Double.pi),
      yAxis: .init(title: "free energy / kT", range: -1...(1.08 * top)), series: series)
  }

  private static let largestError = 2.0  // Of a bin of a profile that is worth drawing, kT

  /// The `sample` and `anneal` stages that reweighting started from, each once.
  func samplesOfReweighted() -> [ReportedStage] {
    var seen: Set<String> = []
    return reweighted.compactMap { $0.inputs["samples"] }.filter { seen.insert($0.name).inserted }
  }

  /// The frames that emulators of compared stages learnt from, each once.
  var trajectories: [ReportedStage] {
    var seen: Set<String> = []
    return reweighted.compactMap { $0.lineage.last { $0.type == IngestRecord.stageType } }
      .filter { seen.insert($0.name).inserted }
  }

  private func unweightedProfile(_ stage: ReportedStage, name: String, colour: String) throws -> Figure.Series? {
    guard let angles = try options.torsion.flatMap(stage.torsion) else { return nil }
    let range = -Double.pi...Double.pi
    let density = Binning.density(angles, range: range, count: 60)
    guard let top = density.max(), top > 0 else { return nil }
    return .line(
      name: name, x: Binning.centres(range, count: 60), y: density.map { $0 > 0 ? -log($0 / top) : .nan },
      colour: colour, dashed: true)
  }
}
