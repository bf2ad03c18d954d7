import Artifacts
import Basics
import Foundation
import FreeEnergies
import Records
import Reports
import Workflow

/// `reweight`: from samples of an emulator to the Boltzmann distribution, ln w = -u - ln q.
enum ReweightStage: RecordedStage {
  static let version = 6
  static let readableVersions = [5]
  static let summary = "weights that turn an emulator's samples into the Boltzmann distribution, and free energies"
  static let reads: [SharedField] =
    SharedField.molecule + [.forcefield, .temperature, .torsions] + SharedField.stateFields
  static let indirectInputs = [
    InputPath(\Inputs.samples, \SampleStage.Inputs.emulator, \EmulatorStage.Inputs.frames),
    InputPath(
      \Inputs.samples, \AnnealStage.Inputs.samples, \SampleStage.Inputs.emulator, \EmulatorStage.Inputs.frames),
  ]
  static let output = Recorded.reweight

  struct Inputs: StageInputs {
    let samples = Input("what to reweight", of: SampleStage.self, AnnealStage.self)
    let density = Input(
      "where ln q comes from: an energy model, or the samples' own stochastic-trace or exact-trace; of annealed samples what their "
        + "annealing leaves of it, annealed or annealed-unbiased",
      of: EnergyModelStage.self,
      orWords: ["stochastic-trace", "hutchinson", "exact-trace"] + AnnealedDensity.allCases.map(\.rawValue))
  }

  /// What stands for ln q of annealed samples.
  enum AnnealedDensity: String, CaseIterable {
    /// As if they had been drawn from the energy model.
    case plain = "annealed"
    /// With the weight of the energy model over the samples' own ln q, which they began with.
    case unbiased = "annealed-unbiased"
  }

  struct Parameters: ParameterGroup {
    @Parameter(
      "share of the largest weights left out of the truncated effective sample size, and of nothing else", in: 0...0.5)
    var truncation = 0.002
    @Parameter(
      "pareto: the largest weights of each state, and of the rest, are replaced by what a generalised Pareto distribution expects in "
        + "their places, so that a single sample carries no result; none if left out")
    var smoothing: Smoothing?
    @Parameter("replicates of the bootstrap", in: 10...100_000) var bootstrap = 500
    @Parameter(
      "the largest share of a state's weight that one sample may have, after smoothing, for a number to be made of the state; left out, 0.02 for "
        + "samples of an emulator that perturb has carried to another potential, and any share for others",
      in: 0.0001...1)
    var heaviestShare: Double?
    @Parameter(
      "other temperatures at which free energies are wanted too, with enthalpies, entropies and heat capacities; the samples are weighed anew "
        + "for each", unit: "K", in: 1...10_000, count: 1...100, single: true) var temperatures: [Double]?
    @Parameter("bins of the free-energy profile", in: 6...720) var profileBins = 60
  }

  /// What one sample may have of a state's weight under a potential that no dynamics has seen: beside a heavier one others may be missing.
  static let mostOfOneCarried = 0.02

  /// With a larger share of samples whose rings are torn open no number is made of the others: a ring that the emulator closes by chance
  /// is no picture of the molecule's.
  static let mostBroken = 0.2

  static func givesNumbers(_ frames: ReweightFrames) -> Bool {
    Double(frames.broken.filter { $0 }.count) <= mostBroken * Double(max(1, frames.count))
  }

  enum Smoothing: String, CaseIterable, ParameterType {
    case none, pareto
  }

  static let method: ((StageInput) throws -> String)? = { input in
    if let model = input.optionalInput(\Inputs.density) { return "\(model.type) \(model.name)" }
    return try input.artifact.read(output.logDensity.method) ?? "reweighting"
  }

  static let columns = [
    BatchColumn(output.freeEnergy),
    BatchColumn("ESS", output.effectiveFraction, scale: 100, unit: "%", decimals: 1),
  ]

