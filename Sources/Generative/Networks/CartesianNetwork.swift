import Torch

/// A network over molecules: positions [n, atoms, 3] and times [n] to one vector per atom, [n, atoms, 3].
///
/// It commutes with rotations, reflections and the exchange of atoms of one class, and does not see translations.
public protocol CartesianNetwork: Network {
  var atoms: AtomClasses { get }
  /// The same parameters on other molecules.
  func replacing(atoms: AtomClasses) -> Self
  func callAsFunction(_ positions: Tensor, _ time: Tensor) throws -> Tensor
  /// The same network by operations that can be differentiated twice.
  var twiceDifferentiable: Self { get }
  /// The output and its derivatives along `directions` [m, n, atoms, 3], [m, n, atoms, 3], by forward mode; nil where the
  /// network has none, and then back-propagation is used.
  func withTangents(_ positions: Tensor, _ time: Tensor, directions: Tensor) throws -> (
    value: Tensor, tangents: Tensor
  )?
}

extension CartesianNetwork {
  public var twiceDifferentiable: Self { self }

  public func withTangents(
    _ positions: Tensor, _ time: Tensor, directions: Tensor
  ) throws -> (value: Tensor, tangents: Tensor)? { nil }
}
