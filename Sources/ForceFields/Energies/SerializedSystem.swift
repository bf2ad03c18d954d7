import Foundation
import Molecules
import OpenMM

/// The force field of a serialised OpenMM System (XML).
public struct SerializedSystem: EnergyMethod, Equatable {
  public var file: URL

  public init(file: URL) { self.file = file }
  public var name: String { "an OpenMM System" }
  /// Throws `OpenMMError`.
  public func system(for topology: Topology) throws -> System { try System(contentsOf: file) }
}
