import Artifacts
import Foundation
import Molecules
import NetCDF
import TestSupport
import Testing
import Trajectories
import Workflow

@testable import Stages

/// Chlorofluoromethanol: the smallest molecule with a hand that has a torsion too.
let chiralPDB = """
  HETATM    1  C1  LIG A   1       0.000   0.000   0.000  1.00  0.00           C
  HETATM    2  F1  LIG A   1       1.350   0.000   0.000  1.00  0.00           F
  HETATM    3  CL1 LIG A   1      -0.600   1.660   0.000  1.00  0.00          CL
  HETATM    4  H1  LIG A   1      -0.360  -0.510   0.890  1.00  0.00           H
  HETATM    5  O1  LIG A   1      -0.450  -0.650  -1.180  1.00  0.00           O
  HETATM    6  H2  LIG A   1      -1.400  -0.700  -1.200  1.00  0.00           H
  CONECT    1    2    3    4    5
  CONECT    5    6
  END

  """

/// A folder with the molecule, trajectories written into it, and runs of the stage.
final class IngestBench {
  private let scratch: Scratch
  let topology: Topology
  let atoms: Int
  private var runs = 0

  init() throws {
    scratch = try Scratch()
    try scratch.write(chiralPDB, to: "molecule.pdb")
    topology = try Topology.read(pdb: scratch.file("molecule.pdb"))
    atoms = topology.atoms.count
  }

  func file(_ name: String) -> URL { scratch.file(name) }

  /// The reference structure, moved along and turned a little more in each frame.
  func frame(_ index: Int) -> [Double] {
    let angle = 0.1 * Double(index)
    let reference = topology.referenceCoordinates
    return (0..<atoms).flatMap { atom -> [Double] in
      let (x, y, z) = (reference[3 * atom], reference[3 * atom + 1], reference[3 * atom + 2])
      return [cos(angle) * x - sin(angle) * y + Double(index), sin(angle) * x + cos(angle) * y - 2, z + 0.5]
    }
  }

  @discardableResult
  func write(
    _ name: String, frames: [[Double]], cells: [UnitCell]? = nil, atoms: Int? = nil
  ) throws -> URL {
    let writer = try AMBERTrajectoryWriter(url: file(name), atomCount: atoms ?? self.atoms, hasCell: cells != nil)
    try writer.append(frames.flatMap { $0 }, times: frames.indices.map { Double($0) * 2 }, cells: cells)
    try writer.close()
    return file(name)
  }

  struct Result {
    let artifact: Artifact
    let warnings: [String]
    let digest: String
  }

  /// Runs the stage as the engine does.
  func ingest(
    _ trajectories: [String], stride: Int = 1, first: Int = 0, last: Int? = nil, badFrames: String = "refuse",
    chunk: Int? = nil, torsions: [String: [Int]] = [:], temperature: Double? = nil
  ) throws -> Result {
    runs += 1
    var values: [String: ParameterValue] = [
      "trajectory": .list(trajectories.map { .string(file($0).path) }), "stride": .integer(stride),
      "first": .integer(first), "bad_frames": .string(badFrames), "bond_tolerance": .number(0.3),
    ]
    if let last { values["last"] = .integer(last) }
    if let temperature { values["temperature_of_frames"] = .number(temperature) }
    if let chunk { values["chunk_frames"] = .integer(chunk) }
    let writer = try ArtifactWriter(url: file("run-\(runs)/frames.h5"))
    let context = StageContext(
      stage: "frames", seed: 1, values: .object(values), output: writer,
      checkpoints: CheckpointStore(folder: scratch.url, stage: "frames", key: "k"),
      system: MoleculeFiles(topology: file("molecule.pdb"), torsions: torsions))
    try IngestStage.run(context)
    let artifact = try writer.commit(as: IngestStage.type, "frames")
    return Result(
      artifact: artifact, warnings: context.warnings, digest: artifact.provenance.contentDigest)
  }
}

