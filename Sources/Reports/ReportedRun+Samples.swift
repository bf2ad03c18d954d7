import Basics
import Foundation
import Records

extension ReportedRun {
  func sampleSection() throws -> Report.Section {
    let figures = try ramachandrans() + [logWeights(), energies()].compactMap { $0 }
    return Report.Section(
      title: "Samples and weights",
      text:
        "Maps show -ln of the density in \(mapCells) x \(mapCells) cells, in kT above the fullest cell, to 12 kT; empty cells hold nothing.",
      tables: [try heaviestTable()], figures: figures)
  }

  private func ramachandrans() throws -> [Figure] {
    var maps: [Figure] = []
    let references = try referenceSamples()
    for reference in references {
      maps += try map(
        reference.samples, title: "Reference: \(reference.stage.name)", id: reference.stage.name,
        caption: "Samples of all windows, each by the weight that undoes its bias.")
    }
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
      let weights = Binning.weights(logWeights)
      maps += try map(
        samples, weights: weights, title: "Reweighted: \(stage.name)", id: stage.name,
        caption: "The same samples, each counted by its weight.")
      maps += try differenceMap(
        stage, samples, weights, references.first { molecule(of: $0.stage) == molecule(of: stage) })
    }
    return maps
  }

  /// Cells of a map along each torsion: fewer where there are many maps.
  private var mapCells: Int { reweighted.count > Self.manyMaps ? 36 : 72 }
  private static let manyMaps = 8

  /// The first reference of each molecule, by the torsions of the maps.
  private func referenceSamples() throws -> [(stage: ReportedStage, samples: Report.WeightedSamples)] {
    var found: [(stage: ReportedStage, samples: Report.WeightedSamples)] = []
    for stage in umbrellas + comparedReferences
    where found.count < Self.manyMaps && !found.contains(where: { molecule(of: $0.stage) == molecule(of: stage) }) {
      guard let names = try reweighted.lazy.compactMap({ $0.inputs["samples"] }).first.flatMap(mapTorsions) else {
        continue
      }
      if let samples = try options.readers.windows(stage, [names.first, names.second]) {
        found.append((stage, samples))
      }
    }
    return found
  }

  /// What the weights leave of the difference from the reference; without one, what they do.
  private func differenceMap(
    _ stage: ReportedStage, _ samples: ReportedStage, _ weights: [Double],
    _ reference: (stage: ReportedStage, samples: Report.WeightedSamples)?
  ) throws -> [Figure] {
    guard let names = try mapTorsions(samples), let x = try samples.torsion(names.first),
      let y = try samples.torsion(names.second), x.count == y.count, x.count == weights.count
    else { return [] }
    let other =
      reference.map { ($0.samples.columns[0], $0.samples.columns[1], $0.samples.weights) } ?? (x, y, x.map { _ in 1 })
    let z = Binning.torusDifference((x, y, weights), other, count: Self.coarseCells)
    guard z.contains(where: { $0.contains(where: \.isFinite) }) else { return [] }
    let against = reference?.stage.name
    return [
      figure(
        names, id: "difference-\(stage.name)",
        title: "Difference: \(stage.name) minus \(against ?? "its samples unweighted")",
        caption: against.map {
          "Free energy of \(stage.name) minus that of \($0), in \(Self.coarseCells) x \(Self.coarseCells) cells that lie below "
            + "\(NumberText.significant(Binning.highestCompared)) kT in both. Where weights are right, what is left is noise."
        } ?? "What the weights do: free energy with them minus that without. There is no reference to set it against.",
        .heatMap(
          x: Binning.centres(-Double.pi...Double.pi, count: Self.coarseCells),
          y: Binning.centres(-Double.pi...Double.pi, count: Self.coarseCells), z: z, label: "kT", range: -3...3,
          isDifference: true))
    ]
  }

  private static let coarseCells = 36

  /// The samples that carry most of the weight.
  private func heaviestTable() throws -> TextTable {
    var table = TextTable(
      title: "The heaviest samples",
      columns: [
        "stage", .init("sample", alignment: .right), .init("share of the weight", unit: "%"), "state",
        .init("energy", unit: "kJ/mol"),
      ])
    for stage in reweighted.prefix(Self.fullCount) {
      guard let logWeights = try stage.numbers(Recorded.reweight.logWeights) else { continue }
      let weights = Binning.weights(logWeights)
      let total = weights.reduce(0, +)
      guard total > 0 else { continue }
      let places = try stage.inputs["samples"].flatMap(options.readers.states)
      let energies = try stage.numbers(Recorded.reweight.energies)
      let names = try stateNames(stage, count: stage.numbers(Recorded.reweight.statePopulations)?.count ?? 0)
      for sample in weights.indices.sorted(by: { weights[$0] > weights[$1] }).prefix(Self.heaviest) {
        let state = places.flatMap { sample < $0.count && $0[sample] < names.count ? names[$0[sample]] : nil }
        table.addRow([
          stage.name, "\(sample)", NumberText.significant(100 * weights[sample] / total, 2), state ?? NumberText.absent,
          NumberText.fixed(energies.flatMap { sample < $0.count ? $0[sample] : nil }, 1),
        ])
      }
    }
    return table
  }

  private static let heaviest = 5

  /// A map over the state's torsion and the next one there is (phi and psi); none if there is just one torsion.
  private func map(
    _ stage: ReportedStage, weights: [Double]?, title: String, id: String? = nil, caption: String
  ) throws -> [Figure] {
    guard let names = try mapTorsions(stage), let x = try stage.torsion(names.first),
      let y = try stage.torsion(names.second), x.count == y.count, weights == nil || weights?.count == x.count
    else { return [] }
    return [map(names, x, y, weights, title: title, id: id ?? stage.name, caption: caption)]
  }

  private func map(
    _ samples: Report.WeightedSamples, title: String, id: String, caption: String
  ) throws -> [Figure] {
    guard let names = try reweighted.lazy.compactMap({ $0.inputs["samples"] }).first.flatMap(mapTorsions),
      samples.columns.count == 2
    else { return [] }
    return [map(names, samples.columns[0], samples.columns[1], samples.weights, title: title, id: id, caption: caption)]
  }

  private func map(
    _ names: (first: String, second: String), _ x: [Double], _ y: [Double], _ weights: [Double]?, title: String,
    id: String, caption: String
  ) -> Figure {
    let count = mapCells
    let centres = Binning.centres(-Double.pi...Double.pi, count: count)
    return figure(
      names, id: "ramachandran-\(id)", title: title, caption: caption,
      .heatMap(
        x: centres, y: centres, z: Binning.torusFreeEnergy(x: x, y: y, weights: weights, count: count), label: "kT",
        range: 0...12))
  }

  private func figure(
    _ names: (first: String, second: String), id: String, title: String, caption: String, _ map: Figure.Series
  ) -> Figure {
    Figure(
      id: id, title: title, caption: caption,
      xAxis: .init(title: "\(names.first) / rad", range: -Double.pi...Double.pi),
      yAxis: .init(title: "\(names.second) / rad", range: -Double.pi...Double.pi), series: [map])
  }

  /// The state's torsion and the next one there is (phi and psi); nil if there is just one.
  private func mapTorsions(_ stage: ReportedStage) throws -> (first: String, second: String)? {
    guard let first = options.torsion else { return nil }
    let names = try stage.torsionNames()
    guard names.contains(first),
      let second = names.contains("psi") && first != "psi" ? "psi" : names.first(where: { $0 != first })
    else { return nil }
    return (first, second)
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
