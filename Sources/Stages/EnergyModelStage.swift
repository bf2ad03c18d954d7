import Artifacts
import Basics
import Foundation
import FreeEnergies
import Generative
import Torch
import Workflow

/// Fits an energy-based model to an emulator's samples: score matching, InfoNCE over time and likelihood labels.
///
/// Samples are drawn from the emulator all along the training and take the place of the oldest: an energy model that sees the same
/// samples again and again learns their labels, not the density.
public enum EnergyModelStage: StageType {
  public static let type = "energy-model"
  public static let version = 1
  public static let summary = "fit an energy-based model, whose likelihood costs one forward pass"
  public static let indirectInputs = [["samples", "emulator"]]

  public static let parameters: [ParameterField] = [
    ParameterField("samples", .stage(["sample"]), help: "samples of the emulator to begin with"),
    NetworkParameters.field(width: 256, depth: 4),
    TrainingParameters.field(steps: 3000, batch: 256, learningRate: 1e-3, clip: 10),
    ParameterField(
      "interpolant", .choice(Interpolant.allCases.map(\.rawValue)), default: "trigonometric",
      help: "path along which the densities are learnt"),
    ParameterField(
      "losses",
      .object([
        ParameterField("score", .nonNegative, default: 1.0, help: "weight of score matching"),
        ParameterField("contrastive", .nonNegative, default: 1.0, help: "weight of InfoNCE over time"),
        ParameterField("label", .nonNegative, default: 1.0, help: "weight of the regression on likelihood labels"),
        ParameterField(
          "negative_widths", .list(.positive, acceptsSingle: true, count: 1...16), default: [0.02, 0.1, 0.4],
          help: "spread of the negatives' times around t, used in turn"),
        ParameterField("huber_delta", .positive, default: 3.0, unit: "nat", help: "label loss is linear beyond this"),
        ParameterField(
          "data_end_fraction", .number(0...1), default: 0.5, help: "share of the times drawn toward the data end"),
      ]), help: "the objective's three losses; at least one weight must be above 0"),
    ParameterField(
      "fresh_samples", .integer(0...Int.max), default: 100_000, help: "samples drawn from the emulator while training"),
    ParameterField("refresh_every", .count, default: 50, help: "steps between two draws of fresh samples"),
    ParameterField(
      "ode_steps", .integer(1...10_000), default: 8, help: "rk4 steps of the fresh samples"),
    ParameterField(
      "evaluation_samples", .integer(10...1_000_000), default: 2000,
      help: "fresh samples whose exact log-density the model is compared with"),
  ]

  struct Parameters: Decodable {
    var network: NetworkParameters
    var training: TrainingParameters
    var interpolant: Interpolant
    var losses: EnergyModelObjective
    var freshSamples: Int
    var refreshEvery: Int
    var odeSteps: Int
    var evaluationSamples: Int

    /// Fresh samples per draw: all of them, spread over the draws.
    var samplesPerDraw: Int {
      let draws = max(1, (training.steps - 1) / refreshEvery)
      return (freshSamples + draws - 1) / draws
    }
  }

  /// Steps between two rows of the loss curve.
  static let recordEvery = 25

  public static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try Runtime.initialize(threads: context.threads)
    let samples = try context.input("samples")
    let emulator = try EmulatorArtifact.read(samples.input("emulator"))
    var pool = try SamplePool(samples.artifact, emulator, labelled: parameters.losses.label > 0)
    let constant = try pool.labels?.mean().item() ?? 0

    let generator = try Generator(seed: RandomStream.derivedSeed(context.seed, ["noise"]))
    let space = emulator.chart.space
    let configuration = parameters.network.configuration(
      outputs: ResidualEnergyModel.outputs(space: space, harmonics: parameters.network.harmonics))
    let trainer = try Trainer(
      network: ResidualNetwork(space: space, configuration: configuration, generator: generator),
      settings: parameters.training.settings, generator: generator,
      columns: ["train", "score", "contrastive", "label"])
    let driver = TrainingDriver(context: context, trainer: trainer, title: "energy model")
    var recent: [[Double]] = []
    try driver.resume { checkpoint in
      let rows = try checkpoint.read("recent", as: Double.self)
      recent = stride(from: 0, to: rows.count, by: 4).map { Array(rows.values[$0..<$0 + 4]) }
      try pool.restore(checkpoint)
    }

