import Foundation
import Molecules
import OpenMM
import TestSupport
import Testing

@testable import ForceFields

/// Capped alanine among waters and ions (ff14SB as a prmtop, ff19SB with CMAP, PME and constraints as a System): the molecule alone.
@Suite struct SolvatedTests {
  struct Expected: Decodable {
    let kept: [Int]
    let frames: [[Double]]
    let parmed: [String: [Double]]
    let openmm: [Double]
    let selections: [String: [Int]]
  }

  static func file(_ name: String) -> URL { Package.fixture("solvated/\(name)") }

  static func expected() throws -> Expected {
    try JSONDecoder().decode(Expected.self, from: Data(contentsOf: file("expected.json")))
  }

  @Test func selectionsAreMDTrajs() throws {
    let structure = try Structure.read(pdb: Self.file("all.pdb"))
    let expected = try Self.expected()
    #expect(expected.selections.count > 20)
    for (query, atoms) in expected.selections {
      if atoms.isEmpty {
        expectError(saying: query, "none of") { try AtomSelection(query).atoms(of: structure) }
      } else {
        #expect(try AtomSelection(query).atoms(of: structure) == atoms, "\(query)")
      }
    }
    #expect(try AtomSelection("residue >= 3 and protein").atoms(of: structure).count > 0)
  }

  @Test func selectionsThatSayNothing() {
    for (query, words) in [
      ("nam CA", "\"nam\" is none of"), ("name", "followed by nothing"), ("resid a", "\"a\" is not a number"),
      ("(name CA", "a bracket is not closed"), ("name CA)", "\")\" is out of place"), ("", "something is missing"),
      ("name CA and", "something is missing"), ("resid 1 to", "followed by nothing"),
    ] { expectError(saying: words) { try AtomSelection(query) } }
    #expect(throws: MoleculesError.self) { try AtomSelection(String(repeating: "(", count: 5000)) }
  }

  @Test func theMoleculeIsWhatIsNoSolvent() throws {
    let structure = try Structure.read(pdb: Self.file("all.pdb"))
    let expected = try Self.expected()
    #expect(try structure.moleculeAtoms() == expected.kept)
    let amber = try AMBERTopology.read(Self.file("all.prmtop")).structure()
    #expect(try amber.moleculeAtoms() == expected.kept)
    #expect(throws: MoleculesError.brokenSelection(kept: "C of ACE 1", dropped: "N of ALA 2", guessed: false)) {
      try structure.topology(of: AtomSelection("resname ACE").atoms(of: structure))
    }
    #expect(throws: MoleculesError.noCoordinates) { try amber.topology(of: expected.kept) }
  }

  private func topology() throws -> Topology {
    let structure = try Structure.read(pdb: Self.file("all.pdb"))
    return try structure.topology(of: structure.moleculeAtoms())
  }

  @Test func prmtopIsParmEdsStrip() throws {
    let (topology, expected) = (try topology(), try Self.expected())
    let kept = KeptAtoms(expected.kept, of: 66)
    #expect(expected.frames.count == 5)
    let file = Self.file("all.prmtop")
    #expect(try AMBERTopology.read(file).atomCount > 22)
    for (solvent, name) in [(SystemTerms.ImplicitSolvent.none, "none"), (.obc2, "obc2")] {
      for method in [
        AMBERForceField(file: file, implicitSolvent: solvent).keeping(kept),
        AMBERForceField(file: file, implicitSolvent: solvent),
      ] {
        let engine = try method.engine(for: topology, threads: 1)
        let wanted = try #require(expected.parmed[name])
        for (frame, energy) in zip(expected.frames, wanted) {
          let found = try engine.energies(frame)[0]
          // up to 1.4e-5 kJ/mol apart; where that comes from has not been found
          #expect(abs(found - energy) < 2e-5, "\(name): \(found), \(energy)")
        }
      }
    }
  }

  @Test func systemIsThatOfTheMoleculeAlone() throws {
    let (topology, expected) = (try topology(), try Self.expected())
    let all = try System(contentsOf: Self.file("all.xml"))
    #expect(all.isPeriodic && all.forceNames.contains("CMAPTorsionForce") && all.constraintCount > 12)
    // whose constraints have taken the bonds' terms out
    let method = SerializedSystem(file: Self.file("all.xml")).keeping(KeptAtoms(expected.kept, of: all.atomCount))
    expectError(saying: "12 constraints, and 12 of them have taken") { try method.system(for: topology) }
    let system = try all.keeping(expected.kept)
    #expect(system.atomCount == 22 && system.constraintCount == 12 && !system.isPeriodic)
    let engine = try OpenMMEngine(system: system, threads: 1)
    for (frame, energy) in zip(expected.frames, expected.openmm) {
      #expect(abs(try engine.energies(frame)[0] - energy) < 1e-6)
    }
    // a methyl hydrogen less: its bond is cut
    expectError(saying: "joins particles that are kept with others that are not") {
      try all.keeping(Array(expected.kept.dropLast()))
    }
  }

  /// Forces that cannot be reduced are named; such as touch only what is left out play no part.
  @Test func forcesOfOtherKinds() throws {
    let expected = try Self.expected()
    let text = try String(contentsOf: Self.file("all.xml"), encoding: .utf8)
    func with(_ particle: Int) throws -> System {
      let force = """
        <Force energy="x^2" forceGroup="0" name="Restraint" type="CustomExternalForce" version="1">
        <PerParticleParameters/><GlobalParameters/><Particles><Particle index="\(particle)"/></Particles></Force></Forces>
        """
      return try System(xml: text.replacingOccurrences(of: "</Forces>", with: force))
    }
    #expect(try with(0).keeping(expected.kept).atomCount == 22)
    expectError(saying: "the System's Restraint cannot be reduced") {
      try with(expected.kept[3]).keeping(expected.kept)
    }
  }
}
