import Molecules
import Torch

/// Conformations that an emulator has no density for.
public enum ConformationError: Error, CustomStringConvertible, Equatable {
  /// A coordinate that is no finite number.
  case notFinite(sample: Int, atom: Int, value: Double)
  /// All of them are mirror images of the emulator's molecule.
  case otherHand(centre: String, samples: Int)
  /// A bond that no molecule in nm has, nm.
  case bondLength(sample: Int, atoms: [Int], length: Double)
  /// Positions: several prior points may lead to one conformation, and nothing tells that.
  case needsPriorPoint
  /// A bond that the emulator holds at its length has another one, nm.
  case heldBond(sample: Int, atoms: [Int], length: Double, held: Double)

  public var description: String {
    switch self {
    case .notFinite(let sample, let atom, let value):
      "sample \(sample), atom \(atom) (from 0): a coordinate is \(value); leave such samples out"
    case .otherHand(let centre, let samples):
      "all stereocentres of \(samples == 1 ? "the sample" : "all \(samples) samples") have the other hand than the emulator's molecule "
        + "(\(centre), for one): give its mirror image, or the emulator of the other molecule"
    case .bondLength(let sample, let atoms, let length):
      "sample \(sample): atoms \(atoms[0]) and \(atoms[1]) (from 0) are bonded, and \(length) nm apart: give whole molecules, in nm"
    case .needsPriorPoint:
      "an emulator of positions gives the density of what was drawn, with the prior points that came with it: several such points may lead to "
        + "one conformation; emulators in internal coordinates need none"
    case .heldBond(let sample, let atoms, let length, let held):
      "sample \(sample): the bond of atoms \(atoms[0]) and \(atoms[1]) (from 0) is \(length) nm long, and the emulator holds it at \(held) nm: "
        + "constrain it, in nm"
    }
  }
}

extension MolecularFlow {
  /// A found prior point must lead to its conformation as closely as this, in latent coordinates of unit scale, and a given one as closely as that.
  private static let (inversionTolerance, givenTolerance) = (1e-4, 1e-3)
  /// nm.
  private static let (heldTolerance, bondLengths) = (1e-4, 0.05...0.4)

  /// ln q over Cartesian coordinates of conformations [n, atoms, 3], nm, as `molecules` gives it with samples, [estimates][n]; NaN for one
  /// to which no way back was found.
  ///
  /// Each is transported again by `sampler` from `prior` [n, d], or, without, from the point that its steps lead from to the conformation. Batches have the
  /// random numbers of `FlowSampler.batch` after its prior: with the seed of a draw, all of whose samples are given in their order, probes are the same.
  /// `progress` hears after each round of batches; what it throws ends the work. Throws `ConformationError`, `SamplingError`, and `ReproductionError` where a given prior
  /// point leads elsewhere.
  public func logDensities(
    of coordinates: [Double], from prior: Tensor? = nil, by sampler: FlowSampler, seed: UInt64, batch: Int = 1000,
    progress: () throws -> Void = {}
  ) throws -> [[Double]] {
    let count = coordinates.count / max(1, 3 * chart.atoms)
    guard count > 0 else { return [[Double]](repeating: [], count: sampler.estimates) }
    if prior == nil, case .internal = chart {} else if prior == nil { throw ConformationError.needsPriorPoint }
    try check(coordinates, count)
    let (exact, logJacobian) = try latents(of: coordinates, count)
    let latents = try exact.cast(field.scalarType)
    let start = try prior?.cast(field.scalarType)
    let ranges = stride(from: 0, to: count, by: batch).map { $0..<min($0 + batch, count) }
    var estimates = [[Double]](repeating: [], count: sampler.estimates)
    for round in stride(from: 0, to: ranges.count, by: Runtime.threads) {
      let found = try Runtime.sideBySide(min(Runtime.threads, ranges.count - round)) { place in
        let (index, rows) = (round + place, ranges[round + place])
        return try densities(
          latents.slice(rows), from: start?.slice(rows), by: sampler, seed: seed, index: index, first: rows.lowerBound)
      }
      for (values, rows) in zip(found, ranges[round...]) {
        for k in estimates.indices {
          let own = values[k * rows.count..<(k + 1) * rows.count]
          estimates[k] += chart.cartesianLogDensities(own, logJacobian[rows])
        }
      }
      try progress()
    }
    return estimates
  }

  /// Of one batch over latents, [estimates * n].
  private func densities(
    _ latents: Tensor, from prior: Tensor?, by sampler: FlowSampler, seed: UInt64, index: Int, first: Int
  ) throws -> [Double] {
    let generator = try sampler.beginning(latents.shape[0], seed: seed, index: index).generator
    let flow = try sampler.integrate(from: prior ?? sampler.priorPoints(of: latents), generator)
    let away = try distances(flow.latents, latents)
    if prior != nil, let row = away.firstIndex(where: { !($0 < Self.givenTolerance) }) {
      throw ReproductionError(sample: first + row, difference: away[row])
    }
    let blank = away.map { prior != nil || $0 < Self.inversionTolerance ? 1 : Double.nan }
    return try flow.logDensities.map { try ($0 * Tensor(blank)).values(as: Double.self) } ?? []
  }

  /// Largest difference of a latent coordinate, for each row of two sets [n, d].
  func distances(_ a: Tensor, _ b: Tensor) throws -> [Double] {
    try field.space.wrapped(a - b).abs().maximum(over: -1).values(as: Double.self)
  }

  private func latents(of coordinates: [Double], _ count: Int) throws -> (Tensor, [Double]) {
    // positions that have a place of their own keep it
    if case .cartesian(let chart) = chart, !chart.meanFree {
      let positions = try Tensor(coordinates, shape: [count, 3 * chart.atoms])
      return (try positions * chart.scale, [Double](repeating: 0, count: count))
    }
    return try chart.latentsAndJacobians(coordinates, frames: count)
  }

  private func check(_ coordinates: [Double], _ count: Int) throws {
    let size = 3 * chart.atoms
    if let place = coordinates.firstIndex(where: { !$0.isFinite }) {
      throw ConformationError.notFinite(sample: place / size, atom: place % size / 3, value: coordinates[place])
    }
    if let centre = chirality.centres.first,
      (0..<count).allSatisfy({
        chirality.invertedCentres(in: coordinates, frame: $0).count == chirality.centres.count
      })
    {
      throw ConformationError.otherHand(centre: centre.label, samples: count)
    }
    guard case .internal(let chart) = chart else { return }
    let (internals, width) = (chart.coordinates, chart.coordinates.dimension)
    let values = try internals.internalCoordinates(coordinates, frames: count).values
    for sample in 0..<count {
      for (place, atoms) in internals.atoms.enumerated() where atoms.count == 2 {
        let length = values[sample * width + place]
        guard !Self.bondLengths.contains(length) else { continue }
        throw ConformationError.bondLength(sample: sample, atoms: atoms, length: length)
      }
      for bond in chart.held ?? [] {
        let length = values[sample * width + bond.coordinate]
        guard abs(length - bond.length) > Self.heldTolerance else { continue }
        throw ConformationError.heldBond(
          sample: sample, atoms: internals.atoms[bond.coordinate], length: length, held: bond.length)
      }
    }
  }
}
