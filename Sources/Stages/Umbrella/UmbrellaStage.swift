import Basics
import ForceFields
import FreeEnergies
import Records
import Workflow

/// `umbrella`: umbrella sampling of one torsion or a grid of two, and the free energies that follow. Two walks come to every window from
/// opposite sides.
enum UmbrellaStage: RecordedStage {
  static let version = 3
  /// Version 3 names an axis of end_coordinates otherwise.
  static let soundVersions = [2]
  static let summary = "umbrella sampling on one torsion or a grid of two, with MBAR and its own checks"
  static let reads: [SharedField] =
    SharedField.molecule + [.forcefield, .temperature, .torsions] + SharedField.stateFields
  static let output = Recorded.umbrella
  static let method: ((StageInput) throws -> String)? = { _ in "umbrella sampling, MBAR" }
  static let columns = [BatchColumn(output.freeEnergy)]

  struct Parameters: ParameterGroup {
    @Parameter("the torsions to bias, by name", count: 1...2, single: true) var coordinates = ["phi", "psi"]
    @Parameter("windows along each coordinate, around the period", in: 2...360, count: 1...2, single: true)
    var windows = [36, 24]
    @Parameter(
      "of k/2 (torsion - centre)^2, for each coordinate", unit: "kJ/mol/rad2", in: .positive, count: 1...2, single: true
    )
    var forceConstant = [200.0, 80]
    @Parameter("before each of the two visits of a window", unit: "ps", in: .atLeastZero) var equilibration = 5.0
    @Parameter("per window, half of it in each direction", unit: "ps", in: .positive) var production = 40.0
    @Parameter(
      "share of the force field's threefold torsion terms, 1 for all, that is taken away from side chains (where these terms make more "
        + "than 8 kJ/mol), so that they turn within a window; the samples' weights undo it. None if left out", in: 0...2
    )
    var barrierLowering: Double?
    @Parameter("between recorded torsions", unit: "ps", in: .positive) var sampleInterval = 0.2
    let dynamics = DynamicsParameters(
      unchanged: "free energy",
      rotamerMoves: ("after each sample", "side chains that turn too seldom by themselves"))
    @Parameter("let neighbouring windows exchange their frames (Metropolis)") var exchange = false
    @Parameter("between exchanges, where windows exchange", unit: "ps", in: .positive) var exchangeInterval = 1.0
    @Parameter(
      "windows this far above the lowest are left out of the estimate, if the others hold together without them: over a high barrier "
        + "walks drag their history, and what does not close around it spoils the low barriers. None if left out",
      unit: "kT", in: .positive) var ceiling: Double?
    @Parameter(
      "standard error of dF up to which windows are sampled, each as long as it takes: windows above the ceiling get no "
        + "more than a first pass, and production times the number of windows is not exceeded. If left out, all windows last "
        + "production",
      unit: "kT", in: .positive) var targetError: Double?
    @Parameter("bins of the free-energy profile", in: 6...720) var profileBins = 60
    @Parameter("least link between windows in the overlap graph; below it the stage fails", in: 1e-6...1)
    var overlapThreshold = 0.03
    @Parameter("replicates of the block bootstrap", in: 10...10_000) var bootstrap = 100
  }

  static func check(_ stage: PlannedStage) throws {
    if let parameters = try? stage.parameters(Parameters.self), parameters.exchange, parameters.targetError != nil {
      stage.refuse("\(UmbrellaError.exchangeInRounds)")
    }
    guard let molecule = MoleculeCheck.run(stage, needs: .dynamics), let states = try? molecule.states() else { return }
    if let parameters = try? stage.parameters(Parameters.self) {
      parameters.dynamics.check(stage, molecule)
      if parameters.barrierLowering != nil, let external = try? molecule.externalForces() {
        stage.refuse(
          "barrier_lowering takes away torsion terms of a force field, and \(external.name) has none: leave it out",
          at: .parameter("barrier_lowering"))
      }
    }
    _ = stage.checking(stage.placeOfStates) {
      try UmbrellaSetup.stateAxis(states, coordinates: stage.parameters(Parameters.self).coordinates)
    }
  }

