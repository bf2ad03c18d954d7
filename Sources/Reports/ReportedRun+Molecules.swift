import Basics
import Foundation
import Records

extension Report {
  /// A picture of a molecule.
  struct MoleculeFigure {
    let id, title, caption, svg: String
  }
}

extension ReportedRun {
  /// The heaviest conformation of each state, of the first stage that weights some samples.
  func moleculeSection() throws -> Report.Section {
    var molecules: [Report.MoleculeFigure] = []
    var seen: Set<String> = []
    for stage in reweighted {
      guard let samples = stage.inputs["samples"], seen.insert(samples.name).inserted else { continue }
      molecules += try conformations(stage, samples)
    }
    return Report.Section(
      title: "Molecules",
      text: "The sample of each state that has the largest weight there; small white balls are hydrogens.",
      molecules: molecules)
  }

  private func conformations(_ stage: ReportedStage, _ samples: ReportedStage) throws -> [Report.MoleculeFigure] {
    let record = Recorded.sample.trajectory
    guard let places = try options.readers.states(samples), samples.artifact.has(record.coordinates),
      let topology = try samples.texts(record.topology)?.first,
      let logWeights = try stage.numbers(Recorded.reweight.logWeights), logWeights.count == places.count
    else { return [] }
    // a state without a sample has a name all the same
    let known = try stage.numbers(Recorded.reweight.statePopulations)?.count ?? 0
    let names = try stateNames(stage, count: max(known, (places.max() ?? 0) + 1))
    var figures: [Report.MoleculeFigure] = []
    for (state, name) in names.enumerated() {
      let own = places.indices.filter { places[$0] == state && logWeights[$0] > -.infinity }
      guard let heaviest = own.max(by: { logWeights[$0] < logWeights[$1] }) else { continue }
      let frame = try samples.artifact.read(record.coordinates, as: Double.self, rows: heaviest..<heaviest + 1).values
      guard let molecule = options.readers.molecule(topology, frame),
        let drawing = MoleculeDrawing(
          molecule, coordinates: frame, label: "\(name), sample \(heaviest) of \(samples.name)")
      else { return [] }
      let share = exp(logWeights[heaviest]) / own.reduce(0) { $0 + exp(logWeights[$1]) }
      let angles = try samples.torsionNames().prefix(4).compactMap { torsion in
        try samples.torsion(torsion).map { "\(torsion) \(NumberText.fixed($0[heaviest], 2))" }
      }
      figures.append(
        Report.MoleculeFigure(
          id: "molecule-\(samples.name)-\(state)", title: name,
          caption:
            "Sample \(heaviest) of '\(samples.name)', with \(NumberText.significant(100 * share, 2)) % of the state's weight in "
            + "'\(stage.name)'" + (angles.isEmpty ? "." : "; \(angles.joined(separator: ", ")) rad."),
          svg: drawing.svg))
    }
    return figures
  }
}
