import Artifacts
import Basics
import Foundation
import Generative
import Testing

@testable import Stages

/// What long computations save comes back from a file as it was.
@Suite struct CheckpointRecordTests {
  private func throughFile(_ write: (ArtifactWriter) throws -> Void) throws -> Artifact {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("records-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let store = CheckpointStore(folder: folder, stage: "s", key: "k")
    try store.save(step: 3, write)
    return try #require(try store.latest()).artifact
  }

  private func checkpoint(recent: [[Double]], rows: Int, halvings: Int, pool: SavedPool?) throws -> TrainingCheckpoint {
    var curve = LossCurve(columns: ["train", "score"])
    for row in 0..<rows { curve.record(step: 10 * row, [Double(row), -Double(row)]) }
    let training = TrainingState(
      step: 3,
      tensors: [
        "parameters/a.weight": try NDArray([1, 2, 3, 4, 5, .infinity], shape: [2, 3]),
        "average/a.weight": NDArray([0.5]), "constants/beta": try NDArray([7], shape: []),
      ], generator: [0, 255, 7], curve: curve, halvings: halvings)
    return TrainingCheckpoint(training: training, recent: recent, pool: pool)
  }

  @Test func trainingsComeBack() throws {
    let pool = SavedPool(
      latents: try NDArray([1, 2, 3, 4], shape: [2, 2]), labels: NDArray([-1, 1e-30]), scores: nil, next: 1)
    for saved in [
      try checkpoint(recent: [[1, 2], [3, 4], [5, 6]], rows: 2, halvings: 2, pool: pool),
      try checkpoint(recent: [], rows: 0, halvings: 0, pool: nil),
    ] {
      #expect(try throughFile { try $0.write(saved) }.trainingCheckpoint() == saved)
    }
  }

  @Test func drawsComeBackWithWhatWasLost() throws {
    var draws = FlowDraws(dimension: 2, estimates: 2)
    draws.latents = [1, 2, 3, 4, 5, 6]
    draws.prior = [6, 5, 4, 3, 2, 1]
    draws.estimates = [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]
    draws.functionEvaluations = 96
    draws.seconds = 1.5
    draws.lost = [LostTrajectory(sample: 2, time: 0.25, step: 1e-10)]
    var again = FlowDraws(dimension: 2, estimates: 2)
    try again.restore(throughFile { try $0.write(draws) })
    #expect(again == draws && again.begun == 4)
  }
}
