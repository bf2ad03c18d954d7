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
  /// Gradient of the log-density over latents, [n, d]; nil where it was not drawn.
  var scores: Tensor?
  /// How many of them are mirror images of what was drawn.
  var mirrored = 0

  var count: Int { logJacobian.count }
}

extension EmulatorArtifact {
  /// Batch `index` of the stream `seed`.
  func samples(_ count: Int, _ sampler: FlowSampler, seed: UInt64, index: Int) throws -> MolecularSamples {
    try molecules(sampler.batch(count, seed: seed, index: index).withoutLost())
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
      functionEvaluations: flow.functionEvaluations, scores: flow.scores)
  }

  /// The molecules of a flow of either hand: those of a Cartesian emulator in which every stereocentre has the other hand are
  /// replaced by their mirror images, in `flow` too. A network that commutes with reflections draws both hands alike, with equal
  /// densities.
  func molecules(_ flow: inout FlowSamples, mirroredBy chirality: Chirality) throws -> MolecularSamples {
    let samples = try molecules(flow)
    guard case .cartesian = chart, !chirality.centres.isEmpty else { return samples }
    let signs = (0..<samples.count).map { frame -> Float in
      chirality.invertedCentres(in: samples.coordinates, frame: frame).count == chirality.centres.count ? -1 : 1
    }
    let flipped = signs.filter { $0 < 0 }.count
    guard flipped > 0 else { return samples }
    let column = try Tensor(signs, shape: [signs.count, 1])
    flow.latents = try flow.latents * column
    flow.prior = try flow.prior * column
    flow.scores = try flow.scores.map { try $0 * column }
    var result = try molecules(flow)
    result.mirrored = flipped
    return result
  }

  /// ln q(x) from the log-density over latents: + ln |d latent / dq| - ln |dx/dq|.
  func cartesianLogDensity(latent: Double, logJacobian: Double) -> Double {
    latent + chart.logDeterminant - logJacobian
  }
}
