import Basics
import Torch

extension GVPNetwork {
  /// Takes over weights by name, for example those of a published checkpoint.
  ///
  /// Tensors without elements are left out of account. Throws `CartesianNetworkError` when a tensor is missing, unknown or has
  /// another shape than the configuration asks for.
  public init(configuration: GVPConfiguration, atoms: AtomClasses, weights: [String: NDArray<Float>]) throws {
    self.init(
      configuration: configuration, atoms: atoms,
      parameters: try ParameterShape.tensors(Self.parameterShapes(configuration), from: weights))
  }
}

extension ParameterShape {
  static func tensors(_ shapes: [ParameterShape], from weights: [String: NDArray<Float>]) throws -> [Tensor] {
    let known = Set(shapes.map(\.name))
    for (name, array) in weights.sorted(by: { $0.key < $1.key }) where !known.contains(name) && !array.values.isEmpty {
      throw CartesianNetworkError.parameterUnknown(name)
    }
    return try shapes.map { expected in
      guard let array = weights[expected.name] else { throw CartesianNetworkError.parameterMissing(expected.name) }
      guard array.shape == expected.shape else {
        throw CartesianNetworkError.parameterShape(expected.name, found: array.shape, expected: expected.shape)
      }
      return try Tensor(array)
    }
  }
}
