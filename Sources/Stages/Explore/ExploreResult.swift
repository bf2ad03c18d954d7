import Artifacts
import Basics
import ForceFields
import FreeEnergies
import Molecules
import Records
import Workflow

/// What an exploration found: regions that the emulator misses, and how far it could see.
struct ExploreResult {
  enum Verdict: String {
    case missing
    case none = "none found"
    case untold = "cannot tell"
  }

  let setup: ExploreSetup
  let walks: ReplicaExchange
  let found: MissingRegions
  let reach: ExplorationReach
  let settledFrom: Int  // Rounds
  let deviation: Double
  /// kT that dF moves by, and what states the region's frames are in, [regions].
  let shifts: [Double]
  private let shares: [[Double]]
  /// Frames of the lowest temperature, nm, [sets * rounds, atoms, 3], centre of mass at the origin.
  private let frames: [Float]
  private let members: [[Int]]  // Frames in each region

  private var rungs: Int { setup.temperatures.count }
  private var sets: Int { setup.parameters.sets }
  private var output: ExploreRecord { ExploreStage.output }

  /// Throws `OpenMMError`, `ReplicaExchangeError.forces`, `FreeEnergiesError`.
  init(_ setup: ExploreSetup, _ walks: ReplicaExchange) throws {
    (self.setup, self.walks) = (setup, walks)
    let (state, rungs, sets) = (walks.state, setup.temperatures.count, setup.parameters.sets)
    let (slots, width) = (walks.slots, setup.torsions.count)
    let from = Int((setup.parameters.settling * Double(walks.rounds)).rounded(.up))
    settledFrom = from
    let rows = from * slots..<state.occupants.count
    let records = ExploringRecords(
      columns: (0..<width).map { k in rows.map { state.torsions[$0 * width + k] } },
      walk: rows.map { state.occupants[$0] }, set: rows.map { $0 % slots / rungs }, isCold: rows.map { $0 % rungs == 0 }
    )
    var options = MissingRegions.Options()
    (options.boxes, options.expected) = (setup.parameters.boxes, setup.parameters.leastExpected)
    options.share = setup.parameters.missingBelow
    let samples = setup.samples
    let found = try MissingRegions(
      samples: ExploredSamples(columns: samples.columns, logWeights: samples.logWeights), records: records,
      folds: setup.torsions.map(\.fold), options: options)
    self.found = found
    reach = ExplorationReach(
      arrivals: state.arrivals(rungs: rungs, from: from), sets: sets, samples: samples.logWeights.count)
    deviation = try walks.checkForces()
    frames = Self.bySets(state.coldFrames, sets: sets, masses: setup.molecule.topology.masses)
    let members = found.regions.map { region in
      region.rows.map { $0 % slots / rungs * walks.rounds + from + $0 / slots }
    }
    self.members = members

    let places = setup.states.assignment(of: frames.map(Double.init))
    let populations = samples.states.shares(normalisedWeights(logWeights: samples.logWeights))
    let perRegion = members.map { places.rows($0).shares($0.map { _ in 1 }) }
    shares = perRegion
    shifts = zip(found.regions, perRegion).map { region, own in
      MissingRegions.shift(
        of: samples.states.first, populations: populations, region: own, weight: region.visited.lower)
    }
  }

  /// Frames [rounds, sets, atoms, 3] set by set, the centre of mass of each at the origin.
  private static func bySets(_ frames: [Float], sets: Int, masses: [Double]) -> [Float] {
    let total = masses.reduce(0, +)
    let width = 3 * masses.count
    var result: [Float] = []
    result.reserveCapacity(frames.count)
    for set in 0..<sets {
      for start in stride(from: set * width, to: frames.count, by: sets * width) {
        var mean = [0.0, 0.0, 0.0]
        for index in 0..<width { mean[index % 3] += masses[index / 3] / total * Double(frames[start + index]) }
        for index in 0..<width { result.append(Float(Double(frames[start + index]) - mean[index % 3])) }
      }
    }
    return result
  }

  var verdict: Verdict { found.missing.isEmpty ? (reach.tells ? .none : .untold) : .missing }

  /// "phi from 0.26 to 1.57 rad, in state 'left'".
  func name(_ index: Int) -> String {
    let region = found.regions[index]
    let ranges = zip(region.torsions, region.arcs).map { torsion, arc in
      "\(setup.torsions[torsion].name) from \(NumberText.fixed(arc.from, 2)) to \(NumberText.fixed(arc.to, 2))"
    }
    let state = shares[index].firstIndex { $0 > 0.5 }
    return ranges.joined(separator: " and ") + " rad" + (state.map { ", in \(setup.states.called($0))" } ?? "")
  }
}

