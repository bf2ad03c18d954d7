import CDynamics
import OpenMM

/// Energies and forces of many frames by the built-in kernel for small molecules, where it covers the System and agrees with
/// OpenMM on frames of the first call; else, and on frames that it makes nothing finite of, by OpenMM.
///
/// One call at a time, as `BatchEvaluator`.
public final class KernelEvaluator {
  /// OpenMM's part.
  public let openMM: BatchEvaluator
  private let handle: OpaquePointer

  /// `openMM` is the kernel's alone from here on. Throws `OpenMMError`.
  public init(_ openMM: BatchEvaluator) throws {
    handle = try OpenMMError.unwrap(bm_kernel_engine_create(openMM.handle))
    self.openMM = openMM
  }

  deinit { bm_kernel_engine_free(handle) }

  /// Whether the built-in kernel is in use.
  public var usesBuiltInKernel: Bool { bm_kernel_engine_uses_kernel(handle) != 0 }

  /// As `BatchEvaluator.energies`.
  public func energies(_ coordinates: [Double]) throws -> [Double] {
    try openMM.system.energies(coordinates) { bm_kernel_engine_evaluate(handle, coordinates, $0, $1, nil) }
  }

  /// As `BatchEvaluator.energiesAndForces`.
  public func energiesAndForces(_ coordinates: [Double]) throws -> (energies: [Double], forces: [Double]) {
    var forces = [Double](repeating: 0, count: coordinates.count)
    let energies = try openMM.system.energies(coordinates) {
      bm_kernel_engine_evaluate(handle, coordinates, $0, $1, &forces)
    }
    return (energies, forces)
  }
}
