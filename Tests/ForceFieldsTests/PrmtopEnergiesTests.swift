import Foundation
import Molecules
import OpenMM
import TestSupport
import Testing

@testable import ForceFields

/// Energies and forces by OpenMM's Python AmberPrmtopFile, energies by sander (Fixtures/make_prmtop_energies.py).
private struct PrmtopFixture: Decodable {
  struct Values: Decodable {
    let model: SystemTerms.ImplicitSolvent
    let salt: Double
    let surface: String
    let energiesKjMol: [Double]
    let forcesKjMolNm: [Double]?  // Of the last frame
    let sanderKcalMol: Double?  // Of the last frame, five digits
  }
  struct Molecule: Decodable {
    let coordinatesNm: [Double]
    let values: [Values]
  }
  let molecules: [String: Molecule]

  static func load() throws -> PrmtopFixture {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(PrmtopFixture.self, from: Data(contentsOf: Package.fixture("prmtop_energies.json")))
  }

  static func file(_ name: String) -> URL { Package.fixture("prmtops/\(name).prmtop") }
}

@Suite("Models of generalised Born, CMAP and salt, from a prmtop")
struct PrmtopEnergiesTests {
  @Test(arguments: ["alanine-ff19sb", "peptide-ff19sb", "serine-bondi"])
  func equalOpenMMsPythonLayerAndSander(_ name: String) throws {
    let molecule = try #require(try PrmtopFixture.load().molecules[name])
    let file = PrmtopFixture.file(name)
    let amber = try AMBERTopology.read(file)
    let topology = try amber.topology(coordinates: Array(molecule.coordinatesNm.prefix(3 * amber.atomCount)))
    #expect(amber.maps.isEmpty == false && molecule.values.count == 21)
    for expected in molecule.values {
      let method = AMBERForceField(
        file: file, implicitSolvent: expected.model, hasSurfaceTerm: expected.surface == "ACE",
        saltConcentration: expected.salt)
      let engine = try method.engine(for: topology, threads: 1)
      let found = try engine.energiesAndForces(molecule.coordinatesNm)
      let comment: Comment = "\(expected.model) \(expected.salt) \(expected.surface)"
      #expect(engine.summary.contains("by the built-in kernel"), comment)
      #expect(largestRelativeError(found.energies, expected.energiesKjMol) < 1e-6, comment)
      if let forces = expected.forcesKjMolNm {
        #expect(largestRelativeError(Array(found.forces.suffix(forces.count)), forces) < 1e-6, comment)
      }
      // sander has other constants of nature, in the fifth digit of a Coulomb energy that others have cancelled, and takes the nearest
      // radius of the necks' tables, which arginine's 1.17 angstrom are not
      if let sander = expected.sanderKcalMol {
        let last = try #require(found.energies.last) / 4.184
        #expect(abs(last - sander) < 0.03 + (expected.model.hasOwnScreens ? 5e-4 : 2e-4) * abs(sander), comment)
      }
    }
  }

  /// OpenMM's Python layer writes these models as expressions with tables: the kernel knows them.
  @Test(arguments: ["0.0", "0.15"])
  func knowsSerialisedSystemsOfGBn2(_ salt: String) throws {
    let molecule = try #require(try PrmtopFixture.load().molecules["alanine-ff19sb"])
    let expected = try #require(
      molecule.values.first { $0.model == .gbn2 && $0.surface == "none" && $0.salt == Double(salt) })
    let engine = try OpenMMEngine(
      systemXML: Package.fixture("prmtops/alanine-ff19sb-gbn2-\(salt).xml"), threads: 1)
    let found = try engine.energies(molecule.coordinatesNm)
    #expect(engine.summary == "an OpenMM System by the built-in kernel")
    #expect(largestRelativeError(found, expected.energiesKjMol) < 1e-9)
  }

  @Test func saysWhichRadiiAreMeant() throws {
    let topology = try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
    func warnings(_ name: String, _ model: SystemTerms.ImplicitSolvent) throws -> [String] {
      try AMBERForceField(file: PrmtopFixture.file(name), implicitSolvent: model).warnings(for: topology).map(\.message)
    }
    #expect(try warnings("alanine-ff19sb", .gbn2).isEmpty)
    #expect(try warnings("alanine-ff19sb", .none).isEmpty)
    #expect(try warnings("serine-bondi", .gbn).isEmpty)
    #expect(
      try warnings("serine-bondi", .obc2) == [
        "the radii of serine-bondi.prmtop are bondi, and OBC2 (igb=5) was made with mbondi2: make the file again with "
          + "'set default PBradii mbondi2' in LEaP, or take the model of these radii"
      ])
    #expect(
      AMBERForceField(file: PrmtopFixture.file("x"), implicitSolvent: .gbn2, saltConcentration: 0.15).name
        == "an AMBER prmtop with GBn2 (igb=8), 0.15 mol/L salt, without a surface term")
  }

  @Test func aRadiusBeyondTheTablesIsAnError() throws {
    let text = try String(contentsOf: PrmtopFixture.file("serine-bondi"), encoding: .utf8)
    let small = text.replacingOccurrences(of: "  1.20000000E+00", with: "  0.80000000E+00")
    #expect(small != text)
    let amber = try AMBERTopology.parse(small, file: "x")
    let error = #expect(throws: AMBERForceFieldError.self) { try SystemTerms(amber, implicitSolvent: .gbn) }
    #expect(
      "\(try #require(error))".contains("has a Born radius of 0.8 angstrom, and GBn (igb=7) knows those of 1 to 2"))
    #expect(try SystemTerms(amber, implicitSolvent: .obc2).bornRadii.count == amber.atomCount)
  }

  /// A case: what ParmEd's `strip` leaves of a solvated file.
  @Test func theBoxOfAStrippedFilePlaysNoPart() throws {
    let stripped = Package.fixture("cases/stripped-prmtop/stripped.prmtop")
    let plain = Package.fixture("cases/surface-term/meoh.prmtop")
    let topology = try Topology.read(pdb: Package.fixture("cases/stripped-prmtop/meoh.pdb"))
    let energies = try [stripped, plain].map { file in
      try AMBERForceField(file: file).engine(for: topology, threads: 1).energies(topology.referenceCoordinates)
    }
    #expect(abs(energies[0][0] - energies[1][0]) < 1e-9)
    #expect(
      try AMBERForceField(file: stripped).warnings(for: topology).map(\.message) == [
        "stripped.prmtop is of a periodic box, which plays no part: energies are those of the molecule alone"
      ])
  }

  /// A case: AMBER's igb=5 has no surface term; sander's energy with igb=5 and gbsa=0.
  @Test func withoutASurfaceTermAsInAMBER() throws {
    let topology = try Topology.read(pdb: Package.fixture("cases/surface-term/meoh.pdb"))
    let file = Package.fixture("cases/surface-term/meoh.prmtop")
    func energy(_ method: any EnergyMethod) throws -> Double {
      try method.engine(for: topology, threads: 1).energies(topology.referenceCoordinates)[0]
    }
    let amber = try energy(AMBERForceField(file: file))
    #expect(abs(amber / 4.184 - -2.1547) < 2e-4)
    #expect(abs(amber - (try energy(SerializedSystem(file: Package.fixture("cases/surface-term/plain.xml"))))) < 1e-6)
    let withTerm = try energy(AMBERForceField(file: file, hasSurfaceTerm: true))
    #expect(withTerm - amber > 5)
  }
}
