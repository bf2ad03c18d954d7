import Artifacts
import Basics
import Foundation
import HDF5
import Molecules
import NetCDF
import Stages
import Trajectories
import Workflow

/// A reader of files, put to the test.
public struct FuzzTarget {
  public enum Verdict: Equatable { case accepted, refused, untyped(String) }

  public let name: String
  public let mutator: Mutator
  /// Reads a case; `folder` is a folder to write in.
  private let read: ([UInt8], URL) throws -> Void
  private let isTyped: (any Error) -> Bool

  public init(
    _ name: String, corpus: [[UInt8]], dictionary: [String], isTyped: @escaping (any Error) -> Bool,
    read: @escaping ([UInt8], URL) throws -> Void
  ) {
    self.name = name
    mutator = Mutator(corpus: corpus, dictionary: dictionary.map { Array($0.utf8) })
    self.read = read
    self.isTyped = isTyped
  }

  public func run(_ bytes: [UInt8], in folder: URL) -> Verdict {
    do {
      try read(bytes, folder)
      return .accepted
    } catch {
      return isTyped(error) ? .refused : .untyped("\(type(of: error)): \(error)")
    }
  }

  private static func write(_ bytes: [UInt8], _ url: URL) throws {
    // a new inode each time: a library that has not let go of the last case would take this one for it
    unlink(url.path)
    let descriptor = open(url.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
    defer { close(descriptor) }
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { buffer -> Int in
        guard let base = buffer.baseAddress else { return 0 }
        return Foundation.write(descriptor, base + done, bytes.count - done)
      }
      guard count > 0 else { throw CocoaError(.fileWriteUnknown) }
      done += count
    }
  }

  // MARK: The targets

  /// All of them; `package` is the package's folder, where the corpus lies, `scratch` one to write in.
  public static func all(package: URL, scratch: URL) throws -> [FuzzTarget] {
    [
      try yaml(package), try pdb(package), try prmtop(package), try netCDF(scratch), try netCDF4(scratch),
      try artifact(scratch), try weights(scratch),
    ] + (try trajectories(package))
  }

  /// The front end: everything from the file's bytes to the checked plan.
  static func yaml(_ package: URL) throws -> FuzzTarget {
    let folder = package.appendingPathComponent("pipelines")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
      .sorted()
    let dataset = package.appendingPathComponent("datasets").path
    var corpus = try names.map { name in
      let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
      return Array(text.replacingOccurrences(of: "../datasets", with: dataset).utf8)
    }
    corpus += [
      "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: [*c, *c]\n",
      "base: &base { uses: ingest }\nstages: { one: { <<: *base, stride: 2 }, two: { <<: [*base, *base] } }\n",
      "name: \"\\x41\\u00e9\"\nstages:\n  a: { uses: report, compare: [a, b] }\n? [x, y]\n: z\n",
      "matrix: { seed: [1, 2], x: [a, b] }\nstages: { s: { uses: ingest, trajectory: $x } }\n",
      "--- !!map\nname: !!str 12\n...\n---\nname: |\n  a\n  b\n",
      "[[[[[[[[[[[[[[[[{a: [{b: [{c: d}]}]}]]]]]]]]]]]]]]]]",
    ].map { Array($0.utf8) }
    let dictionary = [
      "&a ", "*a", "<<: ", "<<: *a\n", "? ", ": ", "- ", "[", "]", "{", "}", "!!binary ", "!!float ", "|\n", ">-\n",
      "%YAML 1.2\n",
      "---\n", "...\n", "\"", "'", "\\u0000", "\\x", "#", "\t", "\u{feff}", "1e999", "-0x7fffffffffffffff",
      "99999999999999999999", "../../../etc/passwd", "name: ../x\n", "stages:", "uses: ingest", "extends: fuzz.yaml\n",
      "matrix:", "null", "~", ".inf", ".nan", "[[[[[[[[", "{a: {a: {a: ", "&a [*a, *a]", "\u{0}", "é", "🙂",
    ]
    let loader = PipelineLoader(registry: StageCatalog.registry)
    return FuzzTarget("yaml", corpus: corpus, dictionary: dictionary, isTyped: { $0 is PipelineFileError }) {
      let url = $1.appendingPathComponent("fuzz.yaml")
      try write($0, url)
      let pipeline = try loader.load(url, shownAs: "fuzz.yaml")
      // what is accepted stays inside its folder
      for name in [pipeline.name] + pipeline.stages.map(\.name) where name.contains("/") || name.hasPrefix(".") {
        throw Escape(name: name)
      }
    }
  }

