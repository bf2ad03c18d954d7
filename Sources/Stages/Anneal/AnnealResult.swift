import Artifacts
import Foundation
import FreeEnergies
import Generative
import Molecules
import Records
import Workflow

/// What an annealing came to: positions, weights by both forms, and what they are worth beside those of plain reweighting.
struct AnnealResult {
  private let run: AnnealRun
  private let bridge: BoltzmannBridge
  private let living: [Bool]
  private let inverted, broken, nonFinite: Int
  private let before, annealed: [Double]  // ln w, [samples]
  private let unbiased: [Double]?  // Nil where the samples carry no ln q of their own
  private let logDensity: [Double]  // What stands for ln q, [samples]
  private let unbiasedDensities: [[Double]]  // [estimates][samples]
  private let worth: (before: EffectiveFractions, annealed: EffectiveFractions, unbiased: EffectiveFractions?)

  /// `began` [samples, d], where the samples began; `logJacobian` [samples], ln |dx/dq| there; `own` their estimates of ln q over Cartesian coordinates,
  /// [estimates][samples].
  init(
    _ run: AnnealRun, _ bridge: BoltzmannBridge, _ states: MolecularStates, began: [Double], logJacobian: [Double],
    own: [[Double]]
  ) throws {
    let (samples, count) = (run.samples, run.samples.count)
    (self.run, self.bridge) = (run, bridge)
    let alive = samples.living(on: run.path)
    living = alive
    func weights(_ value: (Int) -> Double) -> [Double] { (0..<count).map { alive[$0] ? value($0) : -.infinity } }
    let sums = samples.logWeights()
    annealed = weights { sums[$0] }
    before = weights { samples.firstTarget[$0] - samples.firstBase[$0] }
    let (start, end) = (try Places(bridge, began, states), try Places(bridge, samples.points, states))
    inverted = start.inverted.filter { $0 }.count
    broken = start.broken.filter { $0 }.count
    let isFaulty = zip(start.inverted, start.broken).map { $0 || $1 }
    nonFinite = (0..<count).filter { !alive[$0] && !isFaulty[$0] }.count
    // over Cartesian coordinates -u is the target less ln |dx/dq|; what is left out by its shape is so again when weights are made
    let density = (0..<count).map { n in
      alive[n]
        ? samples.values.target[n] - end.logJacobian[n] - sums[n]
        : isFaulty[n] ? samples.firstBase[n] - logJacobian[n] : .nan
    }
    logDensity = density
    unbiasedDensities = own.map { estimate in
      let latent = bridge.latentLogDensities(estimate, logJacobian)
      return (0..<count).map { density[$0] + latent[$0] - samples.firstBase[$0] }
    }
    let mean = own.isEmpty ? [] : meanEstimate(unbiasedDensities)
    let unbiased = own.isEmpty ? nil : weights { sums[$0] + density[$0] - mean[$0] }
    self.unbiased = unbiased
    let kinds = states.set.names.count
    worth = (
      EffectiveFractions(logWeights: before, place: start.place, count: kinds),
      EffectiveFractions(logWeights: annealed, place: end.place, count: kinds),
      unbiased.map { EffectiveFractions(logWeights: $0, place: end.place, count: kinds) }
    )
  }
}

/// Where samples are, as molecules.
private struct Places {
  private(set) var logJacobian: [Double] = []
  private(set) var place: [Int] = []  // The state each is in
  private(set) var inverted: [Bool] = []
  private(set) var broken: [Bool] = []
  private static let chunk = 2000

  init(_ bridge: BoltzmannBridge, _ points: [Double], _ states: MolecularStates) throws {
    let width = bridge.chart.space.dimension * Self.chunk
    for start in stride(from: 0, to: points.count, by: width) {
      let molecules = try bridge.molecules(Array(points[start..<min(start + width, points.count)]))
      logJacobian += molecules.logJacobian
      place += states.assignment(of: molecules.positions).place
      let faults = try bridge.faults(molecules.positions)
      inverted += faults.inverted
      broken += faults.broken
    }
  }
}

