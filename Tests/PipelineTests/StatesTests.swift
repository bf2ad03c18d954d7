import Artifacts
import Foundation
import Records
import TestSupport
import Testing

/// Named states from frames to the report, and states proposed from frames, through the real program.
@Suite(.serialized) struct StatesTests {
  private static let alanine = Package.alanine.path

  private static let stages = """
    stages:
      frames:   { uses: ingest, trajectory: [\(alanine)/alanine-left.nc, \(alanine)/alanine-beta.nc], stride: 20 }
      emulator: { uses: emulator, frames: frames, network: { width: 64, depth: 1 }, training: { steps: 500, batch: 128 } }
      fresh:    { uses: sample, emulator: emulator, count: 3000, batch: 500 }
      traced:   { uses: reweight, samples: fresh, density: stochastic-trace, bootstrap: 20 }
      drawn:    { uses: audit, reweight: traced, draw: weighted, samples: 100 }
      umbrella: { uses: umbrella, coordinates: [phi], windows: [24], force_constant: [150], equilibration: 0.3, production: 3, sample_interval: 0.05, bootstrap: 10 }
      distance: { uses: compare, reweight: traced, reference: umbrella, points: 60, torsions: [phi] }
      report:   { uses: report, compare: [traced, drawn, umbrella, distance] }
    """

