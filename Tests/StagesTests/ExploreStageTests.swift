import Artifacts
import Basics
import Dynamics
import ForceFields
import Foundation
import FreeEnergies
import Molecules
import Records
import TestSupport
import Testing
import Trajectories
import Workflow

@testable import Stages

/// Br-C-C-Br without hydrogens, whose torsion has three wells parted by 9 kT at 300 K, and whose law is known: lengths, angles and torsion
/// are independent of each other.
private enum Chain {
  static let kT = PhysicalConstants.thermalEnergy(temperature: 300)
  private static let (threefold, onefold, phase) = (11.0, 1.2, 2.0)

  /// kJ/mol, of an angle in rad.
  static func energy(_ t: Double) -> Double { threefold * (1 + cos(3 * t)) + onefold * (1 + cos(t - phase)) }

  /// Share of an arc, by quadrature; of the whole turn where `excluded` holds nothing.
  static func share(_ isIn: (Double) -> Bool) -> Double {
    var (inside, all) = (0.0, 0.0)
    for step in 0..<36_000 {
      let angle: Double = (Double(step) + 0.5) / 36_000 * 2 * Double.pi - Double.pi
      let weight: Double = exp(-energy(angle) / kT)
      all += weight
      if isIn(angle) { inside += weight }
    }
    return inside / all
  }

  static let gauche = TorsionState(from: 0, to: 2 * .pi / 3)

  static let xml = """
    <System type="System" version="1" openmmVersion="8.6.1">
    <PeriodicBoxVectors><A x="2" y="0" z="0"/><B x="0" y="2" z="0"/><C x="0" y="0" z="2"/></PeriodicBoxVectors>
    <Particles><Particle mass="79.904"/><Particle mass="12.011"/><Particle mass="12.011"/><Particle mass="79.904"/></Particles>
    <Constraints/><Forces>
    <Force forceGroup="0" name="HarmonicBondForce" type="HarmonicBondForce" usesPeriodic="0" version="2"><Bonds>
    <Bond d=".19" k="200000" p1="0" p2="1"/><Bond d=".15" k="200000" p1="1" p2="2"/><Bond d=".19" k="200000" p1="2" p2="3"/>
    </Bonds></Force>
    <Force forceGroup="0" name="HarmonicAngleForce" type="HarmonicAngleForce" usesPeriodic="0" version="2"><Angles>
    <Angle a="1.9" k="400" p1="0" p2="1" p3="2"/><Angle a="1.9" k="400" p1="1" p2="2" p3="3"/></Angles></Force>
    <Force forceGroup="0" name="PeriodicTorsionForce" type="PeriodicTorsionForce" usesPeriodic="0" version="2"><Torsions>
    <Torsion k="\(threefold)" p1="0" p2="1" p3="2" p4="3" periodicity="3" phase="0"/>
    <Torsion k="\(onefold)" p1="0" p2="1" p3="2" p4="3" periodicity="1" phase="\(phase)"/></Torsions></Force>
    <Force alpha="0" cutoff="1" dispersionCorrection="1" ewaldTolerance=".0005" exceptionsUsePeriodic="0" forceGroup="0"
    includeDirectSpace="1" ljAlpha="0" ljnx="0" ljny="0" ljnz="0" method="0" name="NonbondedForce" nx="0" ny="0" nz="0"
    recipForceGroup="-1" rfDielectric="78.3" switchingDistance="-1" type="NonbondedForce" useSwitchingFunction="0" version="4">
    <GlobalParameters/><ParticleOffsets/><ExceptionOffsets/><Particles><Particle eps="0" q="0" sig=".3"/>
    <Particle eps="0" q="0" sig=".3"/><Particle eps="0" q="0" sig=".3"/><Particle eps="0" q="0" sig=".3"/></Particles>
    <Exceptions/></Force>
    </Forces></System>
    """

