import Artifacts
import Basics
import Foundation
import Generative
import Molecules
import Records
import Torch
import Workflow

/// Draws conformations from an emulator, with their log-density.
enum SampleStage: RecordedStage {
  static let version = 4
  static let summary = "draw conformations from an emulator"
  static let reads: [SharedField] = SharedField.molecule + [.torsions]
  static let output = Recorded.sample

  struct Inputs: StageInputs {
    let emulator = Input(
      "the emulator to draw from", of: EmulatorStage.self, ImportedEmulatorStage.self,
      TransferredEmulatorStage.self, RefinedEmulatorStage.self, PerturbStage.self)
  }

  struct Parameters: ParameterGroup {
    @Parameter("conformations", in: .count) var count = 100_000
    @Parameter(
      "stochastic-trace: unbiased, fresh probes at every step; hutchinson: probes kept per trajectory, for adaptive steps too; "
        + "exact-trace: by all directions, ten times dearer for 22 atoms and more for larger molecules")
    var logDensity = LogDensityMethod.stochasticTrace
    @Parameter(
      "also the gradient of each log-density, for the score labels of an energy model; about three times as dear")
    var scores = false
    @Parameter(
      "fixed-step Runge-Kutta 4, with short steps near the data or with equal ones, or adaptive Dormand-Prince 5(4)")
    var integrator = Solver.rk4
    @Parameter(
      "stochastic-trace and hutchinson: independent estimates per sample; from two on their noise is corrected for",
      in: 1...1000)
    var probes = 2
    @Parameter(
      "steps of rk4, four evaluations each; the second of two flows, which is nearly straight, takes half as many, of equal length",
      in: 1...10_000) var odeSteps = 8
    @Parameter("of dopri5", in: .positive) var absoluteTolerance = 1e-5
    @Parameter("of dopri5", in: .positive) var relativeTolerance = 1e-5
    @Parameter("conformations integrated together", in: .count) var batch = 1000

    func sampler(_ field: any FlowModel) throws -> FlowSampler {
      let solver: Integrator =
        switch integrator {
        case .rk4: .rungeKutta4(steps: odeSteps)
        case .uniform: .uniformRungeKutta4(steps: odeSteps)
        case .dopri5: .dormandPrince(absolute: absoluteTolerance, relative: relativeTolerance)
        }
      return try FlowSampler(field: field, integrator: solver, method: logDensity, probes: probes, scores: scores)
    }
  }

  enum Solver: String, CaseIterable, ParameterType {
    case rk4
    case uniform = "rk4-uniform"
    case dopri5
  }

