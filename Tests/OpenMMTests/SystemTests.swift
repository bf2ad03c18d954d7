import Foundation
import OpenMM
import Testing

/// One particle in a harmonic well, U = k/2 |x|^2, by a CustomExternalForce.
func harmonicWell(mass: Double = 12, forceConstant: Double = 500) -> String {
  """
  <?xml version="1.0" ?>
  <System openmmVersion="8.6.1" type="System" version="1">
    <PeriodicBoxVectors><A x="2" y="0" z="0"/><B x="0" y="2" z="0"/><C x="0" y="0" z="2"/></PeriodicBoxVectors>
    <Particles><Particle mass="\(mass)"/></Particles>
    <Constraints/>
    <Forces>
      <Force energy="0.5*k*(x^2+y^2+z^2)" forceGroup="0" name="CustomExternalForce" type="CustomExternalForce" version="1">
        <PerParticleParameters/>
        <GlobalParameters><Parameter default="\(forceConstant)" name="k"/></GlobalParameters>
        <Particles><Particle index="0"/></Particles>
      </Force>
    </Forces>
  </System>
  """
}

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