// MARK: words

extension ExploreResult {
  private static func percent(_ share: Double) -> String { NumberText.significant(100 * share, 2) + " %" }

  var warnings: [Remark] {
    var result = found.regions.indices.filter { found.regions[$0].isMissing }.map(alarm)
    if !reach.tells { result.append(Remark(limitation)) }
    let pieces = walks.rounds * sets
    for (temperature, count) in zip(setup.temperatures, walks.state.rejections) where count > 0 {
      result.append(
        Remark(
          "\(count) of \(pieces) pieces of walks at \(NumberText.significant(temperature, 3)) K ended in a frame that is not the molecule's (a "
            + "turned stereocentre) and were taken back", .note)
      )
    }
    let worst = zip(walks.state.acceptances, walks.state.attempts).map { Double($0) / Double(max(1, $1)) }.min() ?? 1
    if worst < 0.1 {
      result.append(
        Remark(
          "neighbouring temperatures exchange in \(Self.percent(worst)) of the tries where that is least: give more rungs, or a lower hottest"
        ))
    }
    return result
  }

  /// Why it says little that nothing was found, or nothing else.
  private var limitation: String {
    let little = "that nothing \(found.missing.isEmpty ? "" : "else ")was found says little"
    switch reach.limit {
    case .arrivals:
      return
        "walks came down from the hottest temperature \(reach.arrivals) times (\(reach.fewestArrivals) are the least): \(little); "
        + "give a larger length, or more rungs where neighbours exchange too seldom"
    case .samples:
      return
        "of \(setup.samples.logWeights.count) samples a region of less than \(Self.percent(reach.smallestWeight)) of the weight may be missing by "
        + "chance, and \(little); draw more samples"
    }
  }

  private func alarm(_ index: Int) -> Remark {
    let region = found.regions[index]
    let count = setup.samples.logWeights.count
    let there =
      region.drawn == 0 ? "none of \(count) samples lies there" : "\(region.drawn) of \(count) samples lie there"
    let due = NumberText.fixed(region.isDrawn ? region.expectedAtLeast : Double(count) * region.visited.lower, 0)
    let missed =
      region.isDrawn
      ? "\(there), with \(Self.percent(region.weight)) of the weight, worth \(NumberText.fixed(region.effective, 1)) where \(due) effective ones are due at least"
      : "\(there), where \(due) are due at least"
    let shift = shifts[index]
    return Remark(
      "the emulator of '\(setup.samples.name)' misses \(name(index)): at least \(Self.percent(region.visited.lower)) of the Boltzmann weight by "
        + "dynamics (\(Self.percent(region.visited.share)) of the frames at \(NumberText.significant(setup.temperatures[0], 4)) K, in \(region.sets) of "
        + "\(sets) sets of walks), and \(missed)" + Self.effect(shift), .grave,
      cure:
        "train the emulator with frames of that region too: this stage's own are such (results/frame_region), as its artifact is a trajectory"
    )
  }

  private static func effect(_ shift: Double) -> String {
    if !shift.isFinite { return ". Without it dF has no value: one of its states has no weight at all" }
    return abs(shift) > 0.005 ? ". dF moves by \(NumberText.fixed(shift, 2)) kT or more with it" : ""
  }

  /// One line for whoever watches.
  var summary: String {
    let told =
      switch verdict {
      case .missing: "\(found.missing.count == 1 ? "a region is" : "\(found.missing.count) regions are") missing"
      case .none: "no missing region found"
      case .untold: "no missing region found, but that says little"
      }
    return
      "\(told); \(reach.arrivals) walks came down the ladder; a region of \(Self.percent(reach.smallestWeight)) would have been found if no "
      + "barrier kept the hottest walks from it"
  }
}

// MARK: output

