import Torch

/// Which distances and signed volumes describe the shape of a molecule: atoms are 0 ..< `atoms`.
public struct PairGeometry: Codable, Equatable, Sendable {
  public let atoms: Int
  /// Two atoms each: all pairs.
  public let pairs: [[Int]]
  /// Four atoms each, [o, p, q, r]: (p - o) . ((q - o) x (r - o)), whose sign is a hand. Chains of four bonded atoms, and three neighbours of one atom.
  public let volumes: [[Int]]
  /// Distances first, then volumes.
  public var features: Int { pairs.count + volumes.count }

  /// `bonds`: two atoms each.
  public init(atoms: Int, bonds: [[Int]]) {
    self.atoms = atoms
    pairs = (0..<atoms).flatMap { first in ((first + 1)..<max(first + 1, atoms)).map { [first, $0] } }
    var neighbours = [[Int]](repeating: [], count: atoms)
    for bond in bonds {
      neighbours[bond[0]].append(bond[1])
      neighbours[bond[1]].append(bond[0])
    }
    for atom in neighbours.indices { neighbours[atom].sort() }
    let chains = bonds.map { $0.sorted() }.sorted { ($0[0], $0[1]) < ($1[0], $1[1]) }.flatMap { bond in
      neighbours[bond[0]].filter { $0 != bond[1] }.flatMap { before in
        neighbours[bond[1]].filter { $0 != bond[0] && $0 != before }.map { [bond[0], before, bond[1], $0] }
      }
    }
    let centres = (0..<atoms).flatMap { centre -> [[Int]] in
      let around = neighbours[centre]
      return around.indices.flatMap { i in
        ((i + 1)..<max(i + 1, around.count)).flatMap { j in
          ((j + 1)..<max(j + 1, around.count)).map { [centre, around[i], around[j], around[$0]] }
        }
      }
    }
    volumes = chains + centres
  }
}

/// Distances and volumes of points, their gradients, and fields made of these gradients.
///
/// Points are [n, 3, atoms], so that everything linear in them is one matrix product. A field is sum_f c_f grad f: it commutes with rotations, has
/// no net force and no torque, and tells hands apart by its volumes.
struct PairShapes {
  private let incidence: PairIncidence
  /// [n, features].
  let values: Tensor
  /// r / d of each pair and 1 / d, [n, 3, pairs] and [n, 1, pairs]; d is softened.
  private let along, inverse: Tensor
  /// p - o, q - o and r - o of each volume, and their gradients, [n, 3, volumes].
  private let arms, areas: [Tensor]

  /// `softening` [n, 1, 1]: distances are (r^2 + softening^2)^(1/2), smooth where atoms meet.
  init(_ x: Tensor, softening: Tensor, _ incidence: PairIncidence) throws {
    self.incidence = incidence
    let r = try x.linear(incidence.pairs, nil)
    let squares = try r.square().sum(-2, keepingDimensions: true) + softening.square()
    inverse = try squares.rsqrt()
    along = try r * inverse
    let arms = try incidence.volumes.map { try x.linear($0, nil) }
    self.arms = arms
    areas = try (0..<3).map { try Self.cross(arms[($0 + 1) % 3], arms[($0 + 2) % 3]) }
    let distances = try (squares * inverse).reshaped(x.shape[0], -1)
    values = try Tensor.concatenated([distances, (arms[0] * areas[0]).sum(-2)], axis: -1)
  }

  /// [..., 3, m] x [..., 3, m].
  private static func cross(_ a: Tensor, _ b: Tensor) throws -> Tensor {
    func part(_ v: Tensor, _ axis: Int) throws -> Tensor { try v.slice(axis..<(axis + 1), axis: -2) }
    return try Tensor.concatenated(
      (0..<3).map { k in
        let (i, j) = ((k + 1) % 3, (k + 2) % 3)
        return try part(a, i) * part(b, j) - part(a, j) * part(b, i)
      }, axis: -2)
  }

  /// sum_f c_f grad f, [n, 3, atoms], of coefficients [n, features].
  func field(_ coefficients: Tensor) throws -> Tensor {
    let (c, k) = try split(coefficients)
    var sum = try (along * c).matmul(incidence.pairs)
    for (area, arm) in zip(areas, incidence.volumes) { sum = try sum + (area * k).matmul(arm) }
    return sum
  }

