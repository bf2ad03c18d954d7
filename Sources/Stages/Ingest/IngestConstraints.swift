import Basics
import ForceFields
import Molecules
import Trajectories
import Workflow

/// Bonds that the dynamics behind a trajectory held at one length, and what is made of them.
struct IngestConstraints {
  enum Treatment: String, CaseIterable, ParameterType {
    /// Every held bond gets the motion that its spring gives it.
    case flexible
    /// Frames stay as they are.
    case keep
  }

  private let released: [ReleasedBonds?]  // By source
  private let engine: (any EnergyEngine)?  // Whose forces the lengths are drawn under
  private let seed: UInt64
  private static let framesLookedAt = 200

  /// Looks at frames spread over each source. Throws `IngestError.heldBonds` where bonds are held and nothing is said about them, and
  /// `AdvisedError` where they cannot be released.
  init(
    _ context: StageContext, _ treatment: Treatment?, _ sources: [IngestSource], _ preparation: FramePreparation,
    _ system: MolecularSystem
  ) throws {
    seed = context.seed
    var engine: (any EnergyEngine)?
    released = try sources.map { source in
      let held = try Self.held(in: source, preparation, system.topology)
      guard !held.isEmpty else { return nil }
      let file = source.reader.url.lastPathComponent
      let summary = held.summary(in: system.topology)
      switch treatment {
      case nil: throw IngestError.heldBonds(file: file, summary: summary, spread: held.largestSpread)
      case .keep:
        context.warn(
          "\(file): \(summary) were held at one length and stay so: an emulator of these frames has no part of a flexible force field's "
            + "distribution, and weights by one cannot mend that")
        return nil
      case .flexible:
        let terms = try withAdvice { try system.harmonicTerms() }
        guard !terms.isEmpty else { throw IngestError.noSprings(file: file, summary: summary) }
        if engine == nil {
          engine = try withAdvice { try system.engine(for: "constraints: flexible", threads: context.threads) }
        }
        let released = try ReleasedBonds(
          held, topology: system.topology, terms: terms, temperature: system.temperature)
        context.warn(
          "\(file): \(summary) were held at one length; each length is drawn anew from the law of its spring at "
            + "\(NumberText.significant(system.temperature)) K, and free energies are those of the flexible molecule")
        return released
      }
    }
    self.engine = engine
  }

  private static func held(
    in source: IngestSource, _ preparation: FramePreparation, _ topology: Topology
  ) throws -> HeldCoordinates {
    let step = max(1, source.frames.count / framesLookedAt)
    var coordinates: [Double] = []
    for position in stride(from: 0, to: source.frames.count, by: step) {
      let frame = try source.reader.frames(source.frames, position..<position + 1)
      coordinates += frame.prepared(by: preparation, file: source.reader.url.path).sound.coordinates
    }
    return HeldCoordinates(topology: topology, coordinates: coordinates)
  }

  /// Changes sound frames of a source in place. Each has a random stream of its own, so that any piece comes out the same.
  func apply(to frames: inout TrajectoryFrames, source: Int) throws {
    guard let released = released[source] else { return }
    let width = 3 * frames.atomCount
    let forces = try engine?.energiesAndForces(frames.coordinates).forces
    for (position, index) in frames.indices.enumerated() {
      var random = RandomStream(seed: seed, "released bonds", "\(source)", "\(index)")
      var frame = Array(frames.coordinates[position * width..<(position + 1) * width])
      let own = forces.map { Array($0[position * width..<(position + 1) * width]) }
      released.apply(&frame, forces: own, &random)
      frames.coordinates.replaceSubrange(position * width..<(position + 1) * width, with: frame)
    }
  }
}