  struct Escape: Error { let name: String }
  struct Lie: Error {}

  static func pdb(_ package: URL) throws -> FuzzTarget {
    let alanine = try Data(contentsOf: package.appendingPathComponent("datasets/alanine/alanine.pdb"))
    let other = """
      HEADER    two models, alternate places, no elements
      MODEL        1
      ATOM      1  N  AALA A   1      11.104   6.134  -6.504  0.50  0.00
      ATOM      2  N  BALA A   1      11.204   6.234  -6.404  0.50  0.00
      ATOM      3  CA  ALA A   1      11.639   6.071  -5.147  1.00  0.00           C
      ATOM      4  C   ALA A   1      10.700   6.800  -4.200  1.00  0.00           C
      TER       5      ALA A   1
      ENDMDL
      MODEL        2
      ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00  0.00           N
      ENDMDL
      CONECT    1    3
      CONECT    3    1    4
      END

      """
    let dictionary = [
      "ATOM  ", "HETATM", "CONECT", "MODEL ", "ENDMDL", "TER   ", "END   ", "\n", "\r\n", "  99999", "-999.999",
      "********",
      "     nan", "     inf", "1e308   ", "\u{0}", "é", "A0000", "CL", "D ", "        ",
    ]
    return FuzzTarget(
      "pdb", corpus: [Array(alanine), Array(other.utf8)], dictionary: dictionary, isTyped: { $0 is MoleculesError }
    ) {
      let url = $1.appendingPathComponent("fuzz.pdb")
      try write($0, url)
      let topology = try Topology.read(pdb: url)
      _ = try InternalCoordinates(topology: topology)
      _ = try Chirality(topology: topology)
    }
  }

  static func prmtop(_ package: URL) throws -> FuzzTarget {
    let alanine = try Data(contentsOf: package.appendingPathComponent("datasets/alanine/alanine.prmtop"))
    let dictionary = [
      "%FLAG ", "%FORMAT(", "%FORMAT(1a1)", "%FORMAT(999999999999I1)", "%FLAG POINTERS\n", "%FLAG CHARGE\n", "%COMMENT",
      "%FLAG BONDS_INC_HYDROGEN\n", "%FLAG DIHEDRALS_WITHOUT_HYDROGEN\n", "%FLAG RADII\n", "-1", "99999999", "  0",
      " 1.0E+308", " 1.0E-320", " NaN", " Inf", "1D400", "\u{0}", "\r\n", "9223372036854775807", "-9223372036854775808",
    ]
    return FuzzTarget("prmtop", corpus: [Array(alanine)], dictionary: dictionary, isTyped: { $0 is MoleculesError }) {
      let url = $1.appendingPathComponent("fuzz.prmtop")
      try write($0, url)
      _ = try AMBERTopology.read(url)
    }
  }

  static func netCDF(_ scratch: URL) throws -> FuzzTarget {
    var corpus: [[UInt8]] = []
    for hasCell in [false, true] {
      let url = scratch.appendingPathComponent("corpus.nc")
      let writer = try AMBERTrajectoryWriter(url: url, atomCount: 3, hasCell: hasCell)
      let cells = hasCell ? [UnitCell](repeating: UnitCell(lengths: [2, 2, 2], angles: [90, 90, 90]), count: 4) : nil
      try writer.append((0..<36).map(Double.init), times: [0, 1, 2, 3], cells: cells)
      try writer.close()
      corpus.append(Array(try Data(contentsOf: url)))
    }
    // the other two variants of the classic format differ in the width of numbers
    corpus.append(corpus[0].enumerated().map { $0 == 3 ? 1 : $1 })
    corpus.append(corpus[0].enumerated().map { $0 == 3 ? 5 : $1 })
    let dictionary = [
      "CDF\u{1}", "CDF\u{2}", "CDF\u{5}", "AMBER", "coordinates", "angstrom", "scale_factor", "cell_lengths", "units",
      "\u{0}\u{0}\u{0}\u{a}", "\u{0}\u{0}\u{0}\u{b}", "\u{0}\u{0}\u{0}\u{c}", "\u{89}HDF\r\n\u{1a}\n",
    ]
    return trajectory("netcdf", corpus, dictionary)
  }