  /// Mean square of |grad f| over points, [features].
  func meanSquareGradients() throws -> Tensor {
    // of a volume the first atom feels the sum of the other three
    let sum = try areas[0] + areas[1] + areas[2]
    let squares = try areas.reduce(sum.square()) { try $0 + $1.square() }
    return try Tensor.concatenated([2 * along.square().sum(-2), squares.sum(-2)], axis: -1).mean(0)
  }

  private func split(_ coefficients: Tensor) throws -> (Tensor, Tensor) {
    let (pairs, all) = (along.shape[2], coefficients.shape[coefficients.shape.count - 1])
    return (
      try coefficients.slice(0..<pairs, axis: -1).unsqueezed(-2),
      try coefficients.slice(pairs..<all, axis: -1).unsqueezed(-2)
    )
  }

  /// How everything moves along directions.
  struct Moves {
    /// [m, n, features].
    let values: Tensor
    fileprivate let along: Tensor
    fileprivate let areas: [Tensor]
  }

  /// `directions` [m, n, 3, atoms].
  func moves(_ directions: Tensor) throws -> Moves {
    let rho = try directions.linear(incidence.pairs, nil)
    let change = try (rho * along).sum(-2, keepingDimensions: true)
    let turned = try (rho - along * change) * inverse
    let moved = try incidence.volumes.map { try directions.linear($0, nil) }
    let areas = try (0..<3).map { k in
      let (i, j) = ((k + 1) % 3, (k + 2) % 3)
      return try Self.cross(moved[i], arms[j]) + Self.cross(arms[i], moved[j])
    }
    var volumes = try (moved[0] * self.areas[0]).sum(-2)
    for k in 1..<3 { volumes = try volumes + (moved[k] * self.areas[k]).sum(-2) }
    let distances = try change.reshaped(Array(rho.shape[..<2]) + [rho.shape[3]])
    return Moves(values: try Tensor.concatenated([distances, volumes], axis: -1), along: turned, areas: areas)
  }

  /// Derivatives of `field` along the directions of `moves`, [m, n, 3, atoms], where coefficients [n, features] change by `changes` [m, n, features].
  func field(_ coefficients: Tensor, _ changes: Tensor, _ moves: Moves) throws -> Tensor {
    let ((c, k), (dc, dk)) = (try split(coefficients), try split(changes))
    var sum = try (along * dc + moves.along * c).matmul(incidence.pairs)
    for (index, arm) in incidence.volumes.enumerated() {
      sum = try sum + (areas[index] * dk + moves.areas[index] * k).matmul(arm)
    }
    return sum
  }
}

/// A geometry as matrices over atoms: of +1 and -1, so that a product with positions gives differences.
struct PairIncidence {
  /// [pairs, atoms].
  let pairs: Tensor
  /// The three arms of the volumes, [volumes, atoms].
  let volumes: [Tensor]

  init(_ geometry: PairGeometry, _ type: ScalarType) throws {
    func matrix(_ differences: [(from: Int, to: Int)]) throws -> Tensor {
      var values = [Double](repeating: 0, count: differences.count * geometry.atoms)
      for (row, difference) in differences.enumerated() {
        values[row * geometry.atoms + difference.to] += 1
        values[row * geometry.atoms + difference.from] -= 1
      }
      return try Tensor(values, shape: [differences.count, geometry.atoms]).cast(type)
    }
    pairs = try matrix(geometry.pairs.map { ($0[1], $0[0]) })
    volumes = try (1...3).map { arm in try matrix(geometry.volumes.map { ($0[0], $0[arm]) }) }
  }

  var constants: [(name: String, tensor: Tensor)] {
    [("pairs", pairs)] + volumes.enumerated().map { ("volumes\($0.offset)", $0.element) }
  }

  /// From `constants`, in their order.
  init(_ constants: ArraySlice<Tensor>) {
    (pairs, volumes) = (constants[constants.startIndex], Array(constants.dropFirst()))
  }
}
