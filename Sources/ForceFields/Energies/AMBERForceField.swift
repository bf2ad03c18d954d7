import Basics
import Foundation
import Molecules
import OpenMM

/// The force field of an AMBER parameter-topology file, with an implicit solvent that takes its radii from the file; no cutoff, no
/// constraints, and no box, whatever the file says of one.
public struct AMBERForceField: EnergyMethod, Equatable {
  public var file: URL
  public var implicitSolvent: SystemTerms.ImplicitSolvent
  /// Whether the solvent has the surface term that OpenMM calls ACE; AMBER has none unless it is asked for.
  public var hasSurfaceTerm: Bool
  /// mol/L, at 298.15 K as in AMBER.
  public var saltConcentration: Double
  /// The molecule's atoms in a file of more; nil: the one molecule that is no solvent.
  public var kept: KeptAtoms?

  public init(
    file: URL, implicitSolvent: SystemTerms.ImplicitSolvent = .obc2, hasSurfaceTerm: Bool = false,
    saltConcentration: Double = 0
  ) {
    (self.file, self.implicitSolvent, self.hasSurfaceTerm) = (file, implicitSolvent, hasSurfaceTerm)
    self.saltConcentration = saltConcentration
  }

  public var name: String { title(radii: "") }

  public func keeping(_ kept: KeptAtoms) -> any EnergyMethod {
    var copy = self
    copy.kept = kept
    return copy
  }

  /// What the file says of the molecule: all of it, or the molecule's atoms where it holds more. Throws `MoleculesError`.
  private func molecule(of topology: Topology) throws -> AMBERTopology {
    let amber = try AMBERTopology.read(file)
    guard amber.atomCount > topology.atoms.count else { return amber }
    if let kept, kept.total == amber.atomCount { return try amber.keeping(kept.indices) }
    let atoms = try amber.structure().moleculeAtoms()
    return atoms.count == topology.atoms.count ? try amber.keeping(atoms) : amber
  }

  /// Throws `AMBERForceFieldError`, `MoleculesError`, `OpenMMError`.
  public func system(for topology: Topology) throws -> System { try system(amber(topology)) }

  /// Its summary names the file's radii. Throws as `system`.
  public func engine(for topology: Topology, threads: Int) throws -> any EnergyEngine {
    let amber = try amber(topology)
    let radii = amber.radiusSetName.map { " on \($0) radii" } ?? " on radii without a name"
    let origin = title(radii: radii) + (implicitSolvent == .none ? "" : ",")
    return try OpenMMEngine(system: system(amber), origin: origin, threads: threads)
  }

  private func title(radii: String) -> String {
    guard implicitSolvent != .none else { return "an AMBER prmtop without solvent" }
    let salt = saltConcentration > 0 ? ", \(saltConcentration) mol/L salt" : ""
    let surface = hasSurfaceTerm ? "with" : "without"
    return "an AMBER prmtop with \(implicitSolvent.title)\(radii)\(salt), \(surface) a surface term"
  }

  private func amber(_ topology: Topology) throws -> AMBERTopology {
    let amber = try molecule(of: topology)
    if let difference = amber.difference(from: topology) {
      throw AMBERForceFieldError.otherMolecule(file: file.lastPathComponent, difference: difference)
    }
    return amber
  }

  private func system(_ amber: AMBERTopology) throws -> System {
    try System(
      SystemTerms(
        amber, implicitSolvent: implicitSolvent, hasSurfaceTerm: hasSurfaceTerm, saltConcentration: saltConcentration,
        file: file.lastPathComponent))
  }

  /// Radii that the model was not made with, and a box that plays no part. Throws `MoleculesError`.
  public func warnings(for topology: Topology) throws -> [Remark] {
    let (amber, name) = (try molecule(of: topology), file.lastPathComponent)
    var warnings: [Remark] = []
    if amber.hasBox {
      warnings.append(
        Remark("\(name) is of a periodic box, which plays no part: energies are those of the molecule alone", .note))
    }
    if let meant = implicitSolvent.amber, amber.radiusSetName != meant.radii {
      let found = amber.radiusSetName.map { "are \($0)" } ?? "have no name (RADIUS_SET)"
      warnings.append(
        Remark(
          "the radii of \(name) \(found), and \(implicitSolvent.title) was made with \(meant.radii): make the file again with "
            + "'set default PBradii \(meant.radii)' in LEaP, or take the model of these radii"))
    }
    return warnings
  }
}

