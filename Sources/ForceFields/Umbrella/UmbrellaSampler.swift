import Basics
import Dynamics
import OpenMM

/// Umbrella sampling of torsions on a grid of windows, every window visited by two walks that come from opposite sides.
///
/// Each direction has a spine, a walk along the first torsion that leaves a starting frame in every row, and from each of these
/// a rib, a walk along the row. Walking up and walking down differ in every neighbour a frame came from, so what depends on
/// the way shows as a difference between the directions. All ribs are independent of each other, which keeps any number
/// of threads busy. Every piece of every walk has a random stream of its own, derived from the seed and the piece's place:
/// the result depends neither on the threads nor on where a run was interrupted.
public final class UmbrellaSampler: DynamicsRun {
  public struct Settings: Equatable, Sendable {
    /// One of its torsion moves is tried after each sample interval.
    public var dynamics: DynamicsSettings
    /// ps, before every visit of a window.
    public var equilibration = 5.0
    /// ps per window, both directions together.
    public var production = 40.0
    /// ps between recorded torsions.
    public var sampleInterval = 0.2
    /// ps of the pieces that a visit of a window is cut into, at the end of which a run can stop. Pieces have random streams of their own: a
    /// run with other pieces is another run.
    public var pieceLength = 20.0
    /// ps of one walk in a call of `advance`, if that holds more than one piece.
    public var callLength = 100.0
    /// ps between exchanges of neighbouring windows; nil: windows do not exchange.
    public var exchangeInterval: Double?
    /// ps per window, both directions together, that the visits record where windows are then given further samples
    /// in rounds
    /// (`extend`); nil: the visits record all of `production`.
    public var firstPass: Double?
  }

  public static let directions = 2

  public let grid: UmbrellaGrid
  public let settings: Settings
  /// Torsions recorded per sample; the grid's come first.
  public let torsionCount: Int
  /// Samples of a visit: of a window in one direction, where there are no rounds.
  public let samples: Int
  /// Samples of all windows together in one direction that `production` stands for.
  public let budget: Int
  public internal(set) var state = UmbrellaState()

  public let dynamics: LangevinDynamics
  /// The spine's first window.
  let origin: Int
  let rows: Int, columns: Int
  let equilibrationSteps: Int, interval: Int
  /// Samples of one piece; a visit of a window is cut into pieces, so that a run can stop within it.
  let samplesPerPiece: Int

  /// `torsions`: four atoms each, those of the grid first, then others to be recorded. `forceConstants`: kJ/mol/rad^2, one
  /// per axis of the grid. `coordinates`: the frame to begin with, nm, [atoms, 3]; its energy is minimised first.
  ///
  /// Throws `UmbrellaSamplerError` and `OpenMMError`.
  public init(
    system: System, grid: UmbrellaGrid, torsions: [[Int]], forceConstants: [Double], coordinates: [Double],
    settings: Settings
  ) throws {
    guard forceConstants.count == grid.counts.count, torsions.count >= grid.counts.count else {
      throw UmbrellaSamplerError.settings(
        "\(grid.counts.count) axes, \(forceConstants.count) force constants, \(torsions.count) torsions")
    }
    func steps(_ name: String, _ time: Double) throws -> Int {
      guard time >= 0, time / settings.dynamics.timestep < 1e12 else {
        throw UmbrellaSamplerError.settings("\(name) of \(time) ps at a timestep of \(settings.dynamics.timestep) ps")
      }
      return Int((time / settings.dynamics.timestep).rounded())
    }
    interval = try steps("a sample interval", settings.sampleInterval)
    equilibrationSteps = try steps("equilibration", settings.equilibration)
    let wanted = try steps("production", settings.production / Double(Self.directions)) / max(1, interval)
    let first = try settings.firstPass.map { try steps("a first pass", $0 / Double(Self.directions)) }
    samples = first.map { [interval] in max(1, $0 / max(1, interval)) } ?? wanted
    budget = wanted * grid.windowCount
    guard interval >= 1, wanted >= 1 else {
      throw UmbrellaSamplerError.settings(
        "production of \(settings.production) ps per window, half in each direction, holds no sample every "
          + "\(settings.sampleInterval) ps")
    }
    if settings.firstPass != nil, settings.exchangeInterval != nil {
      throw UmbrellaSamplerError.settings("windows that exchange frames have one length, and rounds give them several")
    }
    if let time = settings.exchangeInterval {
      samplesPerPiece = try steps("an exchange interval", time) / interval
      guard samplesPerPiece >= 1 else {
        throw UmbrellaSamplerError.settings(
          "an exchange interval of \(time) ps is shorter than the sample interval, \(settings.sampleInterval) ps")
      }
    } else {
      samplesPerPiece = max(1, try steps("a piece", settings.pieceLength) / interval)
    }
    (self.grid, self.settings, torsionCount) = (grid, settings, torsions.count)
    dynamics = try LangevinDynamics(
      system: system, settings: settings.dynamics, torsions: torsions, forceConstants: forceConstants,
      recordInterval: interval)
    rows = grid.counts[0]
    columns = grid.windowCount / rows
    let start = try dynamics.minimised(coordinates)
    origin = grid.nearestWindow(to: Array(try dynamics.torsions(start).prefix(grid.counts.count)))

    let size = 3 * system.atomCount
    state.rowStarts = [Double](repeating: 0, count: Self.directions * rows * size)
    state.endPositions = [Double](repeating: 0, count: Self.directions * grid.windowCount * size)
    state.records = [Double](repeating: 0, count: Self.directions * grid.windowCount * samples * torsionCount)
    state.attempts = [Int](repeating: 0, count: grid.counts.count)
    state.acceptances = state.attempts
    state.work = DynamicsWork(moves: settings.dynamics.moves.count)
    try begin(.spine, walks: (0..<Self.directions).map { _ in start })
  }

