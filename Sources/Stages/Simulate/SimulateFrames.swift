import Artifacts
import Basics
import ForceFields
import Workflow

/// The frames of all runs while they grow, and the parts of them that are saved on the way.
struct SimulateFrames {
  /// nm, centred and rounded as they will be stored: [runs][frames x atoms x 3].
  private(set) var coordinates: [[Float]]
  private let context: StageContext
  /// Masses over their sum.
  private let weights: [Double]
  /// How many numbers of each run are in parts already.
  private var saved: [Int]
  private var parts = 0

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
      let counts = try part.artifact.read("simulate/counts", as: Int64.self).values.map { Int($0) }
      let values = try part.artifact.read("simulate/frames", as: Float.self).values
      guard counts.count == coordinates.count, counts.allSatisfy({ $0 >= 0 }), counts.reduce(0, +) == values.count
      else {
        throw SimulationError.state("\(values.count) numbers of frames where \(counts) belong")
      }
      var first = 0
      for (run, count) in counts.enumerated() {
        coordinates[run] += values[first..<first + count]
        first += count
      }
    }
    guard let last = found.last else { return }
    parts = found.count
    saved = coordinates.map(\.count)
    let state = try SimulateCheckpoint.read(last.artifact)
    try simulation.resume(state)
    for (run, frames) in zip(state.runs, coordinates) {
      let expected =
        run.phase == .production ? run.done : run.phase == .finished ? simulation.framesPerRun : 0
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
    var values: [Float] = []
    var counts: [Int64] = []
    for (run, frames) in coordinates.enumerated() {
      values += frames[saved[run]...]
      counts.append(Int64(frames.count - saved[run]))
    }
    try part.write("simulate/frames", values, shape: [values.count], units: "nm", compression: .none)
    try part.write("simulate/counts", counts, shape: [counts.count], compression: .none)
    try SimulateCheckpoint.write(simulation.state, to: part)
    try context.checkpoints.commitPart(part, index: parts, step: Int(simulation.simulatedTime))
    parts += 1
    saved = coordinates.map(\.count)
  }
}

/// Layout of a simulation's state in a part: /simulate/...
enum SimulateCheckpoint {
  static func write(_ state: SimulationState, to writer: ArtifactWriter) throws {
    func list(_ name: String, _ values: [Int]) throws {
      try writer.write("simulate/\(name)", values.map(Int64.init), shape: [values.count], compression: .none)
    }
    try list("phase", state.runs.map(\.phase.rawValue))
    try list("attempt", state.runs.map(\.attempt))
    try list("done", state.runs.map(\.done))
    try list("turns_tried", state.movesTried)
    try list("turns_taken", state.movesTaken)
    try writer.writeScalar("simulate/steps", Int64(state.steps))
    for (name, values) in [
      ("positions", state.runs.map(\.positions)), ("velocities", state.runs.map(\.velocities)),
    ] {
      try writer.write(
        "simulate/\(name)", values.flatMap { $0 }, shape: [values.count, values.first?.count ?? 0], compression: .none)
    }
  }

  /// Throws `ArtifactError` and `SimulationError.state`.
  static func read(_ artifact: Artifact) throws -> SimulationState {
    func integers(_ name: String) throws -> [Int] {
      // checkpoints made before there were moves say nothing of them
      if name.hasPrefix("turns"), !artifact.exists("simulate/\(name)") { return [] }
      return try artifact.read("simulate/\(name)", as: Int64.self).values.map { Int($0) }
    }
    let (phases, attempts, done) = try (integers("phase"), integers("attempt"), integers("done"))
    let positions = try artifact.read("simulate/positions", as: Double.self)
    let velocities = try artifact.read("simulate/velocities", as: Double.self)
    guard attempts.count == phases.count, done.count == phases.count, positions.shape == velocities.shape,
      positions.shape.count == 2, positions.shape[0] == phases.count
    else { throw SimulationError.state("its lists are of different lengths") }
    let width = positions.shape[1]
    let runs = try phases.indices.map { run in
      guard let phase = SimulationState.Phase(rawValue: phases[run]), done[run] >= 0, attempts[run] >= 0 else {
        throw SimulationError.state("there is no phase \(phases[run])")
      }
      let range = run * width..<(run + 1) * width
      return SimulationState.Run(
        phase: phase, attempt: attempts[run], done: done[run], positions: Array(positions.values[range]),
        velocities: Array(velocities.values[range]))
    }
    return SimulationState(
      runs: runs, steps: Int(try artifact.scalar("simulate/steps", as: Int64.self)),
      movesTried: try integers("turns_tried"), movesTaken: try integers("turns_taken"))
  }
}
