import Foundation
import Molecules
import OpenMM

/// What a molecule's potential energy is computed by.
public enum EnergySource: Equatable, Sendable {
  /// A serialised OpenMM System (XML).
  case openMMSystem(URL)
  /// An AMBER parameter-topology file, with an implicit solvent that takes its radii from the file.
  case amber(URL, SystemTerms.ImplicitSolvent)
  /// GFN2-xTB, which needs the elements and nothing else.
  case xTB(XTBEngine.Settings)

  /// A file by its ending: .prmtop and .parm7 are AMBER's, with OBC2; all others are OpenMM's.
  public init(file: URL) {
    self = ["prmtop", "parm7"].contains(file.pathExtension.lowercased()) ? .amber(file, .obc2) : .openMMSystem(file)
  }
}

/// Makes engines, and Systems for dynamics, from what a user chose.
public enum EnergyEngines {
  /// An engine for the molecule of `topology`. An OpenMM System says nothing of its molecule but the number of particles: compare
  /// that with `atomCount`.
  ///
  /// Throws `EnergySourceError`, `OpenMMError`, `MoleculesError`, `XTBError`.
  public static func make(_ source: EnergySource, topology: Topology, threads: Int) throws -> any EnergyEngine {
    switch source {
    case .openMMSystem(let url): return try OpenMMEngine(systemXML: url, threads: threads)
    case .amber(_, let solvent):
      let origin = "an AMBER prmtop" + (solvent == .none ? "" : " with \(solvent.rawValue.uppercased())")
      return try OpenMMEngine(system: system(source, topology: topology), origin: origin, threads: threads)
    case .xTB(let settings):
      let numbers = topology.atoms.map { Element(symbol: $0.element)?.number ?? 0 }
      return try XTBEngine(atomicNumbers: numbers, settings: settings, threads: threads)
    }
  }

  /// The OpenMM System that molecular dynamics runs on. Throws as `make` does, and `EnergySourceError.noSystem` where there is
  /// none.
  public static func system(_ source: EnergySource, topology: Topology) throws -> System {
    switch source {
    case .openMMSystem(let url): return try System(contentsOf: url)
    case .amber(let url, let solvent):
      let amber = try AMBERTopology.read(url)
      if let difference = amber.difference(from: topology) {
        throw EnergySourceError.otherMolecule(file: url.lastPathComponent, difference: difference)
      }
      return try system(amber, implicitSolvent: solvent, file: url.lastPathComponent)
    case .xTB: throw EnergySourceError.noSystem(method: "GFN2-xTB")
    }
  }

  /// The System of a prmtop, no cutoff, no constraints. `file` is what errors call it.
  public static func system(
    _ amber: AMBERTopology, implicitSolvent: SystemTerms.ImplicitSolvent, file: String = "the prmtop"
  ) throws -> System {
    try System(terms(amber, implicitSolvent: implicitSolvent, file: file))
  }

  static func terms(
    _ amber: AMBERTopology, implicitSolvent: SystemTerms.ImplicitSolvent, file: String = "the prmtop"
  ) throws -> SystemTerms {
    var terms = SystemTerms(
      masses: amber.masses, charges: amber.charges, sigmas: amber.sigmas, epsilons: amber.epsilons)
    terms.bonds = amber.bonds.map { ($0.atoms, $0.length, $0.forceConstant) }
    terms.angles = amber.angles.map { ($0.atoms, $0.angle, $0.forceConstant) }
    terms.torsions = amber.torsions.map { ($0.atoms, $0.periodicity, $0.phase, $0.forceConstant) }
    terms.exceptions = amber.exceptions.map { ($0.atoms, $0.chargeProduct, $0.sigma, $0.epsilon) }
    if implicitSolvent != .none {
      guard let radii = amber.bornRadii, let screens = amber.bornScreens else {
        throw EnergySourceError.noBornRadii(file: file)
      }
      terms.implicitSolvent = implicitSolvent
      (terms.bornRadii, terms.bornScreens) = (radii, screens)
    }
    return terms
  }
}

/// What an energy source cannot give.
public enum EnergySourceError: Error, Equatable, CustomStringConvertible {
  /// Dynamics was asked for, and the method has no OpenMM System.
  case noSystem(method: String)
  /// A prmtop and the topology are of different molecules, or order the atoms differently.
  case otherMolecule(file: String, difference: String)
  case noBornRadii(file: String)

  public var description: String {
    switch self {
    case .noSystem(let method):
      return
        "dynamics needs a force field that OpenMM runs, and \(method) is none: give system.forcefield a serialised OpenMM "
        + "System or an AMBER prmtop"
    case .otherMolecule(let file, let difference):
      return "\(file) and the topology are of different molecules: \(difference)"
    case .noBornRadii(let file):
      return
        "\(file) has no sections RADII and SCREEN, which an implicit solvent needs; make it again with a radius set, or "
        + "write forcefield: { method: amber, file: \(file), implicit_solvent: none }"
    }
  }
}
