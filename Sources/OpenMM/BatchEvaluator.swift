import COpenMM

/// Energies and forces of many frames in one call, spread over threads with one OpenMM Context each.
///
/// One call at a time: an evaluator is not to be shared between threads.
public final class BatchEvaluator {
  public let system: System
  public let platform: String
  package let handle: OpaquePointer

  /// Throws `OpenMMError.invalidArgument` for an unknown platform, `.openMM` when OpenMM refuses the System.
  public init(system: System, platform: String = "Reference", threads: Int) throws {
    handle = try OpenMMError.unwrap(bm_engine_create(system.handle, platform, Int32(clamping: threads)))
    (self.system, self.platform) = (system, platform)
  }

  deinit { bm_engine_free(handle) }

  /// kJ/mol, [frames], of coordinates in nm, [frames, atoms, 3]. A frame with a number that is not finite, or with atoms on
  /// top of each other, has energy +infinity. Throws `OpenMMError.wrongShape`.
  public func energies(_ coordinates: [Double]) throws -> [Double] {
    try system.energies(coordinates) { bm_engine_evaluate(handle, coordinates, $0, $1, nil) }
  }

  /// As `energies`, and forces in kJ/mol/nm, [frames, atoms, 3]; those of a frame of infinite energy are NaN.
  public func energiesAndForces(_ coordinates: [Double]) throws -> (energies: [Double], forces: [Double]) {
    var forces = [Double](repeating: 0, count: coordinates.count)
    let energies = try system.energies(coordinates) { bm_engine_evaluate(handle, coordinates, $0, $1, &forces) }
    return (energies, forces)
  }
}
