import Artifacts
import Basics
import Foundation
import Generative
import Molecules
import Torch
import Workflow

/// Draws conformations from an emulator, with their log-density.
enum SampleStage: StageType {
  static let type = "sample"
  static let version = 2
  static let summary = "draw conformations from an emulator"
  static let reads: [SharedField] = [.topology, .torsions]

  static let parameters: [ParameterField] = [
    ParameterField("emulator", .stage(["emulator", "imported-emulator"]), help: "the emulator to draw from"),
    ParameterField("count", .count, default: 100_000, help: "conformations"),
    ParameterField(
      "log_density", .choice(LogDensityMethod.allCases.map(\.rawValue)), default: "stochastic-trace",
      help:
        "stochastic-trace: unbiased, fresh probes at every step; hutchinson: probes kept per trajectory, for adaptive steps too; "
        + "exact-trace: by all directions, about thirty times dearer"
    ),
    ParameterField(
      "scores", .boolean, default: false,
      help: "also the gradient of each log-density, for the score labels of an energy model; about 60 % dearer"),
    ParameterField(
      "integrator", .choice(["rk4", "rk4-uniform", "dopri5"]), default: "rk4",
      help:
        "fixed-step Runge-Kutta 4, with short steps near the data or with equal ones, or adaptive Dormand-Prince 5(4)"),
    ParameterField(
      "probes", .integer(1...1000), default: 2,
      help:
        "stochastic-trace and hutchinson: independent estimates per sample; from two on their noise is corrected for"),
    ParameterField("ode_steps", .integer(1...10_000), default: 8, help: "steps of rk4, four evaluations each"),
    ParameterField("absolute_tolerance", .positive, default: 1e-5, help: "of dopri5"),
    ParameterField("relative_tolerance", .positive, default: 1e-5, help: "of dopri5"),
    ParameterField("batch", .count, default: 1000, help: "conformations integrated together"),
  ]

  struct Parameters: Decodable {
    var count: Int
    var logDensity: LogDensityMethod
    var scores: Bool
    var integrator: String
    var probes: Int
    var odeSteps: Int
    var absoluteTolerance: Double
    var relativeTolerance: Double
    var batch: Int

    var solver: Integrator {
      switch integrator {
      case "rk4": return .rungeKutta4(steps: odeSteps)
      case "rk4-uniform": return .uniformRungeKutta4(steps: odeSteps)
      default: return .dormandPrince(absolute: absoluteTolerance, relative: relativeTolerance)
      }
    }