    let labelled = pool.labels != nil
    let fresh = try FlowSampler(
      field: emulator.field, integrator: .rungeKutta4(steps: parameters.odeSteps),
      method: labelled ? .stochasticTrace : .none)
    let drawSeed = RandomStream.derivedSeed(context.seed, ["fresh"])
    var order = try EpochSampler(
      count: pool.count, batch: parameters.training.batch, seed: RandomStream.derivedSeed(context.seed, ["order"]))
    try driver.run(extra: { writer in
      try writer.write("recent", recent.flatMap { $0 }, shape: [recent.count, 4])
      try pool.write(to: writer)
    }) {
      let step = trainer.step
      if step > 0, step % parameters.refreshEvery == 0, parameters.freshSamples > 0 {
        let flow = try fresh.batch(
          min(parameters.samplesPerDraw, pool.count), seed: drawSeed, index: step / parameters.refreshEvery)
        try pool.replaceOldest(with: flow)
      }
      let index = try order.indices(step: step)
      let model = ResidualEnergyModel(network: trainer.network, interpolant: parameters.interpolant, constant: constant)
      let terms = try parameters.losses(
        model, data: pool.latents.selected(index), labels: pool.labels.map { try $0.selected(index) }, step: step,
        generator)
      let total = try trainer.update(terms.total)
      recent.append([
        total, try terms.score.item(), try terms.contrastive.item(), try terms.label?.item() ?? .nan,
      ])
      if trainer.step % recordEvery == 0 || trainer.isFinished {
        trainer.curve.record(
          step: trainer.step, (0..<4).map { c in recent.reduce(0) { $0 + $1[c] } / Double(recent.count) })
        recent = []
      }
      let row = trainer.curve.rows.last ?? [total, .nan, .nan, .nan]
      return zip(["loss", "score", "nce", "label"], row).map { (name: $0, value: String(format: "%.3f", $1)) }
    }

