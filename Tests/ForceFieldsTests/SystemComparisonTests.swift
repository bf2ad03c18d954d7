import Foundation
import Molecules
import OpenMM
import TestSupport
import Testing

@testable import ForceFields

@Suite("A System held against its molecule")
struct SystemComparisonTests {
  let topology: Topology
  let plain: String

  init() throws {
    topology = try Topology.read(pdb: Package.fixture("cases/constraints-in-system/meoh.pdb"))
    plain = try String(contentsOf: Package.fixture("cases/constraints-in-system/plain.xml"), encoding: .utf8)
  }

  func refusals(_ replacements: (String, String)...) throws -> [String] {
    var text = plain
    for (old, new) in replacements {
      #expect(text.contains(old), "\(old)")
      text = text.replacingOccurrences(of: old, with: new)
    }
    return SystemComparison(try System(xml: text), topology).refusals.map(\.description)
  }

  @Test func aSystemOfTheMoleculeIsTaken() throws {
    #expect(try refusals().isEmpty)
    for name in DipeptideFixture.names {
      let fixture = try DipeptideFixture(name)
      let topology = try Topology.read(pdb: Package.dipeptide(name).appendingPathComponent("topology.pdb"))
      #expect(SystemComparison(try fixture.system(), topology).refusals.isEmpty, "\(name)")
    }
  }

  /// A case: OpenMM leaves the terms of constrained bonds out.
  @Test func constraintsThatTookTermsAreCounted() throws {
    let system = try System(contentsOf: Package.fixture("cases/constraints-in-system/hbonds.xml"))
    let found = SystemComparison(system, topology).refusals
    #expect(found == [.constraints(count: 4, withoutTerm: 4)])
    #expect("\(found[0])".contains("serialise the System without constraints"))
    let method = SerializedSystem(file: Package.fixture("cases/constraints-in-system/hbonds.xml"))
    #expect(throws: SystemComparisonError.self) { try method.engine(for: topology, threads: 1) }
    // with flexibleConstraints=True the terms are there too
    let constraint = "<Constraints><Constraint d=\".1097\" p1=\"0\" p2=\"2\"/></Constraints>"
    #expect(try refusals(("<Constraints/>", constraint)).isEmpty)
    let ofAngle = "<Constraints><Constraint d=\".18\" p1=\"2\" p2=\"3\"/></Constraints>"
    #expect(try refusals(("<Constraints/>", ofAngle)).isEmpty)
  }

  /// What constraints take from the energy is constant where the frames hold the same bonds at the same lengths.
  @Test func constraintsOfBondsThatAreConstantAreWelcome() throws {
    let file = Package.fixture("cases/constraints-in-system/hbonds.xml")
    let system = try System(contentsOf: file)
    let springs = try System(xml: plain).bondLengths
    let hydrogens = system.pairs(.constrained).map { Topology.Bond($0.first, $0.second) }
    let lengths = hydrogens.map { bond in
      springs.first { Topology.Bond($0.first, $0.second) == bond }?.length ?? 0
    }
    func refusals(_ bonds: [Topology.Bond], _ lengths: [Double]) -> [String] {
      let rigid = RigidBonds(bonds: bonds, lengths: lengths)
      return SystemComparison(system, topology, constraints: .rigid(rigid)).refusals.map(\.description)
    }
    #expect(hydrogens.count == 4 && refusals(hydrogens, lengths).isEmpty)
    #expect(SystemComparison(system, topology, constraints: .bonds).refusals.isEmpty)
    let rigid = RigidBonds(bonds: hydrogens, lengths: lengths)
    let engine = try SerializedSystem(file: file).allowing(.rigid(rigid)).engine(for: topology, threads: 1)
    #expect(engine.atomCount == 6)
    let fewer = refusals(Array(hydrogens.dropLast()), Array(lengths.dropLast()))
    #expect(fewer.count == 1 && fewer[0].contains(topology.label(of: hydrogens[3].second)), "\(fewer)")
    #expect(fewer.first?.contains("in the samples these bonds move") == true)
    let longer = refusals(hydrogens, lengths.map { $0 + 0.003 })
    #expect(longer.count == 4 && longer[0].contains("they are of different force fields"))
    // angles: between two hydrogens of the methyl group
    let ofAngle = try System(
      xml: plain.replacingOccurrences(
        of: "<Constraints/>", with: "<Constraints><Constraint d=\".18\" p1=\"2\" p2=\"3\"/></Constraints>"))
    // its energy is whole, but dynamics cannot hold it
    #expect(SystemComparison(ofAngle, topology, constraints: .bonds).refusals.isEmpty)
    let found = SystemComparison(ofAngle, topology, constraints: .dynamics).refusals
    #expect(found.first?.description.contains("which are no bonds (HAngles, rigid water)") == true, "\(found)")
  }

