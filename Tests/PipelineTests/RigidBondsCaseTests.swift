import Artifacts
import Foundation
import Records
import TestSupport
import Testing

/// Bonds that stay at their lengths, from frames to free energies, through the real program.
@Suite struct RigidBondsCaseTests {
  private struct Truth: Decodable {
    struct Chain: Decodable {
      struct Law: Decodable {
        let population, cosine: Double
      }
      let quadrature, stiff: Law
    }
    let chain: Chain
  }

  private func truth() throws -> Truth.Chain {
    try JSONDecoder().decode(Truth.self, from: Data(contentsOf: Package.fixture("held/held.json"))).chain
  }

  /// Of the angle between the first three atoms of a frame that begins at `start`.
  private static func cosine(_ x: [Double], _ start: Int) -> Double {
    var (product, one, other) = (0.0, 0.0, 0.0)
    for axis in start..<start + 3 {
      let (a, b): (Double, Double) = (x[axis] - x[axis + 3], x[axis + 6] - x[axis + 3])
      product += a * b
      one += a * a
      other += b * b
    }
    return product / (one * other).squareRoot()
  }

  private static let system = """
    system:
      topology: chain.pdb
      forcefield: chain.xml
      sampled_by: chain.xml
      torsions: { t: [0, 1, 2, 3] }
      state: { torsion: t, from: -1, to: 1 }
    """

  private var withSprings: String {
    chain.replacingOccurrences(of: "forcefield: chain.xml", with: "forcefield: springs.xml")
  }

  private let chain = """
    name: chain
    seed: 5
    \(Self.system)
    stages:
      frames:   { uses: ingest, trajectory: chain.nc }
      emulator: { uses: emulator, frames: frames, network: { width: 32 }, training: { steps: 300, batch: 256 } }
      fresh:    { uses: sample, emulator: emulator, count: 20000, log_density: exact-trace, ode_steps: 8 }
      traced:   { uses: reweight, samples: fresh, density: exact-trace }
      report:   { uses: report, compare: [traced] }
    """

  private func artifact(_ program: Program, _ path: String) throws -> Artifact {
    try Artifact.open(program.folder.appendingPathComponent("runs/\(path).h5"), verify: true)
  }

