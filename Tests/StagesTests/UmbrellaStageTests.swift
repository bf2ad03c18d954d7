import Artifacts
import Basics
import Foundation
import FreeEnergies
import Molecules
import OpenMM
import Records
import Testing
import Workflow

@testable import ForceFields
@testable import Stages

/// The umbrella stage on alanine dipeptide, cut so short that its numbers mean little: what is tested is the way to them.
@Suite(.serialized) struct UmbrellaStageTests {
  let alanine: AlanineStages
  let output = Recorded.umbrella

  init() throws { alanine = try AlanineStages() }

  /// phi alone, a third of a nanosecond in all.
  static let short: [String: ParameterValue] = [
    "coordinates": .list([.string("phi")]), "windows": .list([.integer(36)]), "force_constant": .list([.number(200)]),
    "equilibration": .number(1), "production": .number(4), "sample_interval": .number(0.05), "bootstrap": .integer(10),
  ]

  @Test func writesTheFixedNamesAndItsDoubts() throws {
    let context = try alanine.context(UmbrellaStage.self, "short", Self.short, threads: 2)
    try UmbrellaStage.run(context)
    let artifact = try alanine.commit(context, UmbrellaStage.self)
    let deltaF = try artifact.read(output.freeEnergy.deltaF)
    #expect(deltaF.isFinite && deltaF > 0)
    #expect(try artifact.read(output.freeEnergy.standardError) > 0)
    #expect(try artifact.shape(output.overlap) == [36, 36])
    #expect(try artifact.shape(output.torsions) == [2, 36, 40, 4])
    #expect(try artifact.read(output.torsionNames) == ["phi", "omega1", "psi2", "omega2"])
    #expect(try artifact.shape(output.endCoordinates) == [2, 36, 22, 3])
    #expect(try artifact.shape(output.profile.angles["phi"]) == [60])
    #expect(try artifact.read(output.forceProvider).hasPrefix("built-in"))
    // the kernel sums in another order than OpenMM: never equal, never far
    let deviation = try artifact.read(output.forceDeviation)
    #expect(deviation > 0 && deviation < 1e-8, "\(deviation)")
    let profile = try artifact.read(output.profile.freeEnergy).values
    #expect(profile.min() == 0)
    // two barriers stand far above the noise of so short a run
    #expect((profile.max() ?? 0) > 6)
    // a few ps are not many correlation times of psi, and the stage must say so
    #expect(context.warnings.contains { $0.contains("correlation times") })
    let torsions = try artifact.read(output.torsions).values
    let last = try artifact.read(output.endCoordinates).values
    let recomputed = torsionAngles(last, atoms: 22, torsions: [[4, 6, 8, 14]])
    // the last record of a window is of its last frame
    for visit in 0..<72 { #expect(abs(recomputed[visit] - torsions[(visit * 40 + 39) * 4]) < 1e-9) }
  }

  @Test(arguments: [false, true]) func interruptedAndResumedIsBitIdentical(exchange: Bool) throws {
    var values = Self.short
    values["exchange"] = .bool(exchange)
    values["production"] = .number(1)
    values["equilibration"] = .number(0.3)
    values["force_constant"] = .list([.number(400)])
    values["sample_interval"] = .number(0.02)
    values["exchange_interval"] = .number(0.1)
    if exchange { values["hydrogen_mass"] = .number(3) }
    let name = exchange ? "exchange" : "ribs"
    let whole = try alanine.context(UmbrellaStage.self, "\(name)-whole", values)
    try UmbrellaStage.run(whole)
    let expected = try alanine.commit(whole, UmbrellaStage.self)

    let (resumed, interruptions) = try alanine.inParts(UmbrellaStage.self, "\(name)-parts", values) { 9 + 7 * $0 % 13 }
    #expect(interruptions > 2)
    #expect(resumed.provenance.contentDigest == expected.provenance.contentDigest)
    if exchange {
      #expect(
        try expected.read(output.exchangeAcceptance).values.allSatisfy { $0 > 0.02 && $0 < 1 })
    }
  }

