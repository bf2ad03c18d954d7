import Artifacts
import FreeEnergies
import Records

extension WindowsSetup {
  private var output: WindowsRecord { WindowsStage.output }

  /// What was read, and what was found.
  func write(_ data: BiasedWindows, _ outcome: WindowsAnalysis.Outcome, to writer: ArtifactWriter) throws {
    try writer.write(output.coordinateNames, names)
    try writer.write(output.files, data.windows.map(\.name))
    try writer.write(output.temperatures, data.windows.map(\.temperature))
    let width = names.count
    for (t, coordinate) in data.coordinates.enumerated() {
      let name = coordinate.name
      let centers = data.windows.map { $0.centers[t] }
      let constants = data.windows.map { $0.forceConstants[t] }
      let samples = stride(from: t, to: outcome.values.count, by: width).map { outcome.values[$0] }
      let isTorsion = coordinate.isTorsion
      try writer.write(isTorsion ? output.torsionCenters[name] : output.distanceCenters[name], centers)
      try writer.write(isTorsion ? output.torsionForceConstants[name] : output.distanceForceConstants[name], constants)
      try writer.write(isTorsion ? output.torsions[name] : output.distances[name], samples)
    }
    try writer.write(output.window, outcome.window)
    try writer.write(output.place, outcome.place)
    try writer.write(output.logWeights, outcome.logWeights)
    try write(outcome.result, axis: data.coordinates[options(seed: 0).axis], to: writer)
    if data.sampleInterval != nil {
      try writer.write(output.correlationTime, outcome.result.correlationTimes)
    }
  }

  private func write(
    _ result: UmbrellaResult, axis: BiasedWindows.Coordinate, to writer: ArtifactWriter
  ) throws {
    if result.deltaF.isFinite {
      try writer.write(
        (output.freeEnergy.deltaF, result.deltaF), (output.freeEnergy.standardError, result.standardError),
        (output.bootstrapError, result.bootstrapStandardError),
        (output.correlatedError, result.correlatedStandardError),
        (output.mbarError, result.mbarStandardError))
      try writer.write(output.halves.values, result.halves.map(\.deltaF))
      try writer.write(output.halves.names, result.halves.map(\.name).joined(separator: ", "))
    }
    if hasNamedStates, let states = result.states { try writer.write(output.states, states) }
    let middles = axis.isTorsion ? output.profile.angles[axis.name] : output.distanceProfile[axis.name]
    try writer.write(middles, result.profile.angles)
    try writer.write(output.profile.freeEnergy, result.profile.freeEnergy)
    try writer.write(output.profile.standardError, result.profile.standardError)
    try writer.write(output.overlap, result.overlap)
    try writer.write(output.windowFreeEnergy, result.windowFreeEnergies)
    try writer.write(output.statisticalInefficiency, result.statisticalInefficiency)
    try writer.write(output.slowestTorsion, result.slowestTorsion)
    try writer.write(output.shortWindows, result.shortWindows.count)
    try writer.write(output.mbarGradient, result.mbarGradient)
    try writer.write(output.weakestLink, result.coverage.weakestLink)
    try writer.write(output.slidWindows, result.coverage.slidWindows.count)
    try writer.write(output.fewestSamplesBetweenLines, result.coverage.fewestSamplesBetweenLines)
  }
}
