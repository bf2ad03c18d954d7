import Artifacts
import Foundation
import Records
import TestSupport
import Testing

/// Annealing as a pipeline file asks for it, on a chain of four atoms whose populations are known by quadrature.
@Suite struct AnnealCaseTests {
  private struct Truth: Decodable {
    struct Chain: Decodable {
      struct Law: Decodable {
        let population: Double
      }
      let quadrature: Law
    }
    let chain: Chain
  }

  // angles so soft that some samples are no molecules: these have scores and no likelihood
  private func file(
    emulator: String = "", anneal: String = "samples: fresh, density: ebm", plain: String = "annealed",
    extra: String = ""
  ) -> String {
    """
    name: chain
    seed: 5
    system:
      topology: chain.pdb
      forcefield: chain.xml
      sampled_by: chain.xml
      torsions: { t: [0, 1, 2, 3] }
      state: { torsion: t, from: -1, to: 1 }
    stages:
      frames:   { uses: ingest, trajectory: chain.nc }
      emulator: { uses: emulator, frames: frames, network: { width: 16, depth: 1 }, training: { steps: 60, batch: 128 }\(emulator) }
      fresh:    { uses: sample, emulator: emulator, count: 3000, log_density: exact-trace, scores: true }
      ebm:      { uses: energy-model, samples: fresh, network: { width: 16, depth: 1 }, training: { steps: 200, batch: 128 }, evaluation_samples: 100 }
      boltzmann: { uses: reweight, samples: fresh, density: ebm }
      carried:  { uses: anneal, steps: 15, \(anneal) }
      plain:    { uses: reweight, samples: carried, density: \(plain) }
      unbiased: { uses: reweight, samples: carried, density: annealed-unbiased }
      report:   { uses: report, compare: [boltzmann, plain, unbiased] }
      \(extra)
    """
  }

  /// An emulator that was stopped early, of a molecule with held bonds: dF by both forms is that of quadrature, and samples are worth more than
  /// without annealing.
  @Test func populationsAreThoseOfQuadrature() throws {
    let program = try Program()
    try program.take("held")
    try program.write(file(), to: "p.yaml")
    let run = try program.run("run", "p.yaml")
    #expect(run.code == 0, "\(run.errors)")
    #expect(run.errors.contains("3000 samples, 15 evaluations of energy and forces each: 45000"), "\(run.errors)")
    func artifact(_ name: String) throws -> Artifact {
      try Artifact.open(program.folder.appendingPathComponent("runs/chain/\(name).h5"), verify: true)
    }
    let truth = try JSONDecoder().decode(Truth.self, from: Data(contentsOf: Package.fixture("held/held.json")))
      .chain.quadrature.population
    let expected = -log(truth / (1 - truth))
    let record = Recorded.reweight
    var effective: [String: Double] = [:]
    for name in ["boltzmann", "plain", "unbiased"] {
      let found = try artifact(name)
      let (dF, error) = (
        try found.read(record.freeEnergy.deltaF), try found.read(record.freeEnergy.standardError)
      )
      effective[name] = try found.read(record.effectiveFraction)
      print("chain, \(name): dF \(dF) +- \(error), law \(expected), ESS \(effective[name] ?? .nan)")
      // plain weights stand on the energy model, whose own error is not in the number
      #expect(abs(dF - expected) < (name == "unbiased" ? 3.5 * error : 3.5 * error + 0.1) && error < 0.15)
      #expect(try found.readIfThere(record.freeEnergy.ensemble) == "bonds held: ensemble of the constrained molecule")
    }
    let before = try #require(effective["boltzmann"])
    #expect(try #require(effective["plain"]) > before + 0.05)
    let annealed = try artifact("carried")
    #expect(try abs(annealed.read(Recorded.anneal.before.all) - before) < 1e-3)
    #expect(try abs(annealed.read(Recorded.anneal.effectiveFraction) - (effective["plain"] ?? 0)) < 1e-3)
    let page = try String(contentsOf: program.folder.appendingPathComponent("runs/chain/report.html"), encoding: .utf8)
    #expect(page.contains("annealed-unbiased"))
  }

  /// What cannot be had is said by `check`, at its line.
  @Test(arguments: [
    (
      #"emulator"#, ", coordinates: cartesian",
      "needs internal coordinates, and the energy model 'ebm' works on Cartesian"
    ),
    ("plain", "ebm", "density: annealed or annealed-unbiased, and 'carried' is of type anneal"),
    ("plain", "exact-trace", "density: annealed or annealed-unbiased, and 'carried' is of type anneal"),
    ("extra", "other: { uses: reweight, samples: fresh, density: annealed }", "'fresh' is of type sample"),
    ("extra", "audited: { uses: audit, reweight: plain }", "no transport leads to where they are"),
    ("anneal", "samples: fresh, density: ebm, steps: 1", "steps"),
    ("anneal", "samples: carried, density: ebm", "carried"),
  ]) func whatCannotBeHadIsSaidFirst(_ place: String, _ value: String, _ message: String) throws {
    let program = try Program()
    try program.take("held")
    var text = file()
    switch place {
    case "emulator": text = file(emulator: value)
    case "plain": text = file(plain: value)
    case "anneal": text = file(anneal: value).replacingOccurrences(of: "steps: 15, ", with: "")
    default: text = file(extra: value)
    }
    try program.write(text, to: "p.yaml")
    let found = try program.run("check", "p.yaml")
    #expect(found.code == 2 && found.errors.contains(message), "\(found.errors)")
  }
}