  /// A System that holds the bonds of the frames chooses the rigid ensemble by itself, and populations are those of the law that constrained
  /// dynamics samples: exp(-U/kT) |dx/dq| sqrt(det Z), by quadrature. Without the last factor they are told apart.
  @Test func populationsAreThoseOfTheConstrainedMolecule() throws {
    let (program, truth) = (try Program(), try truth())
    try program.take("held")
    try program.write(chain, to: "chain.yaml")
    let run = try program.run("run", "chain.yaml")
    #expect(run.code == 0, "\(run.errors)")
    let frames = try artifact(program, "chain/frames")
    #expect(
      frames.provenance.warnings.contains {
        $0.contains("constraints: rigid, because chain.xml holds these bonds by constraints too")
      }, "\(frames.provenance.warnings)")
    #expect(try frames.read(Recorded.ingest.heldBonds).values == [0, 1, 1, 2, 2, 3])
    #expect(
      zip(try frames.read(Recorded.ingest.heldLengths).values, [0.19, 0.15, 0.19]).allSatisfy { abs($0 - $1) < 1e-5 })

    let samples = try artifact(program, "chain/fresh")
    #expect(try samples.shape(Recorded.sample.latents)[1] == 3)
    let traced = try artifact(program, "chain/traced")
    let answer = Recorded.reweight.freeEnergy
    #expect(try traced.readIfThere(answer.ensemble) == "bonds held: ensemble of the constrained molecule")
    let (dF, error) = (try traced.read(answer.deltaF), try traced.read(answer.standardError))
    func free(_ population: Double) -> Double { -log(population / (1 - population)) }
    let (expected, stiff) = (free(truth.quadrature.population), free(truth.stiff.population))
    let effective = try traced.read(Recorded.reweight.effectiveFraction)
    print("chain: dF \(dF) ± \(error), law \(expected), without the factor \(stiff), ESS \(effective)")
    #expect(abs(dF - expected) < 3.5 * error && error < 0.04 && effective > 0.5)

    // the angles tell the factor at once
    let x = try samples.read(Recorded.sample.trajectory.coordinates).values
    let logWeights = try traced.read(Recorded.reweight.logWeights).values
    var (sum, squares, norm) = (0.0, 0.0, 0.0)
    for (sample, logWeight) in logWeights.enumerated() {
      let weight = exp(logWeight)
      let cosine = Self.cosine(x, 12 * sample)
      sum += weight * cosine
      squares += weight * cosine * cosine
      norm += weight
    }
    let mean = sum / norm
    let deviation = ((squares / norm - mean * mean) / (effective * Double(logWeights.count))).squareRoot()
    print("chain: mean cosine \(mean) ± \(deviation), law \(truth.quadrature.cosine), without \(truth.stiff.cosine)")
    #expect(abs(mean - truth.quadrature.cosine) < 3.5 * deviation)
    #expect(abs(mean - truth.stiff.cosine) > 5 * deviation)
    let page = try String(
      contentsOf: program.folder.appendingPathComponent("runs/chain/report.html"), encoding: .utf8)
    #expect(page.contains("bonds held: ensemble of the constrained molecule"))

    // a force field with springs weighs the same samples alike: its springs add a constant
    try program.write(withSprings, to: "springs.yaml")
    let again = try program.run("run", "springs.yaml", "--set", "frames.constraints=rigid")
    #expect(again.code == 0 && again.output.contains("skipped"), "\(again.errors) \(again.output)")
    let other = try artifact(program, "chain/traced")
    #expect(other.provenance.contentDigest != traced.provenance.contentDigest)
    #expect(abs(try other.read(answer.deltaF) - dF) < 1e-6)
  }

  /// Without a word in the file the force field tells what becomes of held bonds, and the choice and what it rests on are in the key.
  @Test func theForceFieldChooses() throws {
    let program = try Program()
    try program.take("held")
    try program.write(withSprings, to: "springs.yaml")
    #expect(try program.run("run", "springs.yaml", "--until", "frames").code == 0)
    let released = try artifact(program, "chain/frames")
    #expect(
      released.provenance.warnings.contains {
        $0.contains("constraints: flexible, because springs.xml has springs for these bonds")
      }, "\(released.provenance.warnings)")
    #expect(try released.read(Recorded.ingest.constraints) == "flexible")
    #expect(released.provenance.canonical.contains("held_bonds"))
    // without a force field nothing is chosen
    let bare = chain.split(separator: "\n").filter {
      !$0.contains("forcefield") && !$0.contains("reweight") && !$0.contains("report")
    }
    try program.write(
      bare.joined(separator: "\n").replacingOccurrences(of: "name: chain", with: "name: bare"), to: "bare.yaml")
    let stopped = try program.run("run", "bare.yaml")
    #expect(
      stopped.code == 1 && stopped.errors.contains("constraints: rigid to keep them at their lengths"),
      "\(stopped.errors)")
    // frames that move are not weighed by an energy that lacks their springs
    try program.write(
      chain.replacingOccurrences(of: "trajectory: chain.nc", with: "trajectory: chain.nc, constraints: keep"),
      to: "keep.yaml")
    let refused = try program.run("run", "keep.yaml")
    #expect(
      refused.code == 2 && refused.errors.contains("have taken bond or angle terms out of the energy"),
      "\(refused.errors)")
    try program.write(
      chain.replacingOccurrences(
        of: "emulator, frames: frames", with: "emulator, frames: frames, coordinates: cartesian"
      )
      .replacingOccurrences(of: "trajectory: chain.nc", with: "trajectory: chain.nc, constraints: rigid"),
      to: "cartesian.yaml")
    let cartesian = try program.run("check", "cartesian.yaml")
    #expect(cartesian.code == 2 && cartesian.errors.contains("needs coordinates: internal"), "\(cartesian.errors)")
  }

  /// Dynamics and umbrella sampling of the same System: frames have held bonds, and the reference is of the rigid ensemble.
  @Test func dynamicsAndUmbrellaTakeTheConstrainedSystem() throws {
    let (program, truth) = (try Program(), try truth())
    try program.take("held")
    let text = """
      name: dynamics
      seed: 3
      \(Self.system)
      stages:
        md:       { uses: simulate, runs: 2, length: 100, save_interval: 0.5, equilibration: 5, steering_time: 20, timestep: 0.005, friction: 5 }
        frames:   { uses: ingest, simulation: md }
        umbrella: { uses: umbrella, coordinates: [t], windows: [18], force_constant: [20], equilibration: 5, production: 80, timestep: 0.002, friction: 5 }
      """
    try program.write(text, to: "dynamics.yaml")
    let run = try program.run("run", "dynamics.yaml")
    #expect(run.code == 0, "\(run.errors)")
    #expect(run.errors.contains("chain.xml holds 3 bonds by constraints, and so does dynamics"), "\(run.errors)")
    let frames = try artifact(program, "dynamics/frames")
    #expect(try frames.read(Recorded.ingest.constraints) == "rigid")
    let umbrella = try artifact(program, "dynamics/umbrella")
    let answer = Recorded.umbrella.freeEnergy
    let (dF, error) = (try umbrella.read(answer.deltaF), try umbrella.read(answer.standardError))
    let expected = -log(truth.quadrature.population / (1 - truth.quadrature.population))
    print("umbrella of the chain: \(dF) ± \(error), law \(expected)")
    #expect(abs(dF - expected) < 3.5 * error && error < 0.1)
    #expect(try umbrella.readIfThere(answer.ensemble) == "bonds held: ensemble of the constrained molecule")
  }
}
