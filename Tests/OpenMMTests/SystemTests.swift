import Foundation
import OpenMM
import TestSupport
import Testing

@Suite("Systems from XML")
struct SystemTests {
  @Test func readsParticlesAndForces() throws {
    let system = try System(xml: harmonicWell(mass: 12))
    #expect(system.atomCount == 1)
    #expect(system.masses == [12])
    #expect(system.constraintCount == 0)
    #expect(system.forceNames == ["CustomExternalForce"])
  }

  @Test func missingFileNamesItsPath() {
    let url = URL(fileURLWithPath: "no/such/system.xml")
    #expect {
      try System(contentsOf: url)
    } throws: { error in
      guard case OpenMMError.unreadable(let path, _) = error else { return false }
      return path == url.path
    }
  }

  /// A document cut anywhere, or with a tag lost, must not load as a smaller System.
  @Test func brokenXMLIsNamedWithItsLine() throws {
    let whole = harmonicWell()
    for length in stride(from: 1, to: whole.utf8.count - 12, by: 37) {
      #expect(throws: OpenMMError.self, "cut at \(length)") { try System(xml: String(whole.prefix(length))) }
    }
    let unclosed = whole.replacingOccurrences(of: "</Particles>\n  <Constraints/>", with: "<Constraints/>")
    #expect {
      try System(xml: unclosed, source: "well.xml")
    } throws: { error in
      guard case OpenMMError.brokenXML(let source, let reason) = error else { return false }
      return source == "well.xml" && reason.contains("</System> closes <Particles>") && reason.hasPrefix("line ")
    }
  }

  @Test func otherDocumentsAreNoSystem() {
    let others = [
      "<Integrator type=\"VerletIntegrator\" stepSize=\"0.001\" version=\"2\"/>": "VerletIntegrator",
      "<State openmmVersion=\"8\" type=\"State\" version=\"1\"></State>": "State",
      "<html><body>404</body></html>": "<html>",
    ]
    for (text, found) in others {
      #expect {
        try System(xml: text)
      } throws: { error in
        guard case OpenMMError.notASystem(_, let what) = error else { return false }
        return what.contains(found)
      }
    }
    #expect(throws: OpenMMError.self) { try System(xml: "") }
    #expect(throws: OpenMMError.self) { try System(xml: "not XML at all") }
  }

  /// Threefold terms of alanine dipeptide (amber99sb-ILDN): 9 x 1.4 / 9 kcal/mol about CA-CB, and none about the peptide bond.
  @Test func torsionsAreAddedToThoseThatAreThere() throws {
    let system = try System(contentsOf: Package.alanine.appendingPathComponent("system.xml"))
    let text = try String(contentsOf: Package.alanine.appendingPathComponent("alanine.pdb"), encoding: .utf8)
    let atoms = text.split(separator: "\n").filter { $0.hasPrefix("ATOM") || $0.hasPrefix("HETATM") }
    let frame = atoms.flatMap { line -> [Double] in
      [30, 38, 46].map { start in
        let first = line.index(line.startIndex, offsetBy: start)
        return (Double(line[first..<line.index(first, offsetBy: 8)].trimmingCharacters(in: .whitespaces)) ?? .nan) / 10
      }
    }
    try #require(frame.count == 66 && frame.allSatisfy(\.isFinite))
    // N-CA-CB-HB1
    let quadruple = [6, 8, 10, 11]
    let before = system.threefoldBarrier(about: (8, 10))
    #expect(abs(before - 2 * 1.4 * 4.184) < 1e-3, "\(before)")
    #expect(system.threefoldBarrier(about: (10, 8)) == before)
    #expect(system.threefoldBarrier(about: (4, 6)) == 0)

    let added = try system.adding(torsions: [
      (atoms: quadruple, periodicity: 3, phase: 0, forceConstant: -2),
      (atoms: quadruple, periodicity: 1, phase: 0.5, forceConstant: 3),
    ])
    #expect(abs(added.threefoldBarrier(about: (8, 10)) - before + 4) < 1e-12)
    #expect(added.forceNames == system.forceNames)
    #expect(system.threefoldBarrier(about: (8, 10)) == before)
    func energy(_ system: System) throws -> Double {
      try #require(try BatchEvaluator(system: system, threads: 1).energies(frame).first)
    }
    let angle = dihedral(quadruple.map { Array(frame[3 * $0..<3 * $0 + 3]) })
    let expected = -2 * (1 + cos(3 * angle)) + 3 * (1 + cos(angle - 0.5))
    let difference = try energy(added) - energy(system)
    #expect(abs(difference - expected) < 1e-9, "\(difference) for \(expected)")
    #expect(throws: OpenMMError.self) {
      try system.adding(torsions: [(atoms: [1, 2, 3, 22], periodicity: 3, phase: 0, forceConstant: 1)])
    }
    #expect(throws: OpenMMError.self) {
      try system.adding(torsions: [(atoms: [1, 2, 3], periodicity: 3, phase: 0, forceConstant: 1)])
    }
    // a System without torsions gets its first
    #expect(try System(xml: harmonicWell()).adding(torsions: []).forceNames.contains("PeriodicTorsionForce"))
  }

  private func dihedral(_ x: [[Double]]) -> Double {
    func minus(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 - $1 } }
    func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    func cross(_ a: [Double], _ b: [Double]) -> [Double] {
      [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    }
    let (a, b, c) = (minus(x[1], x[0]), minus(x[2], x[1]), minus(x[3], x[2]))
    return atan2(dot(b, b).squareRoot() * dot(a, cross(b, c)), dot(cross(a, b), cross(b, c)))
  }

  /// OpenMM's own complaints come back as errors: an unknown force type, a particle that is not there.
  @Test func openMMRefusalsAreErrors() throws {
    let unknown = harmonicWell().replacingOccurrences(of: "type=\"CustomExternalForce\"", with: "type=\"NoSuchForce\"")
    #expect {
      try System(xml: unknown)
    } throws: { error in
      guard case OpenMMError.openMM(let message) = error else { return false }
      return message.contains("NoSuchForce")
    }
    let outside = try System(xml: harmonicWell().replacingOccurrences(of: "index=\"0\"", with: "index=\"7\""))
    #expect(throws: OpenMMError.self) { try BatchEvaluator(system: outside, threads: 1) }
  }

  /// Forces of AMOEBA are in libraries of their own (Fixtures/make_amoeba_water.py): where they are not there, the error says so.
  @Test func polarisableForcesNeedTheirLibraries() throws {
    let file = Package.fixture("molecules/amoeba-water.xml")
    let library = Package.root.appendingPathComponent(".deps/OpenMM.libs/lib/libOpenMMAmoeba.so")
    guard FileManager.default.fileExists(atPath: library.path) else {
      #expect {
        try System(contentsOf: file)
      } throws: { "\($0)".contains("AmoebaMultipoleForce") && "\($0)".contains("need libOpenMMAmoeba.so") }
      return
    }
    let energies = try BatchEvaluator(system: System(contentsOf: file), threads: 1).energies([
      0, 0, 0, 0.1, 0, 0, -0.02, 0.093, 0.001,
    ])
    #expect(abs(energies[0] - 6.6175947948117155) < 1e-6)
  }

  @Test func platformsAreKnownByName() throws {
    #expect(OpenMMLibrary.platforms.contains("Reference"))
    #expect(OpenMMLibrary.version.hasPrefix("8."))
    let system = try System(xml: harmonicWell())
    #expect {
      try BatchEvaluator(system: system, platform: "Abacus", threads: 1)
    } throws: { error in
      guard case OpenMMError.invalidArgument(let reason) = error else { return false }
      return reason.contains("Abacus") && reason.contains("Reference")
    }
  }
}
