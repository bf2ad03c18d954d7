import Artifacts
import Foundation
import Records
import Testing
import Workflow

@testable import Stages

extension GenerativeStagesTests {
  /// A reweighting whose ln q is the exact one plus 0.5 in the state: the audit must find that from the samples' prior points.
  @Test func auditFindsABiasThatWasPlanted() throws {
    let emulator = try run(
      EmulatorStage.self, "emulator", ["training": Self.smallTraining, "network": Self.smallNetwork],
      ["frames": [frames()]])
    let count = 600
    let samples = try run(
      SampleStage.self, "fresh", ["count": .integer(count), "ode_steps": 4, "log_density": "exact-trace"],
      ["emulator": [emulator]])
    let exact = try samples.artifact.read(Recorded.sample.logDensity.values).values
    let phi = try samples.artifact.read(Recorded.sample.trajectory.torsions.angles["phi"]).values
    let inside = phi.map { $0 > 0 && $0 < 2 }
    #expect(inside.filter { $0 }.count > 50, "both states must be there")
    let thermal = 8.31446261815324e-3 * 300
    // exact weights are all equal
    let energies = exact.map { -$0 * thermal }
    let bias = inside.map { $0 ? 0.5 : 0 }
    let used = zip(exact, bias).map { $0 + $1 }
    /// A reweighting to exact weights exp(extra), by the density `used`.
    func reweighting(_ name: String, extra: [Double]) throws -> StageInput {
      let url = folder.appendingPathComponent("\(name).h5")
      let writer = try ArtifactWriter(url: url)
      let record = Recorded.reweight
      try writer.write(record.logWeights, zip(extra, bias).map { $0 - $1 })
      try writer.write(record.logDensity.values, used)
      try writer.write(record.energies, zip(energies, extra).map { $0 - $1 * thermal })
      try writer.write(record.freeEnergy.deltaF, 1.0)
      try writer.write(record.freeEnergy.standardError, 0.02)
      try writer.commit(
        provenance: Provenance(
          key: "r", canonical: "{}", stage: name, stageType: "reweight", stageVersion: 1, seed: 1, start: Date(),
          end: Date(), wallSeconds: 0))
      return StageInput(
        name: name, type: "reweight", artifact: try Artifact.open(url, verify: true), inputs: ["samples": [samples]])
    }
    let reweighted = try reweighting("biased", extra: exact.map { _ in 0 })

    let audit = try run(
      AuditStage.self, "audit", ["samples": 300, "bootstrap": 100, "hutchinson_probes": [1]],
      ["reweight": [reweighted]])
    let record = Recorded.audit
    let number = { (field: Number<Double>) in try audit.artifact.read(field) }
    #expect(try number(record.reproductionError) < 1e-4)
    // the planted error is the only one, so the correction is exact
    #expect(try abs(number(record.correction) + 0.5) < 0.01)
    #expect(try abs(number(record.freeEnergy.deltaF) - 0.5) < 0.01)
    #expect(try abs(number(record.effectiveFraction) - 1) < 1e-3)
    #expect(try number(record.effectiveFractionUsed) < 0.98)
    let states = try audit.artifact.read(record.stateBias).values
    #expect(abs(states[0] - states[1] - 0.5) < 0.01)
    let rows = try audit.artifact.read(record.audited).values
    #expect(rows.count == 300 && rows == rows.sorted() && Set(rows).count == 300)
    let again = try audit.artifact.read(record.exactLogDensity).values
    #expect(zip(rows, again).allSatisfy { abs(exact[$0] - $1) < 1e-2 })
    #expect(
      try audit.artifact.read(record.methodOrder) == ["exact-trace", "hutchinson-1", "stochastic-trace-2"])
    for method in ["hutchinson-1", "stochastic-trace-2"] {
      #expect(try number(record.methods[method].rmse) > 1e-4)
      #expect(try audit.artifact.read(record.methods[method].seconds) > 0)
    }
    #expect(audit.artifact.provenance.warnings.isEmpty, "warnings are the engine's to store")

