import Artifacts
import Basics
import Foundation
import Records
import Testing

@testable import Workflow

/// What `compare` and `report` say of the golden run, against the same numbers made anew from the artifacts they were made from.
struct GoldenComparisons {
  let folder: RunFolder
  let pipeline: PipelineDefinition
  /// kJ/mol
  private let kT = PhysicalConstants.thermalEnergy(temperature: 300)

  func check() throws {
    try differences()
    try distancesFromPlainDynamics()
    try costs()
    try report()
  }

  private func artifact(_ stage: String) throws -> Artifact {
    try Artifact.open(folder.artifact(stage), verify: true)
  }

  private func near(_ a: Double, _ b: Double, _ tolerance: Double = 1e-9) -> Bool {
    abs(a - b) <= tolerance * max(1, abs(a), abs(b))
  }

  private func differences() throws {
    let (found, record) = (try artifact("distance"), Recorded.compare)
    let umbrella = try artifact("umbrella")
    let reference = try umbrella.read(Recorded.umbrella.freeEnergy.deltaF)
    let error = try umbrella.read(Recorded.umbrella.freeEnergy.standardError)
    for (name, group) in [("boltzmann", record.difference), ("audit", record.audited)] {
      let answer = try artifact(name)
      let expected = try answer.read(Recorded.reweight.freeEnergy.deltaF) - reference
      let own = try answer.read(Recorded.reweight.freeEnergy.standardError)
      #expect(try near(found.read(group.difference), expected) && near(found.read(group.error), abs(expected)))
      #expect(try near(found.read(group.standardError), (own * own + error * error).squareRoot()))
    }
  }

  /// `other` has the frames of `md` as its reference: all can be counted by hand.
  private func distancesFromPlainDynamics() throws {
    let (found, record) = (try artifact("other"), Recorded.compare)
    let (samples, md) = (try artifact("traced"), try artifact("md"))
    let phi = try md.read(Recorded.simulate.trajectory.torsions.angles["phi"]).values
    let inside = phi.filter { $0 > 0 && $0 < 2 }.count
    let deltaF = -log(Double(inside) / Double(phi.count - inside))
    #expect(
      try near(found.read(record.difference.difference), samples.read(Recorded.reweight.freeEnergy.deltaF) - deltaF))

