import Foundation

/// Tells whether a frame is still the molecule of its topology, by what no thermal motion changes.
public struct StructureCheck: Sendable {
  private let topology: Topology
  public let chirality: Chirality
  /// Peptide bonds: atoms, name and angle in the topology's structure.
  private let peptideBonds: [(atoms: [Int], name: String, angle: Double)]

  /// Throws `MoleculesError.flatCentre`.
  public init(_ topology: Topology) throws {
    self.topology = topology
    chirality = try Chirality(topology: topology)
    let reference = topology.referenceCoordinates
    peptideBonds = topology.namedTorsions.filter { $0.name == "omega" }.map { torsion in
      (
        torsion.atoms, torsion.fullName,
        torsionAngles(reference, atoms: topology.atoms.count, torsions: [torsion.atoms])[0]
      )
    }
  }

  /// Stereocentres of a frame (nm, [atoms, 3]) that stand inside out, by their labels.
  public func invertedCentres(in frame: [Double]) -> [String] {
    chirality.invertedCentres(in: frame).map { topology.label(of: $0) }
  }

  /// What is wrong with a frame, nm, [atoms, 3], in words; nil where all is sound. `bonds`: peptide bonds are looked at too.
  public func fault(of frame: [Double], bonds: Bool) -> String? {
    let inverted = invertedCentres(in: frame)
    if !inverted.isEmpty { return "the hand of \(inverted.joined(separator: ", ")) is not the topology's any more" }
    guard bonds, !peptideBonds.isEmpty else { return nil }
    let angles = torsionAngles(frame, atoms: topology.atoms.count, torsions: peptideBonds.map(\.atoms))
    for (bond, angle) in zip(peptideBonds, angles) where cos(angle - bond.angle) < 0 {
      return
        "\(bond.name) has turned from \(String(format: "%.2f", bond.angle)) to \(String(format: "%.2f", angle)) rad"
    }
    return nil
  }
}
