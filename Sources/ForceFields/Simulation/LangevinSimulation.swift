import Basics
import Dynamics
import OpenMM

/// Langevin dynamics without a bias: several independent runs, each led slowly to a start of its own.
///
/// A run begins at the minimised structure. Harmonic wells on some torsions move from where they stand there to the run's
/// targets (steering); the wells are taken away (equilibration); then a frame is kept at every save interval (production).
/// Every piece of a run, the steps for one place of the wells or up to one frame, has random numbers of its own, derived from the
/// seed, the run and the piece: the frames depend neither on the threads nor on where the work was interrupted.
public final class LangevinSimulation: DynamicsRun {
  public struct Settings: Equatable, Sendable {
    /// One of its torsion moves is tried every `LangevinSimulation.moveInterval` or so, once a run has been led to its start.
    public var dynamics: DynamicsSettings
    /// ps that the wells take to their targets at the first attempt; each further one takes twice as long. 0: no steering.
    public var steering = 200.0
    /// kJ/mol/rad^2, of the wells.
    public var steeringForceConstant = 200.0
    /// How often a run is led to its start before that is an error.
    public var attempts = 3
    /// ps without wells before the first frame.
    public var equilibration = 20.0
    /// ps of each run that frames are kept of.
    public var length = 1000.0
    /// ps between frames.
    public var saveInterval = 0.5
  }

  /// What is wrong with a frame [atoms, 3] in nm, in words, or nil. `isStart`: the wells have just reached their targets.
  public typealias FrameCheck = (_ frame: [Double], _ isStart: Bool) -> String?

  /// Places at which the wells stop on their way.
  static let steeringPieces = 200
  /// rad that a steered torsion may be from its target in the end.
  static let arrival = 1.0
  /// ps between torsion moves; a save interval is cut into equal parts of about this length.
  static let moveInterval = 0.1

  public let settings: Settings
  /// rad, [runs][steered torsions].
  public let targets: [[Double]]
  /// Frames of each run in the end.
  public let framesPerRun: Int
  public internal(set) var state: SimulationState

  let check: FrameCheck
  let steered: LangevinDynamics
  /// Without wells.
  public let dynamics: LangevinDynamics
  /// The structure that every attempt begins at, and its steered torsions.
  let origin, originTorsions: [Double]
  let interval: Int, equilibrationSteps: Int
  /// Frames that nobody has taken yet, [runs][frames x atoms x 3].
  var waiting: [[Double]]
  /// Pieces that a run does in one call: as many as keep a call near half a second. No result depends on it.
  var piecesPerCall = 1

  /// `torsions`: those to steer, four atoms each. `targets`: one list of their values (rad) for every run. `coordinates`: nm,
  /// [atoms, 3].
  ///
  /// Throws `SimulationError` and `OpenMMError`.
  public init(
    system: System, torsions: [[Int]], targets: [[Double]], coordinates: [Double], settings: Settings,
    check: @escaping FrameCheck = { _, _ in nil }
  ) throws {
    guard !targets.isEmpty, targets.allSatisfy({ $0.count == torsions.count && $0.allSatisfy(\.isFinite) }) else {
      throw SimulationError.settings(
        "every start needs one angle for each of the \(torsions.count) steered torsions; given are \(targets)")
    }
    func steps(_ name: String, _ time: Double) throws -> Int {
      guard time >= 0, time / settings.dynamics.timestep < 1e12
      else { throw SimulationError.settings("\(name) of \(time) ps at a timestep of \(settings.dynamics.timestep) ps") }
      return Int((time / settings.dynamics.timestep).rounded())
    }
    interval = try steps("a save interval", settings.saveInterval)
    equilibrationSteps = try steps("equilibration", settings.equilibration)
    _ = try steps("steering", settings.steering)
    framesPerRun = try steps("a length", settings.length) / max(1, interval)
    guard interval >= 1, framesPerRun >= 1, settings.attempts >= 1 else {
      throw SimulationError.settings(
        "a run of \(settings.length) ps holds no frame every \(settings.saveInterval) ps, or there is no attempt")
    }
    (self.settings, self.targets, self.check) = (settings, targets, check)
    // the dynamics tries a move after each of its record intervals; it is asked for no records
    let moves = max(1, Int((Double(interval) * settings.dynamics.timestep / Self.moveInterval).rounded()))
    let recordInterval = max(1, interval / moves)
    dynamics = try LangevinDynamics(system: system, settings: settings.dynamics, recordInterval: recordInterval)
    var steering = settings.dynamics
    steering.moves = []
    steered = try LangevinDynamics(
      system: system, settings: steering, torsions: torsions,
      forceConstants: torsions.map { _ in settings.steeringForceConstant }, recordInterval: recordInterval)
    origin = try dynamics.minimised(coordinates)
    originTorsions = torsions.isEmpty ? [] : try steered.torsions(origin)
    waiting = targets.map { _ in [] }
    state = SimulationState(runs: [], work: DynamicsWork(moves: settings.dynamics.moves.count))
    state.runs = try targets.indices.map { try beginning(run: $0, attempt: 0) }
  }

