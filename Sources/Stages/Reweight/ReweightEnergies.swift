import Artifacts
import Basics
import ForceFields
import Molecules
import Workflow

/// Potential energies of the samples, kJ/mol. Where they take long, those that are done are kept in checkpoints, and a run that
/// was stopped goes on with the next sample.
struct ReweightEnergies {
  let values: [Double]
  /// The engine's own description.
  let method: String
  /// Wall time.
  let secondsPerEnergy: Double

  private static let path = "reweight/energies"
  private static let secondsPath = "reweight/seconds"

  /// Throws `ReweightError`, `OpenMMError`, `XTBError`.
  init(_ context: StageContext, samples: StageInput, count: Int, topology: Topology) throws {
    guard let energyMethod = try context.system.energyMethod() else { throw ReweightError.noForceField }
    let engine = try withAdvice { try energyMethod.engine(for: topology, threads: context.threads) }
    guard engine.atomCount == topology.atoms.count else {
      throw ReweightError.atomCount(stage: samples.name, found: topology.atoms.count, expected: engine.atomCount)
    }
    var values: [Double] = []
    var before = 0.0
    if let found = try context.checkpoints.latest() {
      if let warning = found.warning { context.warn(warning) }
      values = try found.artifact.read(Self.path, as: Double.self).values
      before = try found.artifact.scalar(Self.secondsPath, as: Double.self)
      guard values.count <= count else { throw ReweightError.savedEnergies(found: values.count, samples: count) }
      context.log("going on after \(values.count) of \(count) energies")
    }
    var saved = values.count
    let watch = Stopwatch()
    var seconds: Double { before + watch.seconds }
    func save() throws {
      try context.checkpoints.save(step: values.count) {
        try $0.write(Self.path, values, shape: [values.count], units: "kJ/mol", compression: .none)
        try $0.writeScalar(Self.secondsPath, seconds, units: "s")
      }
      saved = values.count
    }
    var sinceSave = Stopwatch()
    context.progress.begin("energies", total: count, unit: "samples")
    while values.count < count {
      let rows = values.count..<min(values.count + engine.framesPerCall, count)
      values += try engine.energies(samples.artifact.read("coordinates", as: Double.self, rows: rows).values)
      context.progress.update(completed: values.count)
      let asked = context.interruptionRequested
      if asked || sinceSave.seconds >= context.checkpointInterval {
        try save()
        sinceSave.restart()
        if asked { try context.checkInterruption() }
      }
    }
    context.progress.end()
    // what follows may be long too; seconds of work are not worth a file
    if saved < count, saved > 0 || seconds > 10 { try save() }
    self.values = values
    method = engine.summary
    secondsPerEnergy = seconds / Double(max(1, count))
  }
}
