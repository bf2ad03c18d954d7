import Torch

/// A network over molecules: positions [n, atoms, 3] and times [n] to one vector per atom, [n, atoms, 3].
///
/// It commutes with rotations, reflections and the exchange of atoms of one class, and does not see translations.
public protocol CartesianNetwork: Network {
  typealias Tangents = (value: Tensor, tangents: Tensor)
  var atoms: AtomClasses { get }
  /// The same parameters on other molecules.
  func replacing(atoms: AtomClasses) -> Self
  func callAsFunction(_ positions: Tensor, _ time: Tensor) throws -> Tensor
  /// The same network by operations that can be differentiated twice.
  var twiceDifferentiable: Self { get }
  /// The output and its derivatives along `directions` [m, n, atoms, 3], [m, n, atoms, 3], by forward mode; nil where the
  /// network has none, and then back-propagation is used.
  func withTangents(_ positions: Tensor, _ time: Tensor, directions: Tensor) throws -> Tangents?
}

extension CartesianNetwork {
  public var twiceDifferentiable: Self { self }
  public func withTangents(_ positions: Tensor, _ time: Tensor, directions: Tensor) throws -> Tangents? { nil }
}

/// Which atoms the molecules of a batch have: one class per atom, and padding where molecules differ in size.
///
/// Networks tell atoms apart by their class alone: atoms of one class can be exchanged without changing anything.
public struct AtomClasses {
  /// [1 or n, atoms, classes], a single 1 per atom; zero for padding.
  public let oneHot: Tensor
  /// [1 or n, atoms], 1 for an atom and 0 for padding; nil where there is no padding.
  public let mask: Tensor?
}

extension AtomClasses {
  /// One molecule, the same in every row of a batch: a class 0 ..< `count` per atom.
  public init(_ classes: [Int], count: Int) throws { try self.init(molecules: [classes], count: count) }

  /// One molecule per row of a batch, padded to the largest.
  public init(molecules: [[Int]], count: Int) throws {
    let atoms = molecules.map(\.count).max() ?? 0
    var oneHot = [Float](repeating: 0, count: molecules.count * atoms * count)
    var mask = [Float](repeating: 0, count: molecules.count * atoms)
    for (row, classes) in molecules.enumerated() {
      for (atom, value) in classes.enumerated() {
        guard (0..<count).contains(value) else {
          throw CartesianNetworkError.unknownClass(value, atom: atom, count: count)
        }
        oneHot[(row * atoms + atom) * count + value] = 1
        mask[row * atoms + atom] = 1
      }
    }
    self.init(
      oneHot: try Tensor(oneHot, shape: [molecules.count, atoms, count]),
      mask: mask.allSatisfy { $0 == 1 } ? nil : try Tensor(mask, shape: [molecules.count, atoms]))
  }

  public var atoms: Int { oneHot.shape[1] }
  /// Classes that exist.
  public var count: Int { oneHot.shape[2] }

  /// Of these molecules of a batch.
  func rows(_ range: Range<Int>) throws -> Self { Self(oneHot: try oneHot.slice(range), mask: try mask?.slice(range)) }

  /// [1 or n, atoms, atoms]: 1 where both atoms exist and differ.
  func pairs() throws -> Tensor {
    let others = try 1 - Tensor.identity(atoms, oneHot.scalarType ?? .float32)
    guard let mask else { return try others.unsqueezed(0) }
    return try mask.unsqueezed(1) * mask.unsqueezed(2) * others
  }

  /// The class of every atom followed by the time, [n, atoms, classes + 1].
  func features(_ time: Tensor) throws -> Tensor {
    let n = time.shape[0]
    return try Tensor.concatenated(
      [oneHot.expanded([n, atoms, count]), time.reshaped(n, 1, 1).expanded([n, atoms, 1])], axis: -1)
  }

  var constants: [(name: String, tensor: Tensor)] {
    [(name: "atom_classes", tensor: oneHot)] + (mask.map { [(name: "atom_mask", tensor: $0)] } ?? [])
  }

  func replacing(_ constants: [Tensor]) -> Self {
    Self(oneHot: constants.first ?? oneHot, mask: constants.count > 1 ? constants[1] : mask)
  }
}

public enum CartesianNetworkError: Error, CustomStringConvertible, Equatable {
  case unknownClass(Int, atom: Int, count: Int)
  case parameterMissing(String)
  case parameterUnknown(String)
  case parameterShape(String, found: [Int], expected: [Int])

  public var description: String {
    switch self {
    case .unknownClass(let value, let atom, let count):
      "atom \(atom) has class \(value), but the network has classes 0 ..< \(count)"
    case .parameterMissing(let name):
      "the weights have no tensor \(name): they belong to a network of another configuration"
    case .parameterUnknown(let name):
      "the weights have a tensor \(name) that this network does not: they belong to another configuration"
    case .parameterShape(let name, let found, let expected):
      "the tensor \(name) has shape \(found); this network needs \(expected)"
    }
  }
}
