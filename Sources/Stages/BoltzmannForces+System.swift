import Basics
import ForceFields
import FreeEnergies
import Generative
import Molecules
import Workflow

extension BoltzmannForces {
  /// Those of a molecule's force field, and what computes them. Where bonds are held, they are forces on the surface: the gradient of its
  /// volume is among them, and the volume in the energies. `purpose` as for `MolecularSystem.engine`, whose errors are thrown.
  static func of(
    _ system: MolecularSystem, rigid: RigidBonds?, for purpose: String, threads: Int
  ) throws -> (forces: BoltzmannForces, method: String) {
    let system = rigid.map { system.allowing(.rigid($0)) } ?? system
    let engine = try withAdvice { try system.engine(for: purpose, threads: threads) }
    func forces(_ evaluate: @escaping ([Double]) throws -> (energies: [Double], forces: [Double])) -> BoltzmannForces {
      BoltzmannForces(
        temperature: system.temperature, framesPerCall: engine.framesPerCall, areDear: !(engine is OpenMMEngine),
        evaluate: evaluate)
    }
    guard let rigid else { return (forces { try engine.energiesAndForces($0) }, engine.summary) }
    let masses = try withAdvice { try system.masses() }
    let thermal = PhysicalConstants.thermalEnergy(temperature: system.temperature)
    let onSurface = forces { positions in
      var (energies, forces) = try engine.energiesAndForces(positions)
      for (k, slope) in rigid.logVolumeGradients(positions, masses: masses).enumerated() {
        forces[k] += thermal * slope
      }
      for (n, volume) in rigid.logVolumes(positions, masses: masses).enumerated() { energies[n] -= thermal * volume }
      return (energies, forces)
    }
    return (onSurface, engine.summary)
  }
}
