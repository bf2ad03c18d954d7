import Artifacts
import Basics
import FreeEnergies
import Generative
import Records
import Workflow

/// The annealing itself: a pilot, then batch after batch, each step of a batch with random streams of its own.
struct AnnealRun {
  let samples: AnnealedSamples
  let pilot: FoundPath
  let seconds: Double  // Wall time, with that before an interruption
  var path: AnnealingPath { pilot.path }

  /// `points` [samples, d], the samples' latents. Throws `AnnealError.savedSamples`, the force field's errors, and `WorkflowInterruption`.
  init(
    _ context: StageContext, _ parameters: AnnealStage.Parameters, _ bridge: BoltzmannBridge, points: [Double]
  ) throws {
    let (record, dimension, watch) = (Recorded.annealCheckpoint, bridge.chart.space.dimension, Stopwatch())
    let count = points.count / dimension
    func evaluate(_ points: [Double]) throws -> BridgeValues {
      let found = try bridge.values(points)
      return BridgeValues(
        base: found.model, target: found.boltzmann, baseGradient: found.modelGradient, targetGradient: found.gradient)
    }
    let saved = try context.newestCheckpoint()
    let before = try saved?.read(record.seconds) ?? 0
    var (done, batch) = (try saved?.annealed(record.done), try saved?.annealed(record.batch))
    let kept = (done?.count ?? 0) + (batch?.count ?? 0)
    guard kept <= count, (done?.count ?? 0) % parameters.batch == 0 || done?.count == count,
      done?.fits(dimension: dimension, steps: parameters.steps..<parameters.steps + 1) ?? true,
      batch?.fits(dimension: dimension, steps: 0..<parameters.steps + 1) ?? true,
      batch.map({ $0.count == min(parameters.batch, count - (done?.count ?? 0)) }) ?? true
    else { throw AnnealError.savedSamples(found: kept, samples: count) }
    if saved != nil { context.log("going on after \(done?.count ?? 0) of \(count) samples") }
    let pilot =
      try saved.map { try FoundPath(saved: $0, parameters, bridge.chart.space) }
      ?? FoundPath(context, parameters, bridge.chart.space, points: points, evaluate)
    let path = pilot.path
    guard path.lambdas.count == parameters.steps, path.stepSizes.count >= parameters.steps - 1,
      path.scales.count == dimension
    else { throw AnnealError.savedSamples(found: kept, samples: count) }
    func save() throws {
      let step = (done?.count ?? 0) * path.steps + (batch.map { $0.count * $0.step } ?? 0)
      try context.checkpoints.save(step: step) {
        try pilot.write(to: $0)
        try $0.write(record.seconds, before + watch.seconds)
        if let done { try $0.write(done, record.done) }
        if let batch { try $0.write(batch, record.batch) }
      }
    }
    var clock = CheckpointClock(context)
    // a pilot of seconds is not worth a file
    if saved == nil, watch.seconds > 10 { try clock.saveIfDue(force: true) { try save() } }
    context.progress.begin("anneal", total: count * path.steps, unit: "steps of samples")
    defer { context.progress.end() }
    var effective = Self.effectiveShare(done)
    while (done?.count ?? 0) < count {
      let first = done?.count ?? 0
      let rows = first..<min(first + parameters.batch, count)
      var samples =
        try batch
        ?? AnnealedSamples(at: Array(points[rows.lowerBound * dimension..<rows.upperBound * dimension]), evaluate)
      while samples.step < path.steps {
        try samples.advance(path, seed: context.seed, name: "batch \(first / parameters.batch)", evaluate)
        context.progress.update(completed: first * path.steps + rows.count * samples.step, metrics: effective)
        batch = samples
        if samples.step < path.steps { try clock.saveIfDue { try save() } }
      }
      done = done.map { $0.appending(samples) } ?? samples
      effective = Self.effectiveShare(done)
      batch = nil
      if rows.upperBound < count { try clock.saveIfDue { try save() } }
    }
    samples = try done ?? AnnealedSamples(at: [], evaluate)
    self.pilot = pilot
    seconds = before + watch.seconds
  }

