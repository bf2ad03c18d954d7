import Foundation
import Molecules

func showMolecules(_ dataset: URL) throws {
  let topology = try Topology.read(pdb: dataset.appendingPathComponent("alanine.pdb"))
  let internalCoordinates = try InternalCoordinates(topology: topology)
  let (values, logJacobian) = try internalCoordinates.internalCoordinates(topology.referenceCoordinates, frames: 1)
  let phi = try torsionAngles(
    topology.referenceCoordinates, atoms: topology.atoms.count, torsions: [topology.torsion(named: "phi")])[0]
  let stereocentres = try Chirality(topology: topology).centres.map(\.label)
  print("\(values.count) internal coordinates, ln |dx/dq| = \(logJacobian[0]), phi = \(phi) rad, \(stereocentres)")
}
