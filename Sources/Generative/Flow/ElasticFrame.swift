import Torch

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