extension SystemTerms {
  /// The terms of a prmtop. `file` is what errors call it; `saltConcentration` in mol/L. Throws `AMBERForceFieldError`.
  public init(
    _ amber: AMBERTopology, implicitSolvent: ImplicitSolvent, hasSurfaceTerm: Bool = false,
    saltConcentration: Double = 0, file: String = "the prmtop"
  ) throws {
    self.init(masses: amber.masses, charges: amber.charges, sigmas: amber.sigmas, epsilons: amber.epsilons)
    bonds = amber.bonds.map { ($0.atoms, $0.length, $0.forceConstant) }
    angles = amber.angles.map { ($0.atoms, $0.angle, $0.forceConstant) }
    torsions = amber.torsions.map { ($0.atoms, $0.periodicity, $0.phase, $0.forceConstant) }
    exceptions = amber.exceptions.map { ($0.atoms, $0.chargeProduct, $0.sigma, $0.epsilon) }
    maps = amber.maps.map { ($0.size, $0.energies) }
    mappedTorsions = amber.mappedTorsions.map { ($0.first, $0.second, $0.map) }
    guard implicitSolvent != .none else { return }
    guard let radii = amber.bornRadii, var screens = amber.bornScreens
    else { throw AMBERForceFieldError.noBornRadii(file: file) }
    if implicitSolvent.hasOwnScreens {
      guard let numbers = amber.atomicNumbers
      else { throw AMBERForceFieldError.noElements(file: file, model: implicitSolvent.title) }
      if let atom = radii.firstIndex(where: { !(0.0999999...0.2000001).contains($0) }) {
        throw AMBERForceFieldError.radius(
          file: file, model: implicitSolvent.title, atom: amber.atomNames[atom], angstrom: 10 * radii[atom])
      }
      let elements: [BornElement] = numbers.indices.map { atom in
        guard implicitSolvent == .gbn2 else { return .gbn(numbers[atom]) }
        let residue = amber.residueNames[amber.residueIndices[atom]]
        return .gbn2(numbers[atom], inNucleicAcid: BornElement.isNucleic(residue))
      }
      screens = elements.map(\.screen)
      bornShapes = elements.map(\.shape)
    }
    self.implicitSolvent = implicitSolvent
    self.hasSurfaceTerm = hasSurfaceTerm
    (bornRadii, bornScreens) = (radii, screens)
    // Debye and Hueckel's length in water (dielectric constant 78.5) at 298.15 K, which AMBER shortens by 0.73 for the ions' size
    bornKappa = 7.3 * 50.33355 * (saltConcentration / 78.5 / 298.15).squareRoot()
  }
}

/// What a prmtop cannot give.
public enum AMBERForceFieldError: Error, Equatable, CustomStringConvertible {
  /// A prmtop and the topology are of different molecules, or order the atoms differently.
  case otherMolecule(file: String, difference: String)
  case noBornRadii(file: String)
  /// A model with parameters by element, and a file without elements.
  case noElements(file: String, model: String)
  /// Outside of the tables of the necks between atoms.
  case radius(file: String, model: String, atom: String, angstrom: Double)

  public var description: String {
    switch self {
    case .otherMolecule(let file, let difference): "\(file) and the topology are of different molecules: \(difference)"
    case .noBornRadii(let file):
      "\(file) has no sections RADII and SCREEN, which an implicit solvent needs; make it again with a radius set"
    case .noElements(let file, let model):
      "\(file) has no section ATOMIC_NUMBER, which \(model) needs; make it again with a newer LEaP, or by ParmEd"
    case .radius(let file, let model, let atom, let angstrom):
      "\(file): atom \(atom) has a Born radius of \(angstrom) angstrom, and \(model) knows those of 1 to 2; take another model"
    }
  }
}
