import Basics
import Foundation
import Records

extension ReportedRun {
  // MARK: the energy model against exact likelihoods

  func energyModelSection() throws -> Report.Section {
    var table = TextTable(
      title: "Energy model against exact log-likelihood, and seconds per likelihood",
      columns: [
        "stage", .init("audited samples", alignment: .right), .init("RMSE", unit: "nat"),
        .init("Spearman", alignment: .right), .init("model", unit: "s"), .init("exact", unit: "s"),
        .init("speed-up", alignment: .right),
      ])
    var figures: [Figure] = []
    let record = Recorded.energyModel
    let full = Set(inFull.stages.map(\.name))
    for stage in all(EnergyModelRecord.self) {
      let exact = try stage.numbers(record.exactLogDensity)
      let model = try stage.numbers(record.modelLogDensity)
      let (fast, slow) = (
        try stage.number(record.secondsPerLikelihood), try stage.number(record.exactSecondsPerLikelihood)
      )
      let speedUp = fast.flatMap { fast in slow.map { $0 / fast } }
      table.addRow([
        stage.name, NumberText.count(exact?.count), try stage.fixed(record.rmse, 3),
        try stage.fixed(record.spearman, 4), NumberText.significant(fast, 3),
        NumberText.significant(slow, 3), speedUp.map(Self.factor) ?? NumberText.absent,
      ])
      if full.contains(stage.name), let exact, let model, exact.count == model.count {
        figures += scatter(
          stage, exact: exact, model: model, points: Self.mostPoints / max(1, all(EnergyModelRecord.self).count))
      }
    }
    return Report.Section(
      title: "Energy model",
      text: "RMSE after removing the mean is the measure; the rank correlation alone hides a wrong dF.",
      tables: [table], figures: figures)
  }

  private static func factor(_ value: Double) -> String {
    (value.isFinite && value >= 1000 && value < 1e15
      ? NumberText.count(Int(value.rounded())) : NumberText.significant(value, 3))
      + " x"
  }

  /// Of all figures of a kind together, so that a page of many stages still opens.
  private static let mostPoints = 3000, mostSteps = 6000

  private func scatter(_ stage: ReportedStage, exact: [Double], model: [Double], points: Int) -> [Figure] {
    guard let range = Binning.middle(exact + model, share: 1) else { return [] }
    let kept = Binning.thinned(exact.count, limit: max(200, points))
    return [
      Figure(
        id: "likelihoods-\(stage.name)", title: "Log-densities: \(stage.name)",
        caption: "The energy model against the emulator's exact likelihood, sample by sample; the line is equality.",
        xAxis: .init(title: "exact log density / nat"), yAxis: .init(title: "energy model / nat"),
        series: [
          .points(
            name: stage.name, x: kept.map { exact[$0] }, y: kept.map { model[$0] }, colour: Palette.stage(0), size: 4),
          .line(
            name: "equal", x: [range.lowerBound, range.upperBound], y: [range.lowerBound, range.upperBound],
            colour: Palette.reference),
        ])
    ]
  }

  // MARK: training

  func trainingSection() throws -> Report.Section {
    let trained =
      EmulatorRecord.stageTypes.flatMap { type in stages.filter { $0.type == type } } + all(PerturbRecord.self)
      + all(EnergyModelRecord.self) + all(ToyEnergyModelRecord.self)
    let figures = try trained.compactMap { try lossCurves($0, points: max(100, Self.mostSteps / trained.count)) }
    return Report.Section(title: "Training", text: "Losses as the stages recorded them.", figures: figures)
  }

  private func lossCurves(_ stage: ReportedStage, points: Int) throws -> Figure? {
    let record = Recorded.emulator.loss
    guard let steps = try stage.numbers(record.step) else { return nil }
    var series: [Figure.Series] = []
    var (lowest, highest) = (Double.infinity, -Double.infinity)
    let names = try stage.artifact.names(record.columns).sorted().filter { record.columns[$0].path != record.step.path }
    for (position, name) in names.enumerated() {
      guard let values = try stage.numbers(record.columns[name]), values.count == steps.count else { continue }
      let kept = Binning.thinned(values.count, limit: min(1000, points))
      lowest = min(lowest, values.lazy.filter(\.isFinite).min() ?? lowest)
      highest = max(highest, values.lazy.filter(\.isFinite).max() ?? highest)
      series.append(
        .line(name: name, x: kept.map { steps[$0] }, y: kept.map { values[$0] }, colour: Palette.stage(position)))
    }
    guard !series.isEmpty else { return nil }
    return Figure(
      id: "loss-\(stage.name)", title: "Losses: \(stage.name)", caption: "By training step.",
      xAxis: .init(title: "step"),
      yAxis: .init(title: "loss", logarithmic: lowest > 0 && highest > 50 * lowest), series: series)
  }

