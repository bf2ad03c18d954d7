import Foundation
import OpenMM

/// Potential energies of a molecule, frame by frame.
public protocol EnergyEngine {
  var atomCount: Int { get }
  /// kJ/mol, [frames], of coordinates in nm, [frames, atoms, 3]. +infinity where the energy is not a finite number.
  func energies(_ coordinates: [Double]) throws -> [Double]
  /// As `energies`, and forces in kJ/mol/nm, [frames, atoms, 3]; NaN where the energy is infinite.
  func energiesAndForces(_ coordinates: [Double]) throws -> (energies: [Double], forces: [Double])
}

/// Energies by OpenMM, from a serialised System.
///
/// For a few dozen atoms the Reference platform is the quickest by far: the others pay more for a call than for the forces.
/// One call at a time.
public final class OpenMMEngine: EnergyEngine {
  public let system: System
  private let evaluator: BatchEvaluator

  /// `threads` Contexts evaluate frames side by side. Throws `OpenMMError`.
  public convenience init(systemXML: URL, platform: String = "Reference", threads: Int) throws {
    try self.init(system: System(contentsOf: systemXML), platform: platform, threads: threads)
  }

  public init(system: System, platform: String = "Reference", threads: Int) throws {
    self.system = system
    evaluator = try BatchEvaluator(system: system, platform: platform, threads: threads)
  }

  public var atomCount: Int { system.atomCount }
  public func energies(_ coordinates: [Double]) throws -> [Double] { try evaluator.energies(coordinates) }
  public func energiesAndForces(_ coordinates: [Double]) throws -> (energies: [Double], forces: [Double]) {
    try evaluator.energiesAndForces(coordinates)
  }
}
