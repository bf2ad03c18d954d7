import Artifacts
import Basics
import Foundation
import Generative
import Workflow

/// `toy-samples`: independent draws of a two-dimensional law that is known by analysis.
///
/// /samples [count, 2] and /system (its name); under /results their count, mean [2] and covariance [2, 2].
public enum ToySamplesStage: StageType {
  public static let type = "toy-samples"
  public static let version = 1
  public static let summary = "draw samples of a two-dimensional system whose density is known"

  public static let parameters: [ParameterField] = [
    ParameterField("system", .choice(ToySystem.allCases.map(\.rawValue)), help: "which law"),
    ParameterField("count", .integer(2...10_000_000), default: 10_000, help: "samples"),
  ]

  struct Parameters: Decodable {
    var system: ToySystem
    var count: Int
  }

  public static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    let samples = try parameters.system.samples(parameters.count, seed: context.seed)
    let output = context.output
    try output.write("system", string: parameters.system.rawValue)
    try output.write("samples", samples, dims: ["sample", "coordinate"])

    let n = Double(parameters.count)
    let axes = (0..<2).map { axis in stride(from: axis, to: samples.count, by: 2).map { samples.values[$0] } }
    let means = axes.map { $0.reduce(0, +) / n }
    let covariance = (0..<4).map { k -> Double in
      let (i, j) = (k / 2, k % 2)
      return zip(axes[i], axes[j]).reduce(0) { $0 + ($1.0 - means[i]) * ($1.1 - means[j]) } / (n - 1)
    }
    try output.writeScalar("results/count", Int64(parameters.count))
    try output.write("results/mean", means, shape: [2], dims: ["coordinate"])
    try output.write("results/covariance", covariance, shape: [2, 2], dims: ["coordinate", "coordinate"])
  }
}
