import Artifacts
import Dynamics
import ForceFields
import Foundation
import Molecules
import OpenMM
import Workflow

/// The molecule of a stage that runs dynamics, and its force field.
struct SimulatedMolecule {
  let molecule: MolecularSystem
  let system: System
  let check: StructureCheck
  var topology: Topology { molecule.topology }

  /// `purpose`: what needs the force field, for the error.
  ///
  /// Throws `MolecularSystemError`, `MoleculesError`, `OpenMMError` and the method's own errors.
  init(_ context: StageContext, purpose: String) throws {
    molecule = try MolecularSystem(context)
    system = try molecule.dynamicsSystem(for: purpose)
    check = try StructureCheck(molecule.topology)
  }

  /// Throws `MoleculesError.hydrogenMass`.
  func dynamics(
    _ parameters: some DynamicsParameters, moves: TorsionMoves, threads: Int, seed: UInt64
  ) throws -> DynamicsSettings {
    DynamicsSettings(
      temperature: molecule.temperature, timestep: parameters.timestep, friction: parameters.friction, threads: threads,
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