    let model = ResidualEnergyModel(network: trainer.average, interpolant: parameters.interpolant, constant: constant)
    try EnergyModelArtifact.write(
      EnergyModelArtifact.Header(
        space: space, network: configuration, interpolant: parameters.interpolant, constant: constant,
        logDeterminant: emulator.chart.logDeterminant, emulator: emulator.digest), to: context.output)
    try TrainingStateStore.write(trainer.state(), to: context.output)
    try TrainingStateStore.writeResults(trainer.curve, to: context.output)
    try evaluate(model, emulator, parameters, context)
  }

  /// Compares the model with the exact log-density on fresh samples, and times both.
  private static func evaluate(
    _ model: any EnergyModel, _ emulator: EmulatorArtifact, _ parameters: Parameters, _ context: StageContext
  ) throws {
    let exact = try FlowSampler(
      field: emulator.field, integrator: .rungeKutta4(steps: parameters.odeSteps), method: .exactTrace)
    let seed = RandomStream.derivedSeed(context.seed, ["evaluation"])
    var truth: [Double] = []
    var predicted: [Double] = []
    context.progress.begin("exact likelihood", total: parameters.evaluationSamples, unit: "samples")
    let start = Date()
    var latents: [Tensor] = []
    var index = 0
    while truth.count < parameters.evaluationSamples {
      try context.checkInterruption()
      let count = min(200, parameters.evaluationSamples - truth.count)
      let samples = try emulator.samples(count, exact, seed: seed, index: index)
      truth += samples.logDensities[0]
      let values = try model.logDensity(samples.latents).values(as: Double.self)
      predicted += zip(values, samples.logJacobian).map {
        emulator.cartesianLogDensity(latent: $0, logJacobian: $1)
      }
      latents.append(samples.latents)
      index += 1
      context.progress.update(completed: truth.count)
    }
    let exactSeconds = Date().timeIntervalSince(start) / Double(truth.count)
    context.progress.end()

    // 10,000 rows of real samples, repeated as needed
    let timed = 10_000
    let some = try Tensor.concatenated(latents, axis: 0)
    let rows = try some.selected(Tensor((0..<timed).map { Int64($0 % some.shape[0]) }))
    _ = try model.logDensity(rows)
    let began = Date()
    _ = try model.logDensity(rows)
    let seconds = Date().timeIntervalSince(began) / Double(timed)

    let errors = zip(predicted, truth).map { $0 - $1 }
    let mean = errors.reduce(0, +) / Double(errors.count)
    let rmse = (errors.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(errors.count)).squareRoot()
    let output = context.output
    try output.write("results/exact_log_density", truth, shape: [truth.count], units: "nat", dims: ["sample"])
    try output.write("results/model_log_density", predicted, shape: [truth.count], units: "nat", dims: ["sample"])
    try output.writeScalar("results/rmse_log_density", rmse, units: "nat")
    try output.writeScalar("results/mean_error_log_density", mean, units: "nat")
    try output.writeScalar("results/spearman", spearmanCorrelation(predicted, truth))
    try output.writeMeasurement("results/seconds_per_likelihood", seconds)
    try output.writeMeasurement("results/exact_seconds_per_likelihood", exactSeconds)
    context.log(
      String(
        format:
          "log-density against the exact one: rmse %.3f nats after removing the mean; %.1f us against %.1f ms per sample",
        rmse, seconds * 1e6, exactSeconds * 1e3))
    if rmse > 1 {
      context.warn(
        String(
          format:
            "the energy model's log-density is off by %.2f nats rms: above 1, its free energies cannot be trusted; "
            + "train longer or on more fresh samples", rmse))
    }
  }
}

/// The samples an energy model trains on: rows of latents with their labels, of which the oldest are replaced.
struct SamplePool {
  private(set) var latents: Tensor
  /// Log-densities over latents, [n]; nil without the label loss or where the samples carry none.
  private(set) var labels: Tensor?
  private var next = 0

  var count: Int { latents.shape[0] }

  init(_ samples: Artifact, _ emulator: EmulatorArtifact, labelled: Bool) throws {
    latents = try Tensor(samples.read("latents", as: Float.self))
    guard labelled, samples.exists("log_density") else { return }
    let density = try samples.read("log_density", as: Double.self).values
    let jacobian = try samples.read("log_jacobian", as: Double.self).values
    labels = try Tensor(zip(density, jacobian).map { Float($0 - emulator.chart.logDeterminant + $1) })
  }

  mutating func replaceOldest(with flow: FlowSamples) throws {
    let fresh = flow.latents.shape[0]
    let rows = (0..<count).map { row -> Int64 in
      let offset = (row - next + count) % count
      return Int64(offset < fresh ? count + offset : row)
    }
    let index = try Tensor(rows)
    latents = try Tensor.concatenated([latents, flow.latents], axis: 0).selected(index)
    if let old = labels, let estimates = flow.logDensities {
      labels = try Tensor.concatenated([old, estimates.mean(0).cast(.float32)], axis: 0).selected(index)
    }
    next = (next + fresh) % count
  }

  func write(to writer: ArtifactWriter) throws {
    try writer.write("pool/latents", latents.array(as: Float.self), compression: .none)
    if let labels { try writer.write("pool/labels", labels.array(as: Float.self), compression: .none) }
    try writer.writeScalar("pool/next", Int64(next))
  }

  mutating func restore(_ checkpoint: Artifact) throws {
    latents = try Tensor(checkpoint.read("pool/latents", as: Float.self))
    labels = checkpoint.exists("pool/labels") ? try Tensor(checkpoint.read("pool/labels", as: Float.self)) : nil
    next = Int(try checkpoint.scalar("pool/next", as: Int64.self))
  }
}
