import Basics
import Dynamics
import Molecules
import OpenMM

/// What a molecule's potential energy is computed by: a force field, or a method of quantum chemistry. A new one is a type of its own
/// that conforms: it gives `system`, or an `engine` where it has no OpenMM System.
public protocol EnergyMethod: Sendable {
  /// For people: "GFN2-xTB".
  var name: String { get }

  /// An engine for the molecule of `topology`. An OpenMM System says nothing of its molecule but the number of particles: compare
  /// that with `atomCount`. Throws errors of the method's own.
  func engine(for topology: Topology, threads: Int) throws -> any EnergyEngine

  /// The OpenMM System that molecular dynamics runs on. Throws as `engine` does; `EnergyMethodError.noSystem` where there is none.
  func system(for topology: Topology) throws -> System

  /// The forces that molecular dynamics runs on where the method has no OpenMM System; nil where it has one. Throws as `engine` does.
  func externalForces(for topology: Topology) throws -> ExternalForces?

  /// What whoever uses the energies must know: what is left out, what the method was not made for. Throws as `engine` does.
  func warnings(for topology: Topology) throws -> [Remark]
  /// The same method, which takes a System whose constraints are these.
  func allowing(_ constraints: AllowedConstraints) -> any EnergyMethod
  /// The same method, which finds these atoms of its file to be the molecule, where the file holds more.
  func keeping(_ kept: KeptAtoms) -> any EnergyMethod
}

extension EnergyMethod {
  public func engine(for topology: Topology, threads: Int) throws -> any EnergyEngine {
    try OpenMMEngine(system: system(for: topology), origin: name, threads: threads)
  }

  public func keeping(_ kept: KeptAtoms) -> any EnergyMethod { self }
  public func allowing(_ constraints: AllowedConstraints) -> any EnergyMethod { self }

  public func system(for topology: Topology) throws -> System { throw EnergyMethodError.noSystem(method: name) }
  public func externalForces(for topology: Topology) throws -> ExternalForces? { nil }
  public func warnings(for topology: Topology) throws -> [Remark] { [] }
}

/// What an energy method cannot give.
public enum EnergyMethodError: Error, Equatable, CustomStringConvertible {
  /// An OpenMM System was asked for, and the method has none.
  case noSystem(method: String)

  public var description: String {
    switch self {
    case .noSystem(let method): "a force field that OpenMM runs is needed here, and \(method) is none"
    }
  }
}
