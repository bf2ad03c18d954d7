import Artifacts
import Basics
import Foundation
import Generative
import Records
import Testing
import Workflow

@testable import Stages

/// The two-dimensional stages at a size that trains in seconds.
@Suite(.serialized) struct ToyStagesTests {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("toy-\(UUID().uuidString)")

  private func run(
    _ type: any StageType.Type, _ name: String, _ values: ParameterValue, _ inputs: [String: [StageInput]] = [:],
    in place: String = "straight", interruption: @escaping () -> Bool = { false }
  ) throws -> StageInput {
    let place = folder.appendingPathComponent(place)
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    let url = place.appendingPathComponent("\(name).h5")
    let context = StageContext(
      stage: name, seed: 5, values: values, inputs: inputs, output: try ArtifactWriter(url: url),
      checkpoints: CheckpointStore(folder: place, stage: name, key: "k"), interruption: interruption)
    let start = Date()
    try type.run(context)
    try context.output.commit(
      provenance: Provenance(
        key: "k", canonical: "{}", stage: name, stageType: type.type, stageVersion: type.version, seed: 5, start: start,
        end: start, wallSeconds: 0))
    return StageInput(name: name, type: type.type, artifact: try Artifact.open(url, verify: true), inputs: inputs)
  }

  private func model(steps: Int, score: Double = 1, contrastive: Double = 1, targets: String = "drawn")
    -> ParameterValue
  {
    [
      "losses": ["score": .number(score), "contrastive": .number(contrastive), "targets": .string(targets)],
      "network": ["width": 48, "depth": 2, "input_gain": 4, "time_gain": 1, "hidden_gain": 2],
      "training": [
        "steps": .integer(steps), "batch": 64, "learning_rate": 0.003, "warm_up": 20, "weight_decay": 0,
        "average_decay": 0.98, "clip": 10,
      ],
      "interpolant": "trigonometric", "grid": 40, "half_width": 2,
    ]
  }

  @Test func samplesCarryTheirSystem() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let samples = try run(ToySamplesStage.self, "samples", ["system": "checkerboard", "count": 300]).artifact
    let record = Recorded.toySamples
    #expect(try samples.read(record.system) == "checkerboard")
    #expect(try samples.shape(record.samples) == [300, 2])
    let rows = try samples.read(record.samples).values
    #expect(rows == (try ToySystem.checkerboard.samples(300, seed: 5).values))
    let mean = try samples.read(record.mean).values
    let sum = stride(from: 1, to: 600, by: 2).reduce(0.0) { $0 + rows[$1] }
    #expect(abs(mean[1] - sum / 300) < 1e-12)
    let covariance = try samples.read(record.covariance).values
    #expect(covariance[1] == covariance[2] && covariance[0] > 0.2 && covariance[0] < 0.5)
  }

  @Test(arguments: FixedSamplesObjective.Targets.allCases.map(\.rawValue))
  func endToEndTrainingComesCloserToTheTruth(targets: String) throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let samples = try run(ToySamplesStage.self, "samples", ["system": "eight-gaussians", "count": 1000])
    let fresh = try run(ToyEnergyModelStage.self, "fresh", model(steps: 1, targets: targets), ["samples": [samples]])
    let trained = try run(
      ToyEnergyModelStage.self, "trained", model(steps: 400, targets: targets), ["samples": [samples]]
    ).artifact
    let record = Recorded.toyEnergyModel
    let divergence = try trained.read(record.divergence)
    // flat: ln of the grid's area over the exponential of the truth's entropy, 2.5 nats
    let flat = try fresh.artifact.read(record.divergence)
    #expect(flat > 2 && flat < 3)
    #expect(divergence > 0 && divergence < flat - 0.4)
    // the number is that of the densities beside it, and these are normalised
    let learnt = try trained.read(record.logDensity)
    let truth = try trained.read(record.trueLogDensity)
    #expect(learnt.shape == [40, 40] && truth.shape == [40, 40])
    #expect(abs(DensityGrid.divergence(truth.values, learnt.values) - divergence) < 1e-12)
    let spacing: Double = 4.0 / 39
    let area = spacing * spacing
    for density in [learnt, truth] {
      let total = density.values.reduce(0.0) { $0 + exp($1) * area }
      #expect(abs(total - 1) < 1e-9)
    }
    #expect(truth.values == DensityGrid(count: 40).logDensity(of: .eightGaussians))
    #expect(try trained.shape(record.loss.columns["score"]) == [8])
    let losses = try trained.read(record.loss.columns["train"]).values
    #expect(losses.first ?? 0 > losses.last ?? 0)
  }

  /// Interrupted twice, resumed twice: the artifact's content is bit for bit that of the run nobody touched.
  @Test(arguments: FixedSamplesObjective.Targets.allCases.map(\.rawValue))
  func endToEndInterruptedTrainingResumesBitForBit(targets: String) throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let samples = try run(ToySamplesStage.self, "samples", ["system": "checkerboard", "count": 200])
    let values = model(steps: 70, targets: targets)
    let straight = try run(ToyEnergyModelStage.self, "model", values, ["samples": [samples]])
    for limit in [9, 40] {
      var asked = 0
      #expect(throws: WorkflowInterruption.self) {
        _ = try run(
          ToyEnergyModelStage.self, "model", values, ["samples": [samples]], in: "interrupted",
          interruption: {
            asked += 1
            return asked > limit
          })
      }
    }
    let resumed = try run(ToyEnergyModelStage.self, "model", values, ["samples": [samples]], in: "interrupted")
    #expect(resumed.artifact.provenance.contentDigest == straight.artifact.provenance.contentDigest)
  }

  @Test func whatCannotBeTrainedIsRefused() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let samples = try run(ToySamplesStage.self, "samples", ["system": "checkerboard", "count": 20])
    let few = #expect(throws: AdvisedError.self) {
      _ = try run(ToyEnergyModelStage.self, "model", model(steps: 2), ["samples": [samples]])
    }
    #expect(
      few?.description
        == "20 training samples are fewer than one batch of 64; lower training.batch or give more data")
    let more = try run(ToySamplesStage.self, "more", ["system": "checkerboard", "count": 100])
    #expect(throws: TrainingError.self) {
      _ = try run(ToyEnergyModelStage.self, "none", model(steps: 2, score: 0, contrastive: 0), ["samples": [more]])
    }
    let writer = try ArtifactWriter(url: folder.appendingPathComponent("straight/other.h5"))
    try writer.write(Recorded.toySamples.system, "two-moons")
    try writer.commit(
      provenance: Provenance(
        key: "k", canonical: "{}", stage: "other", stageType: "toy-samples", stageVersion: 1, seed: 1, start: Date(),
        end: Date(), wallSeconds: 0))
    let other = StageInput(
      name: "other", type: "toy-samples", artifact: try Artifact.open(writer.url, verify: false))
    #expect(throws: ToyError.unknownSystem(name: "two-moons", file: "other.h5")) {
      _ = try run(ToyEnergyModelStage.self, "strange", model(steps: 2), ["samples": [other]])
    }
  }
}
