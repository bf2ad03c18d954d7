import Basics
import Dynamics
import ForceFields
import Foundation
import Molecules
import OpenMM
import Workflow

/// The molecule that `system:` of a pipeline file describes, as the stages use it. What it is asked for is checked; messages name
/// the keys of the file.
struct MolecularSystem {
  let molecule: Molecule
  let topology: Topology
  private(set) var temperature: Double  // K; NaN for a stage that did not ask for it
  private var energyMethod: (any EnergyMethod)?  // Nil where the file names no force field
  private let forceFieldName: String
  let declaredTorsions: [String: [Int]]  // As the file names them, four atoms each, not yet checked
  let declaredDistances: [String: [Int]]  // Two atoms each
  private let shared: [String: ParameterValue]
  private let warn: (Remark) -> Void

  /// Reads the topology, and nothing of the force field; `field`: which of the file's force fields, left out as `forcefield` says. Throws
  /// `MoleculesError`.
  init(_ context: StageContext, forcefield field: SharedField? = nil) throws {
    let named = field.map { context.shared[$0.name] ?? .null }
    try self.init(context, context.molecule(), forcefield: named) { context.warn($0) }
  }

  /// Before anything runs. Throws as above.
  init(planned stage: PlannedStage) throws {
    let shared = stage.shared
    let files = SharedField.molecule.compactMap { shared[$0.name]?.canonicalJSON }.joined(separator: " ")
    let molecule = try stage.once("molecule \(files)") { try Molecule(shared) }
    try self.init(stage, molecule) { stage.warn($0.message, at: .shared(.forcefield)) }
  }

  private init(
    _ context: some SharedValueHolder, _ molecule: Molecule, forcefield: ParameterValue? = nil,
    warn: @escaping (Remark) -> Void
  ) throws {
    let forcefield = forcefield ?? context.forcefield
    (self.molecule, topology, self.warn) = (molecule, molecule.topology, warn)
    temperature = context.temperature
    (declaredDistances, shared) = (context.distances, context.shared)
    energyMethod = try forcefield.energyMethod()?.keeping(molecule.kept)
    (forceFieldName, declaredTorsions) = (forcefield.forcefieldName, context.torsions)
  }

  /// The torsions that stages report: those the file names, or phi and psi where the molecule has just one of each.
  /// Throws `MolecularSystemError.torsionAtoms`.
  func namedTorsions() throws -> NamedTorsions {
    if declaredTorsions.isEmpty { return NamedTorsions(backboneOf: topology) }
    return try Self.naming { try NamedTorsions(declaredTorsions, of: topology) }
  }

  /// Four atoms of a torsion: the file's, or the molecule's own of that name.
  /// Throws `MolecularSystemError.torsionAtoms`, `MoleculesError.unknownTorsion`, `.ambiguousTorsion`.
  func torsion(named name: String) throws -> [Int] {
    guard let atoms = declaredTorsions[name] else { return try topology.torsion(named: name) }
    try Self.naming { try topology.checkTorsion(atoms, name: name) }
    return atoms
  }

  /// The states that the file names, not yet held against the molecule. Throws `StatesError`.
  func declaredStates() throws -> DeclaredStates { try DeclaredStates(shared) }

  static func naming<T>(_ body: () throws -> T) throws -> T {
    do {
      return try body()
    } catch MoleculesError.torsionAtoms(let name, let atoms, let atomCount) {
      throw MolecularSystemError.torsionAtoms(name: name, atoms: atoms, atomCount: atomCount)
    } catch MoleculesError.distanceAtoms(let name, let atoms, let atomCount) {
      throw MolecularSystemError.distanceAtoms(name: name, atoms: atoms, atomCount: atomCount)
    }
  }

  /// The engine that gives the molecule's potential energies. `purpose` begins the message where there is none: "reweighting".
  /// Throws `MolecularSystemError`, and the method's own errors.
  func engine(for purpose: String, threads: Int) throws -> any EnergyEngine {
    guard let energyMethod else { throw MolecularSystemError.noEnergies(purpose: purpose) }
    let engine = try energyMethod.engine(for: topology, threads: threads)
    try check(engine.atomCount)
    try energyMethod.warnings(for: topology).forEach(warn)
    return engine
  }

  /// The force field's springs of bonds and angles; empty where there is no force field, or one without an OpenMM System.
  /// Throws the method's own errors.
  func harmonicTerms() throws -> [HarmonicTerm] {
    do {
      return try energyMethod?.allowing(.bonds).system(for: topology).harmonicTerms.map {
        HarmonicTerm(atoms: $0.atoms, equilibrium: $0.equilibrium, forceConstant: $0.forceConstant)
      } ?? []
    } catch EnergyMethodError.noSystem {
      return []
    }
  }

  /// The same molecule, whose force field may have constraints: those of bonds that are constant in the frames at hand, or of any bonds.
  func allowing(_ constraints: AllowedConstraints) -> MolecularSystem {
    var copy = self
    copy.energyMethod = energyMethod?.allowing(constraints)
    return copy
  }

  /// The same molecule at another temperature, K.
  func at(_ temperature: Double) -> MolecularSystem {
    var copy = self
    copy.temperature = temperature
    return copy
  }

