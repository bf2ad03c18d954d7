import Artifacts
import Basics
import Foundation
import FreeEnergies
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
      let count = p.phi.count
      try writer.write("log_weights", logWeights ?? [Double](repeating: -1, count: count), shape: [count])
      try writer.write("energies", p.energies, shape: [count])
      try writer.write("results/torsions/phi", p.phi, shape: [count])
      try writer.write("results/torsions/psi", p.psi, shape: [count])
      try writer.writeScalar("results/delta_f", deltaF)
      try writer.writeScalar("results/delta_f_standard_error", 0.03)
      try writer.writeScalar("results/energy_evaluations", Int64(count))
    }
  }

  func simulation(_ name: String, _ p: Points, runs: Int = 4) throws -> StageInput {
    try artifact(name, "simulate") { writer in
      let count = p.phi.count
      try writer.write("energies", p.energies, shape: [count])
      try writer.write("results/torsions/phi", p.phi, shape: [count])
      try writer.write("results/torsions/psi", p.psi, shape: [count])
      try writer.write("results/run", (0..<count).map { Int32($0 % runs) }.sorted(), shape: [count])
      try writer.write("time", (0..<count).map { Float($0 % (count / runs) + 1) }, shape: [count])
      try writer.writeScalar("results/energy_evaluations", Int64(1000 * count))
      try writer.writeScalar("results/simulated_time", Double(count))
    }
  }

  func run(
    _ inputs: [String: [StageInput]], torsions: [String] = ["phi", "psi"]
  ) throws -> (artifact: Artifact, warnings: [String]) {
    let values = try #require(
      CompareStage.resolvedParameters([
        "reweight": "a", "reference": "b", "points": 300, "torsions": .list(torsions.map { .string($0) }),
      ]))
    let context = StageContext(
      stage: "c", seed: 3, values: values, inputs: inputs,
      output: try ArtifactWriter(url: folder.appendingPathComponent("c.h5")),
      checkpoints: CheckpointStore(folder: folder, stage: "c", key: "k"), temperature: temperature,
      system: SystemFiles())
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

  @Test func theSameFramesAreAtNoDistance() throws {
    let p = points(4000, seed: 1, inside: 0.25)
    let deltaF = log(3.0)
    let (artifact, warnings) = try run([
      "reweight": [reweight("a", p, deltaF: deltaF)], "reference": [simulation("b", p)],
    ])
    func number(_ name: String) throws -> Double { try artifact.scalar("results/\(name)", as: Double.self) }
    #expect(try number("e_w2") < 1e-3)
    #expect(abs(try number("delta_f_difference")) < 1e-12)
    // two draws of 300 points of the same set
    #expect(try number("t_w2") < 0.2)
    #expect(try number("cost/energy_evaluations") == 4000)
    #expect(try number("cost/energy_evaluations_reference") == 4_000_000)
    #expect(try number("cost/energy_saving") == 1000)
    #expect(artifact.provenance.measurements["/results/cost/seconds_reference"] == 10)
    // the runs are in the order of the points, so that one run is in the state, and it never leaves it
    #expect(warnings.count == 1 && warnings[0].contains("changed its state 0 times"))
    #expect(try number("md/exits") == 0)
    // one exit in 1000 ps is the bound: T = 2 / (k p sigma^2)
    let expected = 2 / (0.001 * 0.25 * 0.03 * 0.03)
    #expect(abs(try number("md/time") / expected - 1) < 1e-6)
    #expect(abs(try number("md/energy_evaluations") / (1000 * expected) - 1) < 1e-6)
    // 4 million steps took 10 s; the samples' side took 10 s as well
    let wall = try #require(artifact.provenance.measurements["/results/md/seconds"])
    #expect(abs(wall / (1000 * expected * 10 / 4e6) - 1) < 1e-6)
    #expect(abs((artifact.provenance.measurements["/results/md/wall_speed_up"] ?? 0) / (wall / 10) - 1) < 1e-6)
    #expect(!artifact.exists("results/audited"))

    let reweighted = try reweight("a2", p, deltaF: deltaF)
    let audit = try self.artifact("au", "audit", inputs: ["reweight": [reweighted]]) { writer in
      try writer.writeScalar("results/delta_f", deltaF - 0.25)
      try writer.writeScalar("results/delta_f_standard_error", 0.05)
    }
    let (audited, _) = try run([
      "reweight": [reweighted], "reference": [simulation("b2", p)], "audit": [audit],
    ])
    #expect(abs(try audited.scalar("results/audited/delta_f_difference", as: Double.self) + 0.25) < 1e-12)
    #expect(abs(try audited.scalar("results/audited/delta_f_error", as: Double.self) - 0.25) < 1e-12)
    #expect(try audited.scalar("results/audited/delta_f_error_standard_error", as: Double.self) >= 0.05)
    let outside = try simulation("b4", points(400, seed: 2, inside: 0))
    let error = #expect(throws: CompareError.oneSided(stage: "b4", isInside: false)) {
      try run(["reweight": [reweight("a4", p)], "reference": [outside]])
    }
    #expect(error?.description == "the frames of 'b4' are all outside the state: they are no reference")
    #expect(throws: CompareError.otherAudit(audit: "au", of: "a2", wanted: "a3")) {
      try run(["reweight": [reweight("a3", p)], "reference": [simulation("b3", p)], "audit": [audit]])
    }
  }

  @Test func shiftsAreMeasuredAndWeightsObeyed() throws {
    let p = points(4000, seed: 1, inside: 0.25)
    var shifted = p
    shifted.energies = p.energies.map { $0 + 5 }
    shifted.psi = p.psi.map { $0 + 0.5 }
    let (moved, _) = try run(["reweight": [reweight("a", shifted)], "reference": [simulation("b", p)]])
    #expect(abs(try moved.scalar("results/e_w2", as: Double.self) - 2) < 1e-9)
    #expect(abs(try moved.scalar("results/t_w2", as: Double.self) - 0.5) < 0.1)
    // a sample with too much of the state is put right by its weights
    let q = points(8000, seed: 2, inside: 0.75)
    let weights = (0..<8000).map { $0 < 6000 ? log(0.25 / 6000) : log(0.75 / 2000) }
    let (weighted, _) = try run([
      "reweight": [reweight("d", q, logWeights: weights)], "reference": [simulation("e", p)],
    ])
    func number(_ name: String) throws -> Double { try weighted.scalar("results/\(name)", as: Double.self) }
    #expect(try number("e_w2") < 0.25 && number("e_w2_unweighted") > 2)
    #expect(try number("t_w2") < 0.4 && number("t_w2_unweighted") > 1)
  }

  /// Umbrella windows over flat land, with the energies of frames whose populations are not the reference's.
  /// `shared`: they were drawn with psi held near 0 by an energy that all windows had. `leftOut`: further windows, far off, that the
  /// estimate left out.
  @Test(arguments: [false, true], [0, 6]) func anUmbrellaIsAReferenceByItsWeights(shared: Bool, leftOut: Int) throws {
    func sharedBias(_ psi: Double) -> Double { shared ? -1.5 * cos(psi) : 0 }  // kT
    var random = RandomStream(seed: 9, "umbrella")
    let (used, samples, force) = (24, 100, 20.0)
    let windows = used + leftOut
    let usedCenters = (0..<used).map { 2 * Double.pi * (Double($0) + 0.5) / Double(used) - .pi }
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
      try writer.write("torsions", torsions, shape: [2, windows, samples, 2])
      try writer.write("torsion_names", strings: ["phi", "psi2"])
      if shared {
        let energies = stride(from: 1, to: torsions.count, by: 2).map { 2.5 * sharedBias(torsions[$0]) }
        try writer.write("shared_bias", energies, shape: [2, windows, samples])
      }
      try writer.write("centers", centers, shape: [windows, 1])
      try writer.write("force_constants", [force * 2.5], shape: [1])
      try writer.write("results/window_free_energy", centers.indices.map { $0 < used ? 0.0 : .nan }, shape: [windows])
      try writer.writeScalar("results/delta_f", deltaF)
      try writer.writeScalar("results/delta_f_standard_error", 0.04)
      try writer.writeScalar("results/energy_evaluations", Int64(500_000))
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
    func number(_ name: String) throws -> Double { try artifact.scalar("results/\(name)", as: Double.self) }
    #expect(warnings.isEmpty)
    #expect(abs(try number("delta_f_difference") - 0.1) < 1e-12)
    #expect(abs(try number("delta_f_error_standard_error") - 0.05) < 1e-12)
    // 300 points spread over the torus are about 2 pi / sqrt(300) = 0.36 apart
    #expect(try number("t_w2") < 0.5 && number("t_w2_floor") < 0.5)
    #expect(try number("e_w2") < 0.2 && number("e_w2_floor") < 0.4)
    #expect(try number("e_w2_coverage") > 0.999)
    #expect(try number("cost/energy_evaluations_reference") == 500_000)

    // frames of two narrow places: the energies of all else are not known
    let narrow = try simulation("n", points(4000, seed: 5, inside: 0.6))
    let some = try run([
      "reweight": [reweight("r2", p, deltaF: deltaF)], "reference": [umbrella], "energies": [narrow],
    ])
    let coverage = try some.artifact.scalar("results/e_w2_coverage", as: Double.self)
    #expect(coverage > 0.2 && coverage < 0.7, "\(coverage)")
    #expect(some.warnings.count == 1 && some.warnings[0].contains("the frames of 'n' visit cells of phi that hold"))

    #expect(throws: CompareError.noTorsion(stage: "q", torsion: "chi1", known: ["phi", "psi"])) {
      try run(["reweight": [reweight("q", p)], "reference": [umbrella]], torsions: ["chi1"])
    }
  }
}