  static func check(_ stage: PlannedStage) {
    let samples = stage.inputs(\Inputs.samples)
    let drawn = samples.flatMap { $0.type == AnnealStage.self ? $0.inputs(\AnnealStage.Inputs.samples) : [$0] }
    let word = stage.word(\Inputs.density) ?? ""
    if let first = samples.first, (first.type == AnnealStage.self) != (AnnealedDensity(rawValue: word) != nil) {
      stage.refuse(
        "samples of an anneal stage, and they alone, have density: annealed or annealed-unbiased, and '\(first.name)' is of type "
          + first.type.type, at: .parameter("density"))
    }
    for sample in drawn
    where word == AnnealedDensity.unbiased.rawValue && sample.type == SampleStage.self
      && (try? sample.parameters(SampleStage.Parameters.self))?.logDensity.rawValue == "none"
    {
      stage.refuse(
        "density: annealed-unbiased needs the log-density of the samples as they were drawn, and '\(sample.name)' has log_density: none",
        at: .parameter("density"))
    }
    let learnt = drawn.flatMap { $0.inputs(\SampleStage.Inputs.emulator) }
      .flatMap { $0.inputs(\EmulatorStage.Inputs.frames) }
    MoleculeCheck.run(stage, needs: learnt.contains { IngestStage.mayKeepBonds($0) } ? .rigidEnergies : .energies)
  }

  /// Throws `ReweightError`, `MolecularSystemError`, the errors of energy models and force fields, and `FreeEnergiesError` where a state
  /// holds no weight.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    let samples = try context.input(\Inputs.samples)
    let held = try HeldEnsemble(samples)
    var system = try MolecularSystem(context)
    if let rigid = held.rigid { system = system.allowing(.rigid(rigid)) }
    let states = try system.states()
    let frames = try ReweightFrames(samples, system, states)
    let energies = try ReweightEnergies(context, samples: samples, count: frames.count, system: system)
    let density = try ReweightDensity(context, samples: samples)

    let thermal = PhysicalConstants.thermalEnergy(temperature: system.temperature)
    let volumes = try held.logVolumes(samples, count: frames.count, system)
    let potential = energies.values.enumerated().map { $1 / thermal - (volumes.isEmpty ? 0 : volumes[$0]) }
    var options = Reweighting.Options()
    (options.truncation, options.bootstrapReplicates) = (parameters.truncation, parameters.bootstrap)
    (options.profileBins, options.smoothing) = (parameters.profileBins, parameters.smoothing == .pareto)
    options.seed = context.seed
    let drawnBy = samples.asDrawn.optionalInput(\SampleStage.Inputs.emulator)
    options.mostOfOneSample =
      parameters.heaviestShare ?? (drawnBy?.type == PerturbStage.type ? mostOfOneCarried : 1)
    options.givesNumbers = givesNumbers(frames)
    let result = try Reweighting(
      reducedPotential: potential, logDensities: density.estimates, states: frames.states,
      angle: frames.profileAngle, noiseAngles: frames.torsions.map(\.angles),
      excluded: zip(frames.inverted, frames.broken).map { $0 || $1 }, judges: density.own, options: options)

