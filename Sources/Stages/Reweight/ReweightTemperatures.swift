import Artifacts
import Basics
import FreeEnergies
import Records
import Workflow

/// Free energies at other temperatures, as `reweight` writes and tells them.
extension ReweightStage {
  static func write(
    _ dependence: TemperatureDependence, _ states: MolecularStates, to writer: ArtifactWriter
  ) throws {
    let (record, rows) = (output.temperatures, dependence.rows)
    try writer.write(record.temperature, rows.map(\.temperature))
    try writer.write(record.effectiveFraction, rows.map(\.effectiveFraction))
    try writer.write(
      record.stateEffective, rows.flatMap { $0.support.map(\.effective) },
      shape: [rows.count, states.set.names.count])
    func write(_ record: PairEstimatesRecord, _ values: (TemperatureDependence.Row) -> [TemperatureDependence.Estimate])
      throws
    {
      let all = rows.map(values)
      let shape = [rows.count, all.first?.count ?? 0]
      try writer.write(record.values, all.flatMap { $0.map(\.value) }, shape: shape)
      try writer.write(record.errors, all.flatMap { $0.map(\.standardError) }, shape: shape)
      try writer.write(record.intervals, all.flatMap { $0.flatMap(\.interval) }, shape: shape + [2])
    }
    try write(record.freeEnergy) { $0.freeEnergies }
    try write(record.enthalpy) { $0.enthalpies }
    try write(record.entropy) { $0.entropies }
    try writer.write(record.heatCapacity, rows.map(\.heatCapacity.value))
    try writer.write(record.heatCapacityError, rows.map(\.heatCapacity.standardError))
    try writer.write(record.heatCapacityInterval, rows.flatMap(\.heatCapacity.interval), shape: [rows.count, 2])
  }

  /// `isTorn`: no number is given because rings are torn, which is told elsewhere.
  static func warn(
    _ context: StageContext, _ dependence: TemperatureDependence, _ states: MolecularStates, isTorn: Bool
  ) {
    for row in dependence.rows where !isTorn && row.freeEnergies.contains(where: { $0.value.isNaN }) {
      let doubts = states.asked.filter { !row.support[$0].givesNumber }.map { state in
        (states.isShort ? ["the state", "the rest"][state] : states.called(state)) + " "
          + (row.support[state].doubt ?? "")
      }
      context.warn(
        "at \(NumberText.plain(row.temperature)) K " + doubts.joined(separator: "; ") + ": no number is given there",
        .warning, cure: "ask for temperatures nearer to that of the samples, or draw more of them")
    }
    for row in dependence.rows
    where row.freeEnergies.contains(where: { $0.value.isFinite && $0.standardError.isNaN }) {
      context.warn(
        "at \(NumberText.plain(row.temperature)) K the weights have so heavy a tail that no interval can be given"
      )
    }
  }
}
