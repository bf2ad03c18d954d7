import Basics
import Molecules
import Torch

/// An energy model's law and the Boltzmann distribution, as two log-densities over the latents of the model's chart: the ends of a bridge.
///
/// The model's is U(1, y). Boltzmann's is -u(x(y)) + ln |dx/dq| up to a constant, with u the force field's energy over kT: latents and internal
/// coordinates q differ by a volume that does not depend on the place.
public struct BoltzmannBridge {
  public let chart: InternalChart
  private let model: any EnergyModel
  private let forces: BoltzmannForces
  private let chirality: Chirality
  private let rings: RingBonds

  /// Both log-densities at n points: `boltzmann` is -infinity where the molecule has no finite energy, a stereocentre of the other hand or
  /// a broken ring. Gradients are over latents, [n, d]; 0 where `boltzmann` is -infinity.
  public typealias Values = (model: [Double], boltzmann: [Double], modelGradient: [Double], gradient: [Double])

  /// What is at fault with molecules that Boltzmann's density leaves out.
  public struct Faults {
    /// Whether each has a stereocentre of the other hand; a broken ring. [n]
    public let inverted, broken: [Bool]
  }

  /// Throws `ChartError.malformed` for a model on Cartesian coordinates, which has no latents that moves could be made in, and
  /// `MoleculesError`.
  public init(_ energyModel: MolecularEnergyModel, _ forces: BoltzmannForces, topology: Topology) throws {
    guard case .internal(let chart) = energyModel.chart.chart else {
      throw ChartError.malformed("a bridge to the Boltzmann distribution needs internal coordinates")
    }
    (self.chart, model, self.forces) = (chart, energyModel.model, forces)
    (chirality, rings) = (try Chirality(topology: topology), RingBonds(topology: topology))
  }

  /// At latents `points` [n, d]. Throws the force field's errors, `TorchError`.
  public func values(_ points: [Double]) throws -> Values {
    let dimension = chart.space.dimension
    let count = points.count / max(1, dimension)
    guard count > 0 else { return ([], [], [], []) }
    let latents = try Tensor(points, shape: [count, dimension])
    let (u, slope) = try modelValues(latents)
    let values = try chart.internalCoordinates(latents: latents)
    let (positions, logJacobian) = try chart.coordinates.cartesian(values, frames: count)
    let (energies, pulls) = try forces.evaluate(positions)
    let thermal = PhysicalConstants.thermalEnergy(temperature: forces.temperature)
    let internalGradient = try chart.coordinates.gradients(
      of: pulls.map { $0 / thermal }, at: positions, values: values, frames: count, jacobian: 1)
    var gradient = try chart.latents(internal: values, gradient: internalGradient, frames: count).gradient
      .values(as: Double.self)
    let faults = try faults(positions)
    let boltzmann = (0..<count).map { n -> Double in
      let found = logJacobian[n] - energies[n] / thermal
      let row = n * dimension..<(n + 1) * dimension
      guard found.isFinite, !faults.inverted[n], !faults.broken[n], gradient[row].allSatisfy(\.isFinite) else {
        for k in row { gradient[k] = 0 }
        return -.infinity
      }
      return found
    }
    return (u, boltzmann, slope, gradient)
  }

  /// Of positions [n, atoms, 3], nm. Throws `MoleculesError.coordinateCount`.
  public func faults(_ positions: [Double]) throws -> Faults {
    let broken = try rings.broken(in: positions).frames
    var inverted = [Bool](repeating: false, count: broken.count)
    for frame in chirality.invertedFrames(in: positions) { inverted[frame] = true }
    return Faults(inverted: inverted, broken: broken)
  }

  /// U and dU/dy, in Float64, of latents [n, d].
  private func modelValues(_ latents: Tensor) throws -> (values: [Double], gradient: [Double]) {
    let type = model.network.scalarType
    let leaf = try latents.cast(type).requiringGradient()
    let u = try model(leaf, Tensor.full([latents.shape[0]], 1, type))
    let slope = try u.sum().gradients(of: [leaf])[0]
    return (try u.detached().cast(.float64).values(), try slope.cast(.float64).values())
  }

  /// Positions [n, atoms, 3], nm, and ln |dx/dq|, [n], of latents `points` [n, d].
  public func molecules(_ points: [Double]) throws -> (positions: [Double], logJacobian: [Double]) {
    let dimension = chart.space.dimension
    let count = points.count / max(1, dimension)
    let values = try chart.internalCoordinates(latents: Tensor(points, shape: [count, dimension]))
    let found = try chart.coordinates.cartesian(values, frames: count)
    return (found.coordinates, found.logJacobian)
  }

  /// ln q over latents from ln q over Cartesian coordinates, both [n], and ln |dx/dq|, [n].
  public func latentLogDensities(_ cartesian: [Double], _ logJacobian: [Double]) -> [Double] {
    Chart.internal(chart).latentLogDensities(cartesian, logJacobian)
  }
}
