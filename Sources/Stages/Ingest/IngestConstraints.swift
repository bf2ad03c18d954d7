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
    /// Every held bond stays at its mean length, and is no coordinate of what follows.
    case rigid
    /// Frames stay as they are.
    case keep
  }

  /// Bonds that keep their lengths, the same in all sources.
  private(set) var rigid: RigidBonds?
  /// Nil where no bond was held, and where frames stay as they are.
  private(set) var ensemble: Ensemble?
  private var released: [ReleasedBonds?] = []  // By source
  private var engine: (any EnergyEngine)?  // Whose forces the lengths are drawn under
  private let topology: Topology
  private let seed: UInt64

  /// Looks at frames spread over each source. Without a `treatment` the force field tells it. Throws `IngestError.heldBonds` where bonds are
  /// held and nothing tells what is to become of them, and `AdvisedError` where they cannot be released.
  init(
    _ context: StageContext, _ treatment: Treatment?, _ sources: [IngestSource], _ preparation: FramePreparation,
    _ system: MolecularSystem
  ) throws {
    (seed, topology) = (context.seed, system.topology)
    var found = try sources.map { try Self.held(in: $0, preparation, topology) }
    guard let first = found.firstIndex(where: { !$0.isEmpty }) else {
      released = sources.map { _ in nil }
      return
    }
    // a source of too few frames to tell is like the others; with `rigid` each of its frames is held against their lengths
    for index in found.indices where sources[index].frames.count < HeldCoordinates.fewestFrames {
      found[index] = found[first]
    }
    let treatment = try treatment ?? Self.toldByForceField(found[first], sources[first], system, context)
    switch treatment {
    case .keep: released = sources.map { _ in nil }
    case .flexible: ensemble = .flexible
    case .rigid: ensemble = .rigid
    }
    if treatment == .rigid {
      rigid = try Self.rigid(found, sources, topology)
      released = sources.map { _ in nil }
    }
    for (source, held) in zip(sources, found) {
      let file = source.reader.url.lastPathComponent
      let summary = held.summary(in: topology)
      guard !held.isEmpty else {
        if treatment == .flexible { released.append(nil) }
        continue
      }
      switch treatment {
      case .keep:
        context.warn(
          Remark(
            "\(file): \(summary) were held at one length and stay so: an emulator of these frames has no part of a flexible force field's "
              + "distribution, and weights by one cannot mend that", .grave,
            cure: "write constraints: flexible, or rigid for the free energies of the constrained molecule",
            subject: .heldBonds))
      case .rigid:
        context.warn(
          "\(file): \(summary) were held at one length and keep it; free energies are \(Ensemble.rigid.owner)",
          .note)
      case .flexible:
        released.append(try release(held, file: file, summary: summary, system, context))
      }
    }
  }

  private mutating func release(
    _ held: HeldCoordinates, file: String, summary: String, _ system: MolecularSystem, _ context: StageContext
  ) throws -> ReleasedBonds {
    let terms = try withAdvice { try system.harmonicTerms() }
    guard !terms.isEmpty else { throw IngestError.noSprings(file: file, summary: summary) }
    if engine == nil {
      engine = try withAdvice { try system.engine(for: "constraints: flexible", threads: context.threads) }
    }
    let released = try ReleasedBonds(held, topology: topology, terms: terms, temperature: system.temperature)
    context.warn(
      "\(file): \(summary) were held at one length; each length is drawn anew from the law of its spring at "
        + "\(NumberText.significant(system.temperature)) K, and free energies are \(Ensemble.flexible.owner)",
      .note)
    return released
  }

  /// A System that holds the same bonds has no springs for them: they stay. A force field with springs for all of them releases them.
  private static func toldByForceField(
    _ held: HeldCoordinates, _ source: IngestSource, _ system: MolecularSystem, _ context: StageContext
  ) throws -> Treatment {
    let (file, summary) = (source.reader.url.lastPathComponent, held.summary(in: system.topology))
    guard context.forcefield != .null else {
      throw IngestError.heldBonds(file: file, summary: summary, spread: held.largestSpread)
    }
    let constrained = try withAdvice { try system.bondsHeldBySystem() }
    let springs = Set(
      try withAdvice { try system.harmonicTerms() }.filter { $0.atoms.count == 2 }
        .map { Topology.Bond($0.atoms[0], $0.atoms[1]) })
    let treatment: Treatment
    if constrained.isSubset(of: held.bonds), held.bonds.allSatisfy(constrained.contains) {
      treatment = .rigid
    } else if held.bonds.allSatisfy(springs.contains) {
      treatment = .flexible
    } else {
      throw IngestError.heldBondsUnclear(
        file: file, summary: summary, spread: held.largestSpread, forceField: context.forcefield.forcefieldName)
    }
    let reason = treatment == .rigid ? "holds these bonds by constraints too" : "has springs for these bonds"
    context.warn(
      "constraints: \(treatment.rawValue), because \(context.forcefield.forcefieldName) \(reason); write constraints: "
        + "\(treatment == .rigid ? "flexible, with a force field that has springs," : "rigid") for the other", .note)
    return treatment
  }

  /// The bonds of all sources at their mean lengths. Throws `IngestError.heldDifferently`, `.heldNotRigid`.
  private static func rigid(
    _ found: [HeldCoordinates], _ sources: [IngestSource], _ topology: Topology
  ) throws -> RigidBonds {
    func name(_ source: Int) -> String { sources[source].reader.url.lastPathComponent }
    func label(_ bond: Topology.Bond) -> String {
      "\(topology.label(of: bond.first)) - \(topology.label(of: bond.second))"
    }
    let first = found[0]
    let one = RigidBonds(bonds: first.bonds, lengths: first.lengths)
    for (source, held) in found.enumerated() {
      if let angle = held.angles.first {
        let atoms = angle.map { topology.label(of: $0) }.joined(separator: " - ")
        throw IngestError.heldNotRigid(file: name(source), name: atoms, isAngle: true)
      }
      if let bond = Set(held.bonds).symmetricDifference(first.bonds).min(by: { $0.first < $1.first }) {
        throw IngestError.heldDifferently(file: name(source), other: name(0), bond: label(bond))
      }
      for (bond, length) in zip(held.bonds, held.lengths) {
        guard let other = one.length(of: bond), abs(other - length) <= RigidBonds.tolerance else {
          throw IngestError.heldDifferently(file: name(source), other: name(0), bond: label(bond))
        }
      }
    }
    let coordinates = try InternalCoordinates(topology: topology)
    if let bond = first.bonds.first(where: { coordinates.coordinate(ofBond: $0) == nil }) {
      throw IngestError.heldNotRigid(file: name(0), name: label(bond), isAngle: false)
    }
    let lengths = first.bonds.indices.map { bond in
      found.reduce(0) { $0 + $1.lengths[bond] } / Double(found.count)
    }
    return RigidBonds(bonds: first.bonds, lengths: lengths)
  }

  private static func held(
    in source: IngestSource, _ preparation: FramePreparation, _ topology: Topology
  ) throws -> HeldCoordinates {
    try held(in: source.reader, source.frames, preparation, topology, framesLookedAt: 200)
  }

  /// Looks at so many frames, spread over those that are taken.
  static func held(
    in reader: any TrajectoryReader, _ frames: FrameSelection, _ preparation: FramePreparation, _ topology: Topology,
    framesLookedAt: Int
  ) throws -> HeldCoordinates {
    let step = max(1, frames.count / framesLookedAt)
    var coordinates: [Double] = []
    for position in stride(from: 0, to: frames.count, by: step) {
      let frame = try reader.frames(frames, position..<position + 1)
      coordinates += frame.prepared(by: preparation, file: reader.url.path).sound.coordinates
    }
    return HeldCoordinates(topology: topology, coordinates: coordinates)
  }

  /// Changes sound frames of a source in place. Each has a random stream of its own, so that any piece comes out the same. Throws
  /// `IngestError.heldLength` for one whose bonds are not as long as they are to stay.
  func apply(to frames: inout TrajectoryFrames, source: Int, file: String) throws {
    if let rigid {
      for (position, index) in frames.indices.enumerated() {
        guard let (bond, length) = rigid.violation(frames.coordinates, from: position * 3 * frames.atomCount) else {
          continue
        }
        throw IngestError.heldLength(
          file: file, frame: index, bond: "\(topology.label(of: bond.first)) - \(topology.label(of: bond.second))",
          length: length, expected: rigid.length(of: bond) ?? .nan)
      }
    }
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
