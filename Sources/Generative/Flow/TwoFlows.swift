import Basics
import Torch

/// What an emulator draws with: one vector field, or several that follow each other, each moving some columns of a point.
public protocol FlowModel {
  associatedtype Net: Network
  var network: Net { get }
  var space: LatentSpace { get }
  func replacing(network: Net) -> Self
  /// In their order; each runs from t = 0 to t = 1 while the columns of the others stand still.
  var parts: [any VectorField] { get }
  /// Not to be integrated beyond this time; 1 where it is smooth up to the data.
  var latestTime: Double { get }
  /// Whether it commutes with reflections: a molecule and its mirror image are equally likely.
  var drawsBothHands: Bool { get }
}

extension FlowModel {
  public var scalarType: ScalarType { network.scalarType }
  public var latestTime: Double { 1 }
  public var drawsBothHands: Bool { false }
}

extension VectorField {
  public var parts: [any VectorField] { [self] }
}

/// A flow of the broad torsions, and after it one of the narrow coordinates given these torsions.
///
/// q(theta) on the torus first; q(y | theta) then begins from normal noise beside finished torsions, which its network sees at every time.
/// Given its torsions a molecule's whitened narrow coordinates are nearly Gaussian, so the second flow has little to do, and the first
/// has few dimensions. Densities multiply: ln q adds up along both.
public struct TwoFlows: FlowModel {
  public let network: TwoFlowNetwork
  public let space: LatentSpace
  public let interpolant: Interpolant

  public init(network: TwoFlowNetwork, space: LatentSpace, interpolant: Interpolant) {
    (self.network, self.space, self.interpolant) = (network, space, interpolant)
  }

  public func replacing(network: TwoFlowNetwork) -> Self {
    Self(network: network, space: space, interpolant: interpolant)
  }

  public var parts: [any VectorField] { [torsions, rest] }
  var torsions: TorsionField { TorsionField(network: network.torsions, space: space) }
  var rest: ConditionalField { ConditionalField(network: network.rest, space: space, interpolant: interpolant) }
}

extension TwoFlows {
  /// Goes on training on rows [n, 2 d] of latents and gradients over them, drawn with `weights` [n], all alike where it is empty. Nothing is
  /// held out: the last average is taken.
  func trained(
    on rows: Tensor, weights: [Double], space: LatentSpace, _ optimization: OptimizationSettings, recordEvery: Int,
    seed: UInt64, host: any TrainingHost
  ) throws -> (TwoFlows, TrainingState) {
    let d = space.dimension
    let uniform = [Double](repeating: 1, count: rows.shape[0])
    let loss = EmulatorLoss(
      plain: FlowMatchingLoss(interpolant: interpolant),
      forces: try ForceTargets(
        rows.slice(d..<2 * d, axis: 1), weights: weights.isEmpty ? uniform : weights, space: space,
        interpolant: interpolant),
      times: .likelihood)
    var plan = EmulatorSettings()
    (plan.seed, plan.recordEvery) = (seed, recordEvery)
    let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["noise"]))
    let own = TwoFlows(network: network, space: space, interpolant: interpolant)
    let (field, state) = try Emulator.optimize(
      own, loss, on: rows, weights: weights, validation: nil, optimization, plan, generator, host)
    guard let trained = field as? TwoFlows else { throw EmulatorError.noBroadTorsions }
    return (trained, state)
  }
}

/// The networks of two flows.
public typealias TwoFlowNetwork = TwoNetworks<ResidualNetwork>

/// Two networks with one list of parameters: that of the torsions' flow, and that of the rest given them.
public struct TwoNetworks<Net: Network>: Network {
  public let torsions, rest: Net
  public var parameterNames: [String] {
    torsions.parameterNames.map { "torsions.\($0)" } + rest.parameterNames.map { "rest.\($0)" }
  }
  public var parameters: [Tensor] { torsions.parameters + rest.parameters }
  public var constants: [(name: String, tensor: Tensor)] {
    torsions.constants.map { ("torsions.\($0.name)", $0.tensor) }
      + rest.constants.map { ("rest.\($0.name)", $0.tensor) }
  }

  public func replacing(parameters: [Tensor], constants: [Tensor]) -> Self {
    let (count, fixed) = (torsions.parameters.count, torsions.constants.count)
    return Self(
      torsions: torsions.replacing(
        parameters: Array(parameters.prefix(count)), constants: Array(constants.prefix(fixed))),
      rest: rest.replacing(
        parameters: Array(parameters.dropFirst(count)), constants: Array(constants.dropFirst(fixed))))
  }
}

/// What a flow of some columns is told of others that stand still: distances and signed volumes of the positions among them, standardised.
struct StandingShape {
  let incidence: PairIncidence
  /// Of the data, [features].
  let mean, width: Tensor
  let atoms: Int
  var features: Int { mean.shape[0] }
  var columns: Int { 3 * atoms }

  /// [n, features] of points [n, d].
  func callAsFunction(_ x: Tensor) throws -> Tensor {
    let positions = try x.slice(0..<columns, axis: 1).reshaped(x.shape[0], atoms, 3).permuted(0, 2, 1)
    let softening = try Tensor.full([1, 1, 1], PairStatisticsTables.guessSoftening, x.scalarType ?? .float32)
    return try (PairShapes(Dual(positions), softening: softening, incidence).values.value - mean) / width
  }
}

