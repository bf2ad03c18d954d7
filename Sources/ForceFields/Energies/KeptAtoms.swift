/// Which atoms of a file the molecule is.
public struct KeptAtoms: Equatable, Sendable {
  /// Ascending, from 0.
  public let indices: [Int]
  /// How many there are in the file.
  public let total: Int

  public init(_ indices: [Int], of total: Int) { (self.indices, self.total) = (indices, total) }

  public var areAll: Bool { indices.count == total }
}
