import ForceFields
import Foundation
import OpenMM
import Testing
import Workflow

@testable import Stages

/// From what a pipeline file says of the force field to what computes the energies.
@Suite struct EnergyMethodsTests {
  func method(_ forceField: String) throws -> (any EnergyMethod)? {
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
    return try #require(pipeline.stages.first).shared["forcefield"]?.energyMethod()
  }

  func amber(_ forceField: String) throws -> SystemTerms.ImplicitSolvent {
    let method = try #require(method(forceField) as? AMBERForceField)
    #expect(method.file.lastPathComponent == "a.prmtop")
    return method.implicitSolvent
  }

  @Test func readsEveryForm() throws {
    #expect(try (method("a.xml") as? SerializedSystem)?.file.lastPathComponent == "a.xml")
    #expect(try amber("a.prmtop") == .obc2)
    #expect(try amber("{ method: amber, file: a.prmtop }") == .obc2)
    #expect(try amber("{ method: amber, file: a.prmtop, implicit_solvent: obc1 }") == .obc1)
    #expect(try amber("{ method: amber, file: a.prmtop, implicit_solvent: none }") == .none)
    #expect(try method("gfn2-xtb") as? GFN2xTB == GFN2xTB(.init(solvent: "water", charge: 0, unpairedElectrons: 0)))
    #expect(
      try method("{ method: gfn2-xtb, solvent: none, charge: -1, unpaired_electrons: 1 }") as? GFN2xTB
        == GFN2xTB(.init(solvent: nil, charge: -1, unpairedElectrons: 1)))
    let error = #expect(throws: PipelineFileError.self) { try method("{ method: gfn2-xtb, solvent: soup }") }
    #expect("\(error!)".contains("test.yaml:2:"))
    let other = URL(fileURLWithPath: "/tmp/a.PARM7")
    #expect(EnergyMethods.method(file: other) as? AMBERForceField == AMBERForceField(file: other))
  }

  /// No method is taken for another.
  @Test func anUnknownMethodIsAnError() throws {
    let value: ParameterValue = ["method": "gfn1-xtb", "parameters": ["solvent": "water"]]
    let error = #expect(throws: UnknownEnergyMethod(name: "gfn1-xtb", known: ["amber", "gfn2-xtb"])) {
      try value.energyMethod()
    }
    #expect("\(try #require(error))".contains("no method \"gfn1-xtb\""))
  }

  /// What a user reads has the science module's words and what to write in the pipeline file.
  @Test func adviceFollowsTheError() {
    func text(_ error: any Error) -> String? {
      let found = #expect(throws: AdvisedError.self) { try withAdvice { throw error } }
      return found?.description
    }
    #expect(
      text(EnergyMethodError.noSystem(method: "GFN2-xTB"))
        == "a force field that OpenMM runs is needed here, and GFN2-xTB is none: give system.forcefield a serialised OpenMM "
        + "System or an AMBER prmtop")
    #expect(
      text(AMBERForceFieldError.noBornRadii(file: "a.prmtop"))
        == "a.prmtop has no sections RADII and SCREEN, which an implicit solvent needs; make it again with a radius set, or "
        + "write forcefield: { method: amber, file: a.prmtop, implicit_solvent: none }")
    #expect(
      text(SimulationError.start(run: 2, targets: [1, -2], attempts: 3, reason: "no"))
        == "run 2 could not be led to its start (1.00, -2.00 rad) in 3 attempts, each slower than the one before: "
        + "no; give a longer steering_time, or other starts")
    #expect(
      text(SimulationError.unstable(run: 0, phase: "production", step: 40, time: 0.04, frames: 2))
        == "run 0 became unstable in its production, between steps 40 and the next frame (0.04 ps): its 2 frames "
        + "before that, and all of the other runs, are kept in the checkpoint; a shorter timestep may hold it")
    #expect(
      text(UmbrellaSamplerError.forces(provider: "x", deviation: 0.5))
        == "umbrella sampling: forces by x differ from OpenMM's by 0.5 (relative) on the end frames of the windows; "
        + "use forces: openmm")
    #expect(throws: AMBERForceFieldError.otherMolecule(file: "a", difference: "b")) {
      try withAdvice { throw AMBERForceFieldError.otherMolecule(file: "a", difference: "b") }
    }
  }
}
