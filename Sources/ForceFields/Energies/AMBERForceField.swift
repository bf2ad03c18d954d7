import Foundation
import Molecules
import OpenMM

/// The force field of an AMBER parameter-topology file, with an implicit solvent that takes its radii from the file; no cutoff, no
/// constraints.
public struct AMBERForceField: EnergyMethod, Equatable {
  public var file: URL
  public var implicitSolvent: SystemTerms.ImplicitSolvent

  public init(file: URL, implicitSolvent: SystemTerms.ImplicitSolvent = .obc2) {
    (self.file, self.implicitSolvent) = (file, implicitSolvent)
  }

  public var name: String {
    "an AMBER prmtop" + (implicitSolvent == .none ? "" : " with \(implicitSolvent.rawValue.uppercased())")
  }

  /// Throws `AMBERForceFieldError`, `MoleculesError`, `OpenMMError`.
  public func system(for topology: Topology) throws -> System {
    let amber = try AMBERTopology.read(file)
    if let difference = amber.difference(from: topology) {
      throw AMBERForceFieldError.otherMolecule(file: file.lastPathComponent, difference: difference)
    }
    return try System(SystemTerms(amber, implicitSolvent: implicitSolvent, file: file.lastPathComponent))
  }
}

extension SystemTerms {
  /// The terms of a prmtop. `file` is what errors call it. Throws `AMBERForceFieldError.noBornRadii`.
  public init(_ amber: AMBERTopology, implicitSolvent: ImplicitSolvent, file: String = "the prmtop") throws {
    self.init(masses: amber.masses, charges: amber.charges, sigmas: amber.sigmas, epsilons: amber.epsilons)
    bonds = amber.bonds.map { ($0.atoms, $0.length, $0.forceConstant) }
    angles = amber.angles.map { ($0.atoms, $0.angle, $0.forceConstant) }
    torsions = amber.torsions.map { ($0.atoms, $0.periodicity, $0.phase, $0.forceConstant) }
    exceptions = amber.exceptions.map { ($0.atoms, $0.chargeProduct, $0.sigma, $0.epsilon) }
    guard implicitSolvent != .none else { return }
    guard let radii = amber.bornRadii, let screens = amber.bornScreens
    else { throw AMBERForceFieldError.noBornRadii(file: file) }
    self.implicitSolvent = implicitSolvent
    (bornRadii, bornScreens) = (radii, screens)
  }
}

/// What a prmtop cannot give.
public enum AMBERForceFieldError: Error, Equatable, CustomStringConvertible {
  /// A prmtop and the topology are of different molecules, or order the atoms differently.
  case otherMolecule(file: String, difference: String)
  case noBornRadii(file: String)

  public var description: String {
    switch self {
    case .otherMolecule(let file, let difference): "\(file) and the topology are of different molecules: \(difference)"
    case .noBornRadii(let file):
      "\(file) has no sections RADII and SCREEN, which an implicit solvent needs; make it again with a radius set"
    }
  }
}
