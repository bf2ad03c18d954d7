import Artifacts
import Basics
import Foundation
import Generative
import Molecules
import Torch
import Workflow

/// Draws conformations from an emulator, with their log-density.
public enum SampleStage: StageType {
  public static let type = "sample"
  public static let version = 1
  public static let summary = "draw conformations from an emulator"
  public static let systemFields: Set<SystemField> = [.topology, .torsions]

  public static let parameters: [ParameterField] = [
    ParameterField("emulator", .stage(["emulator"]), help: "the emulator to draw from"),
    ParameterField("count", .count, default: 100_000, help: "conformations"),
    ParameterField(
      "log_density", .choice(LogDensityMethod.allCases.map(\.rawValue)), default: "stochastic-trace",
      help:
        "stochastic-trace: two unbiased estimates per sample; exact-trace: by all directions, about thirty times dearer"
    ),
    ParameterField(
      "integrator", .choice(["rk4", "dopri5"]), default: "rk4",
      help: "fixed-step Runge-Kutta 4 or adaptive Dormand-Prince 5(4)"),
    ParameterField("ode_steps", .integer(1...10_000), default: 8, help: "steps of rk4, four evaluations each"),
    ParameterField("absolute_tolerance", .positive, default: 1e-5, help: "of dopri5"),
    ParameterField("relative_tolerance", .positive, default: 1e-5, help: "of dopri5"),
    ParameterField("batch", .count, default: 1000, help: "conformations integrated together"),
  ]

  struct Parameters: Decodable {
    var count: Int
    var logDensity: LogDensityMethod
    var integrator: String
    var odeSteps: Int
    var absoluteTolerance: Double
    var relativeTolerance: Double
    var batch: Int

    func sampler(_ field: any VectorField) throws -> FlowSampler {
      let method: Integrator =
        integrator == "rk4"
        ? .rungeKutta4(steps: odeSteps) : .dormandPrince(absolute: absoluteTolerance, relative: relativeTolerance)
      return try FlowSampler(field: field, integrator: method, method: logDensity)
    }
  }

  public static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try Runtime.initialize(threads: context.threads)
    let emulator = try EmulatorArtifact.read(context.input("emulator"))
    let topology = try Topology.read(pdb: context.system.topology)
    let sampler = try parameters.sampler(emulator.field)
    let chirality = try Chirality(topology: topology)
    let torsions = try NamedTorsions(context.system, topology)
    let atoms = topology.atoms.count

    let output = context.output
    try MDTrajConvention.begin(output, topologyJSON: emulator.topologyJSON)
    try output.createAppendable(
      "coordinates", Double.self, rowShape: [atoms, 3], units: "nanometers", dims: ["frame", "atom", "xyz"])
    try output.createAppendable(
      "latents", Float.self, rowShape: [emulator.chart.space.dimension], dims: ["frame", "latent"])
    try output.createAppendable(
      "internal", Double.self, rowShape: [emulator.chart.coordinates.dimension], dims: ["frame", "coordinate"])
    try output.createAppendable("log_jacobian", Double.self, dims: ["frame"])
    for name in torsions.names {
      try output.createAppendable("results/torsions/\(name)", Double.self, units: "rad", dims: ["frame"])
    }

    var estimates = [[Double]](repeating: [], count: sampler.estimates)
    var inverted = 0
    var evaluations = 0
    let start = Date()
    context.progress.begin("sample", total: parameters.count, unit: "samples")
    var done = 0
    var index = 0
    while done < parameters.count {
      try context.checkInterruption()
      let count = min(parameters.batch, parameters.count - done)
      let samples = try emulator.samples(count, sampler, seed: context.seed, index: index)
      try output.append("coordinates", samples.coordinates)
      try output.append("latents", samples.latents.values(as: Float.self))
      try output.append("internal", samples.internalCoordinates)
      try output.append("log_jacobian", samples.logJacobian)
      for (name, angles) in torsions.angles(samples.coordinates, atoms: atoms) {
        try output.append("results/torsions/\(name)", angles)
      }
      for (k, estimate) in samples.logDensities.enumerated() { estimates[k] += estimate }
      inverted += chirality.invertedFrames(in: samples.coordinates).count
      evaluations += samples.functionEvaluations * count
      done += count
      index += 1
      context.progress.update(completed: done)
    }
    context.progress.end()
    let seconds = Date().timeIntervalSince(start)

    if !estimates.isEmpty {
      let mean = (0..<done).map { i in estimates.reduce(0) { $0 + $1[i] } / Double(estimates.count) }
      try output.write("log_density", mean, shape: [done], dims: ["frame"])
      try output.setAttribute("log_density", "method", parameters.logDensity.rawValue)
      if estimates.count > 1 {
        try output.write(
          "log_density_probes", estimates.flatMap { $0 }, shape: [estimates.count, done], dims: ["estimate", "frame"])
      }
    }
    try output.setAttribute("latents", "emulator", emulator.digest)
    if inverted > 0 { context.warn("\(inverted) of \(done) samples have an inverted stereocentre") }
    try output.writeScalar("results/mirrored_fraction", Double(inverted) / Double(max(1, done)))
    try output.writeMeasurement("results/seconds", seconds)
    try output.writeScalar("results/function_evaluations", Int64(evaluations))
    try output.writeScalar("results/samples", Int64(done))
  }
}
