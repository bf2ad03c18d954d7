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
  }

  public internal(set) var phase = Phase.spine
  /// Pieces done, per walk of the phase.
  public internal(set) var done: [Int] = []
  /// nm and nm/ps, [walks, atoms, 3].
  public internal(set) var positions: [Double] = []
  public internal(set) var velocities: [Double] = []
  /// Where the ribs begin, nm, [2, rows, atoms, 3].
  public internal(set) var rowStarts: [Double] = []
  /// Recorded torsions, rad, [2, windows, samples, torsions].
  public internal(set) var records: [Double] = []
  /// The last frame of every window, nm, [2, windows, atoms, 3].
  public internal(set) var endPositions: [Double] = []
  /// Exchanges tried and accepted, per axis of the grid.
  public internal(set) var attempts: [Int] = []
  public internal(set) var acceptances: [Int] = []
  /// How often each torsion move was tried and taken.
  public internal(set) var movesTried: [Int] = []
  public internal(set) var movesTaken: [Int] = []
  /// Steps done so far, all walks together: an integer, because a sum of times would depend on their order.
  public internal(set) var steps = 0

  init() {}

  /// For a state that was saved; `UmbrellaSampler.resume` checks it.
  public init(
    phase: Phase, done: [Int], positions: [Double], velocities: [Double], rowStarts: [Double], records: [Double],
    endPositions: [Double], attempts: [Int], acceptances: [Int], movesTried: [Int] = [], movesTaken: [Int] = [],
    steps: Int
  ) {
    self.phase = phase
    self.done = done
    self.positions = positions
    self.velocities = velocities
    self.rowStarts = rowStarts
    self.records = records
    self.endPositions = endPositions
    self.attempts = attempts
    self.acceptances = acceptances
    self.movesTried = movesTried
    self.movesTaken = movesTaken
    self.steps = steps
  }
}
