import Dynamics
import Foundation
import OpenMM

/// Energies of an OpenMM System: by the built-in kernel where it covers the force terms and agrees with OpenMM on frames of the first
/// call, else by OpenMM.
///
/// For a few dozen atoms the Reference platform is the quickest of OpenMM's by far: the others pay more for a call than for the
/// forces. One call at a time.
public final class OpenMMEngine: EnergyEngine {
  public let system: System
  private let origin: String
  private let evaluator: BatchEvaluator
  private let kernel: KernelEvaluator?

  /// `threads` Contexts evaluate frames side by side. Throws `OpenMMError`.
  public convenience init(systemXML: URL, platform: String = "Reference", threads: Int) throws {
    try self.init(system: System(contentsOf: systemXML), platform: platform, threads: threads)
  }

  /// `origin`: where the System came from, for `summary`. Platforms other than Reference compute everything themselves.
  public init(system: System, origin: String = "an OpenMM System", platform: String = "Reference", threads: Int) throws
  {
    (self.system, self.origin) = (system, origin)
    evaluator = try BatchEvaluator(system: system, platform: platform, threads: threads)
    kernel = platform == "Reference" ? try KernelEvaluator(evaluator) : nil
  }

  public var summary: String {
    origin
      + (kernel?.usesBuiltInKernel == true ? " by the built-in kernel" : " on OpenMM's \(evaluator.platform) platform")
  }
  public var atomCount: Int { system.atomCount }
  public var framesPerCall: Int { 2000 }
  public func energies(_ coordinates: [Double]) throws -> [Double] {
    try kernel?.energies(coordinates) ?? evaluator.energies(coordinates)
  }
  public func energiesAndForces(_ coordinates: [Double]) throws -> (energies: [Double], forces: [Double]) {
    try kernel?.energiesAndForces(coordinates) ?? evaluator.energiesAndForces(coordinates)
  }
}
