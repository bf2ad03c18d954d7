import Basics
import ForceFields
import Foundation
import FreeEnergies
import Molecules
import OpenMM
import Workflow

/// What a simulate stage runs: the molecule, its force field, and where each run begins.
struct SimulateSetup {
  let parameters: SimulateStage.Parameters
  let temperature: Double
  let topology: Topology
  let system: System
  let state: TorsionState
  /// The torsions that are reported.
  let torsions: NamedTorsions
  /// The state's, four atoms.
  let stateAtoms: [Int]
  let steeredNames: [String]
  /// Four atoms each.
  let steered: [[Int]]
  /// rad, [runs][steered torsions].
  let targets: [[Double]]
  let moves: RotamerMoves
  private let chirality: Chirality
  /// Peptide bonds and the like, which no thermal motion turns: atoms, name and angle in the topology's structure.
  private let rigid: [(atoms: [Int], name: String, angle: Double)]

  init(_ context: StageContext, _ parameters: SimulateStage.Parameters) throws {
    self.parameters = parameters
    temperature = context.temperature
    guard let source = try context.system.energySource() else { throw SimulateError.noForceField }
    let topology = try Topology.read(pdb: context.system.topology)
    self.topology = topology
    system = try EnergyEngines.system(source, topology: topology)
    guard system.atomCount == topology.atoms.count else {
      throw SimulateError.atomCount(
        topology: topology.atoms.count, forceField: system.atomCount,
        file: context.system.forcefieldName)
    }
    chirality = try Chirality(topology: topology)
    let state = TorsionState(from: context.system.state.from, to: context.system.state.to)
    self.state = state
    torsions = try NamedTorsions(context.system, topology)
    func atoms(_ name: String) throws -> [Int] {
      guard let atoms = context.system.torsions[name] else { return try topology.torsion(named: name) }
      guard atoms.count == 4, atoms.allSatisfy(topology.atoms.indices.contains) else {
        throw SimulateError.torsionAtoms(name: name, atoms: atoms, atomCount: topology.atoms.count)
      }
      return atoms
    }
    stateAtoms = try atoms(context.system.state.torsion)
    let reference = topology.referenceCoordinates
    rigid = topology.namedTorsions.filter { $0.name == "omega" }.map { torsion in
      (
        torsion.atoms, torsion.fullName,
        torsionAngles(reference, atoms: topology.atoms.count, torsions: [torsion.atoms])[0]
      )
    }

    var names = parameters.steering ?? [context.system.state.torsion]
    let starts: [[Double]]
    if let given = parameters.starts {
      if let wrong = given.firstIndex(where: { $0.count != names.count }) {
        throw SimulateError.startLength(start: wrong, count: given[wrong].count, steering: names)
      }
      starts = given
    } else {
      guard names == [context.system.state.torsion] else { throw SimulateError.noStarts(steering: names) }
      starts = [state.middle, wrappedAngle(state.middle + .pi)].map { [$0] }
    }
    var steered = try names.map(atoms)
    var targets = starts.flatMap { start in (0..<parameters.runs).map { _ in start } }
    if parameters.rotamers {
      for torsion in topology.staggeredTorsions where !steered.contains(where: { $0[1...2] == torsion.atoms[1...2] }) {
        names.append(torsion.fullName)
        steered.append(torsion.atoms)
        // the three places in a random order, for each start and each torsion anew
        var random = RandomStream(seed: context.seed, "rotamers", torsion.fullName)
        for start in starts.indices {
          var places: [Double] = []
          for run in 0..<parameters.runs {
            if places.isEmpty { places = [-Double.pi / 3, .pi / 3, .pi].shuffled(using: &random) }
            targets[start * parameters.runs + run].append(places.removeLast())
          }
        }
      }
    }
    steeredNames = names
    moves = parameters.rotamerMoves == true ? RotamerMoves(topology) : .none
    self.steered = steered
    self.targets = targets
  }

  func simulation(threads: Int, seed: UInt64) throws -> LangevinSimulation {
    try LangevinSimulation(
      system: system, torsions: steered, targets: targets, coordinates: topology.referenceCoordinates,
      settings: .init(
        temperature: temperature, timestep: parameters.timestep, friction: parameters.friction,
        steering: parameters.steeringTime, steeringForceConstant: parameters.steeringForce,
        attempts: parameters.attempts, equilibration: parameters.equilibration, length: parameters.length,
        saveInterval: parameters.saveInterval, threads: threads, seed: seed,
        masses: try parameters.hydrogenMass.map {
          try topology.repartitionedMasses(system.masses, hydrogenMass: $0)
        }, plainForces: parameters.forces == "openmm", turns: moves.turns),
      check: fault)
  }

  /// Every frame has the topology's hand; a start also its peptide bonds.
  func fault(_ frame: [Double], isStart: Bool) -> String? {
    let inverted = chirality.invertedCentres(in: frame)
    if !inverted.isEmpty {
      return
        "the hand of \(inverted.map { topology.label(of: $0) }.joined(separator: ", ")) is not the topology's any more"
    }
    guard isStart, !rigid.isEmpty else { return nil }
    let angles = torsionAngles(frame, atoms: topology.atoms.count, torsions: rigid.map(\.atoms))
    for (bond, angle) in zip(rigid, angles) where cos(angle - bond.angle) < 0 {
      return
        "\(bond.name) has turned from \(String(format: "%.2f", bond.angle)) to \(String(format: "%.2f", angle)) rad"
    }
    return nil
  }
}

extension TorsionState {
  /// rad in (-pi, pi].
  var middle: Double {
    let width = to - from - 2 * .pi * ((to - from) / (2 * .pi)).rounded(.down)
    return wrappedAngle(from + width / 2)
  }
}

/// Why a simulation cannot start.
public enum SimulateError: Error, Equatable, CustomStringConvertible {
  case noForceField
  /// Topology and force field are of different molecules.
  case atomCount(topology: Int, forceField: Int, file: String)
  case torsionAtoms(name: String, atoms: [Int], atomCount: Int)
  case startLength(start: Int, count: Int, steering: [String])
  /// Torsions are steered, and nobody said where to.
  case noStarts(steering: [String])

  public var description: String {
    switch self {
    case .noForceField:
      return "dynamics needs system.forcefield, a serialised OpenMM System or an AMBER prmtop"
    case .atomCount(let topology, let forceField, let file):
      return "\(file) has \(forceField) particles, the topology \(topology) atoms: they are of different molecules"
    case .torsionAtoms(let name, let atoms, let atomCount):
      return "system.torsions.\(name): \(atoms) are not four atoms of a molecule with \(atomCount) (from 0)"
    case .startLength(let start, let count, let steering):
      return
        "starts[\(start)] has \(count) angles, and \(steering.count) torsions are steered (\(steering.joined(separator: ", "))): "
        + "give one for each"
    case .noStarts(let steering):
      return
        "steering names \(steering.joined(separator: ", ")): give starts too, a list of their angles in rad, or leave both out"
    }
  }
}
