import Torch

/// Where generative models live: `euclidean` coordinates on R^n with unit scale, followed by `angles` on the torus, rad.
///
/// A point is a row [euclidean | angles]. A 2-D toy system has no angles; a molecule in internal coordinates has its whitened
/// narrow coordinates first and its broad torsions after them; a molecule in Cartesian coordinates has [atoms, 3] of them, flattened,
/// and where they are mean-free, only points whose mean over atoms vanishes: a subspace of 3 (atoms - 1) dimensions.
public struct LatentSpace: Codable, Equatable, Sendable {
  public let euclidean, angles: Int
  /// The first so many Euclidean columns are positions [atoms, 3] whose mean over atoms is zero; 0 where none are.
  public let centred: Int

  public init(euclidean: Int, angles: Int, centred: Int = 0) {
    (self.euclidean, self.angles, self.centred) = (euclidean, angles, centred)
  }

  /// Positions of `atoms` atoms.
  public init(atoms: Int, meanFree: Bool) {
    self.init(euclidean: 3 * atoms, angles: 0, centred: meanFree ? 3 * atoms : 0)
  }
  /// Whether some columns are positions without a centre of mass of their own.
  public var meanFree: Bool { centred > 0 }
  /// Columns of a point.
  public var dimension: Int { euclidean + angles }
  /// Dimensions of the space that densities refer to: 3 fewer than columns where points are mean-free.
  public var degreesOfFreedom: Int { dimension - (meanFree ? 3 : 0) }

  /// Euclidean columns [..., euclidean] without the mean over atoms of those that are mean-free positions; else unchanged.
  public func projected(_ x: Tensor) throws -> Tensor {
    guard meanFree else { return x }
    let columns = centred < euclidean ? try x.slice(0..<centred, axis: -1) : x
    let positions = try columns.reshaped(Array(x.shape.dropLast()) + [centred / 3, 3])
    let moved = try (positions - positions.mean(-2, keepingDimensions: true)).reshaped(columns.shape)
    return centred < euclidean
      ? try Tensor.concatenated([moved, x.slice(centred..<euclidean, axis: -1)], axis: -1) : moved
  }

  /// Standard normal noise of the Euclidean columns, [count, euclidean]; mean-free where points are.
  public func noise(_ count: Int, _ generator: Generator, _ type: ScalarType = .float32) throws -> Tensor {
    try projected(generator.normal([count, euclidean], type))
  }

  /// Euclidean and angular columns of [..., dimension].
  public func split(_ x: Tensor) throws -> (euclidean: Tensor, angles: Tensor) {
    (try x.slice(0..<euclidean, axis: -1), try x.slice(euclidean..<dimension, axis: -1))
  }

  public func joined(_ euclidean: Tensor, _ angles: Tensor) throws -> Tensor {
    try Tensor.concatenated([euclidean, angles], axis: -1)
  }

  /// Unit vectors along some columns, beside each of n points, [columns, n, dimension].
  func unitVectors(_ columns: Range<Int>, _ n: Int, _ type: ScalarType) throws -> Tensor {
    try Tensor.identity(dimension, type).slice(columns).reshaped(columns.count, 1, dimension)
      .expanded([columns.count, n, dimension])
  }

  /// Draws [count, dimension] from the prior: standard normal times uniform on the torus.
  public func prior(_ count: Int, _ generator: Generator, _ type: ScalarType = .float32) throws -> Tensor {
    let normal = try noise(count, generator, type)
    guard angles > 0 else { return normal }
    let uniform = try (generator.uniform([count, angles], type) * 2 - 1) * Double.pi
    return try joined(normal, uniform)
  }

  /// ln of the prior's density at x [n, dimension], [n], per volume of the space's degrees of freedom.
  public func priorLogDensity(_ x: Tensor) throws -> Tensor {
    let normal = try split(x).euclidean
    let logTwoPi = 1.8378770664093454835606594728112353
    let constant = -0.5 * Double(degreesOfFreedom - angles) * logTwoPi - Double(angles) * logTwoPi
    return try normal.square().sum(-1) * -0.5 + constant
  }

  /// Its gradient, [n, dimension].
  func priorScore(_ x: Tensor) throws -> Tensor {
    let score = try -split(x).euclidean
    return angles > 0 ? try joined(score, Tensor.zeros([x.shape[0], angles], x.scalarType ?? .float32)) : score
  }

  /// Angles wrapped to [-pi, pi], the rest untouched.
  public func wrapped(_ x: Tensor) throws -> Tensor {
    guard angles > 0 else { return x }
    let parts = try split(x)
    return try joined(parts.euclidean, TorusPath.wrapped(parts.angles))
  }
}
