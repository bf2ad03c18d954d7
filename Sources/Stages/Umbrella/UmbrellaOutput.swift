import Artifacts
import Basics
import ForceFields
import FreeEnergies
import Records

extension UmbrellaSetup {
  private var output: UmbrellaRecord { UmbrellaStage.output }

  /// What was sampled.
  func write(_ sampler: UmbrellaSampler, to writer: ArtifactWriter) throws {
    let state = sampler.state
    let visits = [UmbrellaSampler.directions, grid.windowCount]
    let (records, lengths) = (sampler.records, hasRounds ? sampler.lengths : nil)
    if let lengths {
      try writer.write(
        output.samples, records, shape: [records.count / sampler.torsionCount, sampler.torsionCount])
      try writer.write(output.lengths, lengths)
      try writer.write(output.rounds, state.rounds)
    } else {
      try writer.write(output.torsions, records, shape: visits + [sampler.samples, sampler.torsionCount])
    }
    try writer.write(output.torsionNames, torsionNames)
    try writer.write(
      output.centers, (0..<grid.windowCount).flatMap(grid.center(of:)), shape: [grid.windowCount, grid.counts.count])
    try writer.write(output.forceConstants, parameters.forceConstant)
    try writer.write(output.endCoordinates, state.endPositions, shape: visits + [molecule.topology.atoms.count, 3])
    if let lowering {
      let bias = lowering.energies(records: records, torsionCount: sampler.torsionCount)
      if lengths == nil {
        try writer.write(output.sharedBias, bias, shape: visits + [sampler.samples])
      } else {
        try writer.write(output.samplesSharedBias, bias)
      }
      try writer.write(output.loweredTorsions, lowering.depths.map { torsionNames[$0.torsion] })
      try writer.write(output.loweredBy, lowering.depths.map(\.depth))
      let kT = PhysicalConstants.thermalEnergy(temperature: molecule.temperature)
      let effective = kishEffectiveSampleSize(logWeights: bias.map { $0 / kT })
      try writer.write(output.loweredEffectiveFraction, effective / Double(bias.count))
    }
    if parameters.exchange {
      try writer.write(
        output.exchangeAcceptance,
        zip(state.acceptances, state.attempts).map { $1 > 0 ? Double($0) / Double($1) : 0 })
    }
  }

  /// What was found.
  func write(_ result: UmbrellaResult, to writer: ArtifactWriter) throws {
    try writer.write(
      (output.freeEnergy.deltaF, result.deltaF), (output.freeEnergy.standardError, result.standardError),
      (output.bootstrapError, result.bootstrapStandardError), (output.correlatedError, result.correlatedStandardError),
      (output.mbarError, result.mbarStandardError))
    for (record, parts) in [(output.halves, result.halves), (output.directions, result.directions)]
    where !parts.isEmpty {
      try writer.write(record.values, parts.map(\.deltaF))
      try writer.write(record.names, parts.map(\.name).joined(separator: ", "))
    }
    if holdsBonds { try writer.write(output.freeEnergy.ensemble, Ensemble.rigid.summary) }
    if !states.isShort, let found = result.states { try writer.write(output.states, found) }
    try writer.write(output.profile.angles[torsionNames[stateAxis]], result.profile.angles)
    try writer.write(output.profile.freeEnergy, result.profile.freeEnergy)
    try writer.write(output.profile.standardError, result.profile.standardError)

    try writer.write(output.overlap, result.overlap)
    try writer.write(
      (output.windowFreeEnergy, result.windowFreeEnergies),
      (output.statisticalInefficiency, result.statisticalInefficiency),
      (output.correlationTime, result.correlationTimes), (output.slowestTorsion, result.slowestTorsion),
      (output.shortWindows, result.shortWindows.count), (output.mbarGradient, result.mbarGradient))
    if parameters.ceiling != nil {
      try writer.write(output.windowsLeftOut, result.windowFreeEnergies.filter { !$0.isFinite }.count)
    }
    if hasRounds { try writer.write(output.windowVariance, result.windowVariances) }
    try writer.write(output.weakestLink, result.coverage.weakestLink)
    try writer.write(output.slidWindows, result.coverage.slidWindows.count)
    try writer.write(output.fewestSamplesBetweenLines, result.coverage.fewestSamplesBetweenLines)
    try writer.write(output.largestShift, result.coverage.largestShift)
  }
}

extension UmbrellaState {
  private static let record = Recorded.umbrellaCheckpoint
  private static let numbers = [
    (record.positions, \UmbrellaState.positions), (record.velocities, \.velocities), (record.rowStarts, \.rowStarts),
    (record.records, \.records), (record.endPositions, \.endPositions),
  ]
  private static let counts = [
    (record.done, \UmbrellaState.done), (record.attempts, \.attempts), (record.acceptances, \.acceptances),
  ]

  func write(to writer: ArtifactWriter) throws {
    try writer.write(Self.record.phase, phase.rawValue)
    try writer.write(Self.record.steps, work.steps)
    for (field, list) in Self.numbers { try writer.write(field, self[keyPath: list]) }
    for (field, list) in Self.counts { try writer.write(field, self[keyPath: list]) }
    try writer.write(Self.record.turnsTried, work.movesTried)
    try writer.write(Self.record.turnsTaken, work.movesTaken)
    guard !further.isEmpty else { return }
    try writer.write(Self.record.rounds, rounds)
    try writer.write(Self.record.planned, planned)
    try writer.write(Self.record.furtherCounts, further.map(\.count))
    try writer.write(Self.record.further, further.flatMap { $0 })
  }

  /// Throws `ArtifactError` and `UmbrellaSamplerError.state`.
  init(_ artifact: Artifact) throws {
    self.init()
    let saved = try artifact.read(Self.record.phase)
    guard let phase = Phase(rawValue: saved) else { throw UmbrellaSamplerError.state("there is no phase \(saved)") }
    self.phase = phase
    for (field, list) in Self.numbers { self[keyPath: list] = try artifact.read(field).values }
    for (field, list) in Self.counts { self[keyPath: list] = try artifact.read(field).values }
    work = try artifact.work(Self.record.steps, Self.record.turnsTried, Self.record.turnsTaken)
    guard artifact.has(Self.record.rounds) else { return }
    rounds = try artifact.read(Self.record.rounds)
    planned = try artifact.read(Self.record.planned).values
    let all = try artifact.read(Self.record.further).values
    let counts = try artifact.read(Self.record.furtherCounts).values
    guard counts.allSatisfy({ $0 >= 0 }), counts.reduce(0, +) == all.count else {
      throw UmbrellaSamplerError.state("samples of rounds are missing")
    }
    var end = 0
    further = counts.map { count in
      defer { end += count }
      return Array(all[end..<end + count])
    }
  }
}