@Suite struct IngestStageTests {
  private func distance(_ frame: ArraySlice<Float>, _ a: Int, _ b: Int) -> Float {
    let values = Array(frame)
    return (0..<3).reduce(Float(0)) { sum, axis in
      let difference = values[3 * a + axis] - values[3 * b + axis]
      return sum + difference * difference
    }.squareRoot()
  }

  @Test func framesAreCentredAndFollowMDTrajsConvention() throws {
    let bench = try IngestBench()
    try bench.write("a.nc", frames: (0..<5).map(bench.frame))
    let result = try bench.ingest(["a.nc"], torsions: ["turn": [1, 0, 4, 5]])
    let artifact = result.artifact
    #expect(result.warnings.isEmpty)
    #expect(try artifact.scalar("results/frames", as: Int.self) == 5)
    #expect(try artifact.scalar("results/dropped/count", as: Int.self) == 0)
    #expect(try artifact.attribute("", "conventions") == "Pande")
    #expect(try artifact.attribute("", "conventionVersion") == "1.1")
    #expect(try artifact.attribute("coordinates", "units") == "nanometers")
    #expect(try artifact.readStrings("topology") == [bench.topology.mdtrajJSON])
    #expect(try artifact.read("time", as: Double.self).values == [0, 2, 4, 6, 8])
    #expect(try artifact.read("results/source/frame", as: Int.self).values == [0, 1, 2, 3, 4])

    let coordinates = try artifact.read("coordinates", as: Float.self)
    #expect(coordinates.shape == [5, bench.atoms, 3])
    let masses = bench.topology.masses
    for frame in 0..<5 {
      for axis in 0..<3 {
        let moment = (0..<bench.atoms).reduce(0.0) {
          $0 + masses[$1] * Double(coordinates.values[3 * (frame * bench.atoms + $1) + axis])
        }
        #expect(abs(moment / masses.reduce(0, +)) < 1e-8)
      }
    }
    let angles = try artifact.read("results/torsions/turn", as: Double.self).values
    let expected = torsionAngles(bench.topology.referenceCoordinates, atoms: bench.atoms, torsions: [[1, 0, 4, 5]])[0]
    #expect(angles.count == 5)
    for angle in angles { #expect(abs(angle - expected) < 1e-5) }
    #expect(try artifact.attribute("results/torsions/turn", "atoms") == "1,0,4,5")
  }

  @Test func filesStrideAndRangeSelectFrames() throws {
    let bench = try IngestBench()
    try bench.write("a.nc", frames: (0..<10).map(bench.frame))
    try bench.write("b.nc", frames: (0..<7).map { bench.frame($0 + 20) })
    func sources(_ result: IngestBench.Result) throws -> [[Int]] {
      let files = try result.artifact.read("results/source/file", as: Int.self).values
      let frames = try result.artifact.read("results/source/frame", as: Int.self).values
      return zip(files, frames).map { [$0, $1] }
    }
    let strided = try bench.ingest(["a.nc", "b.nc"], stride: 3)
    #expect(try sources(strided) == [[0, 0], [0, 3], [0, 6], [0, 9], [1, 0], [1, 3], [1, 6]])
    #expect(try strided.artifact.readStrings("results/files") == ["a.nc", "b.nc"])
    let ranged = try bench.ingest(["b.nc", "a.nc"], stride: 2, first: 1, last: 5)
    #expect(try sources(ranged) == [[0, 1], [0, 3], [0, 5], [1, 1], [1, 3], [1, 5]])
    let distant = try bench.ingest(["a.nc"], stride: 8)
    #expect(try sources(distant) == [[0, 0], [0, 8]])
    #expect(try distant.artifact.read("time", as: Double.self).values == [0, 16])
    #expect(throws: IngestError.frameRange(file: bench.file("b.nc").path, first: 0, last: 8, available: 7)) {
      try bench.ingest(["a.nc", "b.nc"], last: 8)
    }
  }

