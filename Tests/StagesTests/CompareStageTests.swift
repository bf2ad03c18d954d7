import Artifacts
import Basics
import Foundation
import FreeEnergies
import Records
import Testing
import Workflow

@testable import Stages

/// The compare stage on made-up artifacts whose distances are known.
@Suite struct CompareStageTests {
  let folder: URL
  let temperature = 2.5 / PhysicalConstants.gasConstant  // kT = 2.5 kJ/mol

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("compare-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  func artifact(
    _ name: String, _ type: String, inputs: [String: [StageInput]] = [:], _ fill: (ArtifactWriter) throws -> Void
  ) throws -> StageInput {
    let writer = try ArtifactWriter(url: folder.appendingPathComponent("\(name).h5"))
    try fill(writer)
    try writer.commit(
      provenance: Provenance(
        key: "k", canonical: "{}", stage: name, stageType: type, stageVersion: 1, seed: 1, start: Date(), end: Date(),
        wallSeconds: 10))
    return StageInput(name: name, type: type, artifact: try Artifact.open(writer.url, verify: true), inputs: inputs)
  }

  /// Points on a ring: phi in both states, psi with it.
  struct Points {
    var phi: [Double]
    var psi: [Double]
    var energies: [Double]
  }

  func points(_ count: Int, seed: UInt64, inside: Double) -> Points {
    var random = RandomStream(seed: seed, "points")
    var result = Points(phi: [], psi: [], energies: [])
    for k in 0..<count {
      let isInside = Double(k) < inside * Double(count)
      result.phi.append((isInside ? 1 : -1.5) + 0.2 * random.normal())
      result.psi.append(2.5 + 0.3 * random.normal())
      result.energies.append((isInside ? 10 : 0) + 5 * random.normal())
    }
    return result
  }

  func reweight(_ name: String, _ p: Points, logWeights: [Double]? = nil, deltaF: Double = 1) throws -> StageInput {
    try artifact(name, "reweight") { writer in
      let (count, record) = (p.phi.count, Recorded.reweight)
      try writer.write(record.logWeights, logWeights ?? [Double](repeating: -1, count: count))
      try writer.write(record.energies, p.energies)
      try writer.write(record.torsions.angles["phi"], p.phi)
      try writer.write(record.torsions.angles["psi"], p.psi)
      try writer.write(record.freeEnergy.deltaF, deltaF)
      try writer.write(record.freeEnergy.standardError, 0.03)
      try writer.write(record.energyEvaluations, count)
    }
  }

  func simulation(_ name: String, _ p: Points, runs: Int = 4) throws -> StageInput {
    try artifact(name, "simulate") { writer in
      let (count, record) = (p.phi.count, Recorded.simulate)
      try writer.write(record.energies, p.energies)
      try writer.write(record.trajectory.torsions.angles["phi"], p.phi)
      try writer.write(record.trajectory.torsions.angles["psi"], p.psi)
      try writer.write(record.run, (0..<count).map { Int32($0 % runs) }.sorted())
      try writer.write(record.trajectory.time, (0..<count).map { Float($0 % (count / runs) + 1) })
      try writer.write(record.energyEvaluations, 1000 * count)
      try writer.write(record.simulatedTime, Double(count))
    }
  }