    func sampler(_ field: any VectorField) throws -> FlowSampler {
      try FlowSampler(field: field, integrator: solver, method: logDensity, probes: probes, scores: scores)
    }
  }

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let emulator = try EmulatorArtifact.read(context.input("emulator"))
    let topology = try Topology.read(pdb: context.system.topology)
    guard topology.atoms.count == emulator.chart.atoms else {
      throw ReweightError.atomCount(
        stage: context.stage, found: topology.atoms.count, expected: emulator.chart.atoms)
    }
    let draws = try draw(parameters, emulator, context)
    try write(draws, emulator, topology, parameters, context)
  }

  /// Integrates batch after batch. Each has a random stream of its own, so a draw that was stopped goes on with the next batch.
  private static func draw(
    _ parameters: Parameters, _ emulator: EmulatorArtifact, _ context: StageContext
  ) throws -> FlowDraws {
    let sampler = try parameters.sampler(emulator.field)
    var draws = FlowDraws(dimension: emulator.chart.space.dimension, estimates: sampler.estimates)
    if let found = try context.checkpoints.latest() {
      if let warning = found.warning { context.warn(warning) }
      try draws.restore(found.artifact)
      context.log("going on from sample \(draws.begun) of \(parameters.count)")
    }
    context.progress.begin("sample", total: parameters.count, unit: "samples")
    defer { context.progress.end() }
    let before = draws.seconds
    let watch = Stopwatch()
    var saved = Stopwatch()
    while draws.begun < parameters.count {
      let count = min(parameters.batch, parameters.count - draws.begun)
      try draws.append(sampler.batch(count, seed: context.seed, index: draws.begun / parameters.batch))
      draws.seconds = before + watch.seconds
      context.progress.update(completed: draws.begun)
      let asked = context.interruptionRequested
      if asked || saved.seconds >= context.checkpointInterval, draws.begun < parameters.count {
        try context.checkpoints.save(step: draws.begun, draws.write)
        saved.restart()
        if asked { try context.checkInterruption() }
      }
    }
    return draws
  }

  private static func write(
    _ draws: FlowDraws, _ emulator: EmulatorArtifact, _ topology: Topology, _ parameters: Parameters,
    _ context: StageContext
  ) throws {
    let chirality = try Chirality(topology: topology)
    let torsions = try NamedTorsions(context.system, topology)
    let atoms = topology.atoms.count
    let dimension = emulator.chart.space.dimension
    let output = context.output
    try MDTrajConvention.begin(output, topologyJSON: emulator.topologyJSON)
    try output.createAppendable(
      "coordinates", Double.self, rowShape: [atoms, 3], units: "nanometers", dims: ["frame", "atom", "xyz"])
    for name in ["latents", "prior"] + (parameters.scores ? ["scores"] : []) {
      try output.createAppendable(name, Float.self, rowShape: [dimension], dims: ["frame", "latent"])
    }
    if case .internal(let chart) = emulator.chart {
      try output.createAppendable(
        "internal", Double.self, rowShape: [chart.coordinates.dimension], dims: ["frame", "coordinate"])
    }
    try output.createAppendable("log_jacobian", Double.self, dims: ["frame"])
    for name in torsions.names {
      try output.createAppendable("results/torsions/\(name)", Double.self, units: "rad", dims: ["frame"])
    }

    var estimates = [[Double]](repeating: [], count: draws.estimates.count)
    var (mirrored, inverted) = (0, 0)
    for rows in draws.batches(of: parameters.batch) {
      var flow = try draws.samples(rows)
      let samples = try emulator.molecules(&flow, mirroredBy: chirality)
      mirrored += samples.mirrored
      try output.append("coordinates", samples.coordinates)
      try output.append("latents", samples.latents.values(as: Float.self))
      try output.append("prior", flow.prior.values(as: Float.self))
      if let scores = flow.scores { try output.append("scores", scores.values(as: Float.self)) }
      if let values = samples.internalCoordinates { try output.append("internal", values) }
      try output.append("log_jacobian", samples.logJacobian)
      for (name, angles) in torsions.angles(samples.coordinates, atoms: atoms) {
        try output.append("results/torsions/\(name)", angles)
      }
      for (k, estimate) in samples.logDensities.enumerated() { estimates[k] += estimate }
      inverted += chirality.invertedFrames(in: samples.coordinates).count
    }

    let count = draws.count
    if !estimates.isEmpty {
      let mean = (0..<count).map { i in estimates.reduce(0) { $0 + $1[i] } / Double(estimates.count) }
      try output.write("log_density", mean, shape: [count], dims: ["frame"])
      try output.setAttribute("log_density", "method", parameters.logDensity.rawValue)
      if estimates.count > 1 {
        try output.write(
          "log_density_probes", estimates.flatMap { $0 }, shape: [estimates.count, count], dims: ["estimate", "frame"])
      }
    }
    try output.setAttribute("latents", "emulator", emulator.digest)
    let solver = String(decoding: try JSONEncoder().encode(parameters.solver), as: UTF8.self)
    try output.setAttribute("prior", "integrator", solver)
    if !draws.lost.isEmpty {
      let names = draws.lost.prefix(5).map { "\($0)" }.joined(separator: "; ") + (draws.lost.count > 5 ? "; ..." : "")
      context.warn(
        "\(draws.lost.count) of \(draws.begun) trajectories gave no sample and are left out; results/lost lists them: \(names)"
      )
      try draws.writeLost("results", to: output)
    }
    if inverted > 0 { context.warn("\(inverted) of \(count) samples have an inverted stereocentre") }
    try output.writeScalar("results/mirrored_fraction", Double(mirrored + inverted) / Double(max(1, count)))
    try output.writeScalar("results/inverted", Int64(inverted))
    try output.writeMeasurement("results/seconds", draws.seconds)
    try output.writeScalar("results/function_evaluations", Int64(draws.functionEvaluations))
    try output.writeScalar("results/samples", Int64(count))
  }
}
