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

extension StageInput {
  /// Of an emulator: the frames that it learnt from; nil where there are none, or weighted samples beside them.
  var framesAlone: StageInput? {
    type == RefinedEmulatorStage.type ? nil : optionalInput(\EmulatorStage.Inputs.frames)
  }
}

extension ReweightFrames {
  /// Shares of the frames that the samples' emulator learnt from, in each state; nil for an emulator without frames.
  static func trajectoryPopulations(_ samples: StageInput, _ molecular: MolecularStates) throws -> [Double]? {
    guard
      let learnt = samples.asDrawn.optionalInput(\SampleStage.Inputs.emulator)?.framesAlone
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
    guard let learnt = emulator?.framesAlone else {
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