  /// Throws `UmbrellaError`, `MolecularSystemError`, `UmbrellaSamplerError`, `OpenMMError`, `MoleculesError`, with advice where there
  /// is some; `FreeEnergiesError` where the windows do not cover the grid: the sampling is then kept in the checkpoint.
  static func run(_ context: StageContext) throws {
    try withAdvice {
      let parameters = try context.parameters(Parameters.self)
      if parameters.exchange, parameters.targetError != nil { throw UmbrellaError.exchangeInRounds }
      let setup = try UmbrellaSetup(context, parameters)
      let sampler = try setup.sampler()
      if let saved = try context.newestCheckpoint() {
        try sampler.resume(UmbrellaState(saved))
        context.log("going on from \(Int(sampler.simulatedTime)) of \(Int(sampler.totalTime)) ps")
      }
      context.logCost(of: sampler, most: parameters.targetError != nil)
      let already = sampler.simulatedTime
      var seconds = 0.0
      let sampling = {
        let watch = Stopwatch()
        try sample(context, setup, sampler)
        seconds += watch.seconds
      }
      var result: UmbrellaResult
      if let target = parameters.targetError {
        result = try UmbrellaRounds(
          context: context, setup: setup, sampler: sampler, target: target, sample: sampling
        ).run()
        context.logSpeed(of: sampler, since: already, seconds: seconds)
        if !(result.standardError <= target) {
          result.warnings.append(
            String(
              format:
                "The standard error of dF is %.3f kT where %.3f kT were asked for: %.0f ps, which "
                + "production allows for, are used up.",
              result.standardError, target, sampler.simulatedTime))
        }
      } else {
        try sampling()
        context.logSpeed(of: sampler, since: already, seconds: seconds)
        result = try setup.analysis(sampler, seed: context.seed).run(progress: context.progress)
      }
      let deviation = try sampler.checkForces()
      for warning in result.warnings + setup.untoldStates { context.warn(warning) }
      try setup.write(sampler, to: context.output)
      if parameters.targetError != nil {
        try context.output.write(output.windowsNotSampled, sampler.state.planned.filter { $0 == 0 }.count)
      }
      try context.output.write(output.forceProvider, sampler.forceProvider)
      try context.output.write(output.forceDeviation, deviation)
      try setup.write(result, to: context.output)
      try context.write(output, sampler, moves: setup.moves, seconds: seconds)
      try writeSlowTorsions(context, setup, sampler)
      for warning in try setup.unrecordedPlaces(sampler) { context.warn(warning) }
    }
  }

  /// What the torsions without a bias did, and warnings of side chains that no bias moves.
  private static func writeSlowTorsions(
    _ context: StageContext, _ setup: UmbrellaSetup, _ sampler: UmbrellaSampler
  ) throws {
    let windows = setup.grid.windowCount
    let (slow, disagreeing) = SlowTorsions.inWindows(
      setup.watched, records: sampler.records, windows: windows, recorded: sampler.torsionCount,
      lengths: setup.hasRounds ? sampler.lengths : nil)
    guard !slow.torsions.isEmpty else { return }
    try slow.write(to: context.output)
    try context.output.write(output.slowTorsions.disagreeingWindows, disagreeing)
    let called = try setup.molecule.namedTorsions().called
    for warning in slow.warnings("samples", called: called) { context.warn(warning) }
    for (torsion, count) in zip(slow.torsions, disagreeing) where count * 5 > windows {
      context.warn(
        "\(called(torsion)) stands in another basin in each of the two walks in \(count) of \(windows) windows: it does not come to rest "
          + "within a window, and what hangs on it averages over windows only",
        cure: "longer windows (production) would cure it")
    }
  }

  /// Advances to the end, or until a round must be planned, with checkpoints by time, watching every stereocentre.
  private static func sample(_ context: StageContext, _ setup: UmbrellaSetup, _ sampler: UmbrellaSampler) throws {
    guard !sampler.isFinished, !sampler.awaitsPlan else { return }
    context.progress.begin("umbrella", total: Int(sampler.totalTime.rounded()), unit: "ps")
    var clock = CheckpointClock(context)
    var visits = 0
    while !sampler.isFinished, !sampler.awaitsPlan {
      for visit in try sampler.advance() {
        visits += 1
        try setup.checkChirality(Array(sampler.endFrame(visit)), visit)
      }
      context.progress.update(
        completed: Int(sampler.simulatedTime), metrics: visits > 0 ? [(name: "windows", value: "\(visits)")] : [])
      try clock.saveIfDue(force: sampler.isFinished || sampler.awaitsPlan) {
        try context.checkpoints.save(step: Int(sampler.simulatedTime)) { try sampler.state.write(to: $0) }
      }
    }
    context.progress.end()
  }
}