    tell(context, density, result)
    let writer = context.output
    try write(result, states, smoothed: options.smoothing, to: writer)
    try writer.write(
      (output.logDensity.values, density.mean), (output.logDensity.method, density.source),
      (output.energies, energies.values), (output.energyEvaluations, frames.count + density.evaluations),
      (output.energyMethod, energies.method), (output.secondsPerEnergy, energies.secondsPerEnergy))
    if options.mostOfOneSample < 1 { try writer.write(output.heaviestShare, options.mostOfOneSample) }
    if let ensemble = held.ensemble { try writer.write(output.freeEnergy.ensemble, ensemble.summary) }
    if !volumes.isEmpty { try writer.write(output.logVolumes, volumes) }
    for torsion in frames.torsions { try writer.write(output.torsions.angles[torsion.name], torsion.angles) }
    try writer.write(output.inverted, frames.inverted.filter { $0 }.count)
    if let shares = try ReweightFrames.trajectoryPopulations(samples, states) {
      try writer.write(output.statePopulationsTrajectory, shares)
      if !states.isShort { try writer.write(output.states.trajectory, shares) }
    }
    if let audit = LogDensityDifference(
      of: density.mean, from: density.own, inside: frames.states.inside,
      logWeights: frames.states.ofFirstPair(result.logWeights))
    {
      try writer.write(output.auditRMSE, audit.rootMeanSquare)
      try writer.write(output.auditStateBias, audit.stateBias)
    }
    if let temperatures = parameters.temperatures {
      let dependence = try TemperatureDependence(
        temperatures: temperatures, energies: energies.values, volumes: volumes, logDensities: density.estimates,
        states: frames.states, noiseAngles: frames.torsions.map(\.angles),
        excluded: zip(frames.inverted, frames.broken).map { $0 || $1 }, judges: density.own, options: options)
      try write(dependence, states, to: writer)
      warn(context, dependence, states, isTorn: !options.givesNumbers)
    }
    warn(context, frames, result, states)
    if isConcentrated(result) || result.support.contains(where: { $0.doubt != nil }) {
      let raw = zip(potential, density.mean).map { -$0 - $1 }
      let diagnosis = try ReweightDiagnosis(
        samples, system, states, rigid: held.rigid, logWeights: raw,
        isOfAnotherForceField: drawnBy.map {
          ReportedStage.isOfAnotherForceField(context.checkpoints.canonical, than: $0.artifact)
        } ?? false)
      for cause in diagnosis.causes { context.warn(cause) }
    }
  }

  /// What an energy model has wrong between the states, and whether the errors know it.
  private static func tell(_ context: StageContext, _ density: ReweightDensity, _ result: Reweighting) {
    guard density.isModel else { return }
    guard let off = result.modelErrors else {
      context.warn(
        "the samples carry no log-density of their own, so the error of dF leaves out what '\(density.source)' has wrong between the states; "
          + "draw them with log_density: stochastic-trace, or add an audit", .note)
      return
    }
    let pair = result.states.pairs[0]
    guard (off[pair.from] - off[pair.to]).isFinite else {
      context.warn(
        "no sample of one of the two states has a log-density of its own, so the error of dF leaves out what '\(density.source)' has wrong "
          + "between them", .note)
      return
    }
    context.log(
      String(
        format:
          "\(density.source) is off by %+.3f nat between the states, by the samples' own log-densities; the error of dF has it",
        off[pair.from] - off[pair.to]))
  }

  private static func write(
    _ result: Reweighting, _ states: MolecularStates, smoothed: Bool, to writer: ArtifactWriter
  ) throws {
    try writer.write(
      (output.logWeights, result.logWeights), (output.freeEnergy.deltaF, result.deltaF),
      (output.freeEnergy.interval, result.deltaFInterval),
      (output.freeEnergy.standardError, result.deltaFStandardError), (output.samplingError, result.samplingError),
      (output.effectiveFraction, result.effectiveFraction),
      (output.effectiveFractionTruncated, result.effectiveFractionTruncated), (output.dropped, result.dropped),
      (output.largestWeight, result.largestWeight), (output.tailShape, result.support.map(\.tailShape)),
      (output.stateEffective, result.support.map(\.effective)),
      (output.stateLargestWeight, result.support.map(\.largestShare)))
    try writer.write(
      (output.effectiveFractionOfMixture, result.effective.ofMixture),
      (output.stateEffectiveFraction, result.effective.states),
      (output.effectiveFractionWithoutHeaviest, result.effective.withoutHeaviest))
    if smoothed { try writer.write(output.unsmoothedDeltaF, result.unsmoothedDeltaF) }
    try writer.write(output.nonFinite, result.nonFinite)
    try writer.write(output.stateNames, states.set.names)
    try writer.write(output.statePopulations, result.statePopulations)
    try writer.write(output.stateIntervals, result.stateIntervals.flatMap { $0 }, shape: [states.set.names.count, 2])
    try writer.write(output.statePopulationsUnweighted, result.unweightedPopulations)
    if !states.isShort {
      try writer.write(output.states, result.states)
      try writer.write(output.states.unweighted, result.unweightedPopulations)
    }
    if let torsion = states.set.profileTorsion {
      try writer.write(output.profile.angles[torsion], result.profile.angles)
      try writer.write(output.profile.freeEnergy, result.profile.freeEnergy)
      try writer.write(output.profile.standardError, result.profile.standardError)
    }
    if let noise = result.noise {
      try writer.write(output.noiseVariance, noise.variance)
      try writer.write(output.noiseEffect, noise.effect)
      try writer.write(output.noiseEffectError, noise.effectStandardError)
    }
  }

  private static func warn(
    _ context: StageContext, _ frames: ReweightFrames, _ result: Reweighting, _ states: MolecularStates
  ) {
    let inverted = frames.inverted.filter { $0 }.count
    if result.nonFinite > 0 {
      context.warn(
        "\(result.nonFinite) of \(frames.count) samples have no finite energy or density: they weigh nothing",
        result.nonFinite * 100 > frames.count ? .warning : .note, cure: "a longer trained emulator draws fewer of them")
    }
    if inverted > 0 {
      context.warn(
        "\(inverted) of \(frames.count) samples have an inverted stereocentre: they weigh nothing",
        inverted * 100 > frames.count ? .warning : .note)
    }
    let broken = frames.broken.filter { $0 }.count
    if broken > 0 {
      context.warn(
        "\(broken) of \(frames.count) samples have a broken ring: they weigh nothing"
          + (Double(broken) > mostBroken * Double(frames.count)
            ? ". No free energy can be given where an emulator breaks so many: in internal coordinates it may not know the bonds that close "
              + "the rings, on positions it needs longer training"
            : ""),
        Double(broken) > mostBroken * Double(frames.count) ? .grave : .warning)
    }
    for state in states.asked {
      let name = states.isShort ? ["the state", "the rest"][state] : states.called(state)
      if let doubt = result.support[state].doubt {
        // what helps depends on the cause, which is told after it
        context.warn("\(name) \(doubt)", result.support[state].isBelievable ? .warning : .grave)
      }
    }
    if isConcentrated(result) {
      context.warn(
        String(
          format:
            "the weights are concentrated: effective sample size %.2g %%, heaviest sample %.2g %% of all weight; the "
            + "intervals may be too narrow",
          100 * result.effectiveFraction,
          100 * result.largestWeight))
    }
  }

  private static func isConcentrated(_ result: Reweighting) -> Bool {
    result.effectiveFraction < leastEffectiveFraction || result.largestWeight > mostOfOneSample
  }

  /// Below such a share of samples that count, or above such a share of one of them in the weight, weights are called concentrated.
  static let leastEffectiveFraction = 0.01, mostOfOneSample = 0.05
}

