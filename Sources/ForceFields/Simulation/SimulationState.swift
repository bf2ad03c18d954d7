import Dynamics
import Foundation

/// All that a simulation needs to go on where it stands. The frames so far are with whoever took them.
public struct SimulationState: Equatable, Sendable {
  public enum Phase: Int, Sendable {
    /// Moving wells lead the run to its start.
    case steering
    /// The wells are gone, and nothing is kept yet.
    case equilibration
    case production
    case finished

    /// For people.
    public var name: String { self == .finished ? "production" : "\(self)" }
  }

  public struct Run: Equatable, Sendable {
    public var phase = Phase.steering
    /// Which attempt to reach the start this is, from 0.
    public var attempt = 0
    /// Pieces of the phase that are done; in production, frames.
    public var done = 0
    /// Where it stands.
    public var walk: LangevinDynamics.State

    public init(_ walk: LangevinDynamics.State) { self.walk = walk }

    /// Goes over to the next phase where this one has no pieces left.
    mutating func settle(pieces: (Run) -> Int) {
      while phase != .finished, done >= pieces(self), let next = Phase(rawValue: phase.rawValue + 1) {
        phase = next
        done = 0
      }
    }
  }

  public var runs: [Run]
  public var work: DynamicsWork

  /// For a state that was saved; `LangevinSimulation.resume` checks it.
  public init(runs: [Run], work: DynamicsWork) { (self.runs, self.work) = (runs, work) }
}

/// What a simulation was asked for that cannot be, or what became of it. Runs and frames count from 0.
public enum SimulationError: Error, Equatable, CustomStringConvertible {
  case settings(String)
  /// A checkpoint of another set-up.
  case state(String)
  /// No attempt has led a run to a sound start.
  case start(run: Int, targets: [Double], attempts: Int, reason: String)
  /// The dynamics left the finite numbers. `step` counts within the phase; `frames` are those that the run has kept before.
  case unstable(run: Int, phase: String, step: Int, time: Double, frames: Int)
  /// A frame is not one of this molecule.
  case badFrame(run: Int, frame: Int, time: Double, reason: String)

  public var description: String {
    switch self {
    case .settings(let reason): return "simulation: \(reason)"
    case .state(let reason): return "simulation: the saved state does not fit: \(reason)"
    case .start(let run, let targets, let attempts, let reason):
      let place = targets.map { String(format: "%.2f", $0) }.joined(separator: ", ")
      return
        "run \(run) could not be led to its start (\(place) rad) in \(attempts) attempts, each slower than the one before: "
        + reason
    case .unstable(let run, let phase, let step, let time, _):
      return "run \(run) became unstable in its \(phase), between steps \(step) and the next frame (\(time) ps)"
    case .badFrame(let run, let frame, let time, let reason):
      return "run \(run), frame \(frame) (\(time) ps): \(reason)"
    }
  }
}