    let weights = try samples.read(Recorded.reweight.logWeights).values.map { exp($0) }
    let ours = try samples.read(Recorded.reweight.energies).values.map { $0 / kT }
    let theirs = try md.read(Recorded.simulate.energies).values.map { $0 / kT }
    let alike = [Double](repeating: 1, count: theirs.count)
    #expect(try near(found.read(record.energyDistance), wasserstein(ours, weights, theirs, alike), 1e-6))
    #expect(
      try near(
        found.read(record.energyUnweighted), wasserstein(ours, ours.map { _ in 1 }, theirs, alike), 1e-6))
    // runs take turns between the halves of the reference
    let run = try md.read(Recorded.simulate.run).values
    let halves = (0..<2).map { half in theirs.indices.filter { run[$0] % 2 == half }.map { theirs[$0] } }
    let floor = wasserstein(halves[0], halves[0].map { _ in 1 }, halves[1], halves[1].map { _ in 1 })
    #expect(try near(found.read(record.energyFloor), floor, 1e-6))
    // points for T-W2 are drawn at random; no two points of a torus of two torsions are further apart
    #expect(try (0...(.pi * 2.0.squareRoot())).contains(found.read(record.torsionDistance)))
  }

  /// 2-Wasserstein distance on the line: of the two step functions that give a value for each share of the weight.
  private func wasserstein(_ a: [Double], _ p: [Double], _ b: [Double], _ q: [Double]) -> Double {
    func steps(_ values: [Double], _ weights: [Double]) -> [(value: Double, end: Double)] {
      let rows = values.indices.filter { values[$0].isFinite && weights[$0] > 0 }.sorted { values[$0] < values[$1] }
      let total = rows.reduce(0) { $0 + weights[$1] }
      var end = 0.0
      return rows.map { row in
        end += weights[row] / total
        return (values[row], end)
      }
    }
    let (first, second) = (steps(a, p), steps(b, q))
    var (i, j, done, sum) = (0, 0, 0.0, 0.0)
    while i < first.count, j < second.count {
      let next = min(first[i].end, second[j].end)
      let difference = first[i].value - second[j].value
      sum += (next - done) * difference * difference
      done = next
      if first[i].end <= next { i += 1 } else { j += 1 }
    }
    return sum.squareRoot()
  }

  private func costs() throws {
    let record = Recorded.compare
    func seconds(_ stages: String...) throws -> Double {
      try stages.reduce(0) { try $0 + artifact($1).provenance.wallSeconds }
    }
    let distance = try artifact("distance")
    #expect(
      try near(
        distance.read(record.seconds), seconds("boltzmann", "fresh", "emulator", "frames", "ebm", "proposals")))
    #expect(try near(distance.read(record.secondsReference), seconds("umbrella")))
    #expect(try distance.read(record.evaluations) == 3000, "the emulator learnt from files")
    let umbrella = try artifact("umbrella").read(Recorded.umbrella.energyEvaluations)
    #expect(try distance.read(record.evaluationsReference) == umbrella)
    #expect(try near(distance.read(record.saving), Double(umbrella) / 3000))

    let (other, md) = (try artifact("other"), try artifact("md"))
    #expect(try near(other.read(record.seconds), seconds("traced", "fresh", "emulator", "frames")))
    let steps = try Double(md.read(Recorded.simulate.energyEvaluations))
    #expect(try Double(other.read(record.evaluationsReference)) == steps)
    // dynamics that takes so long costs as md did
    let needed = try other.read(record.dynamicsTime) * steps / md.read(Recorded.simulate.simulatedTime)
    #expect(try near(other.read(record.dynamicsEvaluations), needed) && near(other.read(record.speedUp), needed / 3000))
    #expect(try near(other.read(record.dynamicsSeconds), needed / steps * seconds("md")))
    #expect(
      try near(other.read(record.wallSpeedUp), other.read(record.dynamicsSeconds) / other.read(record.seconds)))
    let error = try max(
      other.read(record.difference.error), artifact("traced").read(Recorded.reweight.freeEnergy.standardError))
    #expect(try near(other.read(record.dynamicsError), error))
  }

  private func report() throws {
    let (found, record) = (try artifact("report"), Recorded.report)
    let names = ["boltzmann", "traced", "audit", "drawn", "umbrella", "distance", "other"]
    #expect(try found.read(record.stages) == names)
    let table = try found.read(record.table)
    let page = try String(contentsOf: folder.url.appendingPathComponent("report.html"), encoding: .utf8)
    let values = (
      deltaF: try found.read(record.deltaF).values, error: try found.read(record.standardError).values,
      ess: try found.read(record.effectiveFraction).values, interval: try found.read(record.interval).values
    )
    for (row, name) in names.enumerated() {
      let (stage, answer) = (try artifact(name), Recorded.reweight.freeEnergy)
      func same(_ value: Double, _ field: Number<Double>) throws -> Bool {
        try stage.readIfThere(field).map { $0 == value } ?? value.isNaN
      }
      #expect(try same(values.deltaF[row], answer.deltaF) && same(values.error[row], answer.standardError))
      #expect(try same(values.ess[row], Recorded.reweight.effectiveFraction))
      let interval = try stage.readIfThere(answer.interval)?.values ?? [.nan, .nan]
      #expect(
        (0..<2).allSatisfy {
          interval[$0] == values.interval[2 * row + $0] || (interval[$0].isNaN && values.interval[2 * row + $0].isNaN)
        })
      guard let deltaF = try stage.readIfThere(answer.deltaF) else { continue }
      let line = try #require(table.split(separator: "\n").first { $0.contains(name) })
      for text in [NumberText.fixed(deltaF, 2), NumberText.fixed(values.error[row], 3)] {
        #expect(line.contains(text) && page.contains(text), "\(name): \(text)")
      }
    }
    for (name, method) in [
      ("boltzmann", "energy-model ebm"), ("traced", "stochastic-trace"), ("audit", "audit of boltzmann"),
      ("drawn", "audit of traced"), ("umbrella", "umbrella sampling, MBAR"),
    ] {
      #expect(table.split(separator: "\n").contains { $0.contains(name) && $0.contains(method) }, "\(name)")
    }
    for name in ["distance", "other"] {
      let stage = try artifact(name)
      for field in [
        Recorded.compare.torsionDistance, Recorded.compare.torsionFloor, Recorded.compare.energyDistance,
        Recorded.compare.difference.difference,
      ] {
        let text = NumberText.fixed(try stage.read(field), 3)
        #expect(page.contains(text), "\(name): \(field.path) \(text)")
      }
      #expect(try page.contains(NumberText.duration(seconds: stage.read(Recorded.compare.seconds))))
    }
    // stages that were not named stand behind those that were
    #expect(page.contains("proposals") && page.contains("ebm"))
  }
}
