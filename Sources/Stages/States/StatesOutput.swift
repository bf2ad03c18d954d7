import Artifacts
import FreeEnergies
import Records

extension ArtifactWriter {
  /// Populations and differences of named states, in the places that all stages share.
  func write(_ record: StatesRecord, _ states: StateEstimates) throws {
    let populations = states.populations
    try write(record.names, states.names)
    try write(
      (record.population, populations.map(\.share)), (record.standardError, populations.map(\.standardError)))
    try write(record.interval, populations.flatMap(\.interval), shape: [populations.count, 2])
    let effective = populations.map(\.effectiveSamples)
    if effective.contains(where: { !$0.isNaN }) { try write(record.effectiveSamples, effective) }
    try write(record.pairs.from, states.pairs.map { states.names[$0.from] })
    try write(record.pairs.to, states.pairs.map { states.names[$0.to] })
    try write(record.pairs.deltaF, states.differences.map(\.value))
    try write(record.pairs.standardError, states.differences.map(\.standardError))
    try write(record.pairs.interval, states.differences.flatMap(\.interval), shape: [states.pairs.count, 2])
  }
}
