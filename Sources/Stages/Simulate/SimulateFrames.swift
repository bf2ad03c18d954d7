import Artifacts
import ForceFields
import Records
import Workflow

/// The frames of all runs while they grow, and the parts of them that are saved on the way.
struct SimulateFrames {
  private(set) var coordinates: [[Float]]  // nm, centred and rounded as they will be stored: [runs][frames x atoms x 3]
  private let context: StageContext
  private let weights: [Double]  // Masses over their sum
  private var saved: [Int]  // How many numbers of each run are in parts already
  private var parts = 0
  private let record = Recorded.simulateCheckpoint

  /// Takes over what an earlier run saved; the simulation goes on from there.
  init(_ context: StageContext, setup: SimulateSetup, simulation: LangevinSimulation) throws {
    self.context = context
    let masses = setup.molecule.topology.masses
    let total = masses.reduce(0, +)
    weights = masses.map { $0 / total }
    coordinates = setup.starts.targets.map { _ in [] }
    saved = setup.starts.targets.map { _ in 0 }
    let found = try context.checkpoints.parts()
    for part in found {
      let counts = try part.artifact.read(record.counts).values
      let values = try part.artifact.read(record.frames).values
      guard counts.count == coordinates.count, counts.allSatisfy({ $0 >= 0 }), counts.reduce(0, +) == values.count
      else { throw SimulationError.state("\(values.count) numbers of frames where \(counts) belong") }
      var first = 0
      for (run, count) in counts.enumerated() {
        coordinates[run] += values[first..<first + count]
        first += count
      }
    }
    guard let last = found.last else { return }
    parts = found.count
    saved = coordinates.map(\.count)
    let state = try SimulationState(last.artifact, record)
    try simulation.resume(state)
    for (run, frames) in zip(state.runs, coordinates) {
      let expected = run.phase == .production ? run.done : run.phase == .finished ? simulation.framesPerRun : 0
      guard frames.count == expected * 3 * weights.count else {
        throw SimulationError.state("\(frames.count) numbers of a run's frames where \(expected) frames belong")
      }
    }
    context.log("going on from \(Int(simulation.simulatedTime)) of \(Int(simulation.totalTime)) ps")
  }

  /// Centres and keeps what the simulation has made since the last call.
  mutating func take(_ simulation: LangevinSimulation) {
    let width = 3 * weights.count
    for (run, frames) in simulation.takeFrames().enumerated() {
      coordinates[run].reserveCapacity(simulation.framesPerRun * width)
      for start in stride(from: 0, to: frames.count, by: width) {
        var mean = [0.0, 0.0, 0.0]
        for (atom, weight) in weights.enumerated() {
          for axis in 0..<3 { mean[axis] += weight * frames[start + 3 * atom + axis] }
        }
        for index in 0..<width { coordinates[run].append(Float(frames[start + index] - mean[index % 3])) }
      }
    }
  }

  /// Commits a part with the frames since the last one and the state of all runs.
  mutating func savePart(_ simulation: LangevinSimulation) throws {
    let part = try context.checkpoints.beginPart(parts)
    try part.write(record.frames, zip(coordinates, saved).flatMap { $0[$1...] })
    try part.write(record.counts, zip(coordinates, saved).map { $0.count - $1 })
    try simulation.state.write(record, to: part)
    try context.checkpoints.commitPart(part, index: parts, step: Int(simulation.simulatedTime))
    parts += 1
    saved = coordinates.map(\.count)
  }
}

extension SimulationState {
  fileprivate func write(_ record: SimulateCheckpointRecord, to writer: ArtifactWriter) throws {
    try writer.write(
      (record.phase, runs.map(\.phase.rawValue)), (record.attempt, runs.map(\.attempt)),
      (record.done, runs.map(\.done)), (record.turnsTried, work.movesTried), (record.turnsTaken, work.movesTaken),
      (record.steps, work.steps))
    for (field, values) in [
      (record.positions, runs.map(\.walk.positions)), (record.velocities, runs.map(\.walk.velocities)),
    ] {
      try writer.write(field, values.flatMap { $0 }, shape: [values.count, values.first?.count ?? 0])
    }
  }

  /// Throws `ArtifactError` and `SimulationError.state`.
  fileprivate init(_ artifact: Artifact, _ record: SimulateCheckpointRecord) throws {
    let (phases, attempts, done) = try (
      artifact.read(record.phase).values, artifact.read(record.attempt).values, artifact.read(record.done).values
    )
    let (positions, velocities) = try (artifact.read(record.positions), artifact.read(record.velocities))
    guard attempts.count == phases.count, done.count == phases.count, positions.shape == velocities.shape,
      positions.shape.count == 2, positions.shape[0] == phases.count
    else { throw SimulationError.state("its lists are of different lengths") }
    let width = positions.shape[1]
    let runs = try phases.indices.map { index in
      guard let phase = Phase(rawValue: phases[index]), done[index] >= 0, attempts[index] >= 0 else {
        throw SimulationError.state("there is no phase \(phases[index])")
      }
      let range = index * width..<(index + 1) * width
      var run = Run(.init(positions: Array(positions.values[range]), velocities: Array(velocities.values[range])))
      (run.phase, run.attempt, run.done) = (phase, attempts[index], done[index])
      return run
    }
    self.init(runs: runs, work: try artifact.work(record.steps, record.turnsTried, record.turnsTaken))
  }
}