  public var work: DynamicsWork { state.work }
  public var isFinished: Bool { state.runs.allSatisfy { $0.phase == .finished } }

  public var totalTime: Double {
    let steering = isSteering ? Self.steeringPieces * steeringSteps(attempt: 0) : 0
    let steps = steering + equilibrationSteps + framesPerRun * interval
    return Double(steps * targets.count) * settings.dynamics.timestep
  }

  /// Goes on from a saved state. Throws `SimulationError.state` when it is of another set-up.
  public func resume(_ saved: SimulationState) throws {
    guard saved.runs.count == targets.count
    else { throw SimulationError.state("\(saved.runs.count) runs where \(targets.count) belong") }
    let moves = settings.dynamics.moves.count
    for found in [saved.work.movesTried, saved.work.movesTaken] where found.count != moves {
      throw SimulationError.state("\(found.count) torsion moves where \(moves) belong")
    }
    for walk in saved.runs.map(\.walk)
    where [walk.positions, walk.velocities].contains(where: { $0.count != origin.count }) {
      throw SimulationError.state("\(walk.positions.count) positions where \(origin.count) belong")
    }
    state = saved
    waiting = targets.map { _ in [] }
  }

  /// Hands over the frames since the last call: nm, one list [frames, atoms, 3] per run.
  public func takeFrames() -> [[Double]] {
    defer { waiting = targets.map { _ in [] } }
    return waiting
  }

  // MARK: Pieces

  var isSteering: Bool { settings.steering > 0 && !originTorsions.isEmpty }

  /// Steps at each place of the wells.
  func steeringSteps(attempt: Int) -> Int {
    let time = settings.steering * Double(1 << min(attempt, 20))
    return max(1, Int((time / settings.dynamics.timestep / Double(Self.steeringPieces)).rounded()))
  }

  func pieces(_ run: SimulationState.Run) -> Int {
    switch run.phase {
    case .steering: Self.steeringPieces
    case .equilibration: (equilibrationSteps + interval - 1) / interval
    case .production: framesPerRun
    case .finished: 0
    }
  }

  /// A run at its beginning, with fresh velocities.
  func beginning(run: Int, attempt: Int) throws -> SimulationState.Run {
    let velocities = try dynamics.thermalVelocities(seed: seed("velocities", run, attempt))
    var result = SimulationState.Run(.init(positions: origin, velocities: velocities))
    result.phase = isSteering ? .steering : .equilibration
    result.attempt = attempt
    result.settle { pieces($0) }
    return result
  }

  /// The wells' centres at a place on the way. The way is the shorter one round; at every other attempt, torsions that have more
  /// than 2 rad to go take the longer one, since there the lower barrier may be.
  func centers(run: Int, attempt: Int, place: Int) -> [Double] {
    zip(originTorsions, targets[run]).map { from, to in
      var way = (to - from).remainder(dividingBy: 2 * .pi)
      if attempt % 2 == 1, abs(way) > 2 { way -= way > 0 ? 2 * .pi : -2 * .pi }
      return from + way * Double(place + 1) / Double(Self.steeringPieces)
    }
  }

  func segment(run: Int, _ state: SimulationState.Run, piece: Int) -> LangevinDynamics.Segment {
    switch state.phase {
    case .steering:
      return .init(
        centers: centers(run: run, attempt: state.attempt, place: piece),
        equilibrationSteps: steeringSteps(attempt: state.attempt), productionSteps: 0,
        seed: seed("steering \(state.attempt)", run, piece))
    case .equilibration:
      return .init(
        centers: [], equilibrationSteps: min(interval, equilibrationSteps - piece * interval), productionSteps: 0,
        seed: seed("equilibration \(state.attempt)", run, piece))
    case .production, .finished:
      return .init(centers: [], equilibrationSteps: interval, productionSteps: 0, seed: seed("production", run, piece))
    }
  }

  private func seed(_ kind: String, _ run: Int, _ piece: Int) -> UInt64 {
    RandomStream.derivedSeed(settings.dynamics.seed, [kind, "run \(run)", "segment \(piece)"])
  }
}

extension LangevinSimulation.Settings {
  /// All else as the fields are declared. (Outside the struct, which keeps its memberwise initialiser.)
  public init(_ dynamics: DynamicsSettings) { self.init(dynamics: dynamics) }
}
