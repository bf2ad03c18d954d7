import ForceFields
import Foundation
import Testing
import Workflow

@testable import Stages

/// From what a pipeline file says of the force field to what computes the energies.
@Suite struct EnergyMethodsTests {
  func source(_ forceField: String) throws -> EnergySource? {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("boltzmill-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for name in ["a.pdb", "a.xml", "a.prmtop"] { try Data("x".utf8).write(to: folder.appendingPathComponent(name)) }
    let text = """
      name: test
      system: { topology: a.pdb, forcefield: \(forceField) }
      stages: { walls: { uses: umbrella, coordinates: [phi], windows: [36], force_constant: [200] } }
      """
    let file = folder.appendingPathComponent("test.yaml")
    try text.write(to: file, atomically: true, encoding: .utf8)
    let pipeline = try PipelineLoader(registry: StageCatalog.registry).load(file, shownAs: "test.yaml")
    let found = try SystemFiles(#require(pipeline.stages.first).shared).energySource()
    switch found {
    case .openMMSystem(let url): return .openMMSystem(URL(fileURLWithPath: url.lastPathComponent))
    case .amber(let url, let solvent): return .amber(URL(fileURLWithPath: url.lastPathComponent), solvent)
    default: return found
    }
  }

  @Test func readsEveryForm() throws {
    let prmtop = URL(fileURLWithPath: "a.prmtop")
    #expect(try source("a.xml") == .openMMSystem(URL(fileURLWithPath: "a.xml")))
    #expect(try source("a.prmtop") == .amber(prmtop, .obc2))
    #expect(try source("{ method: amber, file: a.prmtop }") == .amber(prmtop, .obc2))
    #expect(try source("{ method: amber, file: a.prmtop, implicit_solvent: obc1 }") == .amber(prmtop, .obc1))
    #expect(try source("{ method: amber, file: a.prmtop, implicit_solvent: none }") == .amber(prmtop, .none))
    #expect(try source("gfn2-xtb") == .xTB(.init(solvent: "water", charge: 0, unpairedElectrons: 0)))
    #expect(
      try source("{ method: gfn2-xtb, solvent: none, charge: -1, unpaired_electrons: 1 }")
        == .xTB(.init(solvent: nil, charge: -1, unpairedElectrons: 1)))
    let error = #expect(throws: PipelineFileError.self) { try source("{ method: gfn2-xtb, solvent: soup }") }
    #expect("\(error!)".contains("test.yaml:2:"))
  }

  /// A method that is in no table is an error, and no other method in its place.
  @Test func anUnknownMethodIsNoXTB() throws {
    let files = SystemFiles(topology: URL(fileURLWithPath: "a.pdb"), method: ("another", [:]))
    let error = #expect(throws: UnknownEnergyMethod.self) { try files.energySource() }
    #expect("\(error!)" == "there is no force-field method 'another' (known: amber, gfn2-xtb)")
  }
}