  // MARK: the reference

  func umbrellaSection() throws -> Report.Section {
    var parts = TextTable(title: "dF from parts of the data", columns: ["stage", "part", .init("dF", unit: "kT")])
    var figures: [Figure] = []
    let full = Set(inFull.stages.map(\.name))
    for stage in all(UmbrellaRecord.self) + all(WindowsRecord.self) {
      for part in [Recorded.umbrella.halves, Recorded.umbrella.directions] {
        guard let values = try stage.numbers(part.values) else { continue }
        let names = try stage.artifact.read(part.names)?.components(separatedBy: ", ") ?? []
        for (place, value) in values.enumerated() {
          let name = names.count == values.count ? names[place] : "part \(place + 1)"
          parts.addRow([stage.name, name, NumberText.fixed(value, 2)])
        }
      }
      guard full.contains(stage.name) else { continue }
      figures += try distanceProfile(stage)
      if let map = try overlap(stage) { figures.append(map) }
      figures += try windowFigures(stage)
    }
    return Report.Section(
      title: "Umbrella sampling",
      text: "A reference is believed when its windows overlap, last many correlation times, and its halves and walking"
        + " directions agree. Its other checks stand under \"All results\".",
      tables: [parts], figures: figures)
  }

  /// Free energy along a distance; along torsions it stands with the other stages' own.
  private func distanceProfile(_ stage: ReportedStage) throws -> [Figure] {
    let record = Recorded.windows
    return try stage.artifact.names(record.distanceProfile).compactMap { name in
      guard let x = try stage.numbers(record.distanceProfile[name]),
        let y = try stage.numbers(record.profile.freeEnergy)?.map(Binning.drawn), x.count == y.count
      else { return nil }
      let errors = try stage.numbers(record.profile.standardError).flatMap { $0.count == y.count ? $0 : nil }
      return Figure(
        id: "profile-\(stage.name)", title: "Free energy along \(name): \(stage.name)",
        caption: "The band is one standard error.", xAxis: .init(title: "\(name) / nm"),
        yAxis: .init(title: "free energy / kT"),
        series: [
          .line(
            name: stage.name, x: x, y: y, band: errors.map { Figure.Band(around: y, errors: $0) },
            colour: Palette.stage(0))
        ])
    }
  }

  private func overlap(_ stage: ReportedStage) throws -> Figure? {
    guard stage.artifact.has(Recorded.umbrella.overlap) else { return nil }
    let shape = try stage.artifact.shape(Recorded.umbrella.overlap)
    guard shape.count == 2, shape[0] == shape[1], shape[0] > 1 else { return nil }
    let values = try stage.artifact.read(Recorded.umbrella.overlap).values
    let limit = 144
    let blocks = Binning.blockMaximum(values, size: shape[0], limit: limit)
    let block = Double((shape[0] + limit - 1) / limit)
    let places = blocks.indices.map { Double($0) * block + (block - 1) / 2 }
    return Figure(
      id: "overlap-\(stage.name)", title: "Overlap of windows: \(stage.name)",
      caption: "log10 of the overlap matrix"
        + (block > 1 ? "; each cell is the largest of \(Int(block)) x \(Int(block)) windows." : "."),
      xAxis: .init(title: "window"), yAxis: .init(title: "window"),
      series: [
        .heatMap(x: places, y: places, z: blocks.map { $0.map { $0 > 1e-6 ? log10($0) : .nan } }, label: "log10")
      ])
  }

  /// One line for each per-window series that the stage kept (statistical inefficiencies and the like).
  private func windowFigures(_ stage: ReportedStage) throws -> [Figure] {
    guard stage.artifact.has(Recorded.umbrella.overlap),
      let windows = try stage.artifact.shape(Recorded.umbrella.overlap).first
    else { return [] }
    return try stage.artifact.list(resultsGroup).sorted().compactMap { name in
      let path = "\(resultsGroup)/\(name)"
      guard try !stage.artifact.isGroup(path), try stage.artifact.shape(path) == [windows],
        try stage.holdsNumbers(path),
        let values = try stage.numbers(at: path)
      else { return nil }
      return Figure(
        id: "windows-\(stage.name)-\(name)", title: "\(name.replacingOccurrences(of: "_", with: " ")): \(stage.name)",
        caption: "By window, as the stage recorded it.", xAxis: .init(title: "window"),
        yAxis: .init(title: try label(name, stage.artifact.attribute(path, "units"))),
        series: [
          .points(name: name, x: values.indices.map(Double.init), y: values, colour: Palette.stage(0), size: 4)
        ])
    }
  }

  private func label(_ name: String, _ units: String?) -> String {
    let words = name.replacingOccurrences(of: "_", with: " ")
    return units.map { $0.isEmpty ? words : "\(words) / \($0)" } ?? words
  }
}
