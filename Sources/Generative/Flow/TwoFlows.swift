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
}

extension FlowModel {
  public var scalarType: ScalarType { network.scalarType }
  public var latestTime: Double { 1 }
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

/// Two networks with one list of parameters.
public struct TwoFlowNetwork: Network {
  public let torsions, rest: ResidualNetwork
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

/// The flow of the torsions: columns of the narrow coordinates stand still. Velocity sigma'(t) f on the torus.
struct TorsionField: JacobianField {
  /// On a space of the torsions alone.
  let network: ResidualNetwork
  let space: LatentSpace
  var movedColumns: Range<Int> { space.euclidean..<space.dimension }

  func replacing(network: ResidualNetwork) -> Self { Self(network: network, space: space) }

  func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    try moved(x, network(space.split(x).angles, t) * TorusPath.sigmaDerivative(t).unsqueezed(-1))
  }

  func trainingOutput(_ x: Tensor, _ t: Tensor) throws -> Tensor { try moved(x, network(space.split(x).angles, t)) }

  private func moved(_ x: Tensor, _ angles: Tensor) throws -> Tensor {
    try space.joined(Tensor.zeros([x.shape[0], space.euclidean], x.scalarType ?? .float32), angles)
  }

  func quadraticForms(_ x: Tensor, _ t: Tensor, _ directions: Tensor) throws -> (Tensor, Tensor) {
    let slope = try TorusPath.sigmaDerivative(t)
    let turns = try space.split(directions).angles
    let (value, tangents) = try network.withTangents(space.split(x).angles, t, directions: turns)
    return (try moved(x, value * slope.unsqueezed(-1)), try (turns * tangents).sum(-1) * slope)
  }

  func withJacobian(_ x: Tensor, _ t: Tensor) throws -> (Tensor, Tensor) {
    let angles = try space.split(x).angles
    let slope = try TorusPath.sigmaDerivative(t).unsqueezed(-1)
    let directions = try Tensor.identity(space.angles, x.scalarType ?? .float32).unsqueezed(1)
      .expanded([space.angles, x.shape[0], space.angles])
    let (value, tangents) = try network.withTangents(angles, t, directions: directions)
    return (try moved(x, value * slope), try (tangents * slope).permuted(1, 2, 0))
  }
}

/// The flow of the narrow coordinates given the torsions, which stand still: velocity c(t) y + s(t) f(y, theta, t).
struct ConditionalField: ForwardModeField {
  let network: ResidualNetwork
  let space: LatentSpace
  let interpolant: Interpolant
  var movedColumns: Range<Int> { 0..<space.euclidean }
  var isNearlyStraight: Bool { true }

  func replacing(network: ResidualNetwork) -> Self {
    Self(network: network, space: space, interpolant: interpolant)
  }

  /// Of the narrow columns alone, [n, euclidean].
  func euclideanVelocity(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    let (c, s) = try interpolant.velocityPreconditioning(t.unsqueezed(-1))
    return try c * space.split(x).euclidean + s * network(x, t)
  }

  func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor { try moved(euclideanVelocity(x, t)) }
  func trainingOutput(_ x: Tensor, _ t: Tensor) throws -> Tensor { try self(x, t) }

  private func moved(_ velocity: Tensor) throws -> Tensor {
    try space.joined(velocity, Tensor.zeros([velocity.shape[0], space.angles], velocity.scalarType ?? .float32))
  }

  /// `directions` as `confined` gives them: none along the torsions.
  func quadraticForms(_ x: Tensor, _ t: Tensor, _ directions: Tensor) throws -> (Tensor, Tensor) {
    let (c, s) = try interpolant.velocityPreconditioning(t)
    let (value, tangents) = try network.withTangents(x, t, directions: directions)
    let along = try space.split(directions).euclidean
    let forms = try (along * tangents).sum(-1) * s + along.square().sum(-1) * c
    let velocity = try space.split(x).euclidean * c.unsqueezed(-1) + value * s.unsqueezed(-1)
    return (try moved(velocity), forms)
  }

  /// A direction's part along the torsions adds noise and no mean.
  func confined(_ directions: Tensor) throws -> Tensor {
    guard space.angles > 0 else { return directions }
    let along = try space.split(directions).euclidean
    return try space.joined(
      along, Tensor.zeros(along.shape.dropLast() + [space.angles], along.scalarType ?? .float32))
  }
}
