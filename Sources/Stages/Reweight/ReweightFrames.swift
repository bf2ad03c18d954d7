import Basics
import Molecules
import Workflow

/// The conformations to reweight: torsions, and which of them have a stereocentre of the other hand.
struct ReweightFrames {
  let count: Int
  let torsions: [(name: String, angles: [Double])]
  let stateAngle: [Double]
  let inverted: [Bool]
  private static let chunk = 2000

  init(_ samples: StageInput, _ system: MolecularSystem) throws {
    let topology = system.topology
    let atoms = topology.atoms.count
    let shape = try samples.artifact.shape("coordinates")
    guard shape.count == 3, shape[1] == atoms else {
      throw ReweightError.atomCount(stage: samples.name, found: shape.count > 1 ? shape[1] : 0, expected: atoms)
    }
    count = shape[0]
    let named = try system.namedTorsions()
    let wanted = system.stateTorsion
    let stateAtoms =
      try named.names.firstIndex(of: wanted).map { named.atoms[$0] } ?? Self.torsion(wanted, topology, named)
    var record = try ConformationRecord(topology: topology, torsions: named.atoms + [stateAtoms])
    for start in stride(from: 0, to: count, by: Self.chunk) {
      let rows = start..<min(start + Self.chunk, count)
      try record.append(samples.artifact.read("coordinates", as: Double.self, rows: rows).values)
    }
    torsions = zip(named.names, record.torsions).map { (name: $0, angles: $1) }
    stateAngle = record.torsions[named.names.count]
    inverted = record.inverted
  }

  private static func torsion(_ name: String, _ topology: Topology, _ named: NamedTorsions) throws -> [Int] {
    guard let atoms = try? topology.torsion(named: name) else {
      throw ReweightError.unknownTorsion(
        name: name, known: Array(Set(named.names + topology.namedTorsions.map(\.fullName))).sorted())
    }
    return atoms
  }
}