  @Test func chunksChangeNothing() throws {
    let bench = try IngestBench()
    var frames = (0..<11).map(bench.frame)
    frames[4][7] = .nan
    try bench.write("a.nc", frames: frames)
    try bench.write("b.nc", frames: (0..<5).map(bench.frame))
    for stride in [1, 2, 6] {
      let digests = try [1, 2, 3, 7, 100].map { chunk in
        try bench.ingest(["a.nc", "b.nc"], stride: stride, badFrames: "drop", chunk: chunk).digest
      }
      #expect(Set(digests).count == 1)
    }
  }

  @Test func boxesOfTheFileMakeMoleculesWhole() throws {
    let bench = try IngestBench()
    try bench.write("open.nc", frames: (0..<6).map(bench.frame))
    let expected = try bench.ingest(["open.nc"]).artifact.read("coordinates", as: Float.self).values
    let lengths = [0.9, 1.0, 1.1]
    let frames = (0..<6).map { index -> [Double] in
      bench.frame(index).enumerated().map { place, value in
        value + lengths[place % 3] * Double((place * 7 + index) % 5 - 2)
      }
    }
    let cell = UnitCell(lengths: lengths, angles: [90, 90, 90])
    try bench.write("box.nc", frames: frames, cells: [UnitCell](repeating: cell, count: 6))
    let found = try bench.ingest(["box.nc"]).artifact.read("coordinates", as: Float.self).values
    // the trajectory is float32 angstrom, up to 50 of them
    for (x, y) in zip(found, expected) { #expect(abs(x - y) < 2e-6) }
    // A file whose boxes are all zero says that there is none.
    let none = UnitCell(lengths: [0, 0, 0], angles: [0, 0, 0])
    try bench.write("none.nc", frames: [bench.frame(0)], cells: [none])
    #expect(try bench.ingest(["none.nc"]).artifact.scalar("results/frames", as: Int.self) == 1)
  }

  @Test func badFramesAreNamedAndRefused() throws {
    let bench = try IngestBench()
    var frames = (0..<8).map(bench.frame)
    frames[2][4] = .nan
    frames[3] = frames[3].enumerated().map { $0.offset % 3 == 0 ? -$0.element : $0.element }
    frames[5][15] += 0.2
    try bench.write("good.nc", frames: (0..<4).map(bench.frame))
    try bench.write("bad.nc", frames: frames)
    let error = #expect(throws: IngestError.self) { try bench.ingest(["good.nc", "bad.nc"], chunk: 3) }
    guard case .badFrames(let count, let total, let listed) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(count == 3)
    #expect(total == 12)
    #expect(listed.map(\.file) == [String](repeating: bench.file("bad.nc").path, count: 3))
    #expect(listed.map(\.frame) == [2, 3, 5])
    #expect(listed.map(\.fault.reason) == [.notFinite, .chirality, .bondLength])
    #expect(listed[0].fault.detail.contains("F1 of LIG 1"))
    #expect(listed[1].fault.detail.contains("C1 of LIG 1"))
    #expect(listed[2].fault.detail.contains("O1 of LIG 1 - H2 of LIG 1"))
    #expect("\(try #require(error))".contains("bad_frames: drop"))
    // nothing was committed and nothing half-written is left
    let names = try FileManager.default.contentsOfDirectory(atPath: bench.file("run-1").path)
    #expect(names.isEmpty)

    let dropped = try bench.ingest(["good.nc", "bad.nc"], badFrames: "drop")
    #expect(try dropped.artifact.scalar("results/frames", as: Int.self) == 9)
    #expect(try dropped.artifact.scalar("results/dropped/count", as: Int.self) == 3)
    #expect(try dropped.artifact.read("results/dropped/file", as: Int.self).values == [1, 1, 1])
    #expect(try dropped.artifact.read("results/dropped/frame", as: Int.self).values == [2, 3, 5])
    let names3 = try dropped.artifact.readStrings("results/dropped/reason_names")
    let reasons = try dropped.artifact.read("results/dropped/reason", as: Int.self).values.map { names3[$0] }
    #expect(reasons == ["not finite", "chirality", "bond length"])
    #expect(try dropped.artifact.shape("coordinates")[0] == 9)
    #expect(dropped.warnings.count == 1)
    #expect(dropped.warnings[0].hasPrefix("3 of 12 frames"))
  }

  @Test func badCellsAreNamed() throws {
    let bench = try IngestBench()
    let cell = UnitCell(lengths: [2, 2, 2], angles: [90, 90, 90])
    let flat = UnitCell(lengths: [2, 2, 2], angles: [10, 90, 150])
    try bench.write("a.nc", frames: (0..<2).map(bench.frame), cells: [cell, flat])
    let error = #expect(throws: IngestError.self) { try bench.ingest(["a.nc"]) }
    guard case .badFrames(1, 2, let listed) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(listed[0].fault.reason == .badCell)
  }

  @Test func nothingLeftIsAnErrorEvenWhenDropping() throws {
    let bench = try IngestBench()
    let mirrored = bench.frame(0).enumerated().map { $0.offset % 3 == 2 ? -$0.element : $0.element }
    try bench.write("a.nc", frames: [mirrored, mirrored])
    let error = #expect(throws: IngestError.self) { try bench.ingest(["a.nc"], badFrames: "drop") }
    guard case .nothingLeft(2, let listed) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(listed.count == 2)
  }

  @Test func unusableFilesAreTypedErrorsThatNameThePlace() throws {
    let bench = try IngestBench()
    let good = try bench.write("good.nc", frames: (0..<20).map(bench.frame))
    #expect(throws: TrajectoryError.noSuchFile(file: bench.file("none.nc").path)) {
      try bench.ingest(["good.nc", "none.nc"])
    }
    let data = try Data(contentsOf: good)
    try data.prefix(data.count - 200).write(to: bench.file("cut.nc"))
    #expect(throws: TrajectoryError.truncated(file: bench.file("cut.nc").path, promised: 20, present: 17)) {
      try bench.ingest(["cut.nc"])
    }
    try bench.write("other.nc", frames: [[Double](repeating: 1, count: 12)], atoms: 4)
    #expect(throws: TrajectoryError.atomCount(file: bench.file("other.nc").path, found: 4, expected: 6)) {
      try bench.ingest(["other.nc"])
    }
    // the same bytes with "nanostrm" instead of "angstrom"
    let text = try #require(data.range(of: Data("angstrom".utf8)))
    var wrong = data
    wrong.replaceSubrange(text, with: Data("nanostrm".utf8))
    try wrong.write(to: bench.file("units.nc"))
    #expect(
      throws: TrajectoryError.wrongUnits(
        file: bench.file("units.nc").path, variable: "coordinates", found: "nanostrm", expected: "angstrom")
    ) { try bench.ingest(["units.nc"]) }
    let torsion = #expect(throws: MolecularSystemError.torsionAtoms(name: "turn", atoms: [0, 1, 2, 6], atomCount: 6)) {
      try bench.ingest(["good.nc"], torsions: ["turn": [0, 1, 2, 6]])
    }
    #expect(
      torsion?.description == "system.torsions.turn: [0, 1, 2, 6] are not four atoms of a molecule with 6 (from 0)")
    try Data("data_molecule\nloop_\n".utf8).write(to: bench.file("molecule.cif"))
    let format = #expect(throws: TrajectoryError.self) { try bench.ingest(["good.nc", "molecule.cif"]) }
    #expect(
      format?.description.hasPrefix(
        "\(bench.file("molecule.cif").path): is no trajectory that can be read here: it is text that begins with "
          + "\"data_molecule\"") == true)
    #expect(format?.description.contains("readable are MDTraj HDF5, AMBER NetCDF, DCD, XTC, TRR") == true)
  }
}
