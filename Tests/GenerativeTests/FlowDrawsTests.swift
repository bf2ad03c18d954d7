import Testing
import Torch

@testable import Generative

@Suite struct FlowDrawsTests {
  /// Batches of three, of which the second lost its last trajectory: what is kept.
  @Test func lostTrajectoriesAreCountedAndLeftOut() throws {
    var draws = FlowDraws(dimension: 2, estimates: 1)
    try draws.append(Self.batch(first: 0, lost: []))
    try draws.append(Self.batch(first: 10, lost: [LostTrajectory(sample: 2, time: 0.25, step: 1e-10)]))
    #expect(draws.begun == 6)
    #expect(draws.count == 5)
    #expect(draws.latents == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13])
    #expect(draws.estimates == [[0, 1, 2, 10, 11]])
    #expect(draws.functionEvaluations == 24, "those of a lost trajectory were made too")
    #expect(draws.lost == [LostTrajectory(sample: 5, time: 0.25, step: 1e-10)])
  }

  @Test func aBatchWithoutASampleIsAnError() throws {
    var draws = FlowDraws(dimension: 2, estimates: 1)
    let lost = (0..<3).map { LostTrajectory(sample: $0, time: 0, step: 1e-10) }
    #expect(throws: SamplingError.allLost(samples: 3, first: lost[0])) {
      try draws.append(Self.batch(first: 0, lost: lost))
    }
  }

  private static func batch(first: Int, lost: [LostTrajectory]) throws -> FlowSamples {
    let latents = try Tensor((0..<6).map { Float(first + $0) }, shape: [3, 2])
    var samples = FlowSamples(
      latents: latents, prior: latents,
      logDensities: try Tensor((0..<3).map { Double(first + $0) }, shape: [1, 3]), functionEvaluations: 4)
    samples.lost = lost
    return samples
  }
}
