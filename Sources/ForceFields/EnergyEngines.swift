import Foundation
import OpenMM

/// What a molecule's potential energy is computed by.
public enum EnergySource: Equatable, Sendable {
  /// A serialised OpenMM System (XML).
  case openMMSystem(URL)
  /// GFN2-xTB, which needs the elements and nothing else.
  case xTB(XTBEngine.Settings)
}

/// Makes engines, and Systems for dynamics, from what a user chose.
public enum EnergyEngines {
  /// `atomicNumbers` [atoms]: the molecule, for sources that do not state it; the others are to be compared by `atomCount`.
  ///
  /// Throws `OpenMMError`, `XTBError`.
  public static func make(_ source: EnergySource, atomicNumbers: [Int], threads: Int) throws -> any EnergyEngine {
    switch source {
    case .openMMSystem(let url): try OpenMMEngine(systemXML: url, threads: threads)
    case .xTB(let settings): try XTBEngine(atomicNumbers: atomicNumbers, settings: settings, threads: threads)
    }
  }

  /// The OpenMM System that molecular dynamics runs on. Throws `EnergySourceError.noSystem` where there is none, `OpenMMError`.
  public static func system(_ source: EnergySource) throws -> System {
    switch source {
    case .openMMSystem(let url): try System(contentsOf: url)
    case .xTB: throw EnergySourceError.noSystem(method: "GFN2-xTB")
    }
  }
}

/// What an energy source cannot give.
public enum EnergySourceError: Error, Equatable, CustomStringConvertible {
  /// Dynamics was asked for, and the method has no OpenMM System.
  case noSystem(method: String)

  public var description: String {
    switch self {
    case .noSystem(let method):
      return
        "dynamics needs a force field that OpenMM runs, and \(method) is none: give system.forcefield a serialised OpenMM "
        + "System or an AMBER prmtop"
    }
  }
}
