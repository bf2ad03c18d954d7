import Artifacts
import Foundation
import FreeEnergies
import Molecules
import Records
import Trajectories
import Workflow

/// States that frames suggest, as text to paste into a pipeline file below `system:`.
public enum ProposedStates {
  /// From a topology and trajectories, read as `ingest` reads them; bad frames are left out. `atoms`: as in `system.atoms`.
  ///
  /// Throws `MoleculesError`, `TrajectoryError`, `IngestError`.
  public static func text(topology: URL, trajectories: [URL], atoms: [String]? = nil) throws -> String {
    var shared: [String: ParameterValue] = [SharedField.topology.name: .string(topology.path)]
    if let first = trajectories.first, MoleculeFile.isPrmtop(topology) {
      shared[SharedField.coordinates.name] = .string(first.path)
    }
    shared[SharedField.atoms.name] = atoms.map { .list($0.map { .string($0) }) } ?? .null
    let molecule = try Molecule(shared)
    let survey = try FrameSurvey(molecule, trajectories: trajectories, isWhole: true)
    var lines = [text(survey.proposal, molecule.topology)]
    if survey.bad > 0 { lines.append("# \(survey.bad) frames are not sound, and were left out") }
    return lines.joined(separator: "\n")
  }

  /// From the frames of an artifact of `simulate` or `ingest`; nil for one without frames of a trajectory.
  ///
  /// Throws `ArtifactError`, `MoleculesError`.
  public static func text(_ artifact: Artifact) throws -> String? {
    let record = Recorded.ingest.trajectory
    let stages = [IngestStage.type: Recorded.ingest.sourceFile, SimulateStage.type: Recorded.simulate.run]
    guard let source = stages[artifact.provenance.stageType], artifact.has(record.coordinates),
      let json = try artifact.read(record.topology).first
    else { return nil }
    let shape = try artifact.shape(record.coordinates)
    guard shape.count == 3, shape[0] > 0 else { return nil }
    let topology = try Topology(
      mdtrajJSON: json, coordinates: artifact.read(record.coordinates, as: Double.self, rows: 0..<1).values)
    var recorder = SlowTorsionRecorder(topology)
    let hasTimes = artifact.has(record.time)
    let step = max(1, (8 << 20) / (24 * shape[1]))
    for start in stride(from: 0, to: shape[0], by: step) {
      let rows = start..<min(shape[0], start + step)
      let sources = try artifact.read(source, rows: rows).values
      let times = hasTimes ? try artifact.read(record.time, rows: rows).values : []
      recorder.add(
        try artifact.read(record.coordinates, rows: rows).values, source: { Int(sources[$0]) },
        time: { times.isEmpty ? nil : Double(times[$0]) })
    }
    return text(recorder.proposal(), topology)
  }

  private static func text(_ proposal: StateProposal, _ topology: Topology) -> String {
    guard !proposal.chosen.isEmpty else {
      return proposal.samples == 0
        ? "# no states to propose: no bond outside rings turns; states of a ring are boxes in torsions of it, named below torsions"
        : "# no states to propose: in these \(proposal.samples) frames no torsion has several places"
    }
    let names = names(of: proposal, topology)
    func percent(_ count: Int) -> String {
      String(format: "%.1f %%", 100 * Double(count) / Double(max(1, proposal.samples)))
    }
    var lines = ["  # states that \(proposal.samples) frames suggest, for below 'system:'", "  torsions:"]
    for (name, one) in zip(names, proposal.chosen) {
      let atoms = one.torsion.atoms.map(String.init).joined(separator: ", ")
      lines.append(
        "    \(name): [\(atoms)]  # \(one.torsion.name): \(one.places) places, \(one.changes) changes between places")
    }
    lines.append("  states:")
    for (index, arcs) in proposal.arcs.enumerated() {
      let sides = zip(names, arcs).map { "\($0): [\(number($1.from)), \(number($1.to))]" }
      lines.append(
        "    \(letter(index)): { \(sides.joined(separator: ", ")) }  # \(percent(proposal.counts[index])) of the frames"
      )
    }
    lines.append("    rest: rest  # \(percent(proposal.counts.last ?? 0))")
    if !proposal.others.isEmpty {
      let others = proposal.others.prefix(6).map { "\($0.torsion.name) (\($0.places) places, \($0.changes) changes)" }
      lines.append(
        "  # other torsions with several places: \(others.joined(separator: ", "))\(proposal.others.count > 6 ? ", ..." : "")"
      )
    }
    return lines.joined(separator: "\n")
  }

  /// Of the chosen torsions: a name of the field where they have one, else t1, t2.
  static func names(of proposal: StateProposal, _ topology: Topology) -> [String] {
    var unnamed = 0
    return proposal.chosen.map { one in
      if let name = name(one.torsion, topology) { return name }
      unnamed += 1
      return "t\(unnamed)"
    }
  }

  /// A name of the field by which a pipeline file finds the torsion, the shorter one where that will do; nil where it has none.
  static func name(_ torsion: RotatableTorsion, _ topology: Topology) -> String? {
    guard let named = topology.namedTorsions.first(where: { $0.atoms == torsion.atoms }) else { return nil }
    return [named.name, named.fullName].first { (try? topology.torsion(named: $0)) == torsion.atoms }
  }

  static func letter(_ index: Int) -> String { String(UnicodeScalar(UInt8(65 + min(25, index)))) }

  static func number(_ angle: Double) -> String { String(format: "%.2f", angle) }
}
