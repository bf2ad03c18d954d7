import Foundation
import Molecules
import OpenMM

/// Constraints that a System may have.
public enum AllowedConstraints: Sendable, Equatable {
  /// Those that leave the energy whole: the terms that they replace are there too.
  case withTerms
  /// Those of bonds, and those that leave the energy whole.
  case bonds
  /// Those of bonds alone: what dynamics can hold.
  case dynamics
  /// Those of bonds that are constant in all frames anyway, at these lengths, and those that leave the energy whole.
  case rigid(RigidBonds)
}

/// An OpenMM System held against the molecule whose energies it shall give. A System says little of its molecule: this finds Systems of
/// another one or in another order of atoms, and terms that are not the molecule's own.
///
/// With another number of particles nothing is compared.
public struct SystemComparison: Sendable {
  /// For which energies must not be taken.
  public let refusals: [SystemRefusal]
  /// Names of forces that exert none on a frame, and may be left out: thermostats, barostats, removers of drift.
  public let idleForces: [String]

  public init(_ system: System, _ topology: Topology, constraints: AllowedConstraints = .withTerms) {
    idleForces = zip(system.forceNames, system.forceKinds).filter { $0.1 == .idle }.map(\.0)
    guard system.atomCount == topology.atoms.count else {
      refusals = []
      return
    }
    var found: [SystemRefusal] = []
    if let sites = system.virtualSites { found.append(.virtualSites(count: sites.count, first: sites.first)) }
    found += Self.masses(system, topology) + Self.constraints(system, topology, constraints)
    found += Self.bonds(system, topology)
    let kinds = zip(system.forceNames, system.forceKinds)
    let restraints = kinds.filter { $0.1 == .restraint }.map(\.0)
    if !restraints.isEmpty { found.append(.restraints(restraints)) }
    let periodic = kinds.filter { $0.1 == .periodic }.map(\.0)
    if !periodic.isEmpty { found.append(.periodic(periodic)) }
    refusals = found
  }

  /// Each particle weighs what its element does; hydrogens may be heavier at the cost of the atom they are bonded to.
  private static func masses(_ system: System, _ topology: Topology) -> [SystemRefusal] {
    let (masses, atoms) = (system.masses, topology.atoms)
    let expected = atoms.map { Element(symbol: $0.element)?.mass }
    func isNear(_ found: Double, _ mass: Double) -> Bool { abs(found - mass) <= 0.05 + 0.005 * mass }
    for (atom, mass) in expected.enumerated() {
      guard let mass else { continue }
      let isSound: Bool
      if atoms[atom].element == "H" {
        isSound = (0.9...5).contains(masses[atom])
      } else if isNear(masses[atom], mass) {
        isSound = true
      } else {
        let hydrogens = topology.neighbours[atom].filter { atoms[$0].element == "H" }
        let together = masses[atom] + hydrogens.reduce(0) { $0 + masses[$1] }
        let whole = mass + hydrogens.reduce(0) { $0 + (expected[$1] ?? 0) }
        isSound = !hydrogens.isEmpty && isNear(together, whole)
      }
      if !isSound {
        return [.mass(particle: atom, found: masses[atom], atom: topology.label(of: atom), expected: mass)]
      }
    }
    return []
  }

  /// A constraint leaves the energy whole only where the term that it replaces is there too, or where its distance is constant.
  private static func constraints(
    _ system: System, _ topology: Topology, _ allowed: AllowedConstraints
  ) -> [SystemRefusal] {
    let constrained = Set(system.pairs(.constrained))
    guard !constrained.isEmpty else { return [] }
    let kept = Set(system.pairs(.bonded)).union(system.pairs(.ofAngles))
    let lost = constrained.subtracting(kept)
    let order: (System.Pair, System.Pair) -> Bool = { ($0.first, $0.second) < ($1.first, $1.second) }
    func labels(_ pairs: Set<System.Pair>) -> [String] {
      pairs.sorted(by: order).map { "\(topology.label(of: $0.first)) - \(topology.label(of: $0.second))" }
    }
    let bonds = Set(topology.bonds.map { System.Pair($0.first, $0.second) })
    switch allowed {
    case .withTerms: return lost.isEmpty ? [] : [.constraints(count: constrained.count, withoutTerm: lost.count)]
    case .bonds, .dynamics:
      let others = (allowed == .bonds ? lost : constrained).subtracting(bonds)
      return others.isEmpty ? [] : [.constrainedAngles(labels(others))]
    case .rigid(let rigid):
      let others = lost.subtracting(bonds)
      if !others.isEmpty { return [.constrainedAngles(labels(others))] }
      let moving = lost.filter { rigid.length(of: .init($0.first, $0.second)) == nil }
      if !moving.isEmpty { return [.constrainedBonds(labels(moving))] }
      // constraints come after springs
      let lengths = Dictionary(
        system.bondLengths.map { (System.Pair($0.first, $0.second), $0.length) }, uniquingKeysWith: { $1 })
      return lost.sorted(by: order).compactMap { pair in
        guard let found = lengths[pair], let length = rigid.length(of: .init(pair.first, pair.second)),
          abs(found - length) > RigidBonds.tolerance
        else { return nil }
        return .constrainedLength(bond: labels([pair]).joined(), system: found, frames: length)
      }
    }
  }

