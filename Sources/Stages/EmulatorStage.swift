import Artifacts
import Basics
import Foundation
import Generative
import Molecules
import Torch
import Workflow

/// Trains a Boltzmann emulator by flow matching on ingested frames, in internal or Cartesian coordinates.
enum EmulatorStage: StageType {
  static let type = "emulator"
  static let version = 2
  static let summary = "train a Boltzmann emulator by flow matching"
  static let reads: [SharedField] = [.topology]

  static let parameters: [ParameterField] = [
    ParameterField("frames", .stage(["ingest"]), help: "the ingested trajectory to learn from"),
    ParameterField(
      "coordinates", .choice(["internal", "cartesian"]), default: "internal",
      help:
        "internal: whitened bonds, angles and narrow torsions on R^n, broad torsions on the torus; "
        + "cartesian: positions, by equivariant networks"),
    ParameterField(
      "prior", .choice(["mean-free", "free"]), default: "mean-free",
      help:
        "cartesian: noise without a centre of mass of its own, or with one (which no network that ignores translations can move: "
        + "its weights have no finite mean)"),
    ParameterField(
      "length_scale", .number(0.1...1000), default: 10.0, unit: "1/nm",
      help: "cartesian: positions in nm times this are what the network sees; 10 is angstrom"),
    ParameterField(
      "atom_classes", .list(.integer(0...10_000), count: 1...100_000), optional: true,
      help: "cartesian: a class per atom; left out, atoms that the bond graph does not tell apart share one"),
    ParameterField(
      "coupling", .choice(Coupling.allCases.map(\.rawValue)), default: "independent",
      help:
        "how noise and frames of a batch are paired: as drawn, by exact optimal transport, or rotated onto each other"),
    ParameterField(
      "objective", .choice(["velocity", "endpoint"]), default: "velocity",
      help: "what the network predicts: the velocity, or the data point (then trajectories end at t = 0.999)"),
    ParameterField(
      "endpoint_weights", .list(.positive, count: 2...2), default: [0.05, 100.0],
      help: "endpoint: its weight ((beta' alpha - alpha' beta) / alpha)^2 is held between these"),
    ParameterField(
      "interpolant", .choice(Interpolant.allCases.map(\.rawValue)), default: "linear",
      help: "path from noise to data"),
    EmulatorNetworkParameters.field(width: 256, depth: 4),
    TrainingParameters.field(steps: 8000, batch: 512, learningRate: 1e-3, clip: 1),
    ParameterField(
      "validation_fraction", .number(0...0.5), default: 0.05,
      help: "frames held out, in blocks, to see over-fitting; the emulator never sees them"),
    ParameterField("record_every", .count, default: 50, help: "steps between two rows of the loss curve"),
  ]

  struct Parameters: Decodable {
    var coordinates: String
    var prior: String
    var lengthScale: Double
    var atomClasses: [Int]?
    var coupling: Coupling
    var objective: String
    var endpointWeights: [Double]
    var interpolant: Interpolant
    var network: EmulatorNetworkParameters
    var training: TrainingParameters
    var validationFraction: Double
    var recordEvery: Int

    var predictsEndpoint: Bool { objective == "endpoint" }

    var flowObjective: FlowObjective {
      predictsEndpoint
        ? .endpoint(minimumWeight: endpointWeights[0], maximumWeight: endpointWeights[1]) : .velocity
    }
  }

  /// Held-out frames that a row of the loss curve takes at most.
  static let validationRows = 2048

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let frames = try context.input("frames").artifact
    let topology = try Topology.read(pdb: context.system.topology)
    let positions = try frames.read("coordinates", as: Double.self)
    let count = positions.shape.first ?? 0
    let chart = try makeChart(parameters, topology, positions.values, count, context)
    let latents = try chart.latents(positions.values, frames: count).cast(.float32)
    let (training, validation) = try split(latents, count, fraction: parameters.validationFraction)