  /// nm, [4, 3], of an independent draw whose torsion lies where `isIn` says.
  static func frame(_ random: inout RandomStream, where isIn: (Double) -> Bool) -> [Double] {
    var t = 0.0
    repeat { t = 2 * .pi * random.uniform() - .pi } while !isIn(t) || random.uniform() >= exp(-energy(t) / kT)
    let (stretch, bend) = ((kT / 200_000).squareRoot(), (kT / 400).squareRoot())
    let lengths = [0.19, 0.15, 0.19].map { $0 + stretch * random.normal() }
    let angles = [1.9, 1.9].map { $0 + bend * random.normal() }
    // the middle bond along x; the first atom in the plane z = 0
    let (first, last) = (lengths[0], lengths[2])
    return [
      first * cos(angles[0]), first * sin(angles[0]), 0, 0, 0, 0, lengths[1], 0, 0,
      lengths[1] - last * cos(angles[1]), last * sin(angles[1]) * cos(t), last * sin(angles[1]) * sin(t),
    ]
  }
}

/// Looking for what an emulator misses, with samples made by hand.
@Suite struct ExploreStageTests {
  let alanine: AlanineStages
  let output = Recorded.explore

  init() throws { alanine = try AlanineStages() }

  private func chain() throws -> SystemFiles {
    let field = alanine.folder.appendingPathComponent("chain.xml")
    try Chain.xml.write(to: field, atomically: true, encoding: .utf8)
    var files = SystemFiles(
      topology: Package.fixture("held/chain.pdb"), forcefield: field, torsions: ["t": [0, 1, 2, 3]])
    files.state = StateDefinition(torsion: "t", from: 0, to: 2 * .pi / 3).parameterValue
    return files
  }

  /// A reweighting of frames [frames][atoms * 3] by their weights.
  private func reweighting(_ name: String, _ frames: [[Double]], logWeights: [Double]? = nil) throws -> StageInput {
    let samples = try StageInput("\(name)-fresh", "sample", in: alanine.folder) {
      try $0.write(
        Recorded.sample.trajectory.coordinates, frames.flatMap { $0 },
        shape: [frames.count, (frames.first?.count ?? 0) / 3, 3])
    }
    return try StageInput(name, "reweight", in: alanine.folder, inputs: ["samples": [samples]]) {
      try $0.write(
        Recorded.reweight.logWeights, logWeights ?? frames.map { _ in -log(Double(frames.count)) })
    }
  }

  private static let short: [String: ParameterValue] = [
    "reweight": "weighted", "hottest": 1000, "rungs": 3, "length": 300, "exchange_interval": 1, "timestep": 0.004,
  ]

  private func drawn(_ count: Int, seed: UInt64, where isIn: (Double) -> Bool) -> [[Double]] {
    var random = RandomStream(seed: seed, "chain")
    return (0..<count).map { _ in Chain.frame(&random, where: isIn) }
  }

