/// A dense row-major array: `values` in C order, `shape` from the slowest axis to the fastest.
///
/// The plain value that modules hand to each other where a bare list would lose its shape. It carries no arithmetic:
/// tensor work is `Torch.Tensor`'s.
public struct NDArray<Scalar> {
  public let shape: [Int]
  public var values: [Scalar]

  /// Throws `NDArrayError.shapeMismatch` when the shape does not hold `values.count` elements.
  public init(_ values: [Scalar], shape: [Int]) throws {
    guard shape.allSatisfy({ $0 >= 0 }), shape.reduce(1, *) == values.count
    else { throw NDArrayError.shapeMismatch(shape: shape, count: values.count) }
    (self.values, self.shape) = (values, shape)
  }

  public init(_ values: [Scalar]) {
    self.values = values
    self.shape = [values.count]
  }

  public var count: Int { values.count }
}

extension NDArray: Equatable where Scalar: Equatable {}
extension NDArray: Sendable where Scalar: Sendable {}

public enum NDArrayError: Error, Equatable, CustomStringConvertible {
  case shapeMismatch(shape: [Int], count: Int)

  public var description: String {
    switch self {
    case .shapeMismatch(let shape, let count):
      "shape \(shape) holds \(shape.reduce(1, *)) elements, but \(count) were given"
    }
  }
}
