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
    volumes = chains + Self.centres(neighbours)
  }

  /// [atom, three neighbours of it], of each atom's neighbours.
  static func centres(_ neighbours: [[Int]]) -> [[Int]] {
    neighbours.enumerated().flatMap { centre, around -> [[Int]] in
      around.indices.flatMap { i in
        around.indices.dropFirst(i + 1).flatMap { j in
          around.indices.dropFirst(j + 1).map { [centre, around[i], around[j], around[$0]] }
        }
      }
    }
  }
}

/// Distances and volumes of points, their gradients, and fields made of these gradients.
///
/// Points are [n, 3, atoms], so that everything linear in them is one matrix product. A field is sum_f c_f grad f: it commutes with rotations, has
/// no net force and no torque, and tells hands apart by its volumes.
struct PairShapes {
  private let incidence: PairIncidence
  /// [n, features].
  let values: Dual
  /// r / d of each pair, [n, 3, pairs]; d is softened.
  let along: Dual
  /// Gradients of the volumes over p - o, q - o and r - o, [n, 3, volumes].
  private let areas: [Dual]

  /// `softening` [n, 1, 1]: distances are (r^2 + softening^2)^(1/2), smooth where atoms meet.
  init(_ x: Dual, softening: Tensor, _ incidence: PairIncidence) throws {
    self.incidence = incidence
    let r = try x.linear(incidence.pairs, nil)
    let squares = try r.value.square().sum(-2, keepingDimensions: true) + softening.square()
    let inverse = try squares.rsqrt()
    let unit = try r.value * inverse
    let moves = try r.tangent.map { rho in
      let change = try (rho * unit).sum(-2, keepingDimensions: true)
      return (distance: change, unit: try (rho - unit * change) * inverse)
    }
    along = Dual(unit, moves?.unit)
    let distances = Dual(try squares * inverse, moves?.distance)
    let arms = try incidence.volumes.map { try x.linear($0, nil) }
    areas = try (0..<3).map { try Self.cross(arms[($0 + 1) % 3], arms[($0 + 2) % 3]) }
    values = try Dual.concatenated([
      distances.reshaped([incidence.pairs.shape[0]]), (arms[0] * areas[0]).sum(-2),
    ])
  }

  /// [..., 3, m] x [..., 3, m].
  private static func cross(_ a: Dual, _ b: Dual) throws -> Dual {
    func part(_ v: Dual, _ axis: Int) throws -> Dual { try v.slice(axis..<(axis + 1), axis: -2) }
    return try Dual.concatenated(
      (0..<3).map { k in
        let (i, j) = ((k + 1) % 3, (k + 2) % 3)
        return try part(a, i) * part(b, j) - part(a, j) * part(b, i)
      }, axis: -2)
  }

  /// sum_f c_f grad f, [n, 3, atoms], of coefficients [n, features].
  func field(_ coefficients: Dual) throws -> Dual {
    let pairs = incidence.pairs.shape[0]
    let c = try coefficients.slice(0..<pairs).unsqueezed(-2)
    let k = try coefficients.slice(pairs..<coefficients.value.shape[1]).unsqueezed(-2)
    var sum = try (along * c).map { try $0.matmul(incidence.pairs) }
    for (area, arm) in zip(areas, incidence.volumes) { sum = try sum + (area * k).map { try $0.matmul(arm) } }
    return sum
  }

  /// Mean square of |grad f| over points, [features].
  func meanSquareGradients() throws -> Tensor {
    // of a volume the first atom feels the sum of the other three
    let areas = areas.map(\.value)
    let sum = try areas[0] + areas[1] + areas[2]
    let squares = try areas.reduce(sum.square()) { try $0 + $1.square() }
    return try Tensor.concatenated([2 * along.value.square().sum(-2), squares.sum(-2)], axis: -1).mean(0)
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

  /// One at the first, and at the second atom of each pair, [pairs, atoms].
  func ends() throws -> (first: Tensor, second: Tensor) {
    (try pairs.clamped(0...1), try (-pairs).clamped(0...1))
  }

  /// One at each of a volume's four atoms in turn, four of [volumes, atoms].
  func corners() throws -> [Tensor] {
    try (volumes.first.map { [try (-$0).clamped(0...1)] } ?? []) + volumes.map { try $0.clamped(0...1) }
  }

  var constants: [(name: String, tensor: Tensor)] {
    [("pairs", pairs)] + volumes.enumerated().map { ("volumes\($0.offset)", $0.element) }
  }

  /// From `constants`, in their order.
  init(_ constants: ArraySlice<Tensor>) {
    (pairs, volumes) = (constants[constants.startIndex], Array(constants.dropFirst()))
  }
}
