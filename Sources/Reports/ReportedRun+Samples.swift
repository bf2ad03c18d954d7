import Basics
import Foundation
import Records

extension ReportedRun {
  func sampleSection() throws -> Report.Section {
    let figures = try ramachandrans() + [logWeights(), energies()].compactMap { $0 }
    return Report.Section(
      title: "Samples and weights",
      text:
        "Maps show -ln of the density in 72 x 72 cells, in kT above the fullest cell, to 12 kT; white cells hold nothing.",
      figures: figures)
  }

  private func ramachandrans() throws -> [Figure] {
    var maps: [Figure] = []
    for stage in all(IngestRecord.self) {
      maps += try map(
        stage, weights: nil, title: "Data: \(stage.name)", caption: "The frames the emulator learned from.")
    }
    for stage in samplesOfReweighted() {
      maps += try map(
        stage, weights: nil, title: "Samples: \(stage.name)",
        caption: "The \(stage.type == AnnealRecord.stageType ? "annealed" : "emulator's") samples, unweighted.")
    }
    for stage in reweighted {
      guard let samples = stage.inputs["samples"], let logWeights = try stage.numbers(Recorded.reweight.logWeights)
      else { continue }
      maps += try map(
        samples, weights: Binning.weights(logWeights), title: "Reweighted: \(stage.name)", id: stage.name,
        caption: "The same samples, each counted by its weight.")
    }
    return maps
  }

  /// A map over the state's torsion and the next one there is (phi and psi); none if there is just one torsion.
  private func map(
    _ stage: ReportedStage, weights: [Double]?, title: String, id: String? = nil, caption: String
  ) throws -> [Figure] {
    guard let first = options.torsion else { return [] }
    let names = try stage.torsionNames()
    guard names.contains(first),
      let second = names.contains("psi") && first != "psi" ? "psi" : names.first(where: { $0 != first }),
      let x = try stage.torsion(first), let y = try stage.torsion(second), x.count == y.count,
      weights == nil || weights?.count == x.count
    else { return [] }
    let count = 72
    let centres = Binning.centres(-Double.pi...Double.pi, count: count)
    return [
      Figure(
        id: "ramachandran-\(id ?? stage.name)", title: title, caption: caption,
        xAxis: .init(title: "\(first) / rad", range: -Double.pi...Double.pi),
        yAxis: .init(title: "\(second) / rad", range: -Double.pi...Double.pi),
        series: [
          .heatMap(
            x: centres, y: centres, z: Binning.torusFreeEnergy(x: x, y: y, weights: weights, count: count), label: "kT",
            range: 0...12)
        ])
    ]
  }

  private func logWeights() throws -> Figure? {
    var centred: [(ReportedStage, [Double])] = []
    for stage in reweighted {
      guard let values = try stage.numbers(Recorded.reweight.logWeights) else { continue }
      let finite = values.filter(\.isFinite)
      guard let top = finite.max() else { continue }
      centred.append((stage, finite.map { $0 - top }))
    }
    guard let range = Binning.middle(centred.flatMap(\.1), share: 0.98) else { return nil }
    let wide = min(-1, max(range.lowerBound, -Binning.highestFreeEnergy))...0.0
    return Figure(
      id: "log-weights", title: "Log-weights",
      caption:
        "Relative to the largest weight of each stage. A long way from the bulk to 0 means that few samples carry all. "
        + "The lowest hundredth is not drawn.",
      xAxis: .init(title: "ln(w / largest w)"), yAxis: .init(title: "density"),
      series: centred.map { stage, values in
        .line(
          name: stage.name, x: Binning.centres(wide, count: 80), y: Binning.density(values, range: wide, count: 80),
          colour: colour(stage))
      })
  }

  private func energies() throws -> Figure? {
    var sets: [(name: String, values: [Double], weights: [Double]?, colour: String, dashed: Bool)] = []
    for stage in all(IngestRecord.self) {
      guard let values = try stage.numbers(Recorded.reweight.energies) else { continue }
      sets.append(("data (\(stage.name))", values, nil, Palette.data, false))
    }
    for (position, stage) in reweighted.enumerated() {
      guard let values = try stage.numbers(Recorded.reweight.energies) else { continue }
      if position == 0 { sets.append(("samples, unweighted", values, nil, Palette.raw, true)) }
      guard let logWeights = try stage.numbers(Recorded.reweight.logWeights), logWeights.count == values.count else {
        continue
      }
      sets.append((stage.name, values, Binning.weights(logWeights), colour(stage), false))
    }
    let ranges = sets.compactMap { Binning.middle($0.values, share: 0.98) }
    guard let low = ranges.map(\.lowerBound).min(), let high = ranges.map(\.upperBound).max() else { return nil }
    return Figure(
      id: "energies", title: "Potential energy",
      caption: "Reweighted samples should lie where molecular dynamics puts them.",
      xAxis: .init(title: "energy / (kJ/mol)"),
      yAxis: .init(title: "density / (mol/kJ)"),
      series: sets.map { set in
        .line(
          name: set.name, x: Binning.centres(low...high, count: 80),
          y: Binning.density(set.values, weights: set.weights, range: low...high, count: 80), colour: set.colour,
          dashed: set.dashed)
      })
  }
}
