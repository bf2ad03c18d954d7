import Foundation
import Molecules
import Torch

/// The map between positions in nm and the latent space of Cartesian models: centred, in the models' unit of length.
///
/// Latents are rows [3 atoms]: positions times `scale`. Models see angstrom (scale 10 per nm) unless told otherwise. Where the space is
/// mean-free, densities are per volume of the 3 (atoms - 1)-dimensional subspace of centred positions; they include the orientation.
public struct CartesianChart: Codable, Equatable, Sendable {
  public let atoms: Int
  /// Latent units per nm.
  public let scale: Double
  /// Whether prior, velocities and samples have no centre of mass of their own.
  public let meanFree: Bool
  /// Class of each atom: atoms of one class can be exchanged. [atoms]
  public let atomClasses: [Int]
  /// Pairs of atoms, for the frame of divergence estimates; may be empty.
  public let bonds: [[Int]]

  public init(atomClasses: [Int], bonds: [[Int]] = [], scale: Double = 10, meanFree: Bool = true) {
    self.bonds = bonds
    atoms = atomClasses.count
    (self.scale, self.meanFree, self.atomClasses) = (scale, meanFree, atomClasses)
  }

  /// With the topology's bonds. Throws `EmulatorError.atomClasses` where there is not one class per atom.
  public init(topology: Topology, atomClasses: [Int], scale: Double = 10, meanFree: Bool = true) throws {
    guard atomClasses.count == topology.atoms.count else {
      throw EmulatorError.atomClasses(count: atomClasses.count, atoms: topology.atoms.count)
    }
    self.init(
      atomClasses: atomClasses, bonds: topology.bonds.map { [$0.first, $0.second] }, scale: scale, meanFree: meanFree)
  }

  public var space: LatentSpace { LatentSpace(atoms: atoms, meanFree: meanFree) }
  /// Distances and volumes of the atoms.
  public var geometry: PairGeometry { PairGeometry(atoms: atoms, bonds: bonds) }
  /// Classes are 0 ..< this, whether all of them occur or not.
  public var classCount: Int { (atomClasses.max() ?? -1) + 1 }
  /// ln |det d latent / d position|: log-densities over positions in nm are those over latents plus this.
  public var logDeterminant: Double { Double(space.degreesOfFreedom) * log(scale) }

  /// Centred latents [frames, 3 atoms] in Float64 of positions [frames, atoms, 3] in nm.
  public func latents(_ coordinates: [Double], frames: Int) throws -> Tensor {
    let positions = try Tensor(coordinates, shape: [frames, atoms, 3])
    let centred = try positions - positions.mean(1, keepingDimensions: true)
    return try (centred * scale).reshaped(frames, 3 * atoms)
  }

  /// Positions [frames, atoms, 3] in nm.
  public func coordinates(latents: Tensor) throws -> [Double] {
    try (latents.cast(.float64) / scale).values(as: Double.self)
  }
}

/// Where a model of molecules works: internal or Cartesian coordinates, or Cartesian ones of the heavy atoms and internal ones of the hydrogens.
public enum Chart: Codable, Equatable, Sendable {
  case `internal`(InternalChart)
  case cartesian(CartesianChart)
  case heavy(HeavyChart)

  public var space: LatentSpace {
    switch self {
    case .internal(let chart): return chart.space
    case .cartesian(let chart): return chart.space
    case .heavy(let chart): return chart.space
    }
  }

  /// ln |det d latent / d coordinate|, a constant.
  public var logDeterminant: Double {
    switch self {
    case .internal(let chart): return chart.logDeterminant
    case .cartesian(let chart): return chart.logDeterminant
    case .heavy(let chart): return chart.logDeterminant
    }
  }

  public var atoms: Int {
    switch self {
    case .internal(let chart): return (chart.coordinates.dimension + 6) / 3
    case .cartesian(let chart): return chart.atoms
    case .heavy(let chart): return chart.carried.atomCount
    }
  }

  /// Latents [frames, d] in Float64 of positions [frames, atoms, 3] in nm.
  public func latents(_ coordinates: [Double], frames: Int) throws -> Tensor {
    try latentsAndJacobians(coordinates, frames: frames).latents
  }

  /// Latents [frames, d] in Float64 of positions [frames, atoms, 3] in nm, and ln |dx/dq| of the internal coordinates among them, [frames].
  public func latentsAndJacobians(
    _ coordinates: [Double], frames: Int
  ) throws -> (latents: Tensor, logJacobian: [Double]) {
    switch self {
    case .internal(let chart):
      let (values, logJacobian) = try chart.coordinates.internalCoordinates(coordinates, frames: frames)
      return (try chart.latents(internal: values, frames: frames), logJacobian)
    case .cartesian(let chart):
      return (try chart.latents(coordinates, frames: frames), [Double](repeating: 0, count: frames))
    case .heavy(let chart):
      let (values, _) = try chart.carried.coordinates.internalCoordinates(coordinates, frames: frames)
      return (
        try chart.latents(coordinates, internal: values, frames: frames),
        chart.carried.logJacobians(values: values, frames: frames)
      )
    }
  }

  /// ln q over Cartesian coordinates, up to the rigid-body constant, from that over latents and ln |dx/dq|: + ln |d latent / dq|
  /// - ln |dx/dq|. [n]
  func cartesianLogDensities(_ latent: some Sequence<Double>, _ logJacobian: some Sequence<Double>) -> [Double] {
    zip(latent, logJacobian).map { $0 + logDeterminant - $1 }
  }

  /// The inverse of `cartesianLogDensities`.
  func latentLogDensities(_ cartesian: [Double], _ logJacobian: [Double]) -> [Double] {
    zip(cartesian, logJacobian).map { $0 - logDeterminant + $1 }
  }

  /// Throws `ChartError.malformed` for internal coordinates, which have none.
  public func atomClasses() throws -> [Int] {
    guard case .cartesian(let chart) = self else {
      throw ChartError.malformed("a network over atoms needs Cartesian coordinates")
    }
    return chart.atomClasses
  }

  /// For estimates of a divergence; nil where the bonds are not known.
  public func frame() throws -> ElasticFrame? {
    guard case .cartesian(let chart) = self, !chart.bonds.isEmpty else { return nil }
    return try ElasticFrame(atoms: chart.atoms, bonds: chart.bonds)
  }

  public struct Conformations {
    /// [n, atoms, 3], nm.
    public var coordinates: [Double]
    /// ln |dx/dq| of the internal coordinates q among them, [n].
    public var logJacobian: [Double]
    /// [n, dimension], nm and rad; nil where not all are internal.
    public var internalCoordinates: [Double]?
  }

  public func conformations(latents: Tensor) throws -> Conformations {
    let n = latents.shape[0]
    switch self {
    case .internal(let chart):
      let values = try chart.internalCoordinates(latents: latents)
      let (coordinates, logJacobian) = try chart.coordinates.cartesian(values, frames: n)
      return Conformations(coordinates: coordinates, logJacobian: logJacobian, internalCoordinates: values)
    case .cartesian(let chart):
      return Conformations(
        coordinates: try chart.coordinates(latents: latents), logJacobian: [Double](repeating: 0, count: n),
        internalCoordinates: nil)
    case .heavy(let chart):
      let (coordinates, logJacobian) = try chart.cartesian(latents: latents)
      return Conformations(coordinates: coordinates, logJacobian: logJacobian, internalCoordinates: nil)
    }
  }
}
