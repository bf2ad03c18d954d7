import Artifacts
import Generative
import Molecules
import Workflow

/// Trains a Boltzmann emulator by flow matching on ingested frames, in internal or Cartesian coordinates.
enum EmulatorStage: StageType {
  public static let type = "emulator"
  public static let version = 2
  public static let summary = "train a Boltzmann emulator by flow matching"
  public static let reads: [SharedField] = [.topology]

  public static let parameters: [ParameterField] = [
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

    func settings(seed: UInt64) -> EmulatorSettings {
      var settings = EmulatorSettings()
      if coordinates == "cartesian" {
        settings.coordinates = .cartesian(atomClasses: atomClasses, scale: lengthScale, meanFree: prior == "mean-free")
      }
      settings.architecture = network.architecture
      settings.interpolant = interpolant
      if objective == "endpoint" {
        settings.objective = .endpoint(minimumWeight: endpointWeights[0], maximumWeight: endpointWeights[1])
      }
      settings.coupling = coupling
      settings.optimization = training.settings
      settings.validationFraction = validationFraction
      settings.recordEvery = recordEvery
      settings.seed = seed
      return settings
    }
  }

  public static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let frames = try context.input("frames").artifact.read("coordinates", as: Double.self)
    let topology = try Topology.read(pdb: context.system.topology)
    let trained = try withAdvice {
      try Emulator.train(
        on: frames, topology: topology, settings: parameters.settings(seed: context.seed), host: context)
    }
    let output = context.output
    try output.write(trained.state)
    try output.writeScalar("results/parameters", Int64(trained.emulator.parameterCount))
    try output.writeScalar("results/training_frames", Int64(trained.trainingFrames))
    try EmulatorArtifact.write(trained.emulator.archive(), topologyJSON: topology.mdtrajJSON, to: output)
  }
}
