import Artifacts
import Basics
import Foundation
import Generative
import Molecules
import Torch

/// Samples of an emulator as molecules: latents, internal and Cartesian coordinates, log-densities.
struct MolecularSamples {
  var latents: Tensor
  /// [n, dimension], nm and rad; nil for Cartesian emulators.
  var internalCoordinates: [Double]?
  /// [n, atoms, 3], nm.
  var coordinates: [Double]
  /// ln |dx/dq|, [n]; 0 for Cartesian emulators.
  var logJacobian: [Double]
  /// Independent estimates of the log-density over Cartesian coordinates (up to the rigid-body constant), [estimates][n].
  var logDensities: [[Double]]
  /// Evaluations of the network per sample.
  var functionEvaluations: Int

  var count: Int { logJacobian.count }
}

extension EmulatorArtifact {
  /// Batch `index` of the stream `seed`.
  func samples(_ count: Int, _ sampler: FlowSampler, seed: UInt64, index: Int) throws -> MolecularSamples {
    try molecules(sampler.batch(count, seed: seed, index: index))
  }

  func molecules(_ flow: FlowSamples) throws -> MolecularSamples {
    let count = flow.latents.shape[0]
    let conformations = try chart.conformations(latents: flow.latents)
    let estimates = try flow.logDensities.map { try $0.values(as: Double.self) } ?? []
    let logDensities = stride(from: 0, to: estimates.count, by: max(1, count)).map { start in
      (0..<count).map {
        cartesianLogDensity(latent: estimates[start + $0], logJacobian: conformations.logJacobian[$0])
      }
    }
    return MolecularSamples(
      latents: flow.latents, internalCoordinates: conformations.internalCoordinates,
      coordinates: conformations.coordinates, logJacobian: conformations.logJacobian, logDensities: logDensities,
      functionEvaluations: flow.functionEvaluations)
  }

  /// ln q(x) from the log-density over latents: + ln |d latent / dq| - ln |dx/dq|.
  func cartesianLogDensity(latent: Double, logJacobian: Double) -> Double {
    latent + chart.logDeterminant - logJacobian
  }
}
