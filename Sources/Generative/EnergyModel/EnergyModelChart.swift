import Basics
import Molecules
import Torch

/// The chart an energy model works on: its emulator's, or internal coordinates of the samples of one on positions.
public struct EnergyModelChart: Codable, Sendable {
  public let chart: Chart
  /// The samples' own latents are those of this chart.
  public let isEmulators: Bool
}

extension EnergyModelChart {
  /// The emulator's own.
  public init(of flow: MolecularFlow) { self.init(chart: flow.chart, isEmulators: true) }

  /// Internal coordinates, fitted to the emulator's samples [n, atoms, 3], nm. Throws `ChartError`, `MoleculesError`.
  public init(internalOf topology: Topology, samples: NDArray<Double>) throws {
    let coordinates = try InternalCoordinates(topology: topology)
    let frames = samples.shape.first ?? 0
    let (values, _) = try coordinates.internalCoordinates(samples.values, frames: frames)
    self.init(
      chart: .internal(try InternalChart(coordinates: coordinates, values: values, frames: frames)), isEmulators: false)
  }

  /// Latents [n, d] in Float32 and ln |dx/dq|, [n], of positions [n, atoms, 3], nm.
  public func latents(positions: [Double], frames: Int) throws -> (latents: Tensor, logJacobian: [Double]) {
    let (latents, logJacobian) = try chart.latentsAndJacobians(positions, frames: frames)
    return (try latents.cast(.float32), logJacobian)
  }

  /// Gradients of ln q over this chart's latents, [n, d] in Float32, of those over the latents of the emulator's chart, `scores`, at positions
  /// [n, atoms, 3], nm.
  public func scores(_ scores: Tensor, of emulator: Chart, positions: [Double], frames: Int) throws -> Tensor {
    guard !isEmulators, case .internal(let chart) = chart else { return scores }
    let coordinates = chart.coordinates
    let (values, _) = try coordinates.internalCoordinates(positions, frames: frames)
    let slopes: [Double]
    switch emulator {
    case .internal(let own): slopes = try own.slopes(of: scores, internal: values, frames: frames)
    case .cartesian(let own):
      // estimates may push all atoms together, which no internal coordinate feels
      let scores = try LatentSpace(atoms: own.atoms, meanFree: true).projected(scores)
      slopes = try coordinates.gradients(
        of: (scores.cast(.float64) * own.scale).values(as: Double.self), at: positions, values: values, frames: frames,
        jacobian: 1)
    case .heavy(let own):
      slopes = try own.internalSlopes(of: scores, at: positions, internal: values, frames: frames)
    }
    return try chart.latents(internal: values, gradient: slopes, frames: frames).gradient.cast(.float32)
  }

  func latents(of samples: MolecularSamples) throws -> (latents: Tensor, logJacobian: [Double]) {
    if isEmulators { return (samples.latents, samples.logJacobian) }
    return try latents(positions: samples.coordinates, frames: samples.count)
  }
}

/// The kind and shape of an energy model's network: everything but its numbers.
public enum EnergyArchitecture: Codable, Equatable, Sendable {
  case residual(ResidualConfiguration)
  case cartesian(CartesianEnergyConfiguration, BondGraph)

  /// A model with fresh parameters. `data` [n, d] are latents that a Cartesian one starts near; without them its constants are
  /// of the right shape and nothing else.
  func model(
    _ chart: Chart, _ interpolant: Interpolant, data: Tensor? = nil, _ generator: Generator
  ) throws -> any EnergyModel {
    switch self {
    case .cartesian(let configuration, let molecule):
      let graph = try MolecularGraph(molecule)
      let statistics = try PairStatistics(data ?? Tensor.zeros([1, 3 * molecule.atoms]), graph: graph)
      return CartesianEnergyModel(
        network: try CartesianEnergyNetwork(
          configuration: configuration, graph: graph, statistics: statistics, generator: generator),
        interpolant: interpolant)
    case .residual(let configuration):
      return ResidualEnergyModel(
        network: try ResidualNetwork(space: chart.space, configuration: configuration, generator: generator),
        interpolant: interpolant)
    }
  }
}