  /// Trajectories that other programs wrote, of 22 atoms.
  static func trajectories(_ package: URL) throws -> [FuzzTarget] {
    let folder = package.appendingPathComponent("Tests/Fixtures/trajectories")
    func target(_ name: String, _ files: [String], _ dictionary: [String]) throws -> FuzzTarget {
      let corpus = try files.map { Array(try Data(contentsOf: folder.appendingPathComponent($0))) }
      return trajectory(name, corpus, dictionary, atoms: 22)
    }
    let numbers = ["   1.000", "********", "   0.0000001", "-1", "nan", "1e308", "\n", "\r\n", "       ", "\u{0}"]
    return [
      try target("dcd", ["mdtraj.dcd", "openmm.dcd", "big.dcd"], ["CORD", "T\u{0}\u{0}\u{0}", "\u{0}\u{0}\u{0}T"]),
      try target(
        "xtc", ["mdtraj.xtc", "far.xtc", "methanol.xtc", "coarse.xtc"], ["\u{0}\u{0}\u{7}", "\u{0}\u{0}\u{0}\u{9}"]),
      try target("trr", ["mdtraj.trr", "double.trr"], ["GMX_trn_file", "\u{0}\u{0}\u{7}", "\u{0}\u{0}\u{2}\u{10}"]),
      try target("mdcrd", ["bare.mdcrd", "box.mdcrd"], numbers + ["REMD  1 1 300.0\n"]),
      try target("restart", ["mdtraj.rst7", "bare.rst7"], numbers + ["   22  1.5000000e+01\n"]),
      try target(
        "models", ["bare.pdb", "openmm.pdb"],
        numbers + ["ATOM  ", "HETATM", "CRYST1", "MODEL ", "ENDMDL\n", "END\n", "TER"]),
      try target("mdtraj", ["bare.h5"], artifactWords + ["Pande", "coordinates", "nanometers"]),
    ]
  }

  private static func trajectory(
    _ name: String, _ corpus: [[UInt8]], _ dictionary: [String], atoms: Int? = nil
  ) -> FuzzTarget {
    FuzzTarget(
      name, corpus: corpus, dictionary: dictionary, isTyped: { $0 is TrajectoryError || $0 is NetCDFError }
    ) {
      let url = $1.appendingPathComponent("fuzz.nc")
      try write($0, url)
      let trajectory = try TrajectoryFile.open(url, expectedAtoms: atoms)
      let frames = 0..<min(2, trajectory.frameCount)
      _ = try trajectory.readFrames(frames)
      _ = try trajectory.readTimes(frames)
      _ = try trajectory.readCells(frames)
    }
  }

  /// A trajectory in the netCDF-4 format, which is HDF5 without a seal.
  static func netCDF4(_ scratch: URL) throws -> FuzzTarget {
    let url = scratch.appendingPathComponent("corpus4.nc")
    let file = try NetCDFFile.create(url, format: .netCDF4)
    try file.addDimension("frame", length: nil)
    try file.addDimension("spatial", length: 3)
    try file.addDimension("atom", length: 3)
    try file.addVariable("time", type: .float32, dimensions: ["frame"])
    try file.setAttribute("units", .text("picosecond"), of: "time")
    try file.addVariable("coordinates", type: .float32, dimensions: ["frame", "atom", "spatial"])
    try file.setAttribute("units", .text("angstrom"), of: "coordinates")
    try file.setAttribute("Conventions", .text("AMBER"))
    try file.setAttribute("ConventionVersion", .text("1.0"))
    try file.endDefinitions()
    try file.write("time", [0, 1] as [Float], start: [0], count: [2])
    try file.write("coordinates", (0..<18).map(Float.init), start: [0, 0, 0], count: [2, 3, 3])
    try file.close()
    return trajectory("netcdf4", [Array(try Data(contentsOf: url))], artifactWords)
  }

