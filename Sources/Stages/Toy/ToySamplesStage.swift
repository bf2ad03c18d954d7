import Generative
import Records
import Workflow

/// `toy-samples`: independent draws of a two-dimensional law that is known by analysis.
enum ToySamplesStage: RecordedStage {
  static let version = 1
  static let summary = "draw samples of a two-dimensional system whose density is known"
  static let output = Recorded.toySamples

  struct Parameters: ParameterGroup {
    @Parameter("which law") var system: ToySystem
    @Parameter("samples", in: 2...10_000_000) var count = 10_000
  }

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    let samples = try parameters.system.samples(parameters.count, seed: context.seed)
    try context.output.write(output.system, parameters.system.rawValue)
    try context.output.write(output.samples, samples)

    let n = Double(parameters.count)
    let axes = (0..<2).map { axis in stride(from: axis, to: samples.count, by: 2).map { samples.values[$0] } }
    let means = axes.map { $0.reduce(0, +) / n }
    let covariance = (0..<4).map { k -> Double in
      let (i, j) = (k / 2, k % 2)
      return zip(axes[i], axes[j]).reduce(0) { $0 + ($1.0 - means[i]) * ($1.1 - means[j]) } / (n - 1)
    }
    try context.output.write(output.count, parameters.count)
    try context.output.write(output.mean, means)
    try context.output.write(output.covariance, covariance, shape: [2, 2])
  }
}

extension ToySystem: ParameterType {}
