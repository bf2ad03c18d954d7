import Foundation
import Molecules
import OpenMM

/// The force field of a serialised OpenMM System (XML).
public struct SerializedSystem: EnergyMethod, Equatable {
  public var file: URL

  public init(file: URL) { self.file = file }
  public var name: String { "an OpenMM System" }

  /// The System without forces that exert none. Throws `OpenMMError`, and `SystemComparisonError` where its energies are not those of the
  /// molecule.
  public func system(for topology: Topology) throws -> System {
    let system = try System(contentsOf: file)
    let comparison = SystemComparison(system, topology)
    guard comparison.refusals.isEmpty else {
      throw SystemComparisonError(file: file.lastPathComponent, refusals: comparison.refusals)
    }
    return try comparison.idleForces.isEmpty ? system : system.withoutIdleForces()
  }

  /// Names the forces that are left out, but for those that only stop drift. Throws `OpenMMError`.
  public func warnings(for topology: Topology) throws -> [String] {
    let idle = SystemComparison(try System(contentsOf: file), topology).idleForces.filter { $0 != "CMMotionRemover" }
    guard !idle.isEmpty else { return [] }
    return [
      "\(file.lastPathComponent): \(idle.joined(separator: ", ")) is left out: it changes no energy of a molecule by itself"
    ]
  }
}
