import Artifacts
import Basics
import FreeEnergies
import Molecules
import Records
import Workflow

/// What a poor reweighting's user is told: what spoils the weights, and what to do about it.
struct ReweightDiagnosis {
  /// A sentence each; the most telling first.
  let causes: [Remark]
  private static let rowsAtMost = 4000

  /// `logWeights` [samples], -u - ln q.
  init(
    _ samples: StageInput, _ system: MolecularSystem, _ states: MolecularStates, rigid: RigidBonds?,
    logWeights: [Double], isOfAnotherForceField: Bool = false
  ) throws {
    let learnt = samples.asDrawn.optionalInput(\SampleStage.Inputs.emulator)?.framesAlone
    guard let learnt else {
      causes = []
      return
    }
    let trajectory = Recorded.sample.trajectory.coordinates
    let count = try learnt.artifact.shape(trajectory).first ?? 0
    let frames = try Self.rows(count, of: learnt, Recorded.ingest.trajectory.coordinates)
    let drawn = try Self.rows(logWeights.count, of: samples, trajectory)
    let diagnosis = WeightDiagnosis(
      topology: system.topology, samples: drawn.coordinates, logWeights: drawn.rows.map { logWeights[$0] },
      frames: frames.coordinates, terms: try system.harmonicTerms(),
      isOnPositions: !samples.asDrawn.artifact.has(Recorded.sample.internalCoordinates), rigid: rigid,
      thermalEnergy: PhysicalConstants.thermalEnergy(temperature: system.temperature),
      called: try system.namedTorsions().called)
    let counts = states.assignment(of: frames.coordinates).counts
    var causes: [Remark] = []
    for state in states.asked where counts[state] == 0 {
      let name = states.isShort ? states.set.names[state] : states.called(state)
      causes.append(
        Remark(
          "none of the frames that the emulator was trained on (\(frames.rows.count) of '\(learnt.name)' were looked at) lies in "
            + "\(name): give it frames of \(states.isShort ? "both sides" : "that state"); more training or more samples cannot help",
          .grave))
    }
    // where frames are missing, training is not what is missing
    var findings = diagnosis.findings.filter { causes.isEmpty || $0 != .training }
    // widths apart, no sample is like one of the other potential, and training changes nothing
    if isOfAnotherForceField, causes.isEmpty {
      findings = findings.filter { $0 != .training }
      causes.append(
        Remark(
          "the emulator is one of another force field (system.sampled_by) than the one that weights are made by. Where the two are not the "
            + "same by another name, more training or more samples cannot help. A stage perturb carries the emulator over",
          .grave))
    }
    causes += findings.map { Remark("\($0)" + Self.advice($0), Self.gravity($0)) }
    self.causes = causes
  }

  private static func gravity(_ finding: WeightDiagnosis.Finding) -> Remark.Gravity {
    switch finding {
    case .heldFixed, .otherForceField: .grave
    case .rarePlace, .unlikeFrames, .term, .training: .warning
    }
  }

  private static func advice(_ finding: WeightDiagnosis.Finding) -> String {
    switch finding {
    case .heldFixed:
      ". Weights cannot make that good, and more training cannot either: give frames of flexible dynamics, or write constraints: flexible or "
        + "rigid at the ingest stage"
    case .otherForceField:
      ". Compare system.forcefield and temperature with what made the trajectory; more training cannot help"
    case .rarePlace:
      ". Give the emulator frames that begin there (starts or steering of a simulate stage, or the trajectory of an explore stage); more "
        + "training cannot help"
    case .unlikeFrames(_, _, _, _, let ring):
      ring == nil ? ". Train the emulator longer, or give it more frames" : " and is no coordinate of the emulator"
    case .term: ". Look at that coordinate in the report before training longer"
    case .training: ": train the emulator longer, give it more frames, or draw more samples"
    }
  }

  /// Rows spread evenly over an artifact's frames.
  private static func rows(
    _ count: Int, of input: StageInput, _ field: Numbers<some ArtifactScalar>
  ) throws -> (rows: [Int], coordinates: [Double]) {
    let step = max(1, count / rowsAtMost)
    let rows = Array(stride(from: 0, to: count, by: step))
    var coordinates: [Double] = []
    let chunk = 4096
    for start in stride(from: 0, to: count, by: chunk) {
      let range = start..<min(count, start + chunk)
      let values = try input.artifact.read(field, as: Double.self, rows: range)
      let width = values.shape.dropFirst().reduce(1, *)
      for row in rows where range.contains(row) {
        coordinates += values.values[(row - start) * width..<(row - start + 1) * width]
      }
    }
    return (rows, coordinates)
  }
}
