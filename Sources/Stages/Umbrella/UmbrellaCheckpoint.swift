import Artifacts
import ForceFields

/// Layout of an umbrella run's state in a checkpoint: /umbrella/...
enum UmbrellaCheckpoint {
  static func write(_ state: UmbrellaState, to writer: ArtifactWriter) throws {
    func list(_ name: String, _ values: [Double]) throws {
      try writer.write("umbrella/\(name)", values, shape: [values.count], compression: .none)
    }
    func list(_ name: String, _ values: [Int]) throws {
      try writer.write("umbrella/\(name)", values.map(Int64.init), shape: [values.count], compression: .none)
    }
    try writer.writeScalar("umbrella/phase", Int64(state.phase.rawValue))
    try writer.writeScalar("umbrella/steps", Int64(state.steps))
    try list("done", state.done)
    try list("positions", state.positions)
    try list("velocities", state.velocities)
    try list("row_starts", state.rowStarts)
    try list("records", state.records)
    try list("end_positions", state.endPositions)
    try list("attempts", state.attempts)
    try list("acceptances", state.acceptances)
    try list("turns_tried", state.movesTried)
    try list("turns_taken", state.movesTaken)
  }

  /// Throws `ArtifactError` and `UmbrellaSamplerError.state`.
  static func read(_ artifact: Artifact) throws -> UmbrellaState {
    func doubles(_ name: String) throws -> [Double] { try artifact.read("umbrella/\(name)", as: Double.self).values }
    func integers(_ name: String) throws -> [Int] {
      // checkpoints made before there were moves say nothing of them
      if name.hasPrefix("turns"), !artifact.exists("umbrella/\(name)") { return [] }
      return try artifact.read("umbrella/\(name)", as: Int64.self).values.map { Int($0) }
    }
    let phase = Int(try artifact.scalar("umbrella/phase", as: Int64.self))
    guard let phase = UmbrellaState.Phase(rawValue: phase) else {
      throw UmbrellaSamplerError.state("there is no phase \(phase)")
    }
    return UmbrellaState(
      phase: phase, done: try integers("done"), positions: try doubles("positions"),
      velocities: try doubles("velocities"), rowStarts: try doubles("row_starts"), records: try doubles("records"),
      endPositions: try doubles("end_positions"), attempts: try integers("attempts"),
      acceptances: try integers("acceptances"), movesTried: try integers("turns_tried"),
      movesTaken: try integers("turns_taken"), steps: Int(try artifact.scalar("umbrella/steps", as: Int64.self)))
  }
}