    // drawn by weight: the same correction, and the free energy of all 600 by exact, equal weights
    var warnings: [String] = []
    let weighted = try run(
      AuditStage.self, "weighted", ["samples": 200, "draw": "weighted"], ["reweight": [reweighted]],
      warned: { warnings = $0 })
    #expect(warnings.count == 1 && warnings[0].contains("'biased' is biased between the states"), "\(warnings)")
    let found = { (field: Number<Double>) in try weighted.artifact.read(field) }
    #expect(try abs(found(record.correction) + 0.5) < 0.01)
    let share = Double(inside.filter { $0 }.count) / Double(count)
    #expect(try abs(found(record.freeEnergy.deltaF) + log(share / (1 - share))) < 0.01)
    let expected = (1 / (share * Double(count)) + 1 / ((1 - share) * Double(count))).squareRoot()
    #expect(try abs(found(record.freeEnergy.standardError) / expected - 1) < 0.05)
    #expect(try abs(found(record.effectiveFraction) - 1) < 0.02)
    #expect(try weighted.artifact.read(record.draws) == 200)
    let drawn = try weighted.artifact.read(record.audited).values
    #expect(drawn.count <= 200 && drawn == drawn.sorted() && Set(drawn).count == drawn.count)
    #expect(drawn.filter { inside[$0] }.count > 30)
    #expect(!weighted.artifact.has(record.methods))

    // forty samples that carry nearly all of the weight: their audit says that it is worth no more than they are
    let few = try reweighting("few", extra: exact.indices.map { $0 % 15 == 0 ? 8 : 0 })
    let concentrated = try run(
      AuditStage.self, "concentrated", ["samples": 200, "draw": "weighted"], ["reweight": [few]],
      warned: { warnings = $0 })
    let worth = try concentrated.artifact.read(record.effectiveFraction) * Double(count)
    #expect(abs(worth - 40) < 8, "\(worth)")
    #expect(
      warnings.contains { $0.contains("the samples of 'few' are worth \(Int(worth.rounded())) of 600") }, "\(warnings)")
  }

  @Test func auditRefusesSamplesItCannotTransportAgain() throws {
    let emulator = try run(
      EmulatorStage.self, "emulator", ["training": Self.smallTraining, "network": Self.smallNetwork],
      ["frames": [frames()]])
    let samples = try run(
      SampleStage.self, "fresh", ["count": 120, "ode_steps": 4, "log_density": "none"], ["emulator": [emulator]])
    let other = try run(
      EmulatorStage.self, "other", ["training": ["steps": 90, "batch": 64], "network": Self.smallNetwork],
      ["frames": [frames()]])
    let writer = try ArtifactWriter(url: folder.appendingPathComponent("weights.h5"))
    let record = Recorded.reweight
    for field in [record.logWeights, record.logDensity.values, record.energies] {
      try writer.write(field, [Double](repeating: 0, count: 120))
    }
    try writer.write(record.freeEnergy.deltaF, 0)
    try writer.commit(
      provenance: Provenance(
        key: "r", canonical: "{}", stage: "weights", stageType: "reweight", stageVersion: 1, seed: 1, start: Date(),
        end: Date(), wallSeconds: 0))
    let artifact = try Artifact.open(writer.url, verify: true)
    let foreign = StageInput(
      name: "fresh", type: "sample", artifact: samples.artifact, inputs: ["emulator": [other]])
    let reweighted = StageInput(
      name: "weights", type: "reweight", artifact: artifact, inputs: ["samples": [foreign]])
    let error = #expect(throws: AuditError.self) {
      try run(AuditStage.self, "audit", ["samples": 100], ["reweight": [reweighted]])
    }
    guard case .notReproduced(let stage, let difference, _)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(stage == "fresh" && difference > 1e-2)
  }
}