    let generator = try Generator(seed: RandomStream.derivedSeed(context.seed, ["noise"]))
    let header = EmulatorArtifact.Header(
      architecture: try parameters.network.architecture(chart), interpolant: parameters.interpolant,
      predictsEndpoint: parameters.predictsEndpoint)
    try train(header.field(chart, generator), on: training, validation, parameters, generator, context)
    try EmulatorArtifact.write(chart, header, topologyJSON: topology.mdtrajJSON, to: context.output)
  }

  private static func makeChart(
    _ parameters: Parameters, _ topology: Topology, _ positions: [Double], _ count: Int, _ context: StageContext
  ) throws -> Chart {
    if parameters.coordinates == "cartesian" {
      let classes = parameters.atomClasses ?? topology.symmetryClasses
      guard classes.count == topology.atoms.count else {
        throw EmulatorError.atomClasses(count: classes.count, atoms: topology.atoms.count)
      }
      context.log("\(count) frames of \(classes.count) atoms in \(Set(classes).count) classes")
      return .cartesian(
        CartesianChart(
          atomClasses: classes, bonds: topology.bonds.map { [$0.first, $0.second] }, scale: parameters.lengthScale,
          meanFree: parameters.prior == "mean-free"))
    }
    guard parameters.coupling != .kabsch else {
      throw EmulatorError.couplingAndCoordinates(coupling: parameters.coupling.rawValue)
    }
    let coordinates = try InternalCoordinates(topology: topology)
    let (values, _) = try coordinates.internalCoordinates(positions, frames: count)
    let chart = try InternalChart(coordinates: coordinates, values: values, frames: count)
    context.log(
      "\(count) frames; \(chart.space.euclidean) narrow and \(chart.space.angles) broad coordinates: "
        + chart.broad.map { coordinates.label(of: $0, in: topology) }.joined(separator: ", "))
    return .internal(chart)
  }

  private static func train(
    _ field: some VectorField, on training: Tensor, _ validation: Tensor?, _ parameters: Parameters,
    _ generator: Generator, _ context: StageContext
  ) throws {
    let trainer = try Trainer(
      network: field.network, settings: parameters.training.settings, generator: generator,
      columns: ["train", "validation"])
    let driver = TrainingDriver(context: context, trainer: trainer, title: "emulator")
    // losses since the last row of the curve
    var recent: [Double] = []
    let restore = { (checkpoint: Artifact) in recent = try checkpoint.read("recent", as: Double.self).values }
    try driver.resume(restore)

    let loss = FlowMatchingLoss(
      interpolant: parameters.interpolant, objective: parameters.flowObjective, coupling: parameters.coupling)
    let batch = parameters.training.batch
    var sampler = try EpochSampler(
      count: training.shape[0], batch: batch, seed: RandomStream.derivedSeed(context.seed, ["order"]))
    var shown = trainer.curve.rows.last ?? [.nan, .nan]
    try driver.run(
      extra: { try $0.write("recent", recent, shape: [recent.count]) }, restore: restore,
      batch: { try sampler.name(step: $0) }
    ) {
      let rows = try training.selected(sampler.indices(step: trainer.step))
      let t = try FlowMatchingLoss.stratifiedTimes(batch, trainer.generator)
      let now = field.replacing(network: trainer.network)
      recent.append(try trainer.update(loss(now, data: rows, t: t, trainer.generator)))
      if trainer.step % parameters.recordEvery == 0 || trainer.isFinished {
        let average = field.replacing(network: trainer.average)
        let held = try validation.map { try validationLoss(loss, average, $0, seed: context.seed) } ?? .nan
        shown = [recent.reduce(0, +) / Double(recent.count), held]
        trainer.curve.record(step: trainer.step, shown)
        recent = []
      } else if trainer.curve.rows.isEmpty {
        shown[0] = recent.reduce(0, +) / Double(recent.count)
      }
      return [
        (name: "loss", value: String(format: "%.4f", shown[0])),
        (name: "validation", value: String(format: "%.4f", shown[1])),
      ]
    }
    try TrainingStateStore.write(trainer.state(), to: context.output)
    try TrainingStateStore.writeResults(trainer.curve, to: context.output)
    try context.output.writeScalar("results/parameters", Int64(trainer.network.parameterCount))
    try context.output.writeScalar("results/training_frames", Int64(training.shape[0]))
  }

  /// Blocks of 1 % of the frames, spread evenly, are held out; neighbours in time stay on one side.
  private static func split(
    _ latents: Tensor, _ count: Int, fraction: Double
  ) throws -> (training: Tensor, validation: Tensor?) {
    let block = max(1, count / 100)
    let period = fraction > 0 ? max(2, Int((1 / fraction).rounded())) : Int.max
    let held = (0..<count).filter { ($0 / block) % period == period / 2 }
    guard !held.isEmpty, held.count < count else { return (latents, nil) }
    let isHeld = Set(held)
    let kept = (0..<count).filter { !isHeld.contains($0) }
    let every = (held.count + validationRows - 1) / validationRows
    let shown = stride(from: 0, to: held.count, by: every).map { Int64(held[$0]) }
    return (
      try latents.selected(Tensor(kept.map(Int64.init))), try latents.selected(Tensor(shown))
    )
  }

  /// Always the same noise and times, so that two values can be compared.
  private static func validationLoss(
    _ loss: FlowMatchingLoss, _ field: some VectorField, _ rows: Tensor, seed: UInt64
  ) throws -> Double {
    try withoutGradients {
      let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["validation"]))
      let t = try FlowMatchingLoss.stratifiedTimes(rows.shape[0], generator)
      return try loss(field, data: rows, t: t, generator).item()
    }
  }
}
