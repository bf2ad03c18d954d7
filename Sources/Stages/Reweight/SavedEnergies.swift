import Artifacts
import Basics
import ForceFields
import FreeEnergies
import Records
import Workflow

/// Potential energies of many conformations, kJ/mol. Where they take long, those that are done are kept in checkpoints, and a run that was
/// stopped goes on with the next one.
struct SavedEnergies {
  /// Conformations of which one engine gives the energies; `positions` [rows, atoms, 3], nm.
  struct Part {
    let engine: any EnergyEngine
    let count: Int
    let positions: (Range<Int>) throws -> [Double]
  }

  /// [parts][conformations]
  let values: [[Double]]
  /// Wall time, with that before an interruption.
  let seconds: Double

  /// Throws `ReweightError.savedEnergies`, and the engines' own errors.
  init(_ context: StageContext, _ record: EnergiesCheckpointRecord, _ parts: [Part]) throws {
    let count = parts.reduce(0) { $0 + $1.count }
    var values: [Double] = []
    var before = 0.0
    if let saved = try context.newestCheckpoint() {
      values = try saved.read(record.energies).values
      before = try saved.read(record.seconds)
      guard values.count <= count else { throw ReweightError.savedEnergies(found: values.count, samples: count) }
      context.log("going on after \(values.count) of \(count) energies")
    }
    var saved = values.count
    let watch = Stopwatch()
    var seconds: Double { before + watch.seconds }
    func save() throws {
      try context.checkpoints.save(step: values.count) {
        try $0.write(record.energies, values)
        try $0.write(record.seconds, seconds)
      }
      saved = values.count
    }
    var clock = CheckpointClock(context)
    context.progress.begin("energies", total: count, unit: "samples")
    var first = 0
    for part in parts {
      while values.count < first + part.count {
        let row = values.count - first
        values += try part.engine.energies(
          part.positions(row..<min(row + part.engine.framesPerCall, part.count)))
        context.progress.update(completed: values.count)
        try clock.saveIfDue { try save() }
      }
      first += part.count
    }
    context.progress.end()
    // what follows may be long too; seconds of work are not worth a file
    if saved < count, saved > 0 || seconds > 10 { try save() }
    var place = 0
    self.values = parts.map { part in
      defer { place += part.count }
      return Array(values[place..<place + part.count])
    }
    self.seconds = seconds
  }
}

/// Those of the samples that a reweighting is of.
struct ReweightEnergies {
  let values: [Double]
  let method: String  // The engine's own description
  let secondsPerEnergy: Double  // Wall time

  /// Throws `ReweightError`, `MolecularSystemError`, and the force field's own errors.
  init(_ context: StageContext, samples: StageInput, count: Int, system: MolecularSystem) throws {
    let engine = try withAdvice { try system.engine(for: "reweighting", threads: context.threads) }
    let found = try SavedEnergies(
      context, Recorded.reweightCheckpoint,
      [.init(engine: engine, count: count) { try samples.positions($0) }])
    values = found.values[0]
    method = engine.summary
    secondsPerEnergy = found.seconds / Double(max(1, count))
  }
}

extension StageInput {
  /// Positions of samples, [rows, atoms, 3], nm.
  func positions(_ rows: Range<Int>) throws -> [Double] {
    try artifact.read(Recorded.sample.trajectory.coordinates, rows: rows).values
  }
}
