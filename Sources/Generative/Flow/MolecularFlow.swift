import Basics
import Molecules
import Torch

/// Samples of an emulator as molecules: latents, internal and Cartesian coordinates, log-densities.
public struct MolecularSamples {
  public var latents: Tensor
  /// [n, dimension], nm and rad; nil for Cartesian emulators.
  public var internalCoordinates: [Double]?
  /// [n, atoms, 3], nm.
  public var coordinates: [Double]
  /// ln |dx/dq|, [n]; 0 for Cartesian emulators.
  public var logJacobian: [Double]
  /// Independent estimates of ln q over Cartesian coordinates (up to the rigid-body constant), [estimates][n].
  public var logDensities: [[Double]]
  /// Gradient of ln q over latents, [n, d]; nil where it was not drawn.
  public var scores: Tensor?
  /// How many of them are mirror images of what was drawn.
  public var mirrored = 0
  public var count: Int { logJacobian.count }
}

/// An emulator on one molecule: a chart of its conformations, and a vector field on that chart.
public struct MolecularFlow {
  public let chart: Chart
  public let field: any FlowModel
  public let chirality: Chirality

  /// Bonds that keep their lengths: ln q is per volume of all other coordinates.
  public var heldBonds: Int { if case .internal(let chart) = chart { chart.held?.count ?? 0 } else { 0 } }

  /// Draws `count` molecules from the streams (seed, "batch", 0, 1, ...), fewer where trajectories are lost. ln q by
  /// `method`. Throws `SamplingError`.
  public func samples(
    _ count: Int, seed: UInt64, integrator: Integrator = .rungeKutta4(steps: 8),
    method: LogDensityMethod = .stochasticTrace, batch: Int = 1000
  ) throws -> MolecularSamples {
    let sampler = try FlowSampler(field: field, integrator: integrator, method: method)
    var draws = FlowDraws(dimension: chart.space.dimension, estimates: sampler.estimates)
    while draws.begun < count {
      try draws.append(sampler.batch(min(batch, count - draws.begun), seed: seed, index: draws.begun / batch))
    }
    var all = try draws.samples(0..<draws.count)
    return try molecules(&all)
  }

  /// The molecules of a flow, all of the reference's hand where that can be had by mirroring: those of a Cartesian emulator in which every
  /// stereocentre has the other hand are replaced by their mirror images, in `flow` too. That is right for a network that commutes with reflections
  /// alone: it draws both hands, with equal densities.
  public func molecules(_ flow: inout FlowSamples) throws -> MolecularSamples {
    let samples = try asDrawn(flow)
    guard field.drawsBothHands, !chirality.centres.isEmpty else { return samples }
    let signs = (0..<samples.count).map { frame -> Float in
      chirality.invertedCentres(in: samples.coordinates, frame: frame).count == chirality.centres.count ? -1 : 1
    }
    let flipped = signs.filter { $0 < 0 }.count
    guard flipped > 0 else { return samples }
    let column = try Tensor(signs, shape: [signs.count, 1])
    flow.latents = try flow.latents * column
    flow.prior = try flow.prior * column
    flow.scores = try flow.scores.map { try $0 * column }
    var result = try asDrawn(flow)
    result.mirrored = flipped
    return result
  }

  private func asDrawn(_ flow: FlowSamples) throws -> MolecularSamples {
    let count = flow.latents.shape[0]
    let conformations = try chart.conformations(latents: flow.latents)
    let estimates = try flow.logDensities.map { try $0.values(as: Double.self) } ?? []
    let logDensities = stride(from: 0, to: estimates.count, by: max(1, count)).map {
      chart.cartesianLogDensities(estimates[$0..<$0 + count], conformations.logJacobian)
    }
    return MolecularSamples(
      latents: flow.latents, internalCoordinates: conformations.internalCoordinates,
      coordinates: conformations.coordinates, logJacobian: conformations.logJacobian, logDensities: logDensities,
      scores: flow.scores)
  }

  /// A latent coordinate may come back this far from where it was: Float32 and other batches round differently.
  public static let reproductionTolerance = 1e-2

  /// ln q of samples by `sampler`'s method, from `prior` and `latents` [n, d] and ln |dx/dq| [n] as they were drawn.
  /// `progress` hears how many are done; what it throws ends the work. Throws `ReproductionError`, `SamplingError`.
  public func retransported(
    prior: Tensor, latents: Tensor, logJacobian: [Double], by sampler: FlowSampler, _ generator: Generator,
    batch: Int, progress: (Int) throws -> Void = { _ in }
  ) throws -> RetransportedDensities {
    let count = latents.shape[0]
    var estimates = [[Double]](repeating: [], count: sampler.estimates)
    var furthest = (distance: 0.0, row: 0)
    let watch = Stopwatch()
    for lower in stride(from: 0, to: count, by: batch) {
      let range = lower..<min(lower + batch, count)
      let flow = try sampler.integrate(from: prior.slice(range), generator)
      let values = try flow.logDensities?.values(as: Double.self) ?? []
      for k in estimates.indices {
        estimates[k] += chart.cartesianLogDensities(values[k * range.count..<(k + 1) * range.count], logJacobian[range])
      }
      for (n, distance) in zip(range, try distances(flow.latents, latents.slice(range)))
      where !(distance <= furthest.distance) && !furthest.distance.isNaN {
        furthest = (distance, n)
      }
      try progress(range.upperBound)
    }
    let seconds = watch.seconds / Double(max(1, count))
    guard furthest.distance < Self.reproductionTolerance else {
      throw ReproductionError(sample: furthest.row, difference: furthest.distance)
    }
    return RetransportedDensities(logDensities: estimates, reproductionError: furthest.distance, seconds: seconds)
  }
}

/// Log-densities of samples that were transported again from the points of the prior they came from.
public struct RetransportedDensities {
  /// ln q over Cartesian coordinates, [estimates][n].
  public var logDensities: [[Double]]
  /// Largest difference of a latent coordinate from the sample's own.
  public var reproductionError: Double
  /// Clock time for one sample, s.
  public var seconds: Double
}

/// A sample that does not come back from its prior point: the field or the integrator is not the one it was drawn with.
public struct ReproductionError: Error, CustomStringConvertible, Equatable {
  /// Row of the sample.
  public let sample: Int
  /// Of a latent coordinate; NaN where the sample has no density.
  public let difference: Double
  /// Why a sample ends nowhere.
  public static let nowhere =
    "transported again from its prior point, has no density: the map of the steps folds over there"

  public var description: String {
    guard difference.isFinite else { return "sample \(sample), \(Self.nowhere)" }
    return "sample \(sample), transported again from its prior point, ends \(difference) away from where it was; "
      + "the emulator or the integrator is not the one it was drawn with"
  }
}