  /// Rounds: the high windows get no more than a first pass, the budget is kept, what is not reached is said; stopped
  /// again and again, in every
  /// round, the run ends with the same bits.
  @Test func roundsStopAtTheBudgetAndResumeBitIdentically() throws {
    var values = Self.short
    values["production"] = .number(12)
    values["equilibration"] = .number(0.3)
    values["force_constant"] = .list([.number(150)])
    values["sample_interval"] = .number(0.02)
    values["ceiling"] = .number(9)
    values["target_error"] = .number(0.02)
    let whole = try alanine.context(UmbrellaStage.self, "rounds-whole", values, threads: 2)
    try UmbrellaStage.run(whole)
    #expect(
      whole.warnings.contains {
        $0.hasPrefix("The standard error of dF is ") && $0.contains(" where 0.020 kT were asked for")
      },
      "\(whole.warnings)")
    let expected = try alanine.commit(whole, UmbrellaStage.self)
    #expect(!expected.has(output.torsions))
    let lengths = try expected.read(output.lengths).values
    let rounds = try expected.read(output.rounds)
    #expect(rounds >= 3 && lengths.count == 36)
    #expect(lengths.reduce(0, +) <= 36 * 300 && lengths.reduce(0, +) > 36 * 300 - 36)
    let left = try expected.read(output.windowsNotSampled)
    #expect(left > 0 && lengths.filter { $0 == 15 }.count == left, "\(left) of \(lengths)")
    let found = try expected.read(output.windowFreeEnergy).values
    for window in 0..<36 where lengths[window] == 15 { #expect(found[window].isNaN) }
    #expect(try expected.shape(output.samples) == [2 * lengths.reduce(0, +), 4])
    #expect(try expected.read(output.windowVariance).values.allSatisfy { $0 >= 0 })
    // a window's last sample is of its last frame
    let (torsions, last) = (
      try expected.read(output.samples).values, try expected.read(output.endCoordinates).values
    )
    let recomputed = torsionAngles(last, atoms: 22, torsions: [[4, 6, 8, 14]])
    var end = 0
    for visit in 0..<72 {
      end += lengths[visit % 36]
      #expect(abs(recomputed[visit] - torsions[(end - 1) * 4]) < 1e-9)
    }

    var seen: Set<Int> = []
    let (resumed, interruptions) = try alanine.inParts(UmbrellaStage.self, "rounds-parts", values) {
      12 + 5 * $0 % 11
    } saved: { part in
      if let saved = try part.newestCheckpoint() { seen.insert(try UmbrellaState(saved).rounds) }
    }
    #expect(interruptions > 2 && seen.count > 1, "\(seen)")
    #expect(resumed.provenance.contentDigest == expected.provenance.contentDigest)
  }

  /// An error that is reached ends the sampling long before the budget does; with exchange there are no rounds.
  @Test func roundsStopAtTheErrorAskedFor() throws {
    var values = Self.short
    values["force_constant"] = .list([.number(150)])
    values["sample_interval"] = .number(0.02)
    values["production"] = .number(8)
    values["target_error"] = .number(2)
    let context = try alanine.context(UmbrellaStage.self, "easy", values, threads: 2)
    try UmbrellaStage.run(context)
    let artifact = try alanine.commit(context, UmbrellaStage.self)
    #expect(try artifact.read(output.freeEnergy.standardError) <= 2)
    #expect(try artifact.read(output.lengths).values.reduce(0, +) < 36 * 200 / 2)
    #expect(try artifact.read(output.windowsNotSampled) == 0)
    #expect(!context.warnings.contains { $0.contains("asked for") })
    // what a comparison takes: weights that count windows by their lengths give the same difference
    let kT = PhysicalConstants.thermalEnergy(temperature: 300)
    let samples = try UmbrellaSamples(
      records: artifact.read(output.samples), centers: artifact.read(output.centers),
      forceConstants: artifact.read(output.forceConstants).values.map { $0 / kT },
      freeEnergies: artifact.read(output.windowFreeEnergy).values, lengths: artifact.read(output.lengths).values,
      maximumSamples: 1_000_000)
    let inside = zip(samples.angles(0), samples.weights).reduce(0) { $0 + (TorsionState().contains($1.0) ? $1.1 : 0) }
    #expect(abs(-log(inside / (1 - inside)) - (try artifact.read(output.freeEnergy.deltaF))) < 1e-6)
    let windows = try WindowFile.umbrella(artifact.url, names: ["phi"], temperature: 300, first: 0, stride: 1)
    #expect(windows.count == 72)
    #expect(windows.map(\.values.count).reduce(0, +) == samples.weights.count)
    values["exchange"] = .bool(true)
    let both = try alanine.context(UmbrellaStage.self, "both", values)
    defer { both.output.discard() }
    #expect(throws: UmbrellaError.exchangeInRounds) { try UmbrellaStage.run(both) }
  }

