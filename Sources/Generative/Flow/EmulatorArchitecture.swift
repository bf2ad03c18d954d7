import Torch

/// The kind and shape of an emulator's network: everything but its numbers.
public enum EmulatorArchitecture: Codable, Equatable, Sendable {
  case residual(ResidualConfiguration)
  case gvp(GVPConfiguration, timeIsReversed: Bool)
  case egnn(EGNNConfiguration)

  /// What suits a chart: a residual network of 256 x 4 on internal coordinates, the published GVP on Cartesian ones.
  public static func standard(for chart: Chart) -> EmulatorArchitecture {
    switch chart {
    case .internal: return .residual(ResidualConfiguration(width: 256, depth: 4, outputs: chart.space.dimension))
    case .cartesian(let chart): return .gvp(GVPConfiguration(atomClasses: chart.classCount), timeIsReversed: false)
    }
  }

  /// A vector field with fresh parameters. Throws `ChartError` where network and chart do not fit.
  public func field(_ chart: Chart, _ interpolant: Interpolant, _ generator: Generator) throws -> any VectorField {
    switch self {
    case .residual(let configuration):
      return ResidualVectorField(
        network: try ResidualNetwork(space: chart.space, configuration: configuration, generator: generator),
        interpolant: interpolant)
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