/// ln q of every sample over Cartesian coordinates, from an energy model or from the samples themselves.
private struct ReweightDensity {
  let estimates: [[Double]]  // [estimates][samples]: one, or two or more independent ones
  let source: String  // "stochastic-trace", or "energy-model ebm"
  let own: [[Double]]  // Estimates that the samples carry beside the energy model's, for an audit

  let evaluations: Int  // Of the force field, before the samples came here
  let isModel: Bool

  init(_ context: StageContext, samples: StageInput) throws {
    let artifact = samples.artifact
    if let model = context.optionalInput(\ReweightStage.Inputs.density) {
      try context.prepareTorch()
      let density = try EnergyModelArtifact.read(model)
      if let warning = try density.warning(for: samples) { context.warn(warning) }
      estimates = [try density.logDensity(of: samples)]
      source = "energy-model \(model.name)"
      own = try artifact.logDensityEstimates()
      (evaluations, isModel) = (0, true)
      return
    }
    isModel = false
    source = context.word(\ReweightStage.Inputs.density) ?? ""
    own = []
    if let form = ReweightStage.AnnealedDensity(rawValue: source) {
      let record = Recorded.anneal
      guard artifact.has(form == .plain ? record.logDensity : record.unbiasedLogDensity) else {
        throw ReweightError.densityNotThere(stage: samples.name, wanted: source, found: "none of its samples' own")
      }
      estimates =
        form == .plain
        ? [try artifact.read(record.logDensity).values]
        : artifact.estimates(try artifact.read(record.unbiasedLogDensity))
      evaluations = try artifact.read(record.energyEvaluations)
      return
    }
    evaluations = 0
    let method = try artifact.read(Recorded.sample.logDensity.method)
    guard method == source else {
      throw ReweightError.densityNotThere(
        stage: samples.name, wanted: source, found: method.map { "log_density: \($0)" } ?? "no log-density")
    }
    estimates = try artifact.logDensityEstimates()
  }

  var mean: [Double] { meanEstimate(estimates) }
}

public enum ReweightError: Error, CustomStringConvertible, Equatable {
  case densityNotThere(stage: String, wanted: String, found: String)
  /// A checkpoint with more energies than there are samples.
  case savedEnergies(found: Int, samples: Int)

  public var description: String {
    switch self {
    case .densityNotThere(let stage, let wanted, let found):
      "density: \(wanted) asks for it in the samples, but stage '\(stage)' carries \(found); "
        + (wanted == ReweightStage.AnnealedDensity.unbiased.rawValue
          ? "set log_density: stochastic-trace where they are drawn, or write density: annealed"
          : "set log_density: \(wanted) there, or name an energy-model stage")
    case .savedEnergies(let found, let samples):
      "the checkpoint holds \(found) energies of \(samples) samples; delete the stage's checkpoints to start again"
    }
  }
}
