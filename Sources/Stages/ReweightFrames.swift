import Basics
import Foundation
import FreeEnergies
import Molecules
import Workflow

/// The conformations to reweight: coordinates, torsions, and which of them have a stereocentre of the other hand.
struct ReweightFrames {
  let count: Int
  let torsions: [(name: String, angles: [Double])]
  let stateAngle: [Double]
  let inverted: [Bool]
  private static let chunk = 2000

  init(_ samples: StageInput, topology: Topology, system: SystemFiles) throws {
    let atoms = topology.atoms.count
    let shape = try samples.artifact.shape("coordinates")
    guard shape.count == 3, shape[1] == atoms else {
      throw ReweightError.atomCount(stage: samples.name, found: shape.count > 1 ? shape[1] : 0, expected: atoms)
    }
    count = shape[0]
    let named = try NamedTorsions(system, topology)
    let wanted = system.state.torsion
    let stateAtoms =
      try named.names.firstIndex(of: wanted).map { named.atoms[$0] } ?? Self.torsion(wanted, topology, named)
    let chirality = try Chirality(topology: topology)
    var torsions = named.names.map { (name: $0, angles: [Double]()) }
    var stateAngle: [Double] = []
    var inverted: [Bool] = []
    for range in Self.chunks(count) {
      let x = try samples.artifact.read("coordinates", as: Double.self, rows: range).values
      for (k, column) in named.angles(x, atoms: atoms).enumerated() { torsions[k].angles += column.angles }
      stateAngle += torsionAngles(x, atoms: atoms, torsions: [stateAtoms])
      inverted += (0..<range.count).map { !chirality.invertedCentres(in: x, frame: $0).isEmpty }
    }
    self.torsions = torsions
    self.stateAngle = stateAngle
    self.inverted = inverted
  }

  private static func torsion(_ name: String, _ topology: Topology, _ named: NamedTorsions) throws -> [Int] {
    guard let atoms = try? topology.torsion(named: name) else {
      throw ReweightError.unknownTorsion(
        name: name, known: Array(Set(named.names + topology.namedTorsions.map(\.fullName))).sorted())
    }
    return atoms
  }

  private static func chunks(_ count: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: chunk).map { $0..<min($0 + chunk, count) }
  }
}
