import Foundation
import Torch

/// The velocity of atoms' positions by a network over pairs; other columns stand still. Its Jacobian comes with it, by all directions.
struct PairField: JacobianField {
  let network: PairNetwork
  /// Positions are its first columns.
  let space: LatentSpace
  var movedColumns: Range<Int> { 0..<3 * network.configuration.geometry.atoms }
  /// As many as keep the network's largest tensors near the processor.
  var rowsTogether: Int {
    guard Runtime.device == .cpu else { return 64 }
    let bytes = 4 * movedColumns.count * network.configuration.largestRow
    return min(64, max(4, (4 << 20) / max(1, bytes)))
  }

  func replacing(network: PairNetwork) -> Self { Self(network: network, space: space) }

  func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor { try moved(x, network(positions(x), t)) }

  private var positionSpace: LatentSpace { LatentSpace(atoms: network.configuration.geometry.atoms, meanFree: true) }

  private func positions(_ x: Tensor) throws -> Tensor {
    movedColumns.count < x.shape[x.shape.count - 1] ? try x.slice(movedColumns, axis: -1) : x
  }

  private func moved(_ x: Tensor, _ velocity: Tensor) throws -> Tensor {
    let still = space.dimension - movedColumns.count
    guard still > 0 else { return velocity }
    return try Tensor.concatenated(
      [velocity, Tensor.zeros([x.shape[0], still], velocity.scalarType ?? .float32)], axis: 1)
  }

  func quadraticForms(_ x: Tensor, _ t: Tensor, _ directions: Tensor) throws -> (Tensor, Tensor) {
    // all atoms together move nowhere
    let along = try positionSpace.projected(positions(directions))
    let (value, tangents) = try network.withTangents(positions(x), t, directions: along)
    return (try moved(x, value), try (along * tangents).sum(-1))
  }

  /// A direction's part along other columns adds noise and no mean.
  func confined(_ directions: Tensor) throws -> Tensor {
    let still = space.dimension - movedColumns.count
    guard still > 0 else { return directions }
    return try Tensor.concatenated(
      [
        positions(directions),
        Tensor.zeros(directions.shape.dropLast() + [still], directions.scalarType ?? .float32),
      ], axis: -1)
  }

  func withJacobian(_ x: Tensor, _ t: Tensor) throws -> (Tensor, Tensor) {
    let (n, columns, together) = (x.shape[0], movedColumns.count, rowsTogether)
    // all atoms together move nowhere, and that direction keeps its volume
    let unit = try positionSpace.projected(Tensor.identity(columns, x.scalarType ?? .float32)).unsqueezed(1)
    let parts = try stride(from: 0, to: n, by: together).map { lower in
      let rows = lower..<min(lower + together, n)
      let directions = try unit.expanded([columns, rows.count, columns])
      return try network.withTangents(positions(x.slice(rows)), t.slice(rows), directions: directions)
    }
    let velocity = try parts.count == 1 ? parts[0].value : Tensor.concatenated(parts.map(\.value), axis: 0)
    let tangents = try parts.count == 1 ? parts[0].tangents : Tensor.concatenated(parts.map(\.tangents), axis: 1)
    return (try moved(x, velocity), try tangents.permuted(1, 2, 0))
  }
}

/// Flow matching of positions with forces of the data as a control variate whose multiple is a matrix over atoms.
///
/// As `ForceTargets`: beta z + alpha g has mean zero given the point I_t, whatever matrix M of I_t and t it is multiplied by. Where the data were
/// Gaussian of precision H, M = (beta^2 + alpha^2 H)^-1 would leave no noise. H here is one matrix over atoms for all frames, E g g^T by
/// atoms, a third for each axis. A matrix made of the frame itself would be wrong: it knows more than I_t, and the loss does not tell.
struct PairForceTargets {
  /// Eigenvalues [atoms] and eigenvectors [atoms, atoms] of H.
  let values, vectors: Tensor

  /// `gradients` [n, 3 atoms] of the data, each drawn with the weight `weights` [n].
  init(_ gradients: Tensor, weights: [Double]) throws {
    let n = gradients.shape[0]
    let share = try Tensor(weights)
    let g = try gradients.cast(.float64).reshaped(n, -1, 3)
    let weighted = try g * (share / share.sum().item()).reshaped(n, 1, 1)
    // [atoms, 3 n] by [3 n, atoms]
    func flat(_ x: Tensor) throws -> Tensor { try x.permuted(1, 0, 2).reshaped(g.shape[1], 3 * n) }
    let matrix = try flat(weighted).matmul(flat(g).transposed()) / 3
    let found = try matrix.symmetricEigenDecomposition()
    values = try found.values.clamped(0...Double.greatestFiniteMagnitude).cast(.float32)
    vectors = try found.vectors.cast(.float32)
  }

  /// What to add to the target y - z of linear paths: z and g [n, 3 atoms], t [n, 1].
  func addition(z: Tensor, g: Tensor, t: Tensor) throws -> Tensor {
    let left = try 1 - t
    let r = try (t * z + left * g).reshaped(z.shape[0], -1, 3).permuted(0, 2, 1)
    let (values, vectors) = (try values.cast(z.scalarType ?? .float32), try vectors.cast(z.scalarType ?? .float32))
    let factor = try (t.square() + left.square() * values).reciprocal().unsqueezed(1)
    let turned = try r.matmul(vectors) * factor
    return try turned.matmul(vectors.transposed()).permuted(0, 2, 1).reshaped(z.shape)
  }
}

/// Times of a loss over positions: ln sigma, sigma = (1 - t) / t, is normal about where a molecule's shape appears, and a tenth of the times are uniform.
/// Errors count t^2, as they do per ln sigma for the Kullback-Leibler divergence; that most of them are drawn where the shape appears is meant.
struct PairTimes {
  static let (mean, deviation, uniformShare, latest) = (-1.2, 1.2, 0.1, 0.996)

  /// Times [n], and weights [n, 1].
  static func draw(_ n: Int, _ generator: Generator) throws -> (t: Tensor, weight: Tensor) {
    let logSigma = try generator.normal([n]) * deviation + mean
    let drawn = try (logSigma.exp() + 1).reciprocal()
    let uniform = try FlowMatchingLoss.stratifiedTimes(n, generator)
    let t = try generator.uniform([n]).less(uniformShare).select(uniform, else: drawn).clamped(1e-4...latest)
    return (t, try t.square().unsqueezed(-1))
  }
}

/// The flow-matching loss of positions, of both stages of the network.
struct PairLoss {
  /// Nil without forces.
  let targets: PairForceTargets?
  let space: LatentSpace
  /// Of the first stage alone.
  static let firstShare = 0.2

  /// Positions [n, 3 atoms], and gradients of ln p over them where there are targets. Mean over rows and dimensions, a scalar.
  func callAsFunction(_ network: PairNetwork, _ y: Tensor, _ g: Tensor?, _ generator: Generator) throws -> Tensor {
    let n = y.shape[0]
    let (t, weight) = try PairTimes.draw(n, generator)
    let time = try t.unsqueezed(-1)
    let z = try space.noise(n, generator)
    let x = try y * time + z * (1 - time)
    var target = try y - z
    if let targets, let g { target = try target + targets.addition(z: z, g: g, t: time) }
    let (first, second) = try network.stages(Dual(x), t, detached: true)
    func loss(_ v: Dual) throws -> Tensor { try ((v.value - target).square() * weight).sum() }
    let total = try loss(second) * (1 - Self.firstShare) + loss(first) * Self.firstShare
    return try total / Double(n * space.degreesOfFreedom)
  }
}