  /// Every stage that speaks of states, with three of them: a box of two torsions, a union, and the rest.
  @Test(.tags(.slow)) func threeStatesFromFramesToReport() throws {
    let program = try Program()
    try program.write(
      """
      name: states
      seed: 7
      system:
        topology: \(Self.alanine)/alanine.pdb
        forcefield: \(Self.alanine)/system.xml
        torsions: { phi: [4, 6, 8, 14], psi: [6, 8, 14, 16] }
        states:
          alpha_L: { phi: [0, 2] }
          C7eq: { phi: [-2, -1], psi: [0, 1.5] }
          beta: [ { phi: [-3, -2], psi: [2, -2.5] }, { phi: [-2, -1.2], psi: [2, 3] } ]
          rest: elsewhere
        pairs: [[alpha_L, beta], [C7eq, beta], [alpha_L, elsewhere]]
      \(Self.stages)
      """, to: "states.yaml")
    let result = try program.run("run", "states.yaml", "--threads", "1")
    #expect(result.code == 0, "\(result.output) \(result.errors)")
    #expect(result.output.contains("frames by state: alpha_L ") || result.errors.contains("frames by state: alpha_L "))
    let runs = program.folder.appendingPathComponent("runs/states")
    func artifact(_ stage: String) throws -> Artifact {
      try Artifact.open(runs.appendingPathComponent("\(stage).h5"), verify: true)
    }
    let (traced, umbrella, distance) = (try artifact("traced"), try artifact("umbrella"), try artifact("distance"))
    let (record, states) = (Recorded.reweight, Recorded.reweight.states)
    for stage in [traced, umbrella] {
      #expect(try stage.read(states.names) == ["alpha_L", "C7eq", "beta", "elsewhere"])
      #expect(try stage.read(states.pairs.from) == ["alpha_L", "C7eq", "alpha_L"])
      #expect(try stage.read(states.pairs.to) == ["beta", "beta", "elsewhere"])
      let shares = try stage.read(states.population).values
      #expect(shares.allSatisfy { $0 > 0 } && abs(shares.reduce(0, +) - 1) < 1e-6, "\(shares)")
      let (values, errors) = (
        try stage.read(states.pairs.deltaF).values, try stage.read(states.pairs.standardError).values
      )
      #expect(values[0] == (try stage.read(record.freeEnergy.deltaF)) && errors.allSatisfy { $0 > 0 })
      #expect(abs(values[0] - values[2] + log(shares[2] / shares[3]) * -1) < 1e-6)
      #expect(try stage.shape(states.interval) == [4, 2] && stage.shape(states.pairs.interval) == [3, 2])
    }
    // by hand, of the artifact's own weights and torsions
    let (phi, psi) = (
      try traced.read(record.torsions.angles["phi"]).values, try traced.read(record.torsions.angles["psi"]).values
    )
    var sums = [0.0, 0, 0, 0]
    for (n, logWeight) in try traced.read(record.logWeights).values.enumerated() {
      let isBeta =
        (phi[n] > -3 && phi[n] < -2 && (psi[n] > 2 || psi[n] < -2.5))
        || (phi[n] > -2 && phi[n] < -1.2 && psi[n] > 2 && psi[n] < 3)
      let isC7 = phi[n] > -2 && phi[n] < -1 && psi[n] > 0 && psi[n] < 1.5
      sums[phi[n] > 0 && phi[n] < 2 ? 0 : isC7 ? 1 : isBeta ? 2 : 3] += exp(logWeight)
    }
    for (share, sum) in zip(try traced.read(states.population).values, sums) { #expect(abs(share - sum) < 1e-9) }
    let learnt = try traced.read(states.trajectory).values
    // of every twentieth frame, what make_states.py counts of all
    for (share, count) in zip(learnt, [14949.0, 2010, 7834, 7207]) { #expect(abs(share - count / 32_000) < 0.03) }
    // compare: ours minus theirs, pair by pair
    let (ours, theirs) = (try traced.read(states.pairs.deltaF).values, try umbrella.read(states.pairs.deltaF).values)
    #expect(
      try distance.read(Recorded.compare.pairs.difference).values == zip(ours, theirs).map { $0 - $1 }
        && distance.read(Recorded.compare.pairs.reference).values == theirs)
    // the audit is of the first pair
    let drawn = try artifact("drawn")
    #expect(try drawn.read(Recorded.audit.stateNames) == ["alpha_L", "beta"])
    #expect(try abs(drawn.read(Recorded.audit.freeEnergy.deltaF) - ours[0]) < 1)
    let page = try String(contentsOf: runs.appendingPathComponent("report.html"), encoding: .utf8)
    for text in ["Free energy of each pair of states", "C7eq", "alpha_L against beta", "elsewhere"] {
      #expect(page.contains(text), "\(text)")
    }
  }

  /// What `inspect` prints of frames is part of a pipeline file that passes its check and runs.
  @Test func proposedStatesPasteIn() throws {
    let program = try Program()
    let found = try program.run(
      "inspect", "\(Self.alanine)/alanine.pdb", "\(Self.alanine)/alanine-beta.nc", "\(Self.alanine)/alanine-left.nc")
    #expect(found.code == 0, "\(found.errors)")
    let missing = try program.run("inspect", "\(Self.alanine)/alanine.pdb", "nowhere.nc")
    #expect(missing.code != 0 && missing.errors.contains("nowhere.nc"), "\(missing.errors)")
    #expect(found.output.contains("phi: [4, 6, 8, 14]") && found.output.contains("% of the frames"), "\(found.output)")
    func file(_ text: String, _ name: String) throws {
      try program.write(
        """
        name: \(name)
        system:
          topology: \(Self.alanine)/alanine.pdb
          forcefield: \(Self.alanine)/system.xml
        \(text)
        \(Self.stages)
        """, to: "\(name).yaml")
    }
    try file(found.output, "pasted")
    let checked = try program.run("check", "pasted.yaml")
    #expect(checked.code == 0, "\(checked.output) \(checked.errors)")
    let run = try program.run("run", "pasted.yaml", "--only", "frames")
    #expect(run.code == 0, "\(run.errors)")
    let frames = program.folder.appendingPathComponent("runs/pasted/frames.h5")
    #expect(try Artifact.open(frames, verify: true).provenance.warnings.allSatisfy { !$0.contains("lies in") })
    // of the artifact, by itself and beside what it holds
    let alone = try program.run("inspect", frames.path, "--states")
    #expect(alone.code == 0 && alone.output.hasPrefix("  # states that 1600 frames suggest"), "\(alone.output)")
    try file(alone.output, "again")
    #expect(try program.run("check", "again.yaml").code == 0)
    let both = try program.run("inspect", "pasted.yaml", "frames")
    #expect(both.output.contains("coordinates  float32 [1600, 22, 3]") && both.output.contains("  states:\n    A: {"))
  }
}
