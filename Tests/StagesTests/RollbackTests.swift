import Artifacts
import Basics
import Foundation
import Generative
import Testing
import Torch
import Workflow

@testable import Stages

/// A training whose loss is not finite goes back to the last rollback point with half the learning rate, at most three times;
/// what comes out does not depend on whether the run was killed on the way.
@Suite(.serialized) struct RollbackTests {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("rollback-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  struct Outcome {
    var tensors: [Float]
    var halvings: Int
    var steps: [Int]
    var warnings: [String]
    var curve: [Int]
  }

  /// Trains 220 steps on a parabola; the loss of step `bad` is infinite until the learning rate was halved `halvings` times.
  /// `stopAt` interrupts after so many calls of the step.
  private func train(_ name: String, bad: Set<Int>, halvings: Int, stopAt: Int = .max) throws -> Outcome {
    try Runtime.initialize(threads: 1)
    let place = folder.appendingPathComponent(name)
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    var calls = 0
    let context = StageContext(
      stage: "train", seed: 1, values: .object([:]),
      output: try ArtifactWriter(url: place.appendingPathComponent("train.h5")),
      checkpoints: CheckpointStore(folder: place, stage: "train", key: "k"), checkpointInterval: 1e9,
      interruption: { calls >= stopAt })
    let generator = try Generator(seed: 5)
    let space = LatentSpace(euclidean: 2, angles: 0)
    let network = try ResidualNetwork(
      space: space,
      configuration: NetworkConfiguration(width: 4, depth: 0, harmonics: 1, timeFrequencies: 2, outputs: 2),
      generator: generator)
    let trainer = try Trainer(
      network: network, settings: OptimizationSettings(steps: 220, batch: 4, warmUp: 1), generator: generator,
      columns: ["loss"])
    let driver = TrainingDriver(context: context, trainer: trainer, title: "test", leastRollbackInterval: 100)
    var seen: [Int] = []
    var recent: [Double] = []
    let restore = { (checkpoint: Artifact) in recent = try checkpoint.read("recent", as: Double.self).values }
    try driver.resume(restore)
    try driver.run(
      extra: { try $0.write("recent", recent, shape: [recent.count]) }, restore: restore,
      batch: { "batch of step \($0)" }
    ) {
      calls += 1
      seen.append(trainer.step)
      let noise = try trainer.generator.normal([4, 2])
      let times = try Tensor.zeros([4])
      let difference = try trainer.network(noise, times) - noise
      var loss = try (difference * difference).mean()
      if bad.contains(trainer.step), trainer.halvings < halvings { loss = try loss * Double.infinity }
      recent.append(try trainer.update(loss))
      if trainer.step % 20 == 0 {
        trainer.curve.record(step: trainer.step, [recent.reduce(0, +)])
        recent = []
      }
      return []
    }
    let state = try trainer.state()
    return Outcome(
      tensors: state.tensors.flatMap(\.array.values), halvings: state.halvings, steps: seen, warnings: context.warnings,
      curve: state.curve.steps)
  }

  @Test func goesBackWithHalfTheLearningRate() throws {
    let plain = try train("plain", bad: [], halvings: 0)
    #expect(plain.halvings == 0 && plain.warnings.isEmpty)
    let outcome = try train("bad", bad: [150], halvings: 2)
    #expect(outcome.halvings == 2)
    #expect(outcome.steps == Array(0...150) + Array(100...150) + Array(100..<220))
    #expect(outcome.warnings.count == 2)
    #expect(outcome.warnings[0].contains("training broke at step 150, batch of step 150: loss inf"))
    #expect(outcome.warnings[0].contains("went back to step 100 with half the learning rate"))
    #expect(outcome.curve == Array(stride(from: 20, through: 220, by: 20)))
    #expect(outcome.tensors != plain.tensors)
    #expect(outcome.tensors.allSatisfy { $0.isFinite })
  }

  @Test(arguments: [40, 120, 160, 201, 230])
  func stoppedAnywhereAndResumedIsTheSame(calls: Int) throws {
    let straight = try train("straight", bad: [150], halvings: 2)
    #expect(throws: WorkflowInterruption.self) {
      try train("stopped", bad: [150], halvings: 2, stopAt: calls)
    }
    #expect(throws: WorkflowInterruption.self) { try train("stopped", bad: [150], halvings: 2, stopAt: 5) }
    let resumed = try train("stopped", bad: [150], halvings: 2)
    #expect(resumed.halvings == straight.halvings)
    #expect(resumed.tensors.map(\.bitPattern) == straight.tensors.map(\.bitPattern))
    #expect(resumed.curve == straight.curve)
  }

  @Test func givesUpAfterThreeTimesAndNamesStepAndBatch() throws {
    let error = #expect(throws: TrainingError.self) { try train("hopeless", bad: [30], halvings: 99) }
    guard case .broken(let step, let loss, _, let batch, let halvings)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(step == 30 && loss == .infinity && batch == "batch of step 30" && halvings == 3)
    #expect("\(try #require(error))".contains("training broke at step 30, batch of step 30: loss inf"))
  }
}