  /// The OpenMM System that dynamics runs on; its constraints are those of bonds. `purpose` begins the message where there is none:
  /// "umbrella sampling". Throws `MolecularSystemError`, and the method's own errors.
  func dynamicsSystem(for purpose: String) throws -> System {
    guard let energyMethod else { throw MolecularSystemError.noDynamics(purpose: purpose) }
    let system = try energyMethod.allowing(.dynamics).system(for: topology)
    try check(system.atomCount)
    try energyMethod.warnings(for: topology).forEach(warn)
    if system.constraintCount > 0 {
      warn(
        Remark(
          "\(forceFieldName) holds \(system.constraintCount) bonds by constraints, and so does dynamics: populations and free energies are "
            + Ensemble.rigid.owner, .note))
    }
    return system
  }

  /// What dynamics runs on that asks for no more than forces: the OpenMM System, or, where the method has none, the molecule's particles
  /// and the forces on them. Throws as `dynamicsSystem`.
  func dynamicsForces(for purpose: String) throws -> (system: System, external: ExternalForces?) {
    guard let external = try externalForces() else { return (try dynamicsSystem(for: purpose), nil) }
    try energyMethod?.warnings(for: topology).forEach(warn)
    return (try System(masses: topology.masses), external)
  }

  /// The forces of a method that has no OpenMM System; nil where it has one, and where there is none. Throws the method's own errors.
  func externalForces() throws -> ExternalForces? { try energyMethod?.externalForces(for: topology) }

  /// Masses of the force field, or of the elements where it has none, dalton. Throws the method's own errors.
  func masses() throws -> [Double] {
    do {
      return try energyMethod?.system(for: topology).masses ?? topology.masses
    } catch EnergyMethodError.noSystem {
      return topology.masses
    }
  }

  /// Bonds that the force field has no spring for because its System holds them by a constraint. Throws the method's own errors.
  func bondsHeldBySystem() throws -> Set<Topology.Bond> {
    do {
      guard let system = try energyMethod?.allowing(.bonds).system(for: topology) else { return [] }
      let springs = Set(system.pairs(.bonded))
      return Set(system.pairs(.constrained).filter { !springs.contains($0) }.map { Topology.Bond($0.first, $0.second) })
    } catch EnergyMethodError.noSystem {
      return []
    }
  }

  private func check(_ particles: Int) throws {
    guard particles == topology.atoms.count else {
      throw MolecularSystemError.forceFieldAtoms(file: forceFieldName, found: particles, expected: topology.atoms.count)
    }
  }

  /// Throws `MolecularSystemError.otherMolecule` unless something of another stage has the topology's number of atoms. `what` begins
  /// the message: "samples of 'draw'".
  func expect(_ found: Int, atomsIn what: String) throws {
    guard found == topology.atoms.count else {
      throw MolecularSystemError.otherMolecule(what: what, found: found, expected: topology.atoms.count)
    }
  }
}

/// Which of two ensembles a number belongs to, where bonds were held.
enum Ensemble: String {
  /// The force field's springs give every bond its motion.
  case flexible
  /// Some bonds are constant.
  case rigid

  var owner: String {
    self == .flexible ? "those of the flexible molecule" : "those of the molecule with these bonds held"
  }

  var summary: String {
    self == .flexible
      ? "bonds released: ensemble of the flexible molecule" : "bonds held: ensemble of the constrained molecule"
  }
}

/// What `system:` of a pipeline file does not give, or does not fit.
public enum MolecularSystemError: Error, Equatable, CustomStringConvertible {
  /// Energies are needed and there is no force field.
  case noEnergies(purpose: String)
  /// Dynamics is needed and there is no force field.
  case noDynamics(purpose: String)
  /// Topology and force field are of different molecules.
  case forceFieldAtoms(file: String, found: Int, expected: Int)
  /// What another stage made is of a molecule with another number of atoms.
  case otherMolecule(what: String, found: Int, expected: Int)
  case torsionAtoms(name: String, atoms: [Int], atomCount: Int)
  case distanceAtoms(name: String, atoms: [Int], atomCount: Int)
  /// The state is of a torsion that the molecule does not have.
  case stateTorsion(name: String, known: [String])

  public var description: String {
    switch self {
    case .noEnergies(let purpose):
      "\(purpose) needs energies: give system.forcefield (a serialised OpenMM System, an AMBER prmtop, or gfn2-xtb) in the "
        + "pipeline file"
    case .noDynamics(let purpose): "\(purpose) needs system.forcefield, a serialised OpenMM System or an AMBER prmtop"
    case .forceFieldAtoms(let file, let found, let expected):
      "\(file) has \(found) particles, the topology \(expected) atoms: they are of different molecules"
        + (found > expected ? ", or the topology has to be the file of all \(found), with their solvent" : "")
    case .otherMolecule(let what, let found, let expected):
      "\(what): \(found) atoms, but system.topology has \(expected): they are of different molecules"
    case .torsionAtoms(let name, let atoms, let atomCount):
      "system.torsions.\(name): \(atoms) are not four atoms of a molecule with \(atomCount) (from 0)"
    case .distanceAtoms(let name, let atoms, let atomCount):
      "system.distances.\(name): \(atoms) are not two atoms of a molecule with \(atomCount) (from 0)"
    case .stateTorsion(let name, let known):
      "system.state.torsion '\(name)' is none of the named torsions (\(known.joined(separator: ", "))); name its four "
        + "atoms under system.torsions"
    }
  }
}