  @Test func anotherOrderIsNamed() throws {
    let carbon = "<Particle mass=\"12.01\"/>"
    let oxygen = "<Particle mass=\"16\"/>"
    let found = try refusals((carbon, "<Particle mass=\"X\"/>"), (oxygen, carbon), ("<Particle mass=\"X\"/>", oxygen))
    #expect(
      found == [
        "particle 0 weighs 16.000 u, and \(topology.label(of: 0)) of the topology 12.011: they are of different molecules, "
          + "or in another order"
      ])
    let own = try #require(plain.range(of: "<Bond [^>]*p1=\"1\" p2=\"5\"", options: .regularExpression))
    let term = String(plain[own])
    let bond = try refusals((term, term.replacingOccurrences(of: "p2=\"5\"", with: "p2=\"4\"")))
    #expect(bond.count == 1 && bond[0].contains("are bonded in the topology and not in the System"))
  }

  @Test func heavyHydrogensArePartOfTheirAtom() throws {
    let heavy = try refusals(
      ("<Particle mass=\"1.008\"/>", "<Particle mass=\"3.024\"/>"),
      ("<Particle mass=\"12.01\"/>", "<Particle mass=\"5.962\"/>"),
      ("<Particle mass=\"16\"/>", "<Particle mass=\"13.984\"/>"))
    #expect(heavy.isEmpty)
    #expect(try refusals(("<Particle mass=\"12.01\"/>", "<Particle mass=\"5.962\"/>")).count == 1)
  }

  @Test func restraintsBoxesAndSitesAreRefused() throws {
    let restraint = """
      <Forces><Force energy="x^2" forceGroup="0" name="PositionRestraint" type="CustomExternalForce" version="1">
      <PerParticleParameters/><GlobalParameters/><Particles><Particle index="0"/></Particles></Force>
      """
    let restrained = try refusals(("<Forces>", restraint))
    #expect(restrained.count == 1 && restrained[0].hasPrefix("PositionRestraint holds or biases the molecule"))
    let periodic = try refusals(
      ("type=\"NonbondedForce\"", "type=\"NonbondedForce\""), ("method=\"0\"", "method=\"2\""))
    #expect(periodic.contains { $0.contains("NonbondedForce") && $0.contains("is periodic") })
    let site = "<Particle mass=\"0\"><TwoParticleAverageSite p1=\"0\" p2=\"1\" w1=\".5\" w2=\".5\"/></Particle>"
    let first = try #require(plain.range(of: "<Particle mass=\"1.008\"/>"))
    let text = plain.replacingCharacters(in: first, with: site)
    let sites = SystemComparison(try System(xml: text), topology).refusals
    #expect(sites.contains(.virtualSites(count: 1, first: 2)))
  }

  /// Thermostats, barostats and removers of drift change no energy; they are left out and, but for the last, named.
  @Test func idleForcesAreLeftOut() throws {
    let scratch = try Scratch()
    let idle = """
      <Forces><Force forceGroup="0" frequency="1" name="CMMotionRemover" type="CMMotionRemover" version="1"/>
      <Force forceGroup="0" frequency="1" name="AndersenThermostat" randomSeed="0" temperature="300" type="AndersenThermostat" version="1"/>
      <Force forceGroup="0" frequency="25" name="MonteCarloBarostat" pressure="1" randomSeed="0" temperature="300" type="MonteCarloBarostat" \
      version="1"/>
      """
    try scratch.write(plain.replacingOccurrences(of: "<Forces>", with: idle), to: "idle.xml")
    try scratch.write(plain, to: "plain.xml")
    let methods = ["idle.xml", "plain.xml"].map { SerializedSystem(file: scratch.url.appendingPathComponent($0)) }
    #expect(
      try methods[0].warnings(for: topology).map(\.message) == [
        "idle.xml: AndersenThermostat, MonteCarloBarostat is left out: it changes no energy of a molecule by itself"
      ])
    #expect(try methods[1].warnings(for: topology).isEmpty)
    let systems = try methods.map { try $0.system(for: topology) }
    #expect(systems[0].forceNames == systems[1].forceNames)
    let energies = try methods.map {
      try $0.engine(for: topology, threads: 1).energies(topology.referenceCoordinates)
    }
    #expect(energies[0] == energies[1])
  }
}
