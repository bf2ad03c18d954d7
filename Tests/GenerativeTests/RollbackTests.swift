import Basics
import Foundation
import TestSupport
import Testing
import Torch

@testable import Generative

/// Keeps what is saved in memory, as a store of files would: over all the times that a computation is begun.
final class MemoryHost: TrainingHost {
  struct Stopped: Error {}

  let progress: any Basics.ProgressReporting = SilentProgress()
  var stop: () -> Bool = { false }
  private(set) var warnings: [String] = []
  private(set) var logged: [String] = []
  private var newest: TrainingCheckpoint?
  private var points: [TrainingCheckpoint] = []

  func checkInterruption() throws { if stop() { throw Stopped() } }
  func log(_ message: String) { logged.append(message) }
  func warn(_ remark: Remark) { warnings.append(remark.message) }
  func saveIfDue(_ state: () throws -> TrainingCheckpoint) throws {
    guard stop() else { return }
    newest = try state()
    throw Stopped()
  }
  func newestState() -> TrainingCheckpoint? { newest }
  func saveRollbackPoint(_ state: TrainingCheckpoint) { points = points.suffix(1) + [state] }
  func rollbackPoint(step: Int) -> TrainingCheckpoint? { points.last { $0.training.step == step } }
}

/// A training whose loss is not finite goes back to the last rollback point with half the learning rate, at most three times;
/// what comes out does not depend on whether the run was killed on the way.
@Suite(.serialized) struct RollbackTests {
  struct Outcome {
    var tensors: [Float]
    var halvings: Int
    var steps: [Int]
    var curve: LossCurve
    /// What the training keeps beside its network.
    var pool: SavedPool
  }

  /// Trains 220 steps on a parabola; the loss of step `bad` is infinite until the learning rate was halved `halvings` times.
  /// `stopAt` interrupts after so many calls of the step. The loss that is told to the curve is the step's number.
  private func train(_ host: MemoryHost, bad: Set<Int>, halvings: Int, stopAt: Int = .max) throws -> Outcome {
    // bits depend on it, and other tests of this process change it
    try Runtime.initialize(threads: 1)
    var calls = 0
    host.stop = { calls >= stopAt }
    let generator = try Generator(seed: 5)
    let space = LatentSpace(euclidean: 2, angles: 0)
    let network = try ResidualNetwork(
      space: space,
      configuration: ResidualConfiguration(width: 4, depth: 0, harmonics: 1, timeFrequencies: 2, outputs: 2),
      generator: generator)
    let trainer = try Trainer(
      network: network, settings: OptimizationSettings(steps: 220, batch: 4, warmUp: 1), generator: generator,
      columns: ["loss"])
    // rows of zeros, of which every tenth step replaces one by its number
    let pool = try SamplePool(.init(latents: Tensor.zeros([9, 1])))
    let loop = TrainingLoop(
      trainer: trainer, host: host, title: "test", recordEvery: 20, labels: ["loss"], pool: pool,
      leastRollbackInterval: 100)
    var seen: [Int] = []
    try loop.run(batch: { "batch of step \($0)" }) {
      calls += 1
      let step = trainer.step
      seen.append(step)
      if step % 10 == 0 { try pool.replaceOldest(with: .init(latents: Tensor([Float(step)], shape: [1, 1]))) }
      let noise = try trainer.generator.normal([4, 2])
      let times = try Tensor.zeros([4])
      let difference = try trainer.network(noise, times) - noise
      var loss = try (difference * difference).mean()
      if bad.contains(step), trainer.halvings < halvings { loss = try loss * Double.infinity }
      _ = try trainer.update(loss)
      return [Double(step)]
    }
    let state = try trainer.state()
    return Outcome(
      tensors: state.tensors.sorted { $0.key < $1.key }.flatMap(\.value.values), halvings: state.halvings, steps: seen,
      curve: state.curve, pool: try pool.saved())
  }

  @Test func goesBackWithHalfTheLearningRate() throws {
    let quiet = MemoryHost()
    let plain = try train(quiet, bad: [], halvings: 0)
    #expect(plain.halvings == 0 && quiet.warnings.isEmpty)
    let host = MemoryHost()
    let outcome = try train(host, bad: [150], halvings: 2)
    #expect(outcome.halvings == 2)
    #expect(outcome.steps == Array(0...150) + Array(100...150) + Array(100..<220))
    #expect(host.warnings.count == 2)
    #expect(host.warnings[0].contains("training broke at step 150, batch of step 150: loss inf"))
    #expect(host.warnings[0].contains("went back to step 100 with half the learning rate"))
    #expect(outcome.curve.steps == Array(stride(from: 20, through: 220, by: 20)))
    #expect(outcome.tensors != plain.tensors)
    #expect(outcome.tensors.allSatisfy { $0.isFinite })
  }

  /// Losses of steps that were undone are forgotten, in the curve and in what the training keeps beside it.
  @Test func aRollbackForgetsTheBrokenSteps() throws {
    let outcome = try Self.undisturbed.get()
    // the mean of the twenty steps before each row, each once
    let means: [Double] = stride(from: 20, through: 220, by: 20).map { $0 - 10.5 }
    #expect(outcome.curve.column("loss") == means)
    // 22 numbers in 9 rows, the last four of them on top
    #expect(outcome.pool.latents.values == [180, 190, 200, 210, 130, 140, 150, 160, 170] && outcome.pool.next == 4)
    // also where the break comes in the middle of a row
    let middle = try train(MemoryHost(), bad: [109], halvings: 1)
    #expect(middle.curve.column("loss") == outcome.curve.column("loss"))
    #expect(middle.pool == outcome.pool)
  }

  private static let undisturbed = Result { try RollbackTests().train(MemoryHost(), bad: [150], halvings: 2) }

  @Test(.tags(.slow), arguments: [40, 120, 160, 201, 230])
  func stoppedAnywhereAndResumedIsTheSame(calls: Int) throws {
    let straight = try Self.undisturbed.get()
    let host = MemoryHost()
    #expect(throws: MemoryHost.Stopped.self) { try train(host, bad: [150], halvings: 2, stopAt: calls) }
    #expect(throws: MemoryHost.Stopped.self) { try train(host, bad: [150], halvings: 2, stopAt: 5) }
    let resumed = try train(host, bad: [150], halvings: 2)
    #expect(host.logged.contains { $0.hasPrefix("going on from step") })
    #expect(resumed.halvings == straight.halvings)
    #expect(resumed.tensors.map(\.bitPattern) == straight.tensors.map(\.bitPattern))
    #expect(resumed.curve == straight.curve && resumed.pool == straight.pool)
  }

  @Test func givesUpAfterThreeTimesAndNamesStepAndBatch() throws {
    let error = #expect(throws: TrainingError.self) { try train(MemoryHost(), bad: [30], halvings: 99) }
    guard case .broken(let step, let loss, _, let batch, let halvings)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(step == 30 && loss == .infinity && batch == "batch of step 30" && halvings == 3)
    #expect("\(try #require(error))".contains("training broke at step 30, batch of step 30: loss inf"))
  }
}
