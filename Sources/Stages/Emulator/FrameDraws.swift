import Artifacts
import FreeEnergies
import Generative
import Molecules
import Records
import Workflow

/// A share of the frames that lie in an arc of a torsion.
struct ArcParameters: ParameterGroup {
  @Parameter(
    "share of the frames, as they are drawn in training, of which a torsion lies in an arc: 0.1 to 0.25 for the largest effective sample size; "
      + "left out: as in the frames. Of a molecule that is never, or always, there all frames are drawn alike",
    in: 1e-6...0.999999)
  var arcShare: Double?
  @Parameter("the torsion: phi stands for that of any residue, phi2 for that of residue 2") var arcTorsion = "phi"
  @Parameter("where the arc begins", unit: "rad", in: -7...7) var arcFrom = 0.0
  @Parameter("where it ends", unit: "rad", in: -7...7) var arcTo = 2.0

  /// Whether any of the torsions [torsions][frames], rad, lies in an arc. [frames]
  static func isInside(_ angles: [[Double]], _ arc: TorsionState) -> [Bool] {
    (0..<(angles.first?.count ?? 0)).map { frame in angles.contains { arc.contains($0[frame]) } }
  }

  /// How often each frame is drawn, where a share of them is to be inside; empty where all of them are, or none.
  static func weights(_ isInside: [Bool], share: Double) -> [Double] {
    let (count, inside) = (isInside.count, isInside.filter { $0 }.count)
    guard inside > 0, inside < count else { return [] }
    let (mine, other) = (share / Double(inside), (1 - share) / Double(count - inside))
    return isInside.map { $0 ? mine : other }
  }

  /// Whether the arc's torsions of each frame [frames, atoms, 3] lie there; nil where the molecule has no such torsion.
  func isInside(_ topology: Topology, _ positions: [Double]) -> [Bool]? {
    let torsions = topology.namedTorsions.filter { [$0.name, $0.fullName].contains(arcTorsion) }.map(\.atoms)
    guard !torsions.isEmpty else { return nil }
    return Self.isInside(
      torsionColumns(positions, atoms: topology.atoms.count, torsions: torsions),
      TorsionState(from: arcFrom, to: arcTo))
  }

  /// How often the frames of a molecule are drawn; `change` [frames], where it is not empty, is that of ln p which samples' weights want.
  /// Where a few frames have to stand for the whole share, `warn` is told.
  func weights(
    _ frames: TransferableEmulator.Frames, tilted change: [Double] = [], _ warn: (String) -> Void
  ) -> (weights: [Double], hasTorsion: Bool) {
    let isInside = arcShare == nil ? nil : isInside(frames.topology, frames.positions)
    if let arcShare, let isInside {
      let inside = isInside.filter { $0 }.count
      if inside > 0, inside < Self.fewFrames {
        warn(
          "\(frames.name): \(inside) of \(isInside.count) frames lie in the arc of \(arcTorsion), and are drawn in \(arcShare) of all draws: "
            + "give it longer dynamics there")
      }
      if change.isEmpty { return (Self.weights(isInside, share: arcShare), true) }
    }
    let hasTorsion = arcShare == nil || isInside != nil
    guard !change.isEmpty else { return ([], hasTorsion) }
    return (TorsionTilt.weights(change, isInside: isInside ?? [], share: arcShare), hasTorsion)
  }

  private static let fewFrames = 50
}

/// What weighted samples say of the frames of their molecules.
struct WeightedDraws {
  private struct Draw {
    let stage, topology: String
    let samples, weights: Artifact
    var tilt: TorsionTilt?
  }

  private var draws: [Draw]
  private let context: StageContext
  /// Those of molecules that no frames were of, by stage.
  var unused: [String] { draws.filter { $0.tilt == nil }.map(\.stage) }

  init(_ inputs: [StageInput], _ context: StageContext) throws {
    self.context = context
    draws = try inputs.map { input in
      guard let samples = input.optionalInput(\ReweightStage.Inputs.samples)?.artifact else {
        throw TransferStageError.noSamples(input.name)
      }
      return Draw(
        stage: input.name, topology: try samples.read(Recorded.sample.trajectory.topology).first ?? "",
        samples: samples, weights: input.artifact)
    }
    for (place, draw) in draws.enumerated() {
      if let other = draws[..<place].first(where: { $0.topology == draw.topology }) {
        throw TransferStageError.twoWeights(other.stage, draw.stage)
      }
    }
  }

  /// The change of ln p at the frames of a molecule, [frames]; empty where no samples are of it.
  mutating func change(_ frames: TransferableEmulator.Frames, _ arc: ArcParameters) throws -> [Double] {
    guard let place = draws.firstIndex(where: { $0.topology == frames.topology.mdtrajJSON }) else { return [] }
    let tilt: TorsionTilt
    if let known = draws[place].tilt {
      tilt = known
    } else {
      let draw = draws[place]
      let positions = try draw.samples.read(Recorded.sample.trajectory.coordinates, as: Double.self).values
      do {
        tilt = try TorsionTilt(
          topology: frames.topology, positions: positions,
          logWeights: draw.weights.read(Recorded.reweight.logWeights).values,
          isInside: arc.arcShare == nil ? [] : arc.isInside(frames.topology, positions) ?? [],
          checkInterruption: context.checkInterruption)
      } catch let error as TransferError {
        throw TransferError.molecule(draw.stage, reason: "\(error)")
      }
      draws[place].tilt = tilt
      context.log(
        "\(draw.stage): torsions explain \(Int((100 * max(0, tilt.explained)).rounded())) % of the variance of ln w; frames of its molecule are drawn as "
          + "that wants")
    }
    return try tilt(frames.positions)
  }

  /// Weights are of what an emulator draws that has learnt these frames, drawn alike: the change is from there. Refused is what is not so.
  static func check(_ weights: [PlannedStage], _ stage: PlannedStage, learnt: (PlannedStage) -> String?) {
    for weighing in weights {
      let samples = weighing.inputs(\ReweightStage.Inputs.samples).first
      guard let samples, samples.type == SampleStage.self,
        let emulator = samples.inputs(\SampleStage.Inputs.emulator).first
      else {
        stage.refuse("\(weighing.name) weighs no samples of an emulator", at: .parameter("weights"))
        continue
      }
      if let reason = learnt(emulator) {
        stage.refuse("weights: \(weighing.name) is of \(emulator.name), \(reason)", at: .parameter("weights"))
      }
    }
  }

  /// Whether two stages draw frames by the same arc.
  static func haveOneArc(_ first: PlannedStage, _ second: PlannedStage) -> Bool {
    func same(_ name: String) -> Bool { (first.values[name] ?? .null) == (second.values[name] ?? .null) }
    let hasNone = [first, second].allSatisfy { ($0.values["arc_share"] ?? .null) == .null }
    return hasNone || ["arc_share", "arc_torsion", "arc_from", "arc_to"].allSatisfy(same)
  }
}