  static func check(_ stage: PlannedStage) throws {
    guard let atoms = MoleculeCheck.run(stage)?.topology.atoms.count else { return }
    let parameters = try stage.parameters(Parameters.self)
    // positions, latents and the noise that they came from
    stage.writes(frames: Double(parameters.count), atoms: atoms, bytesPerNumber: 16)
  }

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let emulator = try EmulatorArtifact.read(context.input(\Inputs.emulator))
    let system = try MolecularSystem(context)
    let flow = try emulator.emulator.flow(for: system.topology)
    let sampler = try withAdvice { try parameters.sampler(flow.field) }
    let draws = try draw(parameters, sampler, context)
    if !draws.lost.isEmpty {
      let names = draws.lost.prefix(5).map { "\($0)" }.joined(separator: "; ") + (draws.lost.count > 5 ? "; ..." : "")
      context.warn(
        "\(draws.lost.count) of \(draws.begun) trajectories gave no sample and are left out; results/lost lists them: \(names)"
          + (parameters.integrator == .dopri5 ? "" : "; more ode_steps lose fewer")
      )
    }
    let rings = RingBonds(topology: system.topology)
    let (inverted, broken) = try write(
      draws, flow, emulator, system, rings, batch: parameters.batch, to: context.output)
    if inverted > 0 { context.warn("\(inverted) of \(draws.count) samples have an inverted stereocentre") }
    var coordinates: InternalCoordinates?
    if case .internal(let chart) = flow.chart { coordinates = chart.coordinates }
    for warning in RingWarnings.ofSamples(
      rings, counts: broken, samples: draws.count, coordinates: coordinates, system.topology)
    { context.warn(warning) }
    if sampler.estimates > 0 {
      try context.output.write(output.logDensity.method, parameters.logDensity.rawValue)
      try writeSolverError(draws, sampler, context)
    }
    try context.output.write(output.integrator, sampler.integrator.text())
  }

  /// Samples whose solver's error is measured, and how large it may be: weights then are off by that factor, blindly.
  private static let (refined, largestSolverError) = (100, 0.05)

  private static func writeSolverError(_ draws: FlowDraws, _ sampler: FlowSampler, _ context: StageContext) throws {
    let start = try draws.samples(0..<min(refined, draws.count)).prior
    guard let error = try sampler.solverError(at: start, seed: context.seed) else { return }
    try context.output.write(output.solverError, error)
    if error > largestSolverError {
      context.warn(
        "twice the steps change the log-density by \(NumberText.significant(error, 2)) nat (root mean square of \(start.shape[0]) samples): give more "
          + "ode_steps, since no later stage sees this error")
    }
  }

  /// Each batch has a random stream of its own, so a draw that was stopped goes on with the next one.
  private static func draw(
    _ parameters: Parameters, _ sampler: FlowSampler, _ context: StageContext
  ) throws -> FlowDraws {
    var draws = FlowDraws(dimension: sampler.field.space.dimension, estimates: sampler.estimates)
    if let saved = try context.newestCheckpoint() {
      try draws.restore(saved)
      context.log("going on from sample \(draws.begun) of \(parameters.count)")
    }
    context.progress.begin("sample", total: parameters.count, unit: "samples")
    defer { context.progress.end() }
    let before = draws.seconds
    let watch = Stopwatch()
    var clock = CheckpointClock(context)
    try sampler.draw(parameters.count, into: &draws, batch: parameters.batch, seed: context.seed) { draws in
      draws.seconds = before + watch.seconds
      context.progress.update(completed: draws.begun)
      guard draws.begun < parameters.count else { return }
      try clock.saveIfDue { try context.checkpoints.save(step: draws.begun) { try $0.write(draws) } }
    }
    return draws
  }

  /// The draws as molecules. Returns how many have an inverted stereocentre, and in how many each bond of a ring is broken.
  private static func write(
    _ draws: FlowDraws, _ flow: MolecularFlow, _ emulator: EmulatorArtifact, _ system: MolecularSystem,
    _ rings: RingBonds, batch: Int, to writer: ArtifactWriter
  ) throws -> (inverted: Int, broken: [Int]) {
    let torsions = try system.namedTorsions()
    let angles = output.trajectory.torsions.angles
    let atoms = system.topology.atoms.count
    try MDTrajConvention.begin(writer, topologyJSON: emulator.topologyJSON)
    try writer.begin(output.trajectory.coordinates, rowShape: [atoms, 3])
    for field in [output.latents, output.prior] + (draws.scores.isEmpty ? [] : [output.scores]) {
      try writer.begin(field, rowShape: [draws.dimension])
    }
    try writer.write(output.emulator, emulator.digest)
    if case .internal(let chart) = flow.chart {
      try writer.begin(output.internalCoordinates, rowShape: [chart.coordinates.dimension])
    }
    try writer.begin(output.logJacobian)
    for name in torsions.names { try writer.begin(angles[name]) }

    var estimates = [[Double]](repeating: [], count: draws.estimates.count)
    var (mirrored, inverted) = (0, 0)
    var broken = [Int](repeating: 0, count: rings.rings.count)
    for rows in draws.rows(batch: batch) {
      var drawn = try draws.samples(rows)
      let samples = try flow.molecules(&drawn)
      mirrored += samples.mirrored
      try writer.append(output.trajectory.coordinates, samples.coordinates)
      try writer.append(output.latents, samples.latents.values(as: Float.self))
      try writer.append(output.prior, drawn.prior.values(as: Float.self))
      if let scores = drawn.scores { try writer.append(output.scores, scores.values(as: Float.self)) }
      if let values = samples.internalCoordinates { try writer.append(output.internalCoordinates, values) }
      try writer.append(output.logJacobian, samples.logJacobian)
      for (name, values) in torsions.angles(samples.coordinates, atoms: atoms) {
        try writer.append(angles[name], values)
      }
      for (k, estimate) in samples.logDensities.enumerated() { estimates[k] += estimate }
      inverted += flow.chirality.invertedFrames(in: samples.coordinates).count
      for (place, count) in try rings.broken(in: samples.coordinates).counts.enumerated() { broken[place] += count }
    }

    let count = draws.count
    if !estimates.isEmpty {
      try writer.write(output.logDensity.values, FlowDraws.mean(estimates))
      if estimates.count > 1 {
        try writer.write(output.probes, estimates.flatMap { $0 }, shape: [estimates.count, count])
      }
    }
    try writer.write(draws.lost, output.lost)
    try writer.write(
      (output.mirroredFraction, Double(mirrored + inverted) / Double(max(1, count))), (output.inverted, inverted),
      (output.seconds, draws.seconds), (output.functionEvaluations, draws.functionEvaluations), (output.samples, count))
    return (inverted, broken)
  }
}

extension LogDensityMethod: ParameterType {}

extension ArtifactWriter {
  func write(_ draws: FlowDraws) throws {
    let record = Recorded.draws
    let shape = [draws.count, draws.dimension]
    try write(record.latents, draws.latents, shape: shape)
    try write(record.prior, draws.prior, shape: shape)
    if !draws.scores.isEmpty { try write(record.scores, draws.scores, shape: shape) }
    try write(record.estimates, draws.estimates.flatMap { $0 }, shape: [draws.estimates.count, draws.count])
    try write(record.functionEvaluations, draws.functionEvaluations)
    try write(record.seconds, draws.seconds)
    try write(draws.lost, record.lost)
  }

  fileprivate func write(_ lost: [LostTrajectory], _ record: LostTrajectoryRecord) throws {
    guard !lost.isEmpty else { return }
    try write((record.sample, lost.map(\.sample)), (record.time, lost.map(\.time)), (record.step, lost.map(\.step)))
  }
}

extension FlowDraws {
  mutating func restore(_ saved: Artifact) throws {
    let record = Recorded.draws
    latents = try saved.read(record.latents).values
    prior = try saved.read(record.prior).values
    scores = try saved.readIfThere(record.scores)?.values ?? []
    let values = try saved.read(record.estimates).values
    for k in estimates.indices { estimates[k] = Array(values[k * count..<(k + 1) * count]) }
    functionEvaluations = try saved.read(record.functionEvaluations)
    seconds = try saved.read(record.seconds)
    guard saved.has(record.lost.sample) else { return }
    let (times, steps) = (try saved.read(record.lost.time).values, try saved.read(record.lost.step).values)
    lost = zip(try saved.read(record.lost.sample).values, zip(times, steps)).map {
      LostTrajectory(sample: $0, time: $1.0, step: $1.1)
    }
  }
}