  static func artifactCorpus(_ scratch: URL) throws -> [[UInt8]] {
    let url = scratch.appendingPathComponent("corpus.h5")
    let writer = try ArtifactWriter(url: url)
    try writer.write("coordinates", (0..<60).map { Float($0) }, shape: [10, 2, 3], units: "nanometers")
    try writer.createAppendable("stream", Int64.self)
    try writer.append("stream", (0..<2000).map(Int64.init))
    try writer.write("results/names", strings: ["phi", "psi"])
    try writer.writeScalar("results/delta_f", 1.5, units: "kT")
    try writer.setAttribute("", "conventions", "Pande")
    try writer.commit(
      provenance: Provenance(
        key: "k", canonical: "{}", stage: "frames", stageType: "ingest", stageVersion: 1, seed: 1,
        start: Date(timeIntervalSince1970: 0), end: Date(timeIntervalSince1970: 1), wallSeconds: 1))
    return [Array(try Data(contentsOf: url))]
  }

  /// An HDF5 file that someone else made, such as imported weights.
  static func weights(_ scratch: URL) throws -> FuzzTarget {
    let corpus = try artifactCorpus(scratch).map { Array($0.dropLast(Seal.size)) }
    return FuzzTarget("hdf5", corpus: corpus, dictionary: artifactWords, isTyped: { $0 is HDF5Error }) {
      let url = $1.appendingPathComponent("fuzz5.h5")
      try write($0, url)
      let file = try HDF5File.openForeign(url)
      _ = try file.dataset("coordinates").read(as: Double.self)
      _ = try file.dataset("results/names").readStrings()
      _ = try file.attributes("coordinates")
    }
  }

  private static let artifactWords = [
    "boltzmill seal 1", "OHDR", "OCHK", "FADB", "FAHD", "EAHD", "EADB", "BTHD", "BTLF", "FRHP", "FHDB", "FSHD",
    "\u{89}HDF\r\n\u{1a}\n",
  ]

  static func artifact(_ scratch: URL) throws -> FuzzTarget {
    let corpus = try artifactCorpus(scratch)
    let digest = try Artifact.open(scratch.appendingPathComponent("corpus.h5"), verify: true).provenance.contentDigest
    return FuzzTarget(
      "artifact", corpus: corpus, dictionary: artifactWords,
      isTyped: { $0 is ArtifactError || $0 is HDF5Error }
    ) {
      let url = $1.appendingPathComponent("fuzz.h5")
      try write($0, url)
      let artifact = try Artifact.open(url, verify: true)
      // Some changes change nothing, a mark of opening is taken back, and of a file without its seal the content speaks: nothing else may be
      // taken for what was committed.
      let found = Array(try Data(contentsOf: url))
      if !corpus.contains(found), artifact.isSealed || artifact.provenance.contentDigest != digest { throw Lie() }
    }
  }

  /// The same with a seal that belongs to the changed bytes: what someone could make on purpose, and nothing else can. It
  /// reaches the HDF5 library, which was not written for it; it is not among `all`.
  public static func forgedArtifact(_ scratch: URL) throws -> FuzzTarget {
    let corpus = try artifactCorpus(scratch).map { Array($0.dropLast(Seal.size)) }
    return FuzzTarget(
      "forged", corpus: corpus, dictionary: artifactWords, isTyped: { $0 is ArtifactError || $0 is HDF5Error }
    ) {
      let url = $1.appendingPathComponent("forged.h5")
      try write($0, url)
      try Seal.append(to: url)
      _ = try Artifact.open(url, verify: true)
    }
  }
}