  func run(
    _ inputs: [String: [StageInput]], torsions: [String] = ["phi", "psi"], system: SystemFiles = SystemFiles()
  ) throws -> (artifact: Artifact, warnings: [String]) {
    let values = try #require(
      CompareStage.resolvedParameters([
        "reweight": "a", "reference": "b", "points": 300, "torsions": .list(torsions.map { .string($0) }),
      ]))
    let context = StageContext(
      stage: "c", seed: 3, values: values, inputs: inputs,
      output: try ArtifactWriter(url: folder.appendingPathComponent("c.h5")),
      checkpoints: CheckpointStore(folder: folder, stage: "c", key: "k"), temperature: temperature,
      system: system)
    do {
      try CompareStage.run(context)
    } catch {
      context.output.discard()
      throw error
    }
    try context.output.commit(
      provenance: Provenance(
        key: "k", canonical: "{}", stage: "c", stageType: "compare", stageVersion: 1, seed: 1, start: Date(),
        end: Date(), wallSeconds: 0))
    return (try Artifact.open(context.output.url, verify: true), context.warnings)
  }

  /// Of named states the first pair is compared, and each other pair that both sides give.
  @Test func pairsOfNamedStates() throws {
    let p = points(4000, seed: 1, inside: 0.25)
    var system = SystemFiles()
    func entry(_ name: String, _ box: ParameterValue) -> ParameterValue { ["name": .string(name), "value": [box]] }
    system.states = [
      entry("left", ["phi": [0, 2]]), entry("right", ["phi": [-1.6, -1.3], "psi": [2, -2.5]]),
      entry("far", ["phi": [-3, -1.6]]),
    ]
    system.pairs = [["right", "left"], ["far", "left"]]
    let isRight = { (phi: Double, psi: Double) in phi > -1.6 && phi < -1.3 && (psi > 2 || psi < -2.5) }
    let right = zip(p.phi, p.psi).filter { isRight($0.0, $0.1) }.count
    let left = p.phi.filter { $0 > 0 && $0 < 2 }.count
    func withPairs(_ input: StageInput, _ name: String, _ type: String, _ values: [Double]) throws -> StageInput {
      try self.artifact(name, type) { writer in
        func copy(_ group: String) throws {
          for child in try input.artifact.list(group) where child != "provenance" {
            let path = group.isEmpty ? child : "\(group)/\(child)"
            if try input.artifact.isGroup(path) { try copy(path); continue }
            let values = try input.artifact.read(path, as: Double.self)
            try writer.write(path, values.values, shape: values.shape)
          }
        }
        try copy("")
        let pairs = Recorded.reweight.states.pairs
        try writer.write(pairs.from, ["right", "far"])
        try writer.write(pairs.to, ["left", "left"])
        try writer.write(pairs.deltaF, values)
        try writer.write(pairs.standardError, [0.03, 0.04])
      }
    }
    let ours = try withPairs(reweight("a", p, deltaF: 0.5), "a3", "reweight", [0.5, 1])
    let theirs = try withPairs(simulation("b", p), "b3", "simulate", [0.2, .nan])
    let (artifact, _) = try run(["reweight": [ours], "reference": [theirs]], system: system)
    let record = Recorded.compare
    let counted = -log(Double(right) / Double(left))
    #expect(abs(try artifact.read(record.difference.difference) - (0.5 - counted)) < 1e-9 && right > 500)
    let differences = try artifact.read(record.pairs.difference).values
    #expect(abs(differences[0] - 0.3) < 1e-12 && differences[1].isNaN)
    #expect(try artifact.read(record.pairs.from) == ["right", "far"])
    #expect(try abs(artifact.read(record.pairs.standardError).values[0] - 0.03 * 2.0.squareRoot()) < 1e-12)
    // exits are those of the first pair's first state
    #expect(try artifact.read(record.dynamicsTime).isFinite)
  }

  @Test func theSameFramesAreAtNoDistance() throws {
    let p = points(4000, seed: 1, inside: 0.25)
    let deltaF = log(3.0)
    let (artifact, warnings) = try run([
      "reweight": [reweight("a", p, deltaF: deltaF)], "reference": [simulation("b", p)],
    ])
    let record = Recorded.compare
    func number(_ field: Number<Double>) throws -> Double { try artifact.read(field) }
    #expect(try number(record.energyDistance) < 1e-3)
    #expect(abs(try number(record.difference.difference)) < 1e-12)
    // two draws of 300 points of the same set
    #expect(try number(record.torsionDistance) < 0.2)
    #expect(try artifact.read(record.evaluations) == 4000)
    #expect(try artifact.read(record.evaluationsReference) == 4_000_000)
    #expect(try number(record.saving) == 1000)
    #expect(try artifact.read(record.secondsReference) == 10)
    // the runs are in the order of the points, so that one run is in the state, and it never leaves it
    #expect(warnings.count == 1 && warnings[0].contains("changed its state 0 times"))
    #expect(try artifact.read(record.exits) == 0)
    // one exit in 1000 ps is the bound: T = 2 / (k p sigma^2)
    let expected = 2 / (0.001 * 0.25 * 0.03 * 0.03)
    #expect(abs(try number(record.dynamicsTime) / expected - 1) < 1e-6)
    #expect(abs(try number(record.dynamicsEvaluations) / (1000 * expected) - 1) < 1e-6)
    // 4 million steps took 10 s; the samples' side took 10 s as well
    let wall = try artifact.read(record.dynamicsSeconds)
    #expect(abs(wall / (1000 * expected * 10 / 4e6) - 1) < 1e-6)
    #expect(abs(try artifact.read(record.wallSpeedUp) / (wall / 10) - 1) < 1e-6)
    #expect(!artifact.has(record.audited.difference))

    let reweighted = try reweight("a2", p, deltaF: deltaF)
    let audit = try self.artifact("au", "audit", inputs: ["reweight": [reweighted]]) { writer in
      try writer.write(Recorded.audit.freeEnergy.deltaF, deltaF - 0.25)
      try writer.write(Recorded.audit.freeEnergy.standardError, 0.05)
    }
    let (audited, _) = try run([
      "reweight": [reweighted], "reference": [simulation("b2", p)], "audit": [audit],
    ])
    #expect(abs(try audited.read(record.audited.difference) + 0.25) < 1e-12)
    #expect(abs(try audited.read(record.audited.error) - 0.25) < 1e-12)
    #expect(try audited.read(record.audited.standardError) >= 0.05)
    let outside = try simulation("b4", points(400, seed: 2, inside: 0))
    let error = #expect(throws: CompareError.oneSided(stage: "b4", isInside: false)) {
      try run(["reweight": [reweight("a4", p)], "reference": [outside]])
    }
    #expect(error?.description == "the frames of 'b4' are all outside the state: they are no reference")
    #expect(throws: CompareError.otherAudit(audit: "au", of: "a2", wanted: "a3")) {
      try run(["reweight": [reweight("a3", p)], "reference": [simulation("b3", p)], "audit": [audit]])
    }
  }

  /// Windows of other programs are a reference too: their samples by their weights, against the same distribution drawn directly.
  @Test func windowsAreAReferenceByTheirWeights() throws {
    // three samples of four are in the state, and weigh as one of four
    let p = points(4000, seed: 6, inside: 0.75)
    let logWeights = (0..<4000).map { $0 < 3000 ? log(0.25 / 3000) : log(0.75 / 1000) }
    func windows(_ name: String, deltaF: Double?) throws -> StageInput {
      try self.artifact(name, "windows") { writer in
        let record = Recorded.windows
        try writer.write(record.coordinateNames, ["phi", "r", "psi"])
        try writer.write(record.torsions["phi"], p.phi)
        try writer.write(record.torsions["psi"], p.psi)
        try writer.write(record.logWeights, logWeights)
        try writer.write(record.window, (0..<4000).map { $0 / 400 })
        try writer.write(record.place, (0..<4000).map { $0 % 400 })
        guard let deltaF else { return }
        try writer.write(record.freeEnergy.deltaF, deltaF)
        try writer.write(record.freeEnergy.standardError, 0.04)
      }
    }
    let q = points(4000, seed: 7, inside: 0.25)
    let (artifact, warnings) = try run([
      "reweight": [reweight("a", q, deltaF: log(3) + 0.2)], "reference": [windows("w", deltaF: log(3))],
      "energies": [simulation("s", q)],
    ])
    let record = Recorded.compare
    #expect(warnings.isEmpty, "\(warnings)")
    #expect(try abs(artifact.read(record.difference.difference) - 0.2) < 1e-12)
    #expect(try abs(artifact.read(record.difference.standardError) - 0.05) < 1e-12)
    #expect(try artifact.read(record.torsionDistance) < 0.4 && artifact.read(record.energyDistance) < 0.3)
    #expect(try artifact.read(record.energyCoverage) > 0.95)
    #expect(throws: CompareError.noDifference(stage: "none")) {
      try run(["reweight": [reweight("b", q)], "reference": [windows("none", deltaF: nil)]])
    }
  }

  @Test func shiftsAreMeasuredAndWeightsObeyed() throws {
    let p = points(4000, seed: 1, inside: 0.25)
    var shifted = p
    shifted.energies = p.energies.map { $0 + 5 }
    shifted.psi = p.psi.map { $0 + 0.5 }
    let (moved, _) = try run(["reweight": [reweight("a", shifted)], "reference": [simulation("b", p)]])
    #expect(abs(try moved.read(Recorded.compare.energyDistance) - 2) < 1e-9)
    #expect(abs(try moved.read(Recorded.compare.torsionDistance) - 0.5) < 0.1)
    // a sample with too much of the state is put right by its weights
    let q = points(8000, seed: 2, inside: 0.75)
    let weights = (0..<8000).map { $0 < 6000 ? log(0.25 / 6000) : log(0.75 / 2000) }
    let (weighted, _) = try run([
      "reweight": [reweight("d", q, logWeights: weights)], "reference": [simulation("e", p)],
    ])
    let record = Recorded.compare
    #expect(try weighted.read(record.energyDistance) < 0.25 && weighted.read(record.energyUnweighted) > 2)
    #expect(try weighted.read(record.torsionDistance) < 0.4 && weighted.read(record.torsionUnweighted) > 1)
  }

  /// Umbrella windows over flat land, with the energies of frames whose populations are not the reference's.
  /// `shared`: they were drawn with psi held near 0 by an energy that all windows had. `leftOut`: further windows, far off, that the
  /// estimate left out.
  @Test(arguments: [false, true], [0, 6]) func anUmbrellaIsAReferenceByItsWeights(shared: Bool, leftOut: Int) throws {
    func sharedBias(_ psi: Double) -> Double { shared ? -1.5 * cos(psi) : 0 }  // kT
    var random = RandomStream(seed: 9, "umbrella")
    let (used, samples, force) = (24, 100, 20.0)
    let windows = used + leftOut
    let usedCenters = (0..<used).map { (window) -> Double in 2 * .pi * (Double(window) + 0.5) / Double(used) - .pi }
    let centers = usedCenters + [Double](repeating: 1, count: leftOut)
    var torsions: [Double] = []
    for _ in 0..<2 {
      for center in usedCenters {
        for _ in 0..<samples {
          let phi = (center + random.normal() / force.squareRoot()).remainder(dividingBy: 2 * .pi)
          var psi = 0.0
          repeat {
            psi = 2 * .pi * random.uniform() - .pi
          } while random.uniform() > exp(-1.5 - sharedBias(psi)) && shared
          torsions += [phi, psi]
        }
      }
      for _ in 0..<leftOut * samples { torsions += [1, 3] }
    }
    let share = 2 / (2 * Double.pi)
    let deltaF = -log(share / (1 - share))
    let umbrella = try artifact("u", "umbrella") { writer in
      let record = Recorded.umbrella
      try writer.write(record.torsions, torsions, shape: [2, windows, samples, 2])
      try writer.write(record.torsionNames, ["phi", "psi2"])
      if shared {
        let energies = stride(from: 1, to: torsions.count, by: 2).map { 2.5 * sharedBias(torsions[$0]) }
        try writer.write(record.sharedBias, energies, shape: [2, windows, samples])
      }
      try writer.write(record.centers, centers, shape: [windows, 1])
      try writer.write(record.forceConstants, [force * 2.5])
      try writer.write(record.windowFreeEnergy, centers.indices.map { $0 < used ? 0.0 : .nan })
      try writer.write(record.freeEnergy.deltaF, deltaF)
      try writer.write(record.freeEnergy.standardError, 0.04)
      try writer.write(record.energyEvaluations, 500_000)
    }
    // what the umbrella says, drawn directly
    var p = Points(phi: [], psi: [], energies: [])
    func energy(_ phi: Double) -> Double {
      (TorsionState().contains(phi) ? 10 : phi < -.pi / 2 ? 20 : 0) + 5 * random.normal()
    }
    for _ in 0..<6000 {
      p.phi.append(2 * .pi * random.uniform() - .pi)
      p.psi.append(2 * .pi * random.uniform() - .pi)
      p.energies.append(energy(p.phi.last ?? 0))
    }
    // frames that were too often in the state and, outside, below -pi/2: they count by the umbrella's shares
    var skewed = Points(phi: [], psi: [], energies: [])
    while skewed.phi.count < 4000 {
      let phi = 2 * .pi * random.uniform() - .pi
      guard random.uniform() < (TorsionState().contains(phi) ? 1 : phi < -.pi / 2 ? 0.4 : 0.1) else { continue }
      skewed.phi.append(phi)
      skewed.psi.append(1)
      skewed.energies.append(energy(phi))
    }
    let frames = try simulation("s", skewed)
    let (artifact, warnings) = try run([
      "reweight": [reweight("r", p, deltaF: deltaF + 0.1)], "reference": [umbrella], "energies": [frames],
    ])
    let record = Recorded.compare
    func number(_ field: Number<Double>) throws -> Double { try artifact.read(field) }
    #expect(warnings.isEmpty)
    #expect(abs(try number(record.difference.difference) - 0.1) < 1e-12)
    #expect(abs(try number(record.difference.standardError) - 0.05) < 1e-12)
    // 300 points spread over the torus are about 2 pi / sqrt(300) = 0.36 apart
    #expect(try number(record.torsionDistance) < 0.5 && number(record.torsionFloor) < 0.5)
    #expect(try number(record.energyDistance) < 0.2 && number(record.energyFloor) < 0.4)
    #expect(try number(record.energyCoverage) > 0.999)
    #expect(try artifact.read(record.evaluationsReference) == 500_000)

    // frames of two narrow places: the energies of all else are not known
    let narrow = try simulation("n", points(4000, seed: 5, inside: 0.6))
    let some = try run([
      "reweight": [reweight("r2", p, deltaF: deltaF)], "reference": [umbrella], "energies": [narrow],
    ])
    let coverage = try some.artifact.read(record.energyCoverage)
    #expect(coverage > 0.2 && coverage < 0.7, "\(coverage)")
    #expect(some.warnings.count == 1 && some.warnings[0].contains("the frames of 'n' visit cells of phi that hold"))

    #expect(throws: CompareError.noTorsion(stage: "q", torsion: "chi1", known: ["phi", "psi"])) {
      try run(["reweight": [reweight("q", p)], "reference": [umbrella]], torsions: ["chi1"])
    }
  }
}
