import Torch

/// What training needs to know of a neural network: its parameters by name, and how to put others in their place.
///
/// Networks are values: `replacing` gives the same network with averaged or Float64 tensors.
public protocol Network {
  /// In the order of `parameters`; no two are equal.
  var parameterNames: [String] { get }
  /// Trained tensors.
  var parameters: [Tensor] { get }
  /// Tensors that belong to the network and are not trained, such as random frequencies.
  var constants: [(name: String, tensor: Tensor)] { get }
  /// The same network with these tensors, in the order of `parameters` and `constants`.
  func replacing(parameters: [Tensor], constants: [Tensor]) -> Self
}

extension Network {
  public var constants: [(name: String, tensor: Tensor)] { [] }

  public func replacing(parameters: [Tensor]) -> Self {
    replacing(parameters: parameters, constants: constants.map(\.tensor))
  }

  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }
  /// Element type of the parameters: what inputs must be cast to.
  public var scalarType: ScalarType { parameters.first?.scalarType ?? .float32 }

  /// Detached parameters and constants of another element type.
  public func cast(_ type: ScalarType) throws -> Self {
    replacing(
      parameters: try parameters.map { try $0.detached().cast(type) },
      constants: try constants.map { try $0.tensor.cast(type) })
  }

  /// A copy whose parameters have storage of their own, e.g. for an average; constants are shared.
  public func cloned() throws -> Self { replacing(parameters: try parameters.map { try $0.detached().clone() }) }
}