extension AnnealResult {
  func write(
    _ system: MolecularSystem, _ states: MolecularStates, batch: Int, to writer: ArtifactWriter
  ) throws {
    let (record, samples, path) = (Recorded.anneal, run.samples, run.path)
    let (count, width) = (samples.count, path.dimension)
    let (torsions, angles) = (try system.namedTorsions(), record.trajectory.torsions.angles)
    let atoms = system.topology.atoms.count
    try MDTrajConvention.begin(writer, topologyJSON: system.topology.mdtrajJSON)
    try writer.begin(record.trajectory.coordinates, rowShape: [atoms, 3])
    for name in torsions.names { try writer.begin(angles[name]) }
    for rows in stride(from: 0, to: count, by: batch).map({ $0..<min($0 + batch, count) }) {
      let positions = try bridge.molecules(Array(samples.points[rows.lowerBound * width..<rows.upperBound * width]))
        .positions
      try writer.append(record.trajectory.coordinates, positions)
      for (name, values) in torsions.angles(positions, atoms: atoms) { try writer.append(angles[name], values) }
    }
    try writer.write(record.latents, samples.points, shape: [count, width])
    try writer.write(
      (record.logDensity, logDensity), (record.logWeightsBefore, before), (record.logWeights, annealed))
    if let unbiased {
      try writer.write(
        record.unbiasedLogDensity, unbiasedDensities.flatMap { $0 }, shape: [unbiasedDensities.count, count])
      try writer.write(record.unbiasedLogWeights, unbiased)
    }
    let rows = (0..<count).flatMap { n in (0..<samples.step).map { samples.work[$0 * count + n] } }
    try writer.write(record.work, rows, shape: [count, samples.step])
    try writer.write(
      (record.lambdas, path.lambdas), (record.stepSizes, path.stepSizes), (record.scales, path.scales),
      (record.pilotAcceptance, run.pilot.acceptance), (record.acceptance, acceptance),
      (record.meanWork, (0..<samples.step).map(meanWork)),
      (record.conditionalEffectiveFraction, samples.conditionalEffectiveFractions),
      (record.effectiveFractionOfSteps, samples.effectiveFractions))
    try writer.write(record.effectiveFraction, worth.annealed.all)
    try writer.write(worth.before, record.before)
    try writer.write(worth.annealed, record.annealed)
    if let found = worth.unbiased { try writer.write(found, record.unbiased) }
    try writer.write(
      (record.stateNames, states.set.names), (record.inverted, inverted), (record.broken, broken),
      (record.nonFinite, nonFinite),
      (record.energyEvaluations, count * path.evaluations + run.pilot.evaluations),
      (record.pilotEvaluations, run.pilot.evaluations))
  }

  private var acceptance: [Double] {
    let tried = Double(max(1, living.filter { $0 }.count * run.path.moves))
    return run.samples.accepted.dropLast().map { Double($0) / tried }
  }

  private func meanWork(_ step: Int) -> Double {
    let count = living.count
    let found = (0..<count).filter { living[$0] }.map { run.samples.work[step * count + $0] }
    return found.isEmpty ? .nan : found.reduce(0, +) / Double(found.count)
  }

  func tell(_ context: StageContext) {
    let count = living.count
    for (faulty, what) in [
      (inverted, "have an inverted stereocentre"), (broken, "have a broken ring"),
      (nonFinite, "have no finite energy, force or density"),
    ] where faulty > 0 {
      context.warn("\(faulty) of \(count) samples \(what): they weigh nothing")
    }
    let accepted = acceptance
    func percent(_ fraction: Double) -> String { String(format: "%.1f %%", 100 * fraction) }
    context.log(
      "effective sample size \(percent(worth.before.all)) by the energy model alone, \(percent(worth.annealed.all)) annealed"
        + (worth.unbiased.map { ", \(percent($0.all)) with the samples' own log-density" } ?? "")
        + "; \(percent(accepted.min() ?? 0)) to \(percent(accepted.max() ?? 0)) of the moves accepted")
    if let least = accepted.min(), least < Self.leastAcceptance {
      context.warn(
        "at one step only \(percent(least)) of the moves were accepted: samples hardly move there; give the pilot more samples, or take "
          + "more steps")
    }
  }

  /// Of the moves of a step; with less its samples stay where they are.
  private static let leastAcceptance = 0.2
}

extension ArtifactWriter {
  fileprivate func write(_ found: EffectiveFractions, _ record: EffectiveFractionsRecord) throws {
    try write(
      (record.all, found.all), (record.ofMixture, found.ofMixture), (record.states, found.states),
      (record.withoutHeaviest, found.withoutHeaviest))
  }
}
