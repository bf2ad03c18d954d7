import Foundation
import Molecules
import OpenMM
import TestSupport
import Testing

@testable import ForceFields

/// Energies and forces by OpenMM's Python AmberPrmtopFile (Fixtures/make_amber_energies.py).
private struct AMBERFixture: Decodable {
  struct Values: Decodable {
    let energiesKjMol: [Double]
    /// [forces][frames]: bonds, angles, torsions, nonbonded, Born.
    let byForceKjMol: [[Double]]
    let forcesKjMolNm: [Double]
  }
  let coordinatesNm: [Double]
  let none: Values
  let obc1: Values
  let obc2: Values

  static let prmtop = Package.alanine.appendingPathComponent("alanine.prmtop")

  static func load() throws -> AMBERFixture {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let url = Package.fixture("amber_energies.json")
    return try decoder.decode(AMBERFixture.self, from: Data(contentsOf: url))
  }

  func values(_ solvent: SystemTerms.ImplicitSolvent) -> Values {
    switch solvent {
    case .obc1: obc1
    case .obc2: obc2
    default: none
    }
  }
}

@Suite("Energies of an AMBER prmtop")
struct AMBEREnergiesTests {
  @Test(arguments: [SystemTerms.ImplicitSolvent.none, .obc1, .obc2])
  func equalOpenMMsPythonLayer(_ solvent: SystemTerms.ImplicitSolvent) throws {
    let fixture = try AMBERFixture.load()
    let topology = try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
    let method = AMBERForceField(file: AMBERFixture.prmtop, implicitSolvent: solvent, hasSurfaceTerm: true)
    let engine = try method.engine(for: topology, threads: 2)
    let result = try engine.energiesAndForces(fixture.coordinatesNm)
    let expected = fixture.values(solvent)
    #expect(largestRelativeError(result.energies, expected.energiesKjMol) < 1e-6)
    #expect(largestRelativeError(result.forces, expected.forcesKjMolNm) < 1e-6)
  }

  /// Each kind of term by itself, so that no error hides behind another.
  @Test func equalTermByTerm() throws {
    let fixture = try AMBERFixture.load()
    let amber = try AMBERTopology.read(AMBERFixture.prmtop)
    for (solvent, values) in [(SystemTerms.ImplicitSolvent.obc1, fixture.obc1), (.obc2, fixture.obc2)] {
      for (kind, expected) in values.byForceKjMol.enumerated() {
        var terms = try SystemTerms(amber, implicitSolvent: solvent, hasSurfaceTerm: true)
        if kind != 0 { terms.bonds = [] }
        if kind != 1 { terms.angles = [] }
        if kind != 2 { terms.torsions = [] }
        if kind != 3 {
          terms.exceptions = []
          terms.epsilons = terms.epsilons.map { _ in 0 }
        }
        if kind < 3 { terms.charges = terms.charges.map { _ in 0 } }
        if kind != 4 { terms.implicitSolvent = .none }
        let energies = try OpenMMEngine(system: System(terms), threads: 1).energies(fixture.coordinatesNm)
        guard kind == 4 else {
          #expect(largestRelativeError(energies, expected) < 1e-6, "term \(kind)")
          continue
        }
        // the charges of the Born term act on each other too
        terms.implicitSolvent = .none
        let bare = try OpenMMEngine(system: System(terms), threads: 1).energies(fixture.coordinatesNm)
        #expect(largestRelativeError(zip(energies, bare).map { $0 - $1 }, expected) < 1e-6, "\(solvent)")
      }
    }
  }

  /// The prmtop was made from the same force field as the serialised System; it rounds to nine digits.
  @Test func isTheForceFieldOfTheSystem() throws {
    let fixture = try AMBERFixture.load()
    let system = try OpenMMEngine(systemXML: AlanineFixture.systemXML, threads: 1).energies(fixture.coordinatesNm)
    let amber = try System(
      SystemTerms(AMBERTopology.read(AMBERFixture.prmtop), implicitSolvent: .obc2, hasSurfaceTerm: true))
    let energies = try OpenMMEngine(system: amber, threads: 1).energies(fixture.coordinatesNm)
    let differences = zip(energies, system).map { $0 - $1 }
    let mean = differences.reduce(0, +) / Double(differences.count)
    #expect(abs(mean) < 0.01)
    #expect(differences.allSatisfy { abs($0 - mean) < 0.005 })
  }

  /// Of the same molecule, with types and terms in other orders.
  @Test func readsAnotherProgramsFile() throws {
    let fixture = try AMBERFixture.load()
    let topology = try AMBERTopology.read(Package.fixture("molecules/other.prmtop"))
    let terms = try SystemTerms(topology, implicitSolvent: .obc2, hasSurfaceTerm: true)
    let engine = try OpenMMEngine(system: System(terms), threads: 1)
    let differences = zip(try engine.energies(fixture.coordinatesNm), fixture.obc2.energiesKjMol).map { $0 - $1 }
    #expect(differences.count == fixture.obc2.energiesKjMol.count && differences.allSatisfy { abs($0) < 1e-3 })
  }

  @Test func wrongMoleculesAreErrors() throws {
    let topology = try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
    var atoms = topology.atoms
    atoms.swapAt(0, 1)
    let swapped = try Topology(
      atoms: atoms, residues: topology.residues, bonds: topology.bonds,
      referenceCoordinates: topology.referenceCoordinates)
    #expect(
      throws: AMBERForceFieldError.otherMolecule(
        file: "alanine.prmtop",
        difference: "atom 0 is H1 with atomic number 1 in the prmtop and CH3 of ACE 1 in the topology")
    ) { try AMBERForceField(file: AMBERFixture.prmtop).engine(for: swapped, threads: 1) }
    let text = try String(contentsOf: AMBERFixture.prmtop, encoding: .utf8)
    let withoutRadii = try AMBERTopology.parse(
      text.replacingOccurrences(of: "%FLAG RADII", with: "%FLAG OTHER"), file: "x")
    #expect(throws: AMBERForceFieldError.noBornRadii(file: "the prmtop")) {
      try SystemTerms(withoutRadii, implicitSolvent: .obc1)
    }
    #expect(try System(SystemTerms(withoutRadii, implicitSolvent: .none)).atomCount == 22)
  }

  @Test func refusesTermsThatDoNotFit() throws {
    var terms = SystemTerms(masses: [1, 1], charges: [0, 0], sigmas: [0.1, 0.1], epsilons: [0, 0])
    terms.bonds = [([0, 2], 0.1, 1)]
    #expect(throws: OpenMMError.invalidArgument("a term of atom 2, where there are 2")) { try System(terms) }
    terms.bonds = []
    terms.implicitSolvent = .obc2
    #expect(throws: OpenMMError.invalidArgument("0 Born radii where 2 belong")) { try System(terms) }
    terms.implicitSolvent = .none
    terms.charges = []
    #expect(throws: OpenMMError.invalidArgument("0 charges where 2 belong")) { try System(terms) }
  }
}
