import Artifacts
import Foundation
import Records
import TestSupport
import Testing
import Workflow

@testable import ForceFields
@testable import Stages

/// Stages with dynamics whose forces are GFN2-xTB's, some steps of it.
@Suite(.serialized) struct XTBDynamicsStageTests {
  let alanine: AlanineStages

  init() throws { alanine = try AlanineStages() }

  private var system: SystemFiles {
    SystemFiles(
      topology: alanine.system.topology,
      method: ("gfn2-xtb", ["solvent": "water", "charge": 0, "unpaired_electrons": 0]))
  }

  /// Dynamics begins, says what a step costs before it does, is stopped and goes on to the same bits; energies are those of the method.
  @Test func simulateResumesBitIdentically() throws {
    let values: [String: ParameterValue] = [
      "runs": 1, "length": .number(0.02), "save_interval": .number(0.005), "equilibration": .number(0.004),
      "steering_time": .number(0), "rotamers": .bool(false), "hydrogen_mass": .number(3),
    ]
    let whole = try alanine.context(SimulateStage.self, "whole", values, system: system, threads: 2)
    try SimulateStage.run(whole)
    let expected = try alanine.commit(whole, SimulateStage.self)
    let output = Recorded.simulate
    #expect(try expected.shape(output.trajectory.coordinates) == [8, 22, 3])
    let (resumed, interruptions) = try alanine.inParts(SimulateStage.self, "parts", values, system: system) { _ in 3 }
    #expect(interruptions > 1)
    #expect(resumed.provenance.contentDigest == expected.provenance.contentDigest)
    let coordinates = try expected.read(output.trajectory.coordinates, as: Double.self).values
    let engine = try XTBEngine(atomicNumbers: XTBDynamicsStageTests.numbers, threads: 1)
    #expect(try expected.read(output.energies).values == engine.energies(coordinates))
  }

  private static let numbers = [1, 6, 1, 1, 6, 8, 7, 1, 6, 1, 6, 1, 1, 1, 6, 8, 7, 1, 6, 1, 1, 1]

  private func findings(_ stage: String) throws -> String {
    let text = """
      name: quantum
      temperature: 300
      system:
        topology: \(Package.alanine.path)/alanine.pdb
        forcefield: { method: gfn2-xtb, solvent: water }
        torsions: { phi: [4, 6, 8, 14], psi: [6, 8, 14, 16] }
        state: { torsion: phi, from: 0, to: 2 }
      stages:
        walks: \(stage)
      """
    let url = alanine.folder.appendingPathComponent("quantum.yaml")
    try text.write(to: url, atomically: true, encoding: .utf8)
    do {
      let definition = try PipelineLoader(registry: StageCatalog.registry).load(url, shownAs: "quantum.yaml")
      return try definition.check(Set(definition.stages.map(\.name))).joined(separator: "\n")
    } catch { return "\(error)" }
  }

  /// Umbrella sampling and dynamics may have such forces; what needs the terms of a force field is refused at its line.
  @Test func checkSaysWhatNeedsTerms() throws {
    let umbrella = "uses: umbrella, coordinates: [phi], windows: [24], force_constant: [140]"
    #expect(try findings("{ \(umbrella) }").isEmpty)
    #expect(try findings("{ uses: simulate, length: 1 }").isEmpty)
    let own =
      "forces: openmm is for force fields that OpenMM runs; the forces here are by GFN2-xTB in water (GBSA): "
      + "leave it out"
    for stage in [umbrella, "uses: simulate"] {
      let found = try findings("{ \(stage), forces: openmm }")
      #expect(found.contains("quantum.yaml:9:") && found.contains(own), "\(found)")
    }
    let lowered = try findings("{ \(umbrella), barrier_lowering: 1 }")
    #expect(
      lowered.contains(
        "barrier_lowering takes away torsion terms of a force field, and GFN2-xTB in water (GBSA) has"),
      "\(lowered)")
  }
}
