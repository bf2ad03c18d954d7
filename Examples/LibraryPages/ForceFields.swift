import ForceFields
import Foundation
import Molecules

func showForceFields(_ dataset: URL) throws {
  let topology = try Topology.read(pdb: dataset.appendingPathComponent("alanine.pdb"))
  let engine = try SerializedSystem(file: dataset.appendingPathComponent("system.xml")).engine(
    for: topology, threads: 1)
  let (energies, forces) = try engine.energiesAndForces(topology.referenceCoordinates)
  print("\(engine.summary): \(energies[0]) kJ/mol, \(forces.count) components of forces")
}
