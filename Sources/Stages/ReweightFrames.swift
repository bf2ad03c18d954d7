import Basics
import ForceFields
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
  private let samples: StageInput
  private let atoms: Int
  private static let chunk = 2000

  init(_ samples: StageInput, topology: Topology, system: SystemFiles) throws {
    self.samples = samples
    atoms = topology.atoms.count
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

  /// kJ/mol, by OpenMM.
  func energies(_ context: StageContext) throws -> [Double] {
    guard let forceField = context.system.forcefield else { throw ReweightError.noForceField }
    let engine = try OpenMMEngine(systemXML: forceField, threads: context.threads)
    guard engine.atomCount == atoms else {
      throw ReweightError.atomCount(stage: samples.name, found: atoms, expected: engine.atomCount)
    }
    var result: [Double] = []
    context.progress.begin("energies", total: count, unit: "samples")
    for range in Self.chunks(count) {
      try context.checkInterruption()
      result += try engine.energies(samples.artifact.read("coordinates", as: Double.self, rows: range).values)
      context.progress.update(completed: range.upperBound)
    }
    context.progress.end()
    return result
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
