import Artifacts
import Foundation
import Records
import TestSupport
import Testing

/// Bonds that SHAKE held, and a state that the molecule does not have, through the real program.
@Suite struct ConstraintCaseTests {
  private func program(_ name: String) throws -> Program {
    let program = try Program()
    try program.take("cases/\(name)")
    return program
  }

  /// sander with ntc=2: the four bonds to hydrogen vary by 2e-7 nm.
  @Test func heldBondsAreNamedAndTheForceFieldTellsWhatBecomesOfThem() throws {
    let program = try program("shake-bonds")
    let run = try program.run("run", "shake.yaml", "--until", "frames")
    #expect(run.code == 0)
    for name in ["C1 of MOH 1 - H1 of MOH 1", "H2 of MOH 1", "H3 of MOH 1", "O1 of MOH 1 - H4 of MOH 1"] {
      #expect(run.errors.contains(name), "\(run.errors)")
    }
    #expect(
      run.errors.contains("constraints: flexible, because meoh.prmtop has springs for these bonds"), "\(run.errors)")
    #expect(run.errors.contains("4 bonds (") && run.errors.contains("those of the flexible molecule"))
  }

  /// Released, the frames are those of the flexible molecule: the same free energy as from dynamics without constraints, and an
  /// effective sample size as large.
  @Test func releasedBondsGiveTheFlexibleMolecule() throws {
    let program = try program("shake-bonds")
    let files = [("free.yaml", "shake-bonds"), ("shake.yaml", "shake-bonds-shake")]
    var (values, errors, effective): ([Double], [Double], [Double]) = ([], [], [])
    for (file, name) in files {
      let run = try program.run(
        "run", file, "--set", "frames.constraints=flexible", "--set", "fresh.count=4000")
      #expect(run.code == 0, "\(run.errors)")
      let artifact = try Artifact.open(program.folder.appendingPathComponent("runs/\(name)/traced.h5"), verify: true)
      values.append(try artifact.read(Recorded.reweight.freeEnergy.deltaF))
      errors.append(try artifact.read(Recorded.reweight.freeEnergy.standardError))
      // without the few largest weights: one of them in some thousand samples changes the plain one by half
      effective.append(try artifact.read(Recorded.reweight.effectiveFractionTruncated))
    }
    print("released bonds: dF \(values) ± \(errors), ESS \(effective)")
    let error = (errors[0] * errors[0] + errors[1] * errors[1]).squareRoot()
    #expect(abs(values[0] - values[1]) < 4 * error)
    #expect(effective[1] > effective[0] / 1.5 && effective[1] > 0.1)
    // the lengths have the width of their springs
    let frames = try Artifact.open(
      program.folder.appendingPathComponent("runs/shake-bonds-shake/frames.h5"), verify: true)
    let x = try frames.read(Recorded.ingest.trajectory.coordinates, as: Double.self)
    let lengths = (0..<x.shape[0]).map { frame -> Double in
      let base = 18 * frame
      let d = (0..<3).map { x.values[base + $0] - x.values[base + 6 + $0] }
      return (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).squareRoot()
    }
    let mean = lengths.reduce(0, +) / Double(lengths.count)
    let spread = (lengths.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(lengths.count)).squareRoot()
    #expect(spread > 2e-3 && spread < 4e-3, "\(spread)")
  }

  @Test func aStateThatTheMoleculeDoesNotHaveIsToldFirst() throws {
    let program = try program("no-such-state")
    for arguments in [["run", "p.yaml"], ["run", "p.yaml", "--dry-run"], ["check", "p.yaml"]] {
      let refused = try program.finish(program.start(arguments))
      #expect(refused.code == 2)
      #expect(refused.errors.contains("system.state.torsion 'phi' is none of the named torsions"), "\(refused.errors)")
    }
    #expect(!FileManager.default.fileExists(atPath: program.folder.appendingPathComponent("runs").path))
  }
}
