import Dynamics

/// All that an umbrella run needs to go on where it stands, and all it has found so far.
///
/// Arrays are flat; directions are 2, the walks up and down. What a phase does not use is empty.
public struct UmbrellaState: Equatable, Sendable {
  public enum Phase: Int, Sendable {
    /// Two walks along the first torsion, one each way, that leave a starting frame for every row.
    case spine
    /// From each starting frame a walk along the row, the same way round: every window is equilibrated, and sampled too unless
    /// windows exchange.
    case ribs
    /// All windows side by side, exchanging frames with their neighbours.
    case exchange
    case finished
    /// All windows that were kept, each by itself, in rounds that whoever runs it plans one after the other.
    case rounds
  }

  public var phase = Phase.spine
  /// Pieces done, per walk of the phase.
  public var done: [Int] = []
  /// nm and nm/ps, [walks, atoms, 3].
  public var positions: [Double] = [], velocities: [Double] = []
  /// Where the ribs begin, nm, [2, rows, atoms, 3].
  public var rowStarts: [Double] = []
  /// Recorded torsions, rad, [2, windows, samples, torsions].
  public var records: [Double] = []
  /// The last frame of every window, nm, [2, windows, atoms, 3].
  public var endPositions: [Double] = []
  /// Exchanges tried and accepted, per axis of the grid.
  public var attempts: [Int] = [], acceptances: [Int] = []
  public var work = DynamicsWork(moves: 0)
  /// What the rounds recorded of every visit, after `records`, rad, [2 * windows][samples, torsions].
  public var further: [[Double]] = []
  /// Samples that the rounds are to give every window in each direction, [windows], and the rounds planned so far.
  public var planned: [Int] = [], rounds = 0

  /// The beginning, and for a state that was saved: `UmbrellaSampler.resume` checks it.
  public init() {}
}