  /// Windows far apart leave gaps: an error, no number, and the sampling kept for whoever changes his mind.
  @Test func gapsAreAnError() throws {
    var values = Self.short
    values["windows"] = .list([.integer(8)])
    values["force_constant"] = .list([.number(2000)])
    let context = try alanine.context(UmbrellaStage.self, "gap", values)
    #expect {
      try UmbrellaStage.run(context)
    } throws: { error in
      guard case FreeEnergiesError.coverageGap = error else { return false }
      return true
    }
    #expect(try context.checkpoints.latest() != nil)
  }

  @Test func setupsThatCannotBeAreErrors() throws {
    func run(_ change: [String: ParameterValue], system: SystemFiles? = nil) throws {
      let context = try alanine.context(
        UmbrellaStage.self, "impossible", Self.short.merging(change) { $1 }, system: system)
      defer { context.output.discard() }
      try UmbrellaStage.run(context)
    }
    #expect(throws: UmbrellaError.listLength(parameter: "windows", count: 2, coordinates: ["phi"])) {
      try run(["windows": .list([.integer(36), .integer(24)])])
    }
    #expect(throws: UmbrellaError.stateTorsion(name: "phi", coordinates: ["psi"], isShort: true)) {
      try run(["coordinates": .list([.string("psi")])])
    }
    #expect(throws: MolecularSystemError.noDynamics(purpose: "umbrella sampling")) {
      try run([:], system: SystemFiles(topology: alanine.system.topology))
    }
    #expect(throws: MoleculesError.self) {
      try run(["coordinates": ["phi", "chi9"], "windows": [24, 24], "force_constant": [.number(100), .number(100)]])
    }
    #expect(throws: MolecularSystemError.self) {
      var named = alanine.system
      named.state = StateDefinition(torsion: "chi9").parameterValue
      try run(["coordinates": .list([.string("chi9")])], system: named)
    }
    #expect(throws: MolecularSystemError.torsionAtoms(name: "phi", atoms: [4, 6, 8, 99], atomCount: 22)) {
      var named = alanine.system
      named.torsions = ["phi": [4, 6, 8, 99]]
      try run([:], system: named)
    }
    let text = try String(contentsOf: AlanineStages.dataset.appendingPathComponent("system.xml"), encoding: .utf8)
    #expect(throws: OpenMMError.self) {
      let broken = alanine.folder.appendingPathComponent("broken.xml")
      try String(text.prefix(5000)).write(to: broken, atomically: true, encoding: .utf8)
      try run([:], system: SystemFiles(topology: alanine.system.topology, forcefield: broken))
    }
    let bare = alanine.folder.appendingPathComponent("bare.xml")
    try """
    <System type="System" version="1" openmmVersion="8.6.1"><PeriodicBoxVectors><A x="2" y="0" z="0"/><B x="0" y="2" z="0"/>
    <C x="0" y="0" z="2"/></PeriodicBoxVectors><Particles><Particle mass="1"/></Particles><Constraints/><Forces/></System>
    """.write(to: bare, atomically: true, encoding: .utf8)
    #expect(throws: MolecularSystemError.forceFieldAtoms(file: "bare.xml", found: 1, expected: 22)) {
      try run([:], system: SystemFiles(topology: alanine.system.topology, forcefield: bare))
    }
  }

  private static func dipeptide(_ name: String) -> URL {
    AlanineStages.dataset.deletingLastPathComponent().appendingPathComponent("dipeptides/\(name)")
  }

  /// A phenyl ring that has turned over is where it was: no slow motion to warn of.
  @Test func equalPlacesCountAsOne() throws {
    let dataset = Self.dipeptide("NF")
    var values = Self.short
    values["production"] = .number(0.2)
    values["sample_interval"] = .number(0.1)
    let files = SystemFiles(
      topology: dataset.appendingPathComponent("topology.pdb"), forcefield: dataset.appendingPathComponent("system.xml")
    )
    let context = try alanine.context(UmbrellaStage.self, "ring", values, system: files)
    defer { context.output.discard() }
    let setup = try UmbrellaSetup(context, context.parameters(UmbrellaStage.Parameters.self))
    #expect(setup.torsionNames == ["phi", "psi1", "omega1", "chi1-1", "chi2-1", "chi1-2", "chi2-2"])
    #expect(setup.folds == [1, 1, 1, 1, 1, 1, 2])
    let sampler = try setup.sampler()
    #expect(sampler.forceProvider.hasPrefix("built-in"))
    // the analysis sees the ring's torsion doubled, all others as they were
    var state = sampler.state
    state.records = state.records.indices.map { Double($0 % 7) }
    try sampler.resume(state)
    let data = try setup.data(sampler)
    #expect(Array(data.walks[1].others.values.prefix(6)) == [1, 2, 3, 4, 5, 12])
    #expect(data.walks[1].series.values.allSatisfy { $0 == 0 })
  }

  /// chi1 of cysteine hardly turns in so short a time; with its threefold terms taken away it does, and with torsion moves too.
  @Test func loweredBarriersLetSideChainsTurn() throws {
    let dataset = Self.dipeptide("AC")
    var values = Self.short
    values["production"] = .number(12)
    values["hydrogen_mass"] = .number(3)
    values["timestep"] = .number(0.002)
    let files = SystemFiles(
      topology: dataset.appendingPathComponent("topology.pdb"), forcefield: dataset.appendingPathComponent("system.xml")
    )
    func run(_ name: String, share: Double? = nil, moves: Bool? = nil) throws -> Artifact {
      values["barrier_lowering"] = share.map { .number($0) }
      values["rotamer_moves"] = moves.map { .bool($0) }
      let context = try alanine.context(UmbrellaStage.self, name, values, system: files, threads: 2)
      try UmbrellaStage.run(context)
      return try alanine.commit(context, UmbrellaStage.self)
    }
    let (plain, lowered) = (try run("plain"), try run("lowered", share: 1))
    let moved = try run("moved", moves: true)
    /// Ways from within 30 degrees of one staggered place to within 30 degrees of another, in all walks and windows.
    func turns(_ artifact: Artifact) throws -> Int {
      let names = try artifact.read(output.torsionNames)
      let chi = try #require(names.firstIndex(of: "chi1-2"))
      let torsions = try artifact.read(output.torsions)
      let samples = torsions.shape[2]
      var (count, place) = (0, -1)
      for row in 0..<torsions.values.count / names.count {
        if row % samples == 0 { place = -1 }
        let turn = (torsions.values[row * names.count + chi] / (2 * .pi / 3)) - 0.5  // whole at 60, 180 and 300 degrees
        guard abs(turn - turn.rounded()) < 0.25 else { continue }
        let now = (Int(turn.rounded()) + 3) % 3
        if place >= 0, now != place { count += 1 }
        place = now
      }
      return count
    }
    let counts = (plain: try turns(plain), lowered: try turns(lowered), moved: try turns(moved))
    #expect(counts.lowered > 5 * max(4, counts.plain), "\(counts)")
    #expect(counts.moved > 5 * max(4, counts.plain), "\(counts)")
    #expect(!plain.has(output.sharedBias) && !moved.has(output.sharedBias) && !plain.has(output.moves.acceptance))
    #expect(try moved.read(output.moves.names) == ["chi1-2", "chi2-2"])
    let acceptance = try moved.read(output.moves.acceptance).values
    #expect(acceptance.allSatisfy { $0 > 0.005 && $0 < 0.9 }, "\(acceptance)")

    // two energies for a move, and one tried after every sample and in the equilibration before
    func evaluations(_ artifact: Artifact) throws -> Double {
      Double(try artifact.read(output.energyEvaluations))
    }
    let tries = try plain.read(output.simulatedTime) / 0.05
    #expect(try abs((evaluations(moved) - evaluations(plain)) / (2 * tries) - 1) < 0.01)

    // the hydrogen of SG turns by itself
    #expect(try lowered.read(output.loweredTorsions) == ["chi1-2"])
    let depth = try lowered.read(output.loweredBy).values[0]
    #expect(abs(depth - 13.3126) < 1e-3, "\(depth)")  // amber14's threefold terms about CA-CB
    #expect(try lowered.read(output.forceProvider).hasPrefix("built-in"))
    #expect(try lowered.read(output.forceDeviation) < 1e-8)
    let bias = try lowered.read(output.sharedBias)
    #expect(bias.shape == [2, 36, 120])
    let names = try lowered.read(output.torsionNames)
    let chi = try #require(names.firstIndex(of: "chi1-2"))
    let torsions = try lowered.read(output.torsions).values
    for row in bias.values.indices {
      #expect(abs(bias.values[row] + depth / 2 * (1 + cos(3 * torsions[row * names.count + chi]))) < 1e-9)
    }
    let fraction = try lowered.read(output.loweredEffectiveFraction)
    #expect(fraction > 0.1 && fraction < 0.9, "\(fraction)")
  }

  @Test func aMirroredFrameIsCaught() throws {
    let context = try alanine.context(UmbrellaStage.self, "mirror", Self.short)
    defer { context.output.discard() }
    let setup = try UmbrellaSetup(context, context.parameters(UmbrellaStage.Parameters.self))
    let frame = setup.molecule.topology.referenceCoordinates
    let visit = UmbrellaSampler.Visit(direction: 1, window: 3)
    #expect(throws: Never.self) { try setup.checkChirality(frame, visit) }
    let mirrored = frame.enumerated().map { $0 % 3 == 0 ? -$1 : $1 }
    #expect {
      try setup.checkChirality(mirrored, visit)
    } throws: { "\($0)".contains("CA") && "\($0)".contains("phi = ") && "\($0)".contains("down") }
  }
}
