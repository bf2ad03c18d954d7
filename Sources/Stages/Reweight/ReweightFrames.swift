import Basics
import FreeEnergies
import Molecules
import Records
import Workflow

/// The conformations to reweight: torsions, and which of them have a stereocentre of the other hand or a ring that is torn open.
struct ReweightFrames {
  let count: Int
  let torsions: [(name: String, angles: [Double])]
  let states: StateAssignment
  /// Of the torsion that profiles are along; nil where no state depends on a torsion.
  let profileAngle: [Double]?
  let inverted: [Bool]
  let broken: [Bool]  // Whether a bond of a ring is far from its length
  private static let chunk = 2000

  init(_ samples: StageInput, _ system: MolecularSystem, _ molecular: MolecularStates) throws {
    let coordinates = Recorded.sample.trajectory.coordinates
    let shape = try samples.artifact.shape(coordinates)
    count = shape.first ?? 0
    try system.expect(shape.count == 3 ? shape[1] : 0, atomsIn: "samples of '\(samples.name)'")
    let named = try system.namedTorsions()
    var record = try ConformationRecord(topology: system.topology, torsions: named.atoms)
    var columns = molecular.measured.coordinates.map { _ in [Double]() }
    let rings = RingBonds(topology: system.topology)
    var broken: [Bool] = []
    for start in stride(from: 0, to: count, by: Self.chunk) {
      let positions = try samples.artifact.read(coordinates, rows: start..<min(start + Self.chunk, count)).values
      try record.append(positions)
      for (k, values) in molecular.measured.columns(positions).enumerated() { columns[k] += values }
      broken += try rings.broken(in: positions).frames
    }
    self.broken = broken
    torsions = zip(named.names, record.torsions).map { (name: $0, angles: $1) }
    states = molecular.assignment(columns)
    profileAngle = molecular.profile.map { columns[$0] }
    inverted = record.inverted
  }
}

extension ReweightFrames {
  /// Shares of the frames that the samples' emulator learnt from, in each state; nil for an emulator without frames.
  static func trajectoryPopulations(_ samples: StageInput, _ molecular: MolecularStates) throws -> [Double]? {
    guard
      let learnt = samples.asDrawn.optionalInput(\SampleStage.Inputs.emulator)?.optionalInput(
        \EmulatorStage.Inputs.frames)
    else { return nil }
    let coordinates = Recorded.ingest.trajectory.coordinates
    let count = try learnt.artifact.shape(coordinates).first ?? 0
    var counts = molecular.set.names.map { _ in 0 }
    for start in stride(from: 0, to: count, by: chunk) {
      let positions = try learnt.artifact.read(coordinates, as: Double.self, rows: start..<min(start + chunk, count))
      for (state, found) in molecular.assignment(of: positions.values).counts.enumerated() { counts[state] += found }
    }
    let shares = counts.dropLast().map { Double($0) / Double(max(1, count)) }
    return shares + [1 - shares.reduce(0, +)]
  }
}

/// The ensemble that samples are to be weighted to, where the frames behind them had held bonds.
struct HeldEnsemble {
  /// Nil where no bond was held.
  let ensemble: Ensemble?
  /// Bonds that the samples keep at one length.
  let rigid: RigidBonds?
  private static let chunk = 2000

  init(_ samples: StageInput) throws {
    let emulator = samples.asDrawn.optionalInput(\SampleStage.Inputs.emulator)
    guard let learnt = emulator?.optionalInput(\EmulatorStage.Inputs.frames) else {
      (ensemble, rigid) = (nil, nil)
      return
    }
    ensemble = try learnt.artifact.readIfThere(Recorded.ingest.constraints).flatMap(Ensemble.init(rawValue:))
    rigid = try RigidBonds(ingested: learnt)
  }

  /// What constraints add to the logarithm of each sample's Boltzmann factor; empty without them.
  func logVolumes(_ samples: StageInput, count: Int, _ system: MolecularSystem) throws -> [Double] {
    guard let rigid else { return [] }
    let masses = try withAdvice { try system.masses() }
    var volumes: [Double] = []
    for start in stride(from: 0, to: count, by: Self.chunk) {
      let rows = start..<min(start + Self.chunk, count)
      let positions = try samples.artifact.read(Recorded.sample.trajectory.coordinates, rows: rows).values
      volumes += rigid.logVolumes(positions, masses: masses)
    }
    return volumes
  }
}

/// Potential energies of the samples, kJ/mol. Where they take long, those that are done are kept in checkpoints, and a run that
/// was stopped goes on with the next sample.
struct ReweightEnergies {
  let values: [Double]
  let method: String  // The engine's own description
  let secondsPerEnergy: Double  // Wall time

  /// Throws `ReweightError`, `MolecularSystemError`, and the force field's own errors.
  init(_ context: StageContext, samples: StageInput, count: Int, system: MolecularSystem) throws {
    let record = Recorded.reweightCheckpoint
    let engine = try withAdvice { try system.engine(for: "reweighting", threads: context.threads) }
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
    while values.count < count {
      let rows = values.count..<min(values.count + engine.framesPerCall, count)
      values += try engine.energies(samples.artifact.read(Recorded.sample.trajectory.coordinates, rows: rows).values)
      context.progress.update(completed: values.count)
      try clock.saveIfDue { try save() }
    }
    context.progress.end()
    // what follows may be long too; seconds of work are not worth a file
    if saved < count, saved > 0 || seconds > 10 { try save() }
    self.values = values
    method = engine.summary
    secondsPerEnergy = seconds / Double(max(1, count))
  }
}
