/// Shares that states are to have among the frames as they are drawn in training.
///
/// A state's border ought to lie where few frames are: the density of the drawn frames jumps there, and forces do not know of it.
public struct StateShares: Sendable {
  /// Of all states.
  public let names: [String]
  /// The state of each frame, by its place in `names`.
  public let places: [Int]
  /// For each state; nil where it keeps its proportion in what the others leave.
  public let shares: [Double?]

  /// Throws `StateSharesError.sum` where the shares add up to more than 1.
  public init(names: [String], places: [Int], shares: [Double?]) throws {
    (self.names, self.places, self.shares) = (names, places, shares)
    let sum = shares.reduce(0) { $0 + ($1 ?? 0) }
    guard sum <= 1 + 1e-9 else { throw StateSharesError.sum(sum) }
  }

  /// How often a frame of each state is drawn, relative to 1, where frames are drawn from `rows` alone. Throws `StateSharesError` where they
  /// do not hold what the shares are of.
  func factors(of rows: [Int]) throws -> [Double] {
    var counts = names.map { _ in 0.0 }
    for row in rows { counts[places[row]] += 1 }
    let told = shares.reduce(0) { $0 + ($1 ?? 0) }
    let free = zip(shares, counts).reduce(0) { $0 + ($1.0 == nil ? $1.1 : 0) }
    for (name, (share, count)) in zip(names, zip(shares, counts)) where count == 0 && (share ?? 0) > 0 {
      throw StateSharesError.empty(name)
    }
    guard told >= 1 - 1e-9 || free > 0 else { throw StateSharesError.nothingElse(told) }
    return zip(shares, counts).map { share, count in
      let factor = share.map { count > 0 ? $0 / count : 0 } ?? (free > 0 ? max(0, 1 - told) / free : 0)
      return factor * Double(rows.count)
    }
  }
}

public enum StateSharesError: Error, Equatable, CustomStringConvertible {
  case sum(Double)
  case empty(String)
  /// All frames lie in states whose shares, this much together, leave something for others.
  case nothingElse(Double)

  public var description: String {
    switch self {
    case .sum(let sum): "the shares of the states add up to \(sum), which is more than 1"
    case .empty(let name): "no frame to train on lies in state '\(name)': it cannot have a share"
    case .nothingElse(let sum):
      "the shares of the states add up to \(sum), and no frame lies in another state: what is left has nowhere to go"
    }
  }
}
