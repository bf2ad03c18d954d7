import Dynamics
import ForceFields
import Foundation
import Molecules
import OpenMM
import TestSupport
import Testing

private func sampler(_ system: System, plain: Bool = false) throws -> LangevinDynamics {
  try LangevinDynamics(
    system: system, settings: .init(temperature: 310, threads: 1, plainForces: plain), recordInterval: 20)
}

/// The largest relative differences of energies and forces between the built-in kernel and OpenMM.
private func differences(_ system: System, _ frames: [[Double]]) throws -> (energy: Double, force: Double) {
  let (ours, theirs) = (try sampler(system), try sampler(system, plain: true))
  #expect(ours.forceProvider.hasPrefix("built-in"))
  #expect(theirs.forceProvider == "OpenMM Reference")
  var largest = (energy: 0.0, force: 0.0)
  for frame in frames {
    let a = try ours.biasedForces(frame, centers: [])
    let b = try theirs.biasedForces(frame, centers: [])
    largest.energy = max(largest.energy, largestRelativeError([a.energy], [b.energy]))
    largest.force = max(largest.force, largestRelativeError(a.forces, b.forces))
  }
  return largest
}

private func expectOpenMM(_ system: System, _ frames: [[Double]], _ comment: String) throws {
  let found = try differences(system, frames)
  #expect(found.energy < 1e-9 && found.force < 1e-9, "\(comment): \(found)")
}

private let radius = "tanh(0.8*psi+2.909125*psi^3)"
private let surface =
  "<Term expression=\"28.3919551*(radius+0.14)^2*(radius/B)^6; radius=or+offset; solventDielectric=78.5; "
  + "soluteDielectric=1; kappa=0; offset=0.008999999999999999; cutoff=2\" type=\"0\"/>"
private let bornCutoff = "<Force cutoff=\"2\" forceGroup=\"0\" method=\"1\" name=\"CustomGBForce\""
private let nonbonded = "cutoff=\"2\" dispersionCorrection"

@Suite("The built-in kernel against OpenMM, on the dipeptides' force field")
struct BuiltInKernelTests {
  /// Solvent by expressions, everything within 2 nm; frames reach far beyond.
  @Test func equalsOpenMM() throws {
    for name in DipeptideFixture.names {
      let fixture = try DipeptideFixture(name)
      try expectOpenMM(try fixture.system(), fixture.frames(), name)
    }
  }

  /// The same formulas with other parameters, other names and other layouts.
  @Test(
    arguments: [
      ("OBC2", [(radius, "tanh(psi-0.8*psi^2+4.85*psi^3)")]),
      ("no surface term", [(surface, "")]),
      ("no solvent cutoff", [(bornCutoff, bornCutoff.replacingOccurrences(of: "method=\"1\"", with: "method=\"0\""))]),
      ("a short solvent cutoff", [(bornCutoff, bornCutoff.replacingOccurrences(of: "\"2\"", with: "\"0.45\""))]),
      (
        "a short cutoff and a reaction field",
        [
          (nonbonded, nonbonded.replacingOccurrences(of: "\"2\"", with: "\"0.5\"")),
          ("rfDielectric=\"1\"", "rfDielectric=\"78.3\""),
        ]
      ),
      ("a polarisation without shift", [("(1/f-0.5)", "(1/f-0)")]),
      ("a polarisation without cutoff", [("*(1/f-0.5);", "/f;")]),
      ("other names", [("\"sr\"", "\"scaled\""), ("sr2", "scaled2"), ("U=r", "U=(r)"), ("psi", "y")]),
      ("helpers in another order", [("U=r+sr2;L=max(or1, D);D=abs(r-sr2)", "L=max(or1,D);D=abs(r-sr2);U=(r + sr2)")]),
      (
        "a global parameter",
        [
          (
            "<GlobalParameters/>\n\t\t\t<EnergyParam",
            "<GlobalParameters><Parameter default=\"3\" name=\"inside\"/>"
              + "</GlobalParameters>\n<EnergyParam"
          ), ("soluteDielectric=1;", "soluteDielectric=inside;"),
        ]
      ),
      ("atoms within others", [("+0.5*log(L/U)/r)", "+0.5*log(L/U)/r+2*(1/or1-1/L)*step(sr2-r-or1))")]),
    ] as [(String, [(String, String)])])
  func equalsOpenMMOnRelatives(_ name: String, _ replacements: [(String, String)]) throws {
    let fixture = try DipeptideFixture(DipeptideFixture.names[0])
    let system = try fixture.system(replacements)
    try expectOpenMM(system, fixture.frames(scales: [1, 0.4, 1.3, 2, 4.7], noises: [0.003, 0.02]), name)
    // and it is another force field
    let frame = fixture.coordinates
    let changed = try sampler(system).biasedForces(frame, centers: []).energy
    let original = try sampler(try fixture.system()).biasedForces(frame, centers: []).energy
    let unchanged = ["other names", "helpers in another order", "atoms within others", "no solvent cutoff"].contains(
      name)
    #expect((abs(changed - original) < 1e-9) == unchanged)
  }