extension ExploreResult {
  func write(to writer: ArtifactWriter) throws {
    let (state, topology) = (walks.state, setup.molecule.topology)
    let count = walks.rounds * sets
    try MDTrajConvention.begin(writer, topologyJSON: topology.mdtrajJSON)
    try writer.write(output.trajectory.coordinates, frames, shape: [count, topology.atoms.count, 3])
    try writer.write(output.trajectory.origin, "centre of mass")
    let named = try setup.molecule.namedTorsions()
    for (name, angles) in named.angles(frames.map(Double.init), atoms: topology.atoms.count) {
      try writer.write(output.trajectory.torsions.angles[name], angles)
    }
    try writer.write(output.temperatures, setup.temperatures)
    let shape = [walks.rounds, sets, rungs]
    try writer.write(output.torsions, state.torsions.map { Float($0) }, shape: shape + [setup.torsions.count])
    try writer.write(output.energies, state.energies, shape: shape)
    try writer.write(output.walks, state.occupants, shape: shape)
    try writer.write(
      (output.starts, setup.starts),
      (output.acceptance, zip(state.acceptances, state.attempts).map { Double($0) / Double(max(1, $1)) }),
      (output.torsionNames, setup.torsions.map(\.name)), (output.folds, setup.torsions.map(\.fold)),
      (output.verdict, verdict.rawValue), (output.missing, found.missing.count),
      (output.missingWeight, found.missing.map(\.visited.lower).max() ?? 0),
      (output.effectiveSamples, found.effectiveSamples), (output.arrivals, reach.arrivals),
      (output.smallestWeight, reach.smallestWeight), (output.settledFrom, settledFrom))
    if setup.holdsBonds { try writer.write(output.ensemble, Ensemble.rigid.summary) }
    try writer.write(output.forceProvider, walks.forceProvider)
    try writer.write(output.forceDeviation, deviation)
    if !found.regions.isEmpty { try writeRegions(to: writer) }
  }

  private func writeRegions(to writer: ArtifactWriter) throws {
    let (record, regions) = (output.regions, found.regions)
    var frameRegion = [Int](repeating: -1, count: walks.rounds * sets)
    for (index, frames) in members.enumerated().reversed() { for frame in frames { frameRegion[frame] = index } }
    try writer.write(output.frameRegion, frameRegion)
    let absent = [Double.nan, Double.nan]
    try writer.write(record.names, regions.indices.map(name))
    try writer.write(
      record.torsions, regions.flatMap { $0.torsions + ($0.torsions.count == 1 ? [-1] : []) },
      shape: [regions.count, 2])
    try writer.write(
      record.arcs,
      regions.flatMap { $0.arcs.flatMap { [$0.from, $0.to] } + ($0.arcs.count == 1 ? absent : []) },
      shape: [regions.count, 2, 2])
    try writer.write(
      record.bounds, regions.flatMap { [$0.visited.lower, $0.visited.upper] }, shape: [regions.count, 2])
    try writer.write(
      record.expected, regions.flatMap { [$0.expectedAtLeast, $0.expected] }, shape: [regions.count, 2])
    try writer.write(
      (record.isMissing, regions.map { $0.isMissing ? 1 : 0 }), (record.weight, regions.map(\.visited.share)),
      (record.visits, regions.map(\.visited.visits)), (record.sets, regions.map(\.sets)),
      (record.drawn, regions.map(\.drawn)), (record.samplesWeight, regions.map(\.weight)),
      (record.effective, regions.map(\.effective)), (record.shift, shifts))
  }
}

extension ReplicaExchangeState {
  private static let record = Recorded.exploreCheckpoint
  private static let numbers = [
    (record.positions, \ReplicaExchangeState.positions), (record.velocities, \.velocities),
    (record.torsions, \.torsions), (record.energies, \.energies),
  ]
  private static let counts = [
    (record.walkers, \ReplicaExchangeState.walkers), (record.occupants, \.occupants), (record.attempts, \.attempts),
    (record.acceptances, \.acceptances),
  ]

  func write(to writer: ArtifactWriter) throws {
    try writer.write((Self.record.round, round), (Self.record.steps, work.steps), (Self.record.coldFrames, coldFrames))
    for (field, list) in Self.numbers { try writer.write(field, self[keyPath: list]) }
    for (field, list) in Self.counts { try writer.write(field, self[keyPath: list]) }
    try writer.write(Self.record.rejections, rejections)
    try writer.write(Self.record.turnsTried, work.movesTried)
    try writer.write(Self.record.turnsTaken, work.movesTaken)
  }

  /// Throws `ArtifactError`.
  init(_ artifact: Artifact) throws {
    self.init()
    round = try artifact.read(Self.record.round)
    coldFrames = try artifact.read(Self.record.coldFrames).values
    for (field, list) in Self.numbers { self[keyPath: list] = try artifact.read(field).values }
    for (field, list) in Self.counts { self[keyPath: list] = try artifact.read(field).values }
    // checkpoints of before pieces were taken back have none
    rejections =
      try artifact.readIfThere(Self.record.rejections)?.values ?? [Int](repeating: 0, count: attempts.count + 1)
    work = try artifact.work(Self.record.steps, Self.record.turnsTried, Self.record.turnsTaken)
  }
}
