import Foundation
import Molecules
import OpenMM
import TestSupport
import Testing

@testable import ForceFields

@Suite("Energy methods and their engines")
struct EnergyMethodTests {
  static let alanine = [1, 6, 1, 1, 6, 8, 7, 1, 6, 1, 6, 1, 1, 1, 6, 8, 7, 1, 6, 1, 1, 1]

  private struct Stop: Error {}

  @Test func makesWhatIsAskedFor() throws {
    let fixture = try AlanineFixture.load()
    let topology = try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
    let serialized = SerializedSystem(file: AlanineFixture.systemXML)
    let openMM = try serialized.engine(for: topology, threads: 1)
    #expect(openMM.summary == "an OpenMM System by the built-in kernel" && openMM.atomCount == 22)
    let xTB = try GFN2xTB().engine(for: topology, threads: 2)
    #expect(xTB.summary == "GFN2-xTB in water (GBSA)" && xTB.atomCount == 22)
    // both are energies of the same molecule: conformations differ by much the same
    let frames = [fixture.frame(0), fixture.frame(1)]
    let differences = try [openMM, xTB].map { engine in
      try engine.energies(frames[1])[0] - engine.energies(frames[0])[0]
    }
    #expect(abs(differences[0] - differences[1]) < 60)
    #expect(try serialized.system(for: topology).atomCount == 22)
    let prmtop = Package.alanine.appendingPathComponent("alanine.prmtop")
    let amber = AMBERForceField(file: prmtop, implicitSolvent: .obc1)
    let summary = try amber.engine(for: topology, threads: 1).summary
    // the file names its radii so
    let radii = "radii of the System's GBSAOBCForce radii"
    #expect(
      summary == "an AMBER prmtop with OBC1 (igb=2) on \(radii), without a surface term, by the built-in kernel")
    #expect(throws: EnergyMethodError.noSystem(method: "GFN2-xTB")) { try GFN2xTB().system(for: topology) }
  }

  @Test func tellsHowFarItIs() throws {
    let fixture = try AlanineFixture.load()
    let engine = try XTBEngine(atomicNumbers: Self.alanine, settings: .init(solvent: nil), threads: 1)
    let coordinates = (0..<5).flatMap { _ in fixture.coordinates }
    let frames = coordinates.count / 66
    var heard: [Int] = []
    let energies = try engine.energies(coordinates) { heard.append($0) }
    #expect(energies.count == frames && heard == Array(stride(from: 20, to: frames, by: 20)) + [frames])
    #expect(throws: Stop.self) { try engine.energies(coordinates) { if $0 >= 20 { throw Stop() } } }
  }
}
