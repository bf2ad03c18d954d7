import Artifacts
import Foundation
import NetCDF
import TestSupport
import Testing
import Trajectories
import Workflow

@testable import Stages

/// Trajectories as production runs leave them, through the stage.
@Suite struct IngestTrajectoriesTests {
  /// Frames of a replica exchange: temperatures in `temp0`.
  private func writeExchange(_ bench: IngestBench, _ name: String, temperatures: [Double], from first: Int = 0) throws {
    let (frames, atoms) = (temperatures.count, bench.atoms)
    let file = try NetCDFFile.create(bench.file(name))
    try file.addDimension("frame", length: nil)
    try file.addDimension("atom", length: atoms)
    try file.addDimension("spatial", length: 3)
    try file.addVariable("time", type: .float32, dimensions: ["frame"])
    try file.addVariable("coordinates", type: .float32, dimensions: ["frame", "atom", "spatial"])
    try file.addVariable("temp0", type: .float64, dimensions: ["frame"])
    for (variable, unit) in [("time", "picosecond"), ("coordinates", "angstrom"), ("temp0", "kelvin")] {
      try file.setAttribute("units", .text(unit), of: variable)
    }
    try file.setAttribute("Conventions", .text("AMBER"))
    try file.setAttribute("ConventionVersion", .text("1.0"))
    try file.endDefinitions()
    let coordinates = (0..<frames).flatMap { bench.frame($0 + first).map { Float(10 * $0) } }
    try file.write("coordinates", coordinates, start: [0, 0, 0], count: [frames, atoms, 3])
    try file.write("time", (0..<frames).map { Float($0 + first) }, start: [0], count: [frames])
    try file.write("temp0", temperatures, start: [0], count: [frames])
    try file.close()
  }

  @Test func oneOfSeveralTemperaturesIsChosenOrNoneIsTaken() throws {
    let bench = try IngestBench()
    try writeExchange(bench, "a.nc", temperatures: [300, 310, 310, 300, 320, 300])
    try writeExchange(bench, "b.nc", temperatures: [310, 300, 310, 320], from: 6)
    let counts = [(300.0, 4), (310, 4), (320, 2)].map { TemperatureCount(temperature: $0.0, frames: $0.1) }
    let error = #expect(throws: IngestError.self) { try bench.ingest(["a.nc", "b.nc"]) }
    #expect(
      error == .severalTemperatures(found: counts, files: [bench.file("a.nc").path, bench.file("b.nc").path]))
    #expect(error?.description.contains("300.0 K (4 frames), 310.0 K (4 frames), 320.0 K (2 frames)") == true)
    #expect(error?.description.contains("temperature_of_frames") == true)

    for chunk in [1, 3, 100] {
      let result = try bench.ingest(["a.nc", "b.nc"], chunk: chunk, temperature: 310)
      #expect(try result.artifact.read("results/source/file", as: Int.self).values == [0, 0, 1, 1])
      #expect(try result.artifact.read("results/source/frame", as: Int.self).values == [1, 2, 0, 2])
      #expect(try result.artifact.read("time", as: Double.self).values == [1, 2, 6, 8])
      #expect(result.warnings.isEmpty)
    }
    #expect(throws: IngestError.noFrameAt(temperature: 305, found: counts)) {
      try bench.ingest(["a.nc", "b.nc"], temperature: 305)
    }
    // of every third frame, all of one temperature
    let strided = try bench.ingest(["a.nc"], stride: 3)
    #expect(try strided.artifact.read("results/source/frame", as: Int.self).values == [0, 3])
    try bench.write("plain.nc", frames: (0..<3).map(bench.frame))
    #expect(throws: IngestError.temperatureUnknown(file: bench.file("plain.nc").path)) {
      try bench.ingest(["plain.nc"], temperature: 300)
    }
  }

  @Test func framesThatCountTwiceAreNamed() throws {
    let bench = try IngestBench()
    // times 0, 2, ... 18
    try bench.write("a.nc", frames: (0..<10).map(bench.frame))
    let writer = try AMBERTrajectoryWriter(url: bench.file("b.nc"), atomCount: bench.atoms)
    try writer.append((8..<14).flatMap(bench.frame), times: (8..<14).map { Double($0) * 2 })
    try writer.close()
    let result = try bench.ingest(["a.nc", "b.nc"])
    #expect(result.warnings.count == 1)
    let warning = try #require(result.warnings.first)
    #expect(warning.contains("b.nc: the times of frames 0 to 1 (16.0 to 18.0 ps) are those of frames 8 to 9 of "))
    #expect(warning.contains("a.nc too") && warning.contains("leave one of the two out (first, last, or the file)"))
    #expect(try result.artifact.scalar("results/frames", as: Int.self) == 16)
    let twice = try bench.ingest(["a.nc", "a.nc"])
    #expect(twice.warnings.count == 1 && twice.warnings[0].contains("are the same as"))
    // the other runs of the dataset begin anew
    #expect(try bench.ingest(["a.nc"]).warnings.isEmpty)
  }

  /// Every format, of the molecule of the dataset.
  @Test(arguments: [
    "openmm.dcd", "mdtraj.xtc", "mdtraj.trr", "mdtraj.h5", "box.mdcrd", "mdtraj.pdb", "mdtraj.rst7", "mdtraj.ncrst",
  ])
  func everyFormatIsTakenOver(name: String) throws {
    let scratch = try Scratch()
    let writer = try ArtifactWriter(url: scratch.file("frames.h5"))
    let context = StageContext(
      stage: "frames", seed: 1,
      values: try #require(
        IngestStage.resolvedParameters(["trajectory": .string(Package.fixture("trajectories/\(name)").path)])),
      output: writer, checkpoints: CheckpointStore(folder: scratch.url, stage: "frames", key: "k"),
      system: MoleculeFiles(topology: Package.alanine.appendingPathComponent("alanine.pdb"), torsions: [:]))
    try IngestStage.run(context)
    let artifact = try writer.commit(as: IngestStage.type, "frames")
    let isRestart = name.hasSuffix("rst") || name.hasSuffix("rst7")
    #expect(try artifact.shape("coordinates") == [isRestart ? 1 : 7, 22, 3])
    // what another program can read is read again as a trajectory
    let again = try TrajectoryFile.open(artifact.url, expectedAtoms: 22)
    #expect(again.frameCount == (isRestart ? 1 : 7))
    #expect(try again.readFrames(0..<1) == artifact.read("coordinates", as: Double.self, rows: 0..<1).values)
  }
}