  /// The molecule's bonds have a term or a constraint, and every such pair is bonded, or bonded to the same atom.
  private static func bonds(_ system: System, _ topology: Topology) -> [SystemRefusal] {
    let pairs = Set(system.pairs(.bonded)).union(system.pairs(.constrained))
    guard !pairs.isEmpty else { return [] }
    let own = Set(topology.bonds.map { System.Pair($0.first, $0.second) })
    let order: (System.Pair, System.Pair) -> Bool = { ($0.first, $0.second) < ($1.first, $1.second) }
    if let missing = own.subtracting(pairs).min(by: order) {
      return [.bond(topology.label(of: missing.first), topology.label(of: missing.second), isInSystem: false)]
    }
    let others = pairs.subtracting(own).filter { pair in
      Set(topology.neighbours[pair.first]).isDisjoint(with: topology.neighbours[pair.second])
    }
    guard let other = others.min(by: order) else { return [] }
    return [.bond(topology.label(of: other.first), topology.label(of: other.second), isInSystem: true)]
  }
}

/// Why a System's energies are not those of the molecule.
public enum SystemRefusal: Equatable, Sendable, CustomStringConvertible {
  case virtualSites(count: Int, first: Int)
  case mass(particle: Int, found: Double, atom: String, expected: Double)
  /// `withoutTerm` of them have no bond or angle term beside them.
  case constraints(count: Int, withoutTerm: Int)
  /// Constraints of distances that are no bonds, by name.
  case constrainedAngles([String])
  /// Constraints of bonds that are not constant, by name.
  case constrainedBonds([String])
  /// nm.
  case constrainedLength(bond: String, system: Double, frames: Double)
  case bond(String, String, isInSystem: Bool)
  /// Names of forces.
  case restraints([String])
  case periodic([String])

  public var description: String {
    switch self {
    case .virtualSites(let count, let first):
      "the System has \(count) virtual sites (the first is particle \(first)), which are not supported"
    case .mass(let particle, let found, let atom, let expected):
      "particle \(particle) weighs \(String(format: "%.3f", found)) u, and \(atom) of the topology \(String(format: "%.3f", expected)): "
        + "they are of different molecules, or in another order"
    case .constraints(let count, let lost):
      "the System has \(count) constraints, and \(lost) of them have taken bond or angle terms out of the energy; serialise the System "
        + "without constraints (createSystem(..., constraints=None, rigidWater=False), or flexibleConstraints=True)"
    case .constrainedAngles(let names):
      "the System's constraints hold \(Self.list(names)), which are no bonds (HAngles, rigid water); serialise the System with "
        + "constraints=HBonds or AllBonds, or without constraints"
    case .constrainedBonds(let names):
      "the System's constraints have taken the springs of \(Self.list(names)) out of the energy, and in the samples these bonds move; "
        + "serialise the System without constraints (createSystem(..., constraints=None, rigidWater=False))"
    case .constrainedLength(let bond, let system, let frames):
      "the System holds \(bond) at \(String(format: "%.4f", system)) nm, and in the frames it is \(String(format: "%.4f", frames)) nm long: "
        + "they are of different force fields"
    case .bond(let first, let second, let isInSystem):
      "\(first) and \(second) are bonded in the \(isInSystem ? "System and not in the topology" : "topology and not in the System"): "
        + "they are of different molecules, or in another order"
    case .restraints(let names):
      "\(names.joined(separator: ", ")) holds or biases the molecule and is no energy of its own; serialise the System without "
        + "(system.removeForce)"
    case .periodic(let names):
      "\(names.joined(separator: ", ")) is periodic, and samples of one molecule have no box; serialise the System with "
        + "nonbondedMethod=NoCutoff or CutoffNonPeriodic"
    }
  }
}

extension SystemRefusal {
  /// At most six.
  private static func list(_ names: [String]) -> String {
    names.prefix(6).joined(separator: ", ") + (names.count > 6 ? " and \(names.count - 6) more" : "")
  }
}

/// A System that does not give the energies of the molecule.
public struct SystemComparisonError: Error, Equatable, CustomStringConvertible {
  public let file: String
  public let refusals: [SystemRefusal]
  public var description: String { "\(file): " + refusals.map(\.description).joined(separator: "; ") }
}