  /// What is not exactly one of the known formulas goes to OpenMM.
  @Test(
    arguments: [
      ("another function", [("tanh(0.8", "sin(0.8")]),
      ("another power", [("psi^3", "psi^5")]),
      ("salt", [("charge1*charge2*(1/f-0.5)", "charge1*charge2*(exp(-f)/f-0.5)")]),
      ("the wrong particle", [("max(or1, D)", "max(or2, D)")]),
      ("charges for radii", [("psi=I*or", "psi=I*charge")]),
      ("a value of one particle where pairs belong", [("type=\"2\"/>\n\t\t\t\t<Value", "type=\"0\"/>\n<Value")]),
      ("a term twice", [(surface, surface + surface)]),
      ("exclusions", [("name=\"I\" type=\"2\"", "name=\"I\" type=\"1\""), ("<Exclusions/>", exclusion)]),
      (
        "a switching function",
        [("useSwitchingFunction=\"0\"", "useSwitchingFunction=\"1\""), ("=\"-1\" type", "=\"1\" type")]
      ),
      ("periodic cutoffs", [("ljnz=\"0\" method=\"1\"", "ljnz=\"0\" method=\"2\"")]),
    ] as [(String, [(String, String)])])
  func leavesTheRestToOpenMM(_ name: String, _ replacements: [(String, String)]) throws {
    let fixture = try DipeptideFixture(DipeptideFixture.names[0])
    let system = try fixture.system(replacements)
    guard !["a value of one particle where pairs belong", "periodic cutoffs"].contains(name) else {
      // OpenMM's own refusal, of a formula for one particle that names two and of a box smaller than two cutoffs
      #expect(throws: OpenMMError.self) { try sampler(system) }
      return
    }
    let fallen = try sampler(system)
    #expect(fallen.forceProvider == "OpenMM Reference", "\(name)")
    let refusal = try #require(fallen.kernelRefusal)
    #expect(refusal.contains("GBForce") || refusal.contains("NonbondedForce"), "\(refusal)")
    #expect(try sampler(try fixture.system()).kernelRefusal == nil)
  }

  /// The solvent of a prmtop, OBC1 by expressions of our own and OBC2 by OpenMM's force, and no solvent.
  @Test(arguments: SystemTerms.ImplicitSolvent.allCases)
  func equalsOpenMMOnAMBERSystems(_ solvent: SystemTerms.ImplicitSolvent) throws {
    let prmtop = Package.alanine.appendingPathComponent("alanine.prmtop")
    let fixture = try AlanineFixture.load()
    let frames = fixture.energies.indices.map(fixture.frame)
    for (surface, salt) in [(true, 0.0), (false, 0), (true, 0.3), (false, 0.3)] {
      let terms = try SystemTerms(
        AMBERTopology.read(prmtop), implicitSolvent: solvent, hasSurfaceTerm: surface, saltConcentration: salt)
      try expectOpenMM(
        try System(terms), frames + frames.map { frame in frame.map { 3 * $0 } }, "\(solvent) \(surface) \(salt)")
    }
  }

  /// OpenMM's own force of OBC2 and the Coulomb forces with cutoffs.
  @Test func equalsOpenMMWithCutoffsOfItsOwnForces() throws {
    let fixture = try AlanineFixture.load()
    let frames = fixture.energies.indices.map(fixture.frame)
    let text = try String(contentsOf: AlanineFixture.systemXML, encoding: .utf8)
    let cut = text.replacingOccurrences(of: "method=\"0\"", with: "method=\"1\"")
      .replacingOccurrences(of: "cutoff=\"1\"", with: "cutoff=\"0.6\"")
    #expect(cut != text)
    try expectOpenMM(try System(xml: cut), frames + frames.map { frame in frame.map { 1.7 * $0 } }, "cut")
  }

  /// Energies of many frames: by the kernel as by OpenMM, by OpenMM alone where the kernel does not cover the System, and on a frame
  /// that is not finite neither.
  @Test func evaluatorEqualsOpenMM() throws {
    let fixture = try AlanineFixture.load()
    let system = try System(contentsOf: AlanineFixture.systemXML)
    let openMM = try BatchEvaluator(system: system, threads: 2)
    let kernel = try KernelEvaluator(BatchEvaluator(system: system, threads: 2))
    let expected = try openMM.energiesAndForces(fixture.coordinates)
    let found = try kernel.energiesAndForces(fixture.coordinates)
    #expect(kernel.usesBuiltInKernel)
    #expect(found.energies != expected.energies)
    #expect(try kernel.energies(fixture.coordinates) == found.energies)
    #expect(largestRelativeError(found.energies, expected.energies) < 1e-10)
    #expect(largestRelativeError(found.forces, expected.forces) < 1e-10)

    let broken = fixture.frame(0) + fixture.frame(1).map { _ in Double.nan }
    let half = try kernel.energiesAndForces(broken)
    #expect(half.energies[0] == found.energies[0] && half.energies[1] == .infinity)
    #expect(half.forces[..<66] == found.forces[..<66] && half.forces[66...].allSatisfy { $0.isNaN })

    let well = try KernelEvaluator(BatchEvaluator(system: System(xml: harmonicWell(forceConstant: 500)), threads: 1))
    #expect(!well.usesBuiltInKernel)
    #expect(try abs(well.energies([0.1, 0, 0.2])[0] - 250 * 0.05) < 1e-12)
    #expect(throws: OpenMMError.wrongShape(values: 2, atoms: 1)) { try well.energies([1, 2]) }
  }
}

private let exclusion = "<Exclusions><Exclusion p1=\"0\" p2=\"1\"/></Exclusions>"