/// The flow of the torsions: columns of all others stand still. Velocity sigma'(t) f on the torus.
struct TorsionField: JacobianField {
  /// On a space of the torsions alone, or of what stands still and the torsions.
  let network: ResidualNetwork
  let space: LatentSpace
  /// Nil where torsions come first.
  var given: StandingShape?
  var movedColumns: Range<Int> { space.euclidean..<space.dimension }

  func replacing(network: ResidualNetwork) -> Self { Self(network: network, space: space, given: given) }

  func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    try moved(x, network(seen(x), t) * TorusPath.sigmaDerivative(t).unsqueezed(-1))
  }

  func trainingOutput(_ x: Tensor, _ t: Tensor) throws -> Tensor { try moved(x, network(seen(x), t)) }

  /// What the network sees of points [n, d].
  func seen(_ x: Tensor) throws -> Tensor {
    let angles = try space.split(x).angles
    return try given.map { try Tensor.concatenated([$0(x), angles], axis: -1) } ?? angles
  }

  /// Directions [m, n, angles] as the network has them: none along what stands still.
  private func seen(directions: Tensor) throws -> Tensor {
    guard let given else { return directions }
    let still = try Tensor.zeros(directions.shape.dropLast() + [given.features], directions.scalarType ?? .float32)
    return try Tensor.concatenated([still, directions], axis: -1)
  }

  private func moved(_ x: Tensor, _ angles: Tensor) throws -> Tensor {
    try space.joined(Tensor.zeros([x.shape[0], space.euclidean], x.scalarType ?? .float32), angles)
  }

  func quadraticForms(_ x: Tensor, _ t: Tensor, _ directions: Tensor) throws -> (Tensor, Tensor) {
    let slope = try TorusPath.sigmaDerivative(t)
    let turns = try space.split(directions).angles
    let (value, tangents) = try network.withTangents(seen(x), t, directions: seen(directions: turns))
    return (try moved(x, value * slope.unsqueezed(-1)), try (turns * tangents).sum(-1) * slope)
  }

  func withJacobian(_ x: Tensor, _ t: Tensor) throws -> (Tensor, Tensor) {
    let slope = try TorusPath.sigmaDerivative(t).unsqueezed(-1)
    let directions = try Tensor.identity(space.angles, x.scalarType ?? .float32).unsqueezed(1)
      .expanded([space.angles, x.shape[0], space.angles])
    let (value, tangents) = try network.withTangents(seen(x), t, directions: seen(directions: directions))
    return (try moved(x, value * slope), try (tangents * slope).permuted(1, 2, 0))
  }
}

/// The flow of the narrow coordinates given all else, which stands still: velocity c(t) y + s(t) f(y, theta, t).
struct ConditionalField: ForwardModeField {
  let network: ResidualNetwork
  let space: LatentSpace
  let interpolant: Interpolant
  /// Positions among the Euclidean columns that stand still; nil without.
  var given: StandingShape?
  var movedColumns: Range<Int> { (given?.columns ?? 0)..<space.euclidean }
  var isNearlyStraight: Bool { true }

  func replacing(network: ResidualNetwork) -> Self {
    Self(network: network, space: space, interpolant: interpolant, given: given)
  }

  /// Of the narrow columns alone, [n, moved].
  func euclideanVelocity(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    let (c, s) = try interpolant.velocityPreconditioning(t.unsqueezed(-1))
    return try c * narrow(x) + s * network(seen(x), t)
  }

  func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor { try moved(euclideanVelocity(x, t)) }
  func trainingOutput(_ x: Tensor, _ t: Tensor) throws -> Tensor { try self(x, t) }

  private func narrow(_ x: Tensor) throws -> Tensor { try x.slice(movedColumns, axis: -1) }

  /// What the network sees of points [n, d].
  private func seen(_ x: Tensor) throws -> Tensor {
    guard let given else { return x }
    return try Tensor.concatenated([given(x), x.slice(given.columns..<space.dimension, axis: -1)], axis: -1)
  }

  /// Columns before and after the moved ones, of zeros.
  private func moved(_ velocity: Tensor) throws -> Tensor {
    func still(_ columns: Int) throws -> [Tensor] {
      columns == 0
        ? [] : [try Tensor.zeros(velocity.shape.dropLast() + [columns], velocity.scalarType ?? .float32)]
    }
    let parts = try still(movedColumns.lowerBound) + [velocity] + still(space.dimension - movedColumns.upperBound)
    return parts.count == 1 ? velocity : try Tensor.concatenated(parts, axis: -1)
  }

  /// `directions` as `confined` gives them: none along what stands still.
  func quadraticForms(_ x: Tensor, _ t: Tensor, _ directions: Tensor) throws -> (Tensor, Tensor) {
    let (c, s) = try interpolant.velocityPreconditioning(t)
    let along = try narrow(directions)
    var turned = directions
    if let given {
      let still = try Tensor.zeros(directions.shape.dropLast() + [given.features], directions.scalarType ?? .float32)
      turned = try Tensor.concatenated(
        [still, directions.slice(given.columns..<space.dimension, axis: -1)], axis: -1)
    }
    let (value, tangents) = try network.withTangents(seen(x), t, directions: turned)
    let forms = try (along * tangents).sum(-1) * s + along.square().sum(-1) * c
    let velocity = try narrow(x) * c.unsqueezed(-1) + value * s.unsqueezed(-1)
    return (try moved(velocity), forms)
  }

  /// A direction's part along what stands still adds noise and no mean.
  func confined(_ directions: Tensor) throws -> Tensor {
    guard movedColumns.count < space.dimension else { return directions }
    return try moved(narrow(directions))
  }
}
