import Basics
import Dynamics
import OpenMM

extension LangevinSimulation {
  /// Does about half a second's work on every run of the earliest phase that any run is in.
  ///
  /// Throws `SimulationError.unstable`, `.badFrame` and `.start`: what was done before is then in `state` and `takeFrames`, and the
  /// next call meets the same end.
  public func advance() throws {
    guard let phase = state.runs.map(\.phase).min(by: { $0.rawValue < $1.rawValue }), phase != .finished else { return }
    var runs = state.runs.indices.filter { state.runs[$0].phase == phase }
    if settings.dynamics.externalForces != nil {
      // a piece is work enough: those that are least far, one for each thread
      let least = runs.map { state.runs[$0].done }.min()
      runs = Array(runs.filter { state.runs[$0].done == least }.prefix(max(1, settings.dynamics.threads)))
    }
    let watch = Stopwatch()
    do {
      try move(runs, pieces: piecesPerCall)
    } catch OpenMMError.unstable {
      try moveOneByOne(runs, pieces: piecesPerCall)
    } catch SimulationError.badFrame {
      try moveOneByOne(runs, pieces: piecesPerCall)
    }
    if watch.seconds < 0.25 { piecesPerCall = min(2 * piecesPerCall, 10_000) }
    if watch.seconds > 1 { piecesPerCall = max(1, piecesPerCall / 2) }
  }

  /// Runs of one phase go on side by side. Throws `OpenMMError.unstable` and `SimulationError.badFrame` with nothing changed.
  private func move(_ runs: [Int], pieces count: Int) throws {
    guard let phase = runs.first.map({ state.runs[$0].phase }) else { return }
    let segments = runs.map { run in
      let current = state.runs[run]
      return (current.done..<min(current.done + count, pieces(current))).map { segment(run: run, current, piece: $0) }
    }
    var (moved, work) = (runs.map { state.runs[$0].walk }, state.work)
    let records = try (phase == .steering ? steered : dynamics).run(&moved, segments, adding: &work)
    if phase == .production { for (index, run) in runs.enumerated() { try checkFrames(records[index], run: run) } }
    state.work = work
    for (index, run) in runs.enumerated() {
      if phase == .production { for record in records[index] { waiting[run] += record.endPositions } }
      state.runs[run].walk = moved[index]
      state.runs[run].done += segments[index].count
      if phase == .steering, state.runs[run].done == Self.steeringPieces, let reason = try fault(ofStart: run) {
        try startAgain(run, reason)
      }
      state.runs[run].settle { pieces($0) }
    }
  }

  /// Finds the piece at which a run becomes unstable. What is sound before it is kept; the other runs go on as they should.
  private func moveOneByOne(_ runs: [Int], pieces count: Int) throws {
    var broken: SimulationError?
    for run in runs {
      let before = state.runs[run]
      do {
        for _ in 0..<count where state.runs[run].phase == before.phase && state.runs[run].attempt == before.attempt {
          try move([run], pieces: 1)
        }
      } catch OpenMMError.unstable {
        if before.phase == .steering {
          try startAgain(run, "the dynamics became unstable on the way")
          continue
        }
        let step = state.runs[run].done * interval
        broken =
          broken
          ?? .unstable(
            run: run, phase: before.phase.name, step: step, time: Double(step) * settings.dynamics.timestep,
            frames: before.phase == .production ? state.runs[run].done : 0)
      } catch let error as SimulationError {
        guard case .badFrame = error else { throw error }
        broken = broken ?? error
      }
    }
    if let broken { throw broken }
  }

  private func checkFrames(_ records: [LangevinDynamics.Record], run: Int) throws {
    for (k, record) in records.enumerated() {
      guard let reason = check(record.endPositions, false) else { continue }
      let frame = state.runs[run].done + k
      throw SimulationError.badFrame(
        run: run, frame: frame, time: Double((frame + 1) * interval) * settings.dynamics.timestep, reason: reason)
    }
  }

  /// Why the frame that steering has ended with is no start, or nil.
  private func fault(ofStart run: Int) throws -> String? {
    let positions = state.runs[run].walk.positions
    if let reason = check(positions, true) { return reason }
    for (index, angle) in try steered.torsions(positions).enumerated() {
      let off = abs((angle - targets[run][index]).remainder(dividingBy: 2 * .pi))
      if off > Self.arrival {
        return
          "steered torsion \(index) stands at \((angle * 100).rounded() / 100) rad, far from its target \(targets[run][index])"
      }
    }
    return nil
  }

  private func startAgain(_ run: Int, _ reason: String) throws {
    let attempt = state.runs[run].attempt + 1
    guard attempt < settings.attempts
    else { throw SimulationError.start(run: run, targets: targets[run], attempts: attempt, reason: reason) }
    state.runs[run] = try beginning(run: run, attempt: attempt)
  }
}
