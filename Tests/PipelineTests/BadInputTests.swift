import Artifacts
import Foundation
import TestSupport
import Testing
import Trajectories

/// Bad trajectories and topologies through the real program: exit code, the place named, and what was finished still there.
@Suite
struct BadInputTests {
  /// Ten frames of the dataset; the fourth is mirrored, that is, D-alanine.
  private func writeMirrored(_ url: URL) throws {
    let source = try TrajectoryFile.open(Package.alanine.appendingPathComponent("alanine-beta.nc"), expectedAtoms: 22)
    var coordinates = try source.readFrames(0..<10)
    for value in stride(from: 3 * 66, to: 4 * 66, by: 3) { coordinates[value] = -coordinates[value] }
    let writer = try AMBERTrajectoryWriter(url: url, atomCount: 22)
    try writer.append(coordinates, times: (0..<10).map(Double.init))
    try writer.close()
  }

  private func pipeline(topology: String = "alanine.pdb", trajectory: String, extra: String = "") -> String {
    """
    name: bad
    system: { topology: \(topology) }
    stages:
      good: { uses: ingest, trajectory: \(Package.alanine.path)/alanine-left.nc, stride: 100 }
      frames: { uses: ingest, trajectory: \(trajectory)\(extra) }
    """
  }

  @Test func aMirroredFrameIsNamedRefusedAndCanBeDropped() throws {
    let program = try Program()
    let pdb = Package.alanine.appendingPathComponent("alanine.pdb").path
    try writeMirrored(program.folder.appendingPathComponent("mirrored.nc"))
    try program.write(pipeline(topology: pdb, trajectory: "mirrored.nc"), to: "bad.yaml")
    let refused = try program.run("run", "bad.yaml")
    #expect(refused.code == 1)
    #expect(refused.errors.contains("mirrored.nc"))
    #expect(refused.errors.contains("frame 3"))
    #expect(refused.errors.contains("CA"), "the stereocentre is named")
    #expect(refused.errors.contains("kept in runs/bad: finished good"))
    let kept = program.folder.appendingPathComponent("runs/bad/good.h5")
    let digest = try Artifact.open(kept, verify: true).provenance.contentDigest

    try program.write(pipeline(topology: pdb, trajectory: "mirrored.nc", extra: ", bad_frames: drop"), to: "bad.yaml")
    let dropped = try program.run("run", "bad.yaml")
    #expect(dropped.code == 0, "\(dropped.errors)")
    let frames = try Artifact.open(program.folder.appendingPathComponent("runs/bad/frames.h5"), verify: true)
    #expect(try frames.shape("coordinates") == [9, 22, 3])
    #expect(try frames.scalar("results/dropped/count", as: Int64.self) == 1)
    #expect(try Artifact.open(kept, verify: true).provenance.contentDigest == digest)
  }

  @Test func aTopologyWithAnotherAtomCountIsNamed() throws {
    let program = try Program()
    let pdb = try String(contentsOf: Package.alanine.appendingPathComponent("alanine.pdb"), encoding: .utf8)
    let shorter = pdb.split(separator: "\n").filter { !$0.hasPrefix("HETATM   22") && !$0.hasPrefix("CONECT") }
    try program.write(shorter.joined(separator: "\n") + "\n", to: "short.pdb")
    try program.write(
      pipeline(topology: "short.pdb", trajectory: "\(Package.alanine.path)/alanine-beta.nc"), to: "bad.yaml")
    let result = try program.run("run", "bad.yaml")
    #expect(result.code == 2)
    #expect(result.errors.contains("alanine-beta.nc holds 22 atoms, the topology 21"), "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: program.folder.appendingPathComponent("runs").path))
  }
}