  /// How far apart two computations of a force may be, relative to max(1, |force| in kJ/mol/nm).
  public static let forceTolerance = 1e-5

  /// The largest difference between the forces in use and OpenMM's, on the frames that the spines left and on the end frames of
  /// all windows of a finished run. Throws `UmbrellaSamplerError.forces` beyond the tolerance.
  public func checkForces(tolerance: Double = forceTolerance) throws -> Double {
    let deviation = try max(dynamics.forceDeviation(state.rowStarts), dynamics.forceDeviation(state.endPositions))
    guard deviation <= tolerance
    else { throw UmbrellaSamplerError.forces(provider: forceProvider, deviation: deviation) }
    return deviation
  }

  public var work: DynamicsWork { state.work }
  public var isFinished: Bool { state.phase == .finished }

  public var totalTime: Double {
    let directions = Double(Self.directions)
    let equilibration = Double(equilibrationSteps) * Double(rows + grid.windowCount)
    return directions * settings.dynamics.timestep * (equilibration + Double(budget * interval))
  }

  /// Goes on from a saved state. Throws `UmbrellaSamplerError.state` when it is of another set-up.
  public func resume(_ saved: UmbrellaState) throws {
    func require(_ name: String, _ count: Int, _ expected: Int) throws {
      if count != expected { throw UmbrellaSamplerError.state("\(count) \(name) where \(expected) belong") }
    }
    try require("numbers of starting frames", saved.rowStarts.count, state.rowStarts.count)
    try require("recorded torsions", saved.records.count, state.records.count)
    try require("numbers of end frames", saved.endPositions.count, state.endPositions.count)
    try require("axes", saved.attempts.count, grid.counts.count)
    try require("axes", saved.acceptances.count, grid.counts.count)
    try require("torsion moves", saved.work.movesTried.count, settings.dynamics.moves.count)
    try require("torsion moves", saved.work.movesTaken.count, settings.dynamics.moves.count)
    try require("walks", saved.done.count, walks(in: saved.phase))
    let hasRounds = settings.firstPass != nil && (saved.phase == .rounds || saved.rounds > 0)
    try require("visits", saved.further.count, hasRounds ? Self.directions * grid.windowCount : 0)
    try require("planned lengths", saved.planned.count, hasRounds ? grid.windowCount : 0)
    guard
      saved.further.enumerated().allSatisfy({ visit, list in
        list.count % torsionCount == 0 && list.count / torsionCount <= saved.planned[visit % grid.windowCount]
      })
    else { throw UmbrellaSamplerError.state("a window has more samples than were planned") }
    try require("positions", saved.positions.count, saved.done.count * size)
    try require("velocities", saved.velocities.count, saved.done.count * size)
    state = saved
  }

  /// A visit that has come to its end: the window's samples of this direction, and its end frame, are there.
  public struct Visit: Equatable, Sendable {
    /// 0: the walks up, 1: the walks down.
    public var direction, window: Int
  }

