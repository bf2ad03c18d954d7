import Basics
import Foundation
import Molecules
import OpenMM

/// The force field of a serialised OpenMM System (XML).
public struct SerializedSystem: EnergyMethod, Equatable {
  public var file: URL
  /// The molecule's particles in a System of more.
  public var kept: KeptAtoms?
  public var constraints = AllowedConstraints.withTerms

  public init(file: URL) { self.file = file }
  public var name: String { "an OpenMM System" }

  public func keeping(_ kept: KeptAtoms) -> any EnergyMethod {
    var copy = self
    copy.kept = kept
    return copy
  }

  public func allowing(_ constraints: AllowedConstraints) -> any EnergyMethod {
    var copy = self
    copy.constraints = constraints
    return copy
  }

  /// Says where the System was cut out of a larger one. Throws as `system`.
  public func engine(for topology: Topology, threads: Int) throws -> any EnergyEngine {
    let whole = try System(contentsOf: file)
    let system = try system(of: whole, topology)
    guard whole.atomCount > system.atomCount else {
      return try OpenMMEngine(system: system, origin: name, threads: threads)
    }
    let cut = whole.isPeriodic ? ", without its box and cutoff," : ""
    return try OpenMMEngine(
      system: system,
      origin: "the molecule's \(system.atomCount) of \(whole.atomCount) particles of an OpenMM System\(cut)",
      threads: threads)
  }

  /// The System without forces that exert none; that of the molecule's particles where it has more, without the cutoff of a periodic
  /// box. Throws `OpenMMError`, and `SystemComparisonError` where its energies are not those of the molecule.
  public func system(for topology: Topology) throws -> System {
    try system(of: System(contentsOf: file), topology)
  }

  private func system(of whole: System, _ topology: Topology) throws -> System {
    let system = try part(of: whole, topology)
    let comparison = SystemComparison(system, topology, constraints: constraints)
    guard comparison.refusals.isEmpty else {
      throw SystemComparisonError(file: file.lastPathComponent, refusals: comparison.refusals)
    }
    return try comparison.idleForces.isEmpty ? system : system.withoutIdleForces()
  }

  private func part(of system: System, _ topology: Topology) throws -> System {
    guard system.atomCount > topology.atoms.count, let kept, kept.total == system.atomCount else { return system }
    return try system.keeping(kept.indices)
  }

  /// Names the forces that are left out, but for those that only stop drift. Throws `OpenMMError`.
  public func warnings(for topology: Topology) throws -> [Remark] {
    let idle = SystemComparison(try System(contentsOf: file), topology).idleForces.filter { $0 != "CMMotionRemover" }
    guard !idle.isEmpty else { return [] }
    return [
      Remark(
        "\(file.lastPathComponent): \(idle.joined(separator: ", ")) is left out: it changes no energy of a molecule by itself",
        .note)
    ]
  }
}