  /// A well that the samples lack is found, and the bounds of its weight hold what quadrature gives. So does dF.
  @Test func aWellThatTheSamplesLackIsFound() throws {
    let system = try chain()
    let lacking = try reweighting("lacking", drawn(4000, seed: 1) { !Chain.gauche.contains($0) })
    let context = try alanine.context(
      ExploreStage.self, "lacking-explored", Self.short, inputs: ["reweight": [lacking]], system: system, threads: 2)
    try ExploreStage.run(context)
    let artifact = try alanine.commit(context, ExploreStage.self)
    print("chain: \(context.warnings)")
    #expect(try artifact.read(output.verdict) == "missing" && artifact.read(output.missing) == 1)
    let arcs = try artifact.read(output.regions.arcs).values
    let region = TorsionState(from: arcs[0], to: arcs[1])
    #expect(Chain.gauche.contains(region.middle) && region.from > 0.2 && region.to < 1.9, "\(region)")
    let truth = Chain.share(region.contains)
    let bounds = try artifact.read(output.regions.bounds).values
    print("chain: \(region), law \(truth), found \(try artifact.read(output.regions.weight).values), \(bounds)")
    #expect(bounds[0] > truth / 10 && bounds[0] < truth && bounds[1] > truth && bounds[1] < 3 * truth)
    #expect(try artifact.read(output.missingWeight) == bounds[0])
    #expect(try artifact.read(output.regions.drawn).values[0] == 0)
    // the samples hold nothing of the state: any weight brings dF down from infinity
    #expect(try artifact.read(output.regions.shift).values[0] == -.infinity)
    let alarm = try #require(context.warnings.first { $0.contains("misses t from") })
    #expect(alarm.hasPrefix("the emulator of 'lacking-fresh' misses t from "))
    #expect(alarm.contains(" rad, in t in (0, 2.0944): at least "), "\(alarm)")
    #expect(alarm.contains("none of 4000 samples lies there, where "))

    // frames of it, for a training that lacks it no more
    let frames = try artifact.read(output.trajectory.coordinates, as: Double.self)
    let marks = try artifact.read(output.frameRegion).values
    #expect(frames.shape == [1200, 4, 3] && marks.count == 1200)
    let angles = torsionAngles(frames.values, atoms: 4, torsions: [[0, 1, 2, 3]])
    for (angle, mark) in zip(angles, marks) where mark == 0 {
      #expect(angle > region.from - 1e-3 && angle < region.to + 1e-3)
    }
    #expect(marks.contains(0))
    #expect(try artifact.shape(output.torsions) == [300, 4, 3, 1])
    let acceptance = try artifact.read(output.acceptance).values
    #expect(acceptance.allSatisfy { $0 > 0.2 && $0 < 1 })
    #expect(try artifact.read(output.arrivals) > 20)
    #expect(try artifact.read(output.forceProvider).hasPrefix("built-in"))
    #expect(try artifact.read(output.forceDeviation) < 1e-8)
    let reader = try TrajectoryFile.open(artifact.url)
    #expect(reader.atomCount == 4 && reader.frameCount == 1200)
    // set by set: the second set's first frame is the first one's record of its coldest walk
    let recorded = try artifact.read(output.torsions).values
    for frame in [0, 299, 300, 611] {
      #expect(abs(angles[frame] - Double(recorded[frame % 300 * 12 + frame / 300 * 3])) < 1e-4)
    }
  }

  /// The same dynamics from samples of all three wells finds nothing, with even weights and with a well drawn fifty times too often.
  @Test(arguments: [1, 50]) func soundSamplesRaiseNoAlarm(excess: Int) throws {
    let system = try chain()
    let (inside, outside) = (
      drawn(500 * min(excess, 4), seed: 2) { Chain.gauche.contains($0) },
      drawn(4000 / excess, seed: 3) { !Chain.gauche.contains($0) }
    )
    let share = Chain.share(Chain.gauche.contains)
    let logWeights =
      inside.map { _ in log(share / Double(inside.count)) }
      + outside.map { _ in log((1 - share) / Double(outside.count)) }
    let sound = try reweighting("sound\(excess)", inside + outside, logWeights: logWeights)
    let context = try alanine.context(
      ExploreStage.self, "sound\(excess)-explored", Self.short, inputs: ["reweight": [sound]], system: system,
      threads: 2)
    try ExploreStage.run(context)
    let artifact = try alanine.commit(context, ExploreStage.self)
    #expect(try artifact.read(output.verdict) == "none found" && artifact.read(output.missing) == 0)
    #expect(try artifact.read(output.missingWeight) == 0)
    #expect(context.warnings.isEmpty, "\(context.warnings)")
    #expect(try artifact.read(output.smallestWeight) < 0.2)
  }

  /// Stopped again and again, with one thread and with two: the same bits.
  @Test func interruptedAndResumedIsBitIdentical() throws {
    let system = try chain()
    let lacking = try reweighting("lacking", drawn(300, seed: 1) { !Chain.gauche.contains($0) })
    var values = Self.short
    values["length"] = 16
    let whole = try alanine.context(
      ExploreStage.self, "whole", values, inputs: ["reweight": [lacking]], system: system, threads: 3)
    try ExploreStage.run(whole)
    let expected = try alanine.commit(whole, ExploreStage.self)
    let (resumed, interruptions) = try alanine.inParts(
      ExploreStage.self, "parts", values, inputs: ["reweight": [lacking]], system: system
    ) { 2 + 5 * $0 % 3 }
    #expect(interruptions > 3)
    #expect(resumed.provenance.contentDigest == expected.provenance.contentDigest)
    #expect(try expected.read(output.verdict) == "cannot tell")
    #expect(whole.warnings.contains { $0.contains("that nothing was found says little") }, "\(whole.warnings)")
  }

