import Torch

/// The velocity of a molecule's atoms by an equivariant network. Lengths are those of the network: angstrom by convention.
///
/// Where the space is mean-free, the mean over atoms is taken out of the network's output: positions stay on the subspace that the
/// prior lives on. The divergence, a sum over all 3 atoms directions, is then that on the subspace, because the
/// network does not see translations.
///
/// A network may also give the place itself where it expects each atom (`readsPoint`). The field then is the displacement e - x, what
/// `EndpointVectorField` makes a velocity of, and it does see translations: moving x by c takes c from it. Mean-free it is P e - x for
/// mean-free x, P the projection. Since e does not see translations, the trace of P de/dx is that of de/dx; that of P is 3 less
/// than that of the identity. So the divergence is tr(de/dx) - 3 (atoms - 1), and without the projection tr(de/dx) - 3 atoms.
public struct CartesianVectorField<Net: CartesianNetwork>: VectorField {
  public let network: Net
  public let space: LatentSpace
  /// The network was trained with time running from data (0) to noise (1), as published weights are: it is given 1 - t, and
  /// its output, a derivative by that time, changes sign. A place has none.
  public let networkTimeIsReversed: Bool
  /// The network gives the place where each atom is expected, and not a vector from where it is.
  public let readsPoint: Bool
  /// What random directions are turned into for estimates of the divergence; nil leaves them as they are.
  public let frame: ElasticFrame?

  public init(
    network: Net, space: LatentSpace, networkTimeIsReversed: Bool = false, readsPoint: Bool = false,
    frame: ElasticFrame? = nil
  ) {
    (self.network, self.space, self.frame) = (network, space, frame)
    (self.networkTimeIsReversed, self.readsPoint) = (networkTimeIsReversed, readsPoint)
  }

  public func replacing(network: Net) -> Self {
    Self(
      network: network, space: space, networkTimeIsReversed: networkTimeIsReversed, readsPoint: readsPoint, frame: frame
    )
  }

  public var twiceDifferentiable: Self { replacing(network: network.twiceDifferentiable) }

  public var drawsBothHands: Bool { true }

  public func oriented(probes: Tensor, at x: Tensor) throws -> Tensor { try frame?.oriented(probes, at: x) ?? probes }

  public func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    let positions = try positions(x)
    return try flattened(network(positions, networkTime(t)), at: positions)
  }

  public func withQuadraticForms(_ x: Tensor, _ t: Tensor, directions: Tensor) throws -> (Tensor, Tensor) {
    let m = directions.shape[0]
    let positions = try positions(x)
    let moves = try directions.reshaped(m, x.shape[0], space.dimension / 3, 3)
    guard let (value, tangents) = try network.withTangents(positions, networkTime(t), directions: moves) else {
      return try quadraticFormsByReverseMode(x, t, directions: directions)
    }
    return (try flattened(value, at: positions), try (flattened(tangents, at: moves) * directions).sum(-1))
  }

  private func positions(_ x: Tensor) throws -> Tensor { try x.reshaped(-1, space.dimension / 3, 3) }
  private func networkTime(_ t: Tensor) throws -> Tensor { try networkTimeIsReversed ? 1 - t : t }

  /// The network's output at `positions`, [..., atoms, 3] both, as the field's [..., 3 atoms]: without the mean where points have none, in
  /// the project's direction of time. Linear in both, so that tangents and their directions go through it too.
  private func flattened(_ output: Tensor, at positions: Tensor) throws -> Tensor {
    let mask = try network.atoms.mask?.unsqueezed(-1)
    let vectors =
      if readsPoint {
        try output - (mask.map { try positions * $0 } ?? positions)
      } else {
        try networkTimeIsReversed ? -output : output
      }
    let flat = try vectors.reshaped(Array(vectors.shape.dropLast(2)) + [space.dimension])
    guard space.meanFree else { return flat }
    guard let mask else { return try space.projected(flat) }
    let mean = try vectors.sum(-2, keepingDimensions: true) / mask.sum(-2, keepingDimensions: true)
    return try ((vectors - mean) * mask).reshaped(flat.shape)
  }
}

/// A velocity by geometric vector perceptrons.
public typealias GVPVectorField = CartesianVectorField<GVPNetwork>
/// A velocity by an E(n) equivariant graph network ("ECNF").
public typealias EGNNVectorField = CartesianVectorField<EGNNNetwork>

/// An orthonormal frame that follows a molecule's stiff and soft motions, for probes of its velocity's divergence.
///
/// The variance of Hutchinson's estimate e . J e with random signs in a frame Q is twice the sum of squares of the off-diagonal elements of
/// the symmetric part of Q^T J Q: it vanishes where Q diagonalises J, and any orthonormal Q is unbiased. Close to the data, J of a
/// flow of molecules has the directions of an elastic network: bonds are drawn to their length at a rate of 1 / (1 - t), soft
/// motions are not. Q holds the eigenvectors of sum_pairs k (u u^T), u the unit vector along the pair, with spring constants k
/// that fall with the number of bonds between the two atoms.
public struct ElasticFrame {
  /// Signed incidence of pairs and atoms times the root of the spring constant, [pairs, atoms].
  private let incidence: Tensor
  private let atoms: Int
  /// Spring constants of pairs one, two, three and more bonds apart.
  static let springs = [1000.0, 300, 30, 3]

  /// `bonds`: pairs of atoms; atoms that no chain of bonds joins count as far apart. Throws `MolecularGraphError`.
  public init(atoms: Int, bonds: [[Int]]) throws {
    self.atoms = atoms
    let separations = try BondGraph(classes: [Int](repeating: 0, count: atoms), bonds: bonds).separations()
    var rows: [Double] = []
    for first in 0..<atoms {
      for second in (first + 1)..<max(first + 1, atoms) {
        let apart = separations[first][second] ?? Int.max
        let weight = Self.springs[min(apart, Self.springs.count) - 1].squareRoot()
        var row = [Double](repeating: 0, count: atoms)
        row[first] = weight
        row[second] = -weight
        rows += row
      }
    }
    incidence = try Tensor(rows, shape: [rows.count / max(1, atoms), atoms])
  }

  /// Columns are the frame's directions, [n, 3 atoms, 3 atoms], at points x [n, 3 atoms].
  public func directions(at x: Tensor) throws -> Tensor {
    let type = x.scalarType ?? .float32
    let (n, d) = (x.shape[0], 3 * atoms)
    let s = try incidence.cast(type)
    let positions = try x.detached().reshaped(n, atoms, 3)
    // the spring's root drops out of the unit vector
    let along = try s.sign().matmul(positions)
    let unit = try along / (along.square().sum(-1, keepingDimensions: true) + 1e-6).sqrt()
    let strain = try (s.unsqueezed(0).unsqueezed(-1) * unit.unsqueezed(2)).reshaped(n, s.shape[0], d)
    return try strain.transposed().matmul(strain).symmetricEigenDecomposition().vectors
  }

  /// `probes` [m, n, 3 atoms] given in the frame at x [n, 3 atoms], as directions in space.
  public func oriented(_ probes: Tensor, at x: Tensor) throws -> Tensor {
    let turned = try directions(at: x).matmul(probes.permuted(1, 2, 0))
    return try turned.permuted(2, 0, 1)
  }
}
