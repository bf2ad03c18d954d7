import Artifacts
import Foundation
import FreeEnergies
import Molecules
import TestSupport
import Testing
import Trajectories
import Workflow

@testable import Stages

/// Real trajectories.
@Suite struct IngestAlanineTests {
  private func run(_ trajectories: [URL], in folder: URL, badFrames: String, stride: Int) throws -> Artifact {
    let writer = try ArtifactWriter(url: folder.appendingPathComponent("frames.h5"))
    let context = StageContext(
      stage: "frames", seed: 1,
      values: [
        "trajectory": .list(trajectories.map { .string($0.path) }), "stride": .integer(stride), "first": 0,
        "bad_frames": .string(badFrames), "bond_tolerance": 0.3,
      ], output: writer, checkpoints: CheckpointStore(folder: folder, stage: "frames", key: "k"),
      system: .alanine)
    try IngestStage.run(context)
    return try writer.commit(as: IngestStage.type, "frames")
  }

  @Test func bothTrajectoriesAreTakenOver() throws {
    let scratch = try Scratch()
    let files = ["alanine-left.nc", "alanine-beta.nc"].map { Package.alanine.appendingPathComponent($0) }
    let artifact = try run(files, in: scratch.url, badFrames: "refuse", stride: 1)
    #expect(try artifact.shape("coordinates") == [32_000, 22, 3])
    let phi = try artifact.read("results/torsions/phi", as: Double.self).values
    // one file from each basin; the counts are MDTraj's for the same files
    #expect(phi[..<16_000].filter { $0 > 0 }.count == 14_949)
    #expect(phi[16_000...].filter { $0 > 0 }.count == 2)
  }

  /// Notes call a torsion what the file calls it, whichever way round it names the atoms; others keep the molecule's own name.
  @Test func notesCallATorsionWhatTheFileCallsIt() throws {
    let topology = try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
    let named = try NamedTorsions(["twist": [14, 8, 6, 4]], of: topology)
    let turning = topology.rotatableTorsions.filter { ["phi2", "psi2"].contains($0.name) }
    #expect(Set(turning.map(named.called)) == ["twist", "psi2"])
    // a torsion that hardly ever leaves its place, on either side of it
    let phi = try #require(turning.first { $0.name == "phi2" })
    let walk = (0..<400).map { $0 < 200 ? -1.2 + 0.3 * sin(Double($0)) : 1.0 + 0.3 * sin(Double($0)) }
    let slow = SlowTorsions([phi], series: [[walk]])
    #expect(slow.warnings("frames").map(\.text).allSatisfy { $0.hasPrefix("phi2 changed its basin 1 times") })
    #expect(
      slow.warnings("frames", called: named.called).first?.text.hasPrefix("twist changed its basin 1 times") == true)
  }

  @Test func aDAlanineFrameIsRefusedByName() throws {
    let scratch = try Scratch()
    let source = try AMBERTrajectory(url: Package.alanine.appendingPathComponent("alanine-beta.nc"))
    var coordinates = try source.readFrames(0..<5)
    // the fourth frame in the mirror
    for index in (3 * 66)..<(4 * 66) where index % 3 == 0 { coordinates[index] = -coordinates[index] }
    let url = scratch.file("mirrored.nc")
    let writer = try AMBERTrajectoryWriter(url: url, atomCount: 22)
    try writer.append(coordinates, times: [0, 1, 2, 3, 4])
    try writer.close()
    let error = #expect(throws: IngestError.self) { try run([url], in: scratch.url, badFrames: "refuse", stride: 1) }
    guard case .badFrames(1, 5, let listed) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(listed[0].frame == 3)
    #expect(listed[0].fault.reason == .chirality)
    #expect(listed[0].fault.detail.contains("CA of ALA 2"))
    let artifact = try run([url], in: scratch.url, badFrames: "drop", stride: 1)
    #expect(try artifact.shape("coordinates") == [4, 22, 3])
  }
}
