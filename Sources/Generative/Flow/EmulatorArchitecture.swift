import Torch

/// The kind and shape of an emulator's network: everything but its numbers.
public enum EmulatorArchitecture: Codable, Equatable, Sendable {
  case residual(ResidualConfiguration)
  case gvp(GVPConfiguration, timeIsReversed: Bool)
  case egnn(EGNNConfiguration)
  /// Torsions first, then the rest given them; internal coordinates alone.
  case twoFlows(torsions: ResidualConfiguration, rest: ResidualConfiguration)

  /// What suits a chart: residual networks on internal coordinates, of 256 x 4, and for torsions alone of 128 x 4; the published GVP on
  /// Cartesian ones.
  public static func standard(for chart: Chart, inTwo: Bool) -> EmulatorArchitecture {
    switch chart {
    case .internal where inTwo:
      return .twoFlows(
        torsions: ResidualConfiguration(width: 128, depth: 4, harmonics: 4, outputs: chart.space.angles),
        rest: ResidualConfiguration(width: 256, depth: 4, outputs: chart.space.euclidean))
    case .internal: return .residual(ResidualConfiguration(width: 256, depth: 4, outputs: chart.space.dimension))
    case .cartesian(let chart): return .gvp(GVPConfiguration(atomClasses: chart.classCount), timeIsReversed: false)
    }
  }

  /// A vector field with fresh parameters. Throws `ChartError` where network and chart do not fit.
  public func field(_ chart: Chart, _ interpolant: Interpolant, _ generator: Generator) throws -> any FlowModel {
    switch self {
    case .residual(let configuration):
      return ResidualVectorField(
        network: try ResidualNetwork(space: chart.space, configuration: configuration, generator: generator),
        interpolant: interpolant)
    case .twoFlows(let torsions, let rest):
      let turning = LatentSpace(euclidean: 0, angles: chart.space.angles)
      return TwoFlows(
        network: TwoFlowNetwork(
          torsions: try ResidualNetwork(space: turning, configuration: torsions, generator: generator),
          rest: try ResidualNetwork(space: chart.space, configuration: rest, generator: generator)),
        space: chart.space, interpolant: interpolant)
    case .gvp(let configuration, let timeIsReversed):
      let atoms = try AtomClasses(chart.atomClasses(), count: configuration.atomClasses)
      return GVPVectorField(
        network: try GVPNetwork(configuration: configuration, atoms: atoms, generator: generator), space: chart.space,
        networkTimeIsReversed: timeIsReversed, frame: try chart.frame())
    case .egnn(let configuration):
      let atoms = try AtomClasses(chart.atomClasses(), count: configuration.atomClasses)
      return EGNNVectorField(
        network: try EGNNNetwork(configuration: configuration, atoms: atoms, generator: generator), space: chart.space,
        frame: try chart.frame())
    }
  }
}