  /// The effective sample size of those that are done, as it is told on the way.
  private static func effectiveShare(_ done: AnnealedSamples?) -> [(name: String, value: String)] {
    guard let done, done.count > 0 else { return [] }
    let share = kishEffectiveSampleSize(logWeights: done.logWeights()) / Double(done.count)
    return [("ESS / %", NumberText.fixed(100 * share, 1))]
  }
}

/// The path that a pilot found.
struct FoundPath {
  private(set) var path: AnnealingPath
  let acceptance: [Double]  // Of the pilot's moves, after each step but the last
  let evaluations: Int  // Of the pilot
  private static let record = Recorded.annealCheckpoint

  /// By a pilot, after saying what all will cost. Nothing of a pilot is kept: one that is stopped begins again.
  init(
    _ context: StageContext, _ parameters: AnnealStage.Parameters, _ space: LatentSpace, points: [Double],
    _ evaluate: ([Double]) throws -> BridgeValues
  ) throws {
    let path = Self.even(parameters, space)
    let count = points.count / space.dimension
    let rows = min(parameters.pilot, count)
    context.log(
      "\(count) samples, \(path.evaluations) evaluations of energy and forces each: \(count * path.evaluations), and "
        + "\(AnnealingPilot.evaluations(points: rows, steps: path.steps)) for the pilot")
    var options = AnnealingPilot.Options()
    (options.adaptsSpacing, options.acceptance) = (parameters.spacing == .adapted, parameters.acceptance)
    let chosen = (0..<rows).map { $0 * count / rows * space.dimension }
    let pilot = try AnnealingPilot(
      path, points: chosen.flatMap { points[$0..<$0 + space.dimension] }, seed: context.seed, options
    ) {
      try context.checkInterruption()
      return try evaluate($0)
    }
    (self.path, acceptance, evaluations) = (pilot.path, pilot.acceptance, pilot.evaluations)
  }

  init(saved: Artifact, _ parameters: AnnealStage.Parameters, _ space: LatentSpace) throws {
    let record = Self.record
    path = Self.even(parameters, space)
    path.lambdas = try saved.read(record.lambdas).values
    path.stepSizes = try saved.read(record.stepSizes).values
    path.scales = try saved.read(record.scales).values
    acceptance = try saved.read(record.pilotAcceptance).values
    evaluations = try saved.read(record.pilotEvaluations)
  }

  func write(to writer: ArtifactWriter) throws {
    let record = Self.record
    try writer.write(
      (record.lambdas, path.lambdas), (record.stepSizes, path.stepSizes), (record.scales, path.scales),
      (record.pilotAcceptance, acceptance), (record.pilotEvaluations, evaluations))
  }

  private static func even(_ parameters: AnnealStage.Parameters, _ space: LatentSpace) -> AnnealingPath {
    AnnealingPath(
      dimension: space.dimension, angles: space.angles, steps: parameters.steps, moves: parameters.moves)
  }
}

extension ArtifactWriter {
  fileprivate func write(_ samples: AnnealedSamples, _ record: AnnealedSamplesRecord) throws {
    let (count, values) = (samples.count, samples.values)
    let shape = [count, samples.points.count / max(1, count)]
    try write(record.points, samples.points, shape: shape)
    try write(record.baseGradient, values.baseGradient, shape: shape)
    try write(record.targetGradient, values.targetGradient, shape: shape)
    try write(
      (record.base, values.base), (record.target, values.target), (record.firstBase, samples.firstBase),
      (record.firstTarget, samples.firstTarget), (record.accepted, samples.accepted))
    try write(record.work, samples.work, shape: [samples.step, count])
  }
}

extension Artifact {
  /// Nil where none were saved.
  fileprivate func annealed(_ record: AnnealedSamplesRecord) throws -> AnnealedSamples? {
    guard has(record.points) else { return nil }
    return AnnealedSamples(
      points: try read(record.points).values,
      values: BridgeValues(
        base: try read(record.base).values, target: try read(record.target).values,
        baseGradient: try read(record.baseGradient).values, targetGradient: try read(record.targetGradient).values),
      firstBase: try read(record.firstBase).values, firstTarget: try read(record.firstTarget).values,
      work: try read(record.work).values, accepted: try read(record.accepted).values)
  }
}