  /// Does about a second's work. Returns the visits that it finished.
  public func advance() throws -> [Visit] {
    switch state.phase {
    case .spine: try advanceSpine()
    case .ribs: return try advanceRibs()
    case .exchange: return try advanceExchange()
    case .rounds: return try advanceRounds()
    case .finished: break
    }
    return []
  }

  /// The last frame of a window in one direction, nm, [atoms, 3].
  public func endFrame(_ visit: Visit) -> ArraySlice<Double> {
    let first = (visit.direction * grid.windowCount + visit.window) * size
    return state.endPositions[first..<first + size]
  }

  // MARK: Walks

  var size: Int { 3 * dynamics.system.atomCount }

  func walks(in phase: UmbrellaState.Phase) -> Int {
    switch phase {
    case .spine: Self.directions
    case .ribs: Self.directions * rows
    case .exchange, .rounds: Self.directions * grid.windowCount
    case .finished: 0
    }
  }

  /// Starts a phase from one frame per walk, with fresh velocities.
  func begin(_ phase: UmbrellaState.Phase, walks frames: [[Double]]) throws {
    state.phase = phase
    state.done = frames.map { _ in 0 }
    state.positions = frames.flatMap { $0 }
    state.velocities = try frames.indices.flatMap { walk in
      try dynamics.thermalVelocities(
        seed: RandomStream.derivedSeed(
          settings.dynamics.seed, ["velocities", "phase \(phase.rawValue)", "walk \(walk)"]))
    }
  }

  func frame(_ list: [Double], _ index: Int) -> [Double] { Array(list[index * size..<(index + 1) * size]) }
  private func around(_ index: Int, _ count: Int) -> Int { (index % count + count) % count }

  /// The row that a spine reaches, or the window that a rib reaches, after so many steps: up from the origin in direction 0,
  /// down in direction 1.
  func row(direction: Int, step: Int) -> Int {
    let first = origin / columns
    return around(direction == 0 ? first + step : first - step, rows)
  }

  func window(direction: Int, row: Int, step: Int) -> Int {
    let first = origin % columns
    return row * columns + around(direction == 0 ? first + step : first - step, columns)
  }

  func seed(_ kind: String, _ direction: Int, _ window: Int, _ piece: Int) -> UInt64 {
    RandomStream.derivedSeed(
      settings.dynamics.seed, [kind, "direction \(direction)", "window \(window)", "segment \(piece)"])
  }

  /// Runs one segment of each of the walks named; the states of these walks move on. Returns their records.
  func run(_ walks: [Int], _ segments: [LangevinDynamics.Segment]) throws -> [LangevinDynamics.Record] {
    var states = walks.map {
      LangevinDynamics.State(positions: frame(state.positions, $0), velocities: frame(state.velocities, $0))
    }
    let records = try dynamics.run(&states, segments.map { [$0] }, adding: &state.work).map { $0[0] }
    for (walk, moved) in zip(walks, states) {
      state.positions.replaceSubrange(walk * size..<(walk + 1) * size, with: moved.positions)
      state.velocities.replaceSubrange(walk * size..<(walk + 1) * size, with: moved.velocities)
      state.done[walk] += 1
    }
    return records
  }

  /// The walks to move next: those least far, as many as make about a second's work. nil when all have `pieces` pieces.
  func nextWalks(pieces: Int, timePerPiece: Double) -> [Int]? {
    guard let least = state.done.min(), least < pieces else { return nil }
    let count = max(1, settings.dynamics.threads) * max(1, Int(settings.callLength / max(1, timePerPiece)))
    return Array(state.done.indices.filter { state.done[$0] == least }.prefix(count))
  }

  func keep(_ record: LangevinDynamics.Record, direction: Int, window: Int, firstSample: Int) {
    let visit = direction * grid.windowCount + window
    let first = (visit * samples + firstSample) * torsionCount
    state.records.replaceSubrange(first..<first + record.torsions.count, with: record.torsions)
    state.endPositions.replaceSubrange(visit * size..<(visit + 1) * size, with: record.endPositions)
  }
}

extension UmbrellaSampler.Settings {
  /// All else as the fields are declared. (Outside the struct, which keeps its memberwise initialiser.)
  public init(_ dynamics: DynamicsSettings) { self.init(dynamics: dynamics) }
}
