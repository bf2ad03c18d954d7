import Torch

/// The kind and shape of an emulator's network: everything but its numbers.
public enum EmulatorArchitecture: Codable, Equatable, Sendable {
  case residual(ResidualConfiguration)
  /// `readsPoint`: the network gives the place where each atom is expected, as imported ones may; nil for no.
  case gvp(GVPConfiguration, timeIsReversed: Bool, readsPoint: Bool? = nil)
  case egnn(EGNNConfiguration)
  /// Torsions first, then the rest given them; internal coordinates alone.
  case twoFlows(torsions: ResidualConfiguration, rest: ResidualConfiguration)
  /// All pairs of atoms; Cartesian coordinates.
  case pairs(PairConfiguration)
  /// Heavy atoms' positions first, then hydrogens given these; torsions and rest are nil where there are none.
  case heavy(positions: PairConfiguration, torsions: ResidualConfiguration?, rest: ResidualConfiguration?)

  /// What suits a chart: residual networks on internal coordinates, of 256 x 4, and for torsions alone of 128 x 4; the published GVP on
  /// Cartesian ones, pairs on heavy atoms.
  public static func standard(for chart: Chart, inTwo: Bool) -> EmulatorArchitecture {
    switch chart {
    case .internal where inTwo:
      return .twoFlows(
        torsions: ResidualConfiguration(width: 128, depth: 4, harmonics: 4, outputs: chart.space.angles),
        rest: ResidualConfiguration(width: 256, depth: 4, outputs: chart.space.euclidean))
    case .internal: return .residual(ResidualConfiguration(width: 256, depth: 4, outputs: chart.space.dimension))
    case .cartesian(let chart): return .gvp(GVPConfiguration(atomClasses: chart.classCount), timeIsReversed: false)
    case .heavy(let chart): return .heavy(chart, PairConfiguration(geometry: chart.geometry))
    }
  }

  /// For heavy atoms and hydrogens, with residual networks as for two flows.
  public static func heavy(
    _ chart: HeavyChart, _ positions: PairConfiguration, hydrogens: ResidualConfiguration? = nil
  ) -> EmulatorArchitecture {
    let space = chart.space
    let narrow = space.euclidean - chart.positionColumns
    var rest = hydrogens ?? ResidualConfiguration(width: 256, depth: 4, outputs: narrow)
    rest.outputs = narrow
    return .heavy(
      positions: positions,
      torsions: space.angles == 0
        ? nil : ResidualConfiguration(width: 128, depth: 2, harmonics: 4, outputs: space.angles),
      rest: narrow == 0 ? nil : rest)
  }

  /// A vector field with fresh parameters. `data` [n, d] are latents whose distances and volumes a network over pairs is made for; without them its
  /// constants are of the right shape and nothing else. Throws `ChartError` where network and chart do not fit.
  public func field(
    _ chart: Chart, _ interpolant: Interpolant, data: Tensor? = nil, _ generator: Generator
  ) throws -> any FlowModel {
    switch self {
    case .pairs(let configuration):
      return PairField(
        network: try PairNetwork(configuration: configuration, data: data, generator: generator), space: chart.space)
    case .heavy(let positions, let torsions, let rest):
      let columns = 3 * positions.geometry.atoms
      func network(_ configuration: ResidualConfiguration, beside euclidean: Int) throws -> ResidualNetwork {
        try ResidualNetwork(
          space: LatentSpace(euclidean: positions.geometry.features + euclidean, angles: chart.space.angles),
          configuration: configuration, generator: generator)
      }
      return HeavyFlows(
        network: HeavyNetwork(
          positions: try PairNetwork(
            configuration: positions, data: data?.slice(0..<columns, axis: 1), generator: generator),
          torsions: try torsions.map { try network($0, beside: 0) },
          rest: try rest.map { try network($0, beside: chart.space.euclidean - columns) }), space: chart.space)
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
    case .gvp(let configuration, let timeIsReversed, let readsPoint):
      let atoms = try AtomClasses(chart.atomClasses(), count: configuration.atomClasses)
      return GVPVectorField(
        network: try GVPNetwork(configuration: configuration, atoms: atoms, generator: generator), space: chart.space,
        networkTimeIsReversed: timeIsReversed, readsPoint: readsPoint ?? false, frame: try chart.frame())
    case .egnn(let configuration):
      let atoms = try AtomClasses(chart.atomClasses(), count: configuration.atomClasses)
      return EGNNVectorField(
        network: try EGNNNetwork(configuration: configuration, atoms: atoms, generator: generator), space: chart.space,
        frame: try chart.frame())
    }
  }
}