  @Test func whatCannotBeIsSaidBefore() throws {
    let system = try chain()
    let lacking = try reweighting("lacking", drawn(50, seed: 1) { _ in true })
    func run(_ change: [String: ParameterValue], system other: SystemFiles? = nil, _ input: StageInput? = nil) throws {
      let context = try alanine.context(
        ExploreStage.self, "impossible", Self.short.merging(change) { $1 }, inputs: ["reweight": [input ?? lacking]],
        system: other ?? system)
      defer { context.output.discard() }
      try ExploreStage.run(context)
    }
    #expect(throws: ExploreError.hottest(310, temperature: 300)) { try run(["hottest": 310]) }
    #expect(throws: ExploreError.times(length: 8, settling: 0.2, interval: 1)) { try run(["length": 8]) }
    #expect(throws: MolecularSystemError.noDynamics(purpose: "dynamics from samples")) {
      try run([:], system: SystemFiles(topology: system.topology, torsions: ["t": [0, 1, 2, 3]], state: system.state))
    }
    #expect(throws: MolecularSystemError.otherMolecule(what: "samples of 'lacking-fresh'", found: 4, expected: 22)) {
      try run([:], system: alanine.system)
    }
    let samples = try #require(lacking.inputs["samples"])
    let short = try StageInput("short", "reweight", in: alanine.folder, inputs: ["samples": [samples]]) {
      try $0.write(Recorded.reweight.logWeights, [0.0])
    }
    #expect(throws: ExploreError.weights(count: 1, samples: 50)) { try run([:], short) }
  }

  /// Frames of alanine dipeptide's wider basin, as a simulation at 300 K has them: phi > 0 is missing, and turns of the torsions lead there
  /// within the walks' first ps, where dynamics would need tens of ns.
  @Test(.tags(.slow)) func alanineWithoutItsRareBasinIsCaught() throws {
    let reader = try TrajectoryFile.open(AlanineStages.dataset.appendingPathComponent("alanine-beta.nc"))
    let all = try reader.readFrames(0..<reader.frameCount)
    let frames = stride(from: 0, to: all.count, by: 66).map { Array(all[$0..<$0 + 66]) }
    let lacking = try reweighting("beta", frames)
    let context = try alanine.context(
      ExploreStage.self, "beta-explored", ["reweight": "beta", "length": 150], inputs: ["reweight": [lacking]],
      threads: 2)
    try ExploreStage.run(context)
    let artifact = try alanine.commit(context, ExploreStage.self)
    print("alanine: \(context.warnings)")
    #expect(try artifact.read(output.verdict) == "missing")
    let name = try artifact.read(output.regions.names)[0]
    #expect(name.hasPrefix("phi from ") && name.hasSuffix("in phi in (0, 2)"), "\(name)")
    // 2 % by umbrella sampling
    let bounds = try artifact.read(output.regions.bounds).values
    #expect(bounds[0] > 0.001 && bounds[0] < 0.021 && bounds[1] > 0.019, "\(bounds)")
    #expect(try artifact.read(output.moves.names) == ["phi", "psi"])
    #expect(try artifact.read(output.temperatures).values.count == 5)
  }

  /// Alanine dipeptide: omega, phi, psi and omega, and no methyl group; a torsion of the file keeps its name.
  @Test func torsionsAreThoseThatTurnBetweenDifferentPlaces() throws {
    func names(_ files: SystemFiles) throws -> [String] {
      let context = try alanine.context(ExploreStage.self, "names", ["reweight": "weighted"], system: files)
      defer { context.output.discard() }
      return try MolecularSystem(context).exploredTorsions().map(\.name)
    }
    #expect(try names(alanine.system) == ["omega1", "phi", "psi", "omega2"])
    var named = alanine.system
    named.torsions = ["bend": [4, 6, 8, 14], "across": [1, 4, 8, 14]]
    #expect(try names(named) == ["omega1", "bend", "psi2", "omega2", "across"])
  }
}
