import Artifacts
import Dynamics
import ForceFields
import Foundation
import Molecules
import OpenMM
import Workflow

/// The molecule of a stage that runs dynamics, and its force field.
struct MolecularSystem {
  let topology: Topology
  let system: System
  let check: StructureCheck
  let temperature: Double
  private let torsions: [String: [Int]]

  /// `purpose`: what needs the force field, for the error.
  ///
  /// Throws `MolecularSystemError`, `MoleculesError`, `OpenMMError` and the method's own errors.
  init(_ context: StageContext, purpose: String) throws {
    guard let method = try context.system.energyMethod() else {
      throw MolecularSystemError.noForceField(purpose: purpose)
    }
    topology = try Topology.read(pdb: context.system.topology)
    system = try method.system(for: topology)
    guard system.atomCount == topology.atoms.count else {
      throw MolecularSystemError.atomCount(
        topology: topology.atoms.count, forceField: system.atomCount,
        file: context.system.forcefield?.lastPathComponent ?? "the force field")
    }
    check = try StructureCheck(topology)
    temperature = context.temperature
    torsions = context.system.torsions
  }

  /// Four atoms, of a torsion that the pipeline file names, or of one of the field's names.
  func torsion(_ name: String) throws -> [Int] {
    guard let atoms = torsions[name] else { return try topology.torsion(named: name) }
    guard atoms.count == 4, atoms.allSatisfy(topology.atoms.indices.contains) else {
      throw MolecularSystemError.torsionAtoms(name: name, atoms: atoms, atomCount: topology.atoms.count)
    }
    return atoms
  }

  /// Throws `MoleculesError.hydrogenMass`.
  func dynamics(
    _ parameters: some DynamicsParameters, moves: TorsionMoves, threads: Int, seed: UInt64
  ) throws -> DynamicsSettings {
    DynamicsSettings(
      temperature: temperature, timestep: parameters.timestep, friction: parameters.friction, threads: threads,
      seed: seed,
      masses: try parameters.hydrogenMass.map { try topology.repartitionedMasses(system.masses, hydrogenMass: $0) },
      plainForces: parameters.forces == "openmm", moves: moves.moves)
  }
}

/// The parameters that all stages with dynamics have.
protocol DynamicsParameters {
  var timestep: Double { get }
  var friction: Double { get }
  var hydrogenMass: Double? { get }
  var forces: String { get }
}

/// Why a molecule cannot be simulated.
enum MolecularSystemError: Error, Equatable, CustomStringConvertible {
  case noForceField(purpose: String)
  /// Topology and force field are of different molecules.
  case atomCount(topology: Int, forceField: Int, file: String)
  case torsionAtoms(name: String, atoms: [Int], atomCount: Int)

  var description: String {
    switch self {
    case .noForceField(let purpose):
      return "\(purpose) needs system.forcefield, a serialised OpenMM System or an AMBER prmtop"
    case .atomCount(let topology, let forceField, let file):
      return "\(file) has \(forceField) particles, the topology \(topology) atoms: they are of different molecules"
    case .torsionAtoms(let name, let atoms, let atomCount):
      return "system.torsions.\(name): \(atoms) are not four atoms of a molecule with \(atomCount) (from 0)"
    }
  }
}

/// Dynamics that goes on piece by piece.
protocol DynamicsRun {
  /// ps
  var simulatedTime: Double { get }
  var timestep: Double { get }
  var forceProvider: String { get }
  var kernelRefusal: String? { get }
}

extension LangevinSimulation: DynamicsRun {
  var timestep: Double { settings.dynamics.timestep }
}

extension UmbrellaSampler: DynamicsRun {
  var timestep: Double { settings.dynamics.timestep }
}

extension StageContext {
  /// Says how quick the dynamics was since it stood at `already` ps.
  func logSpeed(of run: some DynamicsRun, since already: Double, seconds: Double) {
    let simulated = run.simulatedTime - already
    guard simulated > 0 else { return }
    let speed = simulated / run.timestep / seconds
    log(
      "\(Int(simulated)) ps in \(String(format: "%.0f", seconds)) s, \(Int(speed)) steps/s, forces by "
        + run.forceProvider + (run.kernelRefusal.map { " (not by the built-in kernel: \($0))" } ?? ""))
  }
}

extension TorsionMoves {
  /// Writes results/turned_torsions and results/turn_acceptance, where there are moves.
  func write(tried: [Int], taken: [Int], to writer: ArtifactWriter) throws {
    guard !moves.isEmpty else { return }
    let rates = zip(taken, tried).map { $1 > 0 ? Double($0) / Double($1) : 0 }
    try writer.write("results/turned_torsions", strings: names)
    try writer.write("results/turn_acceptance", rates, shape: [rates.count], dims: ["torsion"])
  }
}
