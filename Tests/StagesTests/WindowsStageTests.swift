import Artifacts
import Basics
import Foundation
import HDF5
import Records
import TestSupport
import Testing

@testable import FreeEnergies
@testable import Stages
@testable import Workflow

/// Windows of other programs, through pipeline files.
@Suite struct WindowsStageTests {
  private let folder: URL
  private static let fixtures = Package.root.appendingPathComponent("Tests/Fixtures/windows")

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("windows-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private struct Answer: Decodable {
    let free_energies: [Double]
    let profile: [Double?]
    let delta_f: Double

    init(_ folder: String) throws {
      let url = WindowsStageTests.fixtures.appendingPathComponent("\(folder)/answer.json")
      self = try JSONDecoder().decode(Answer.self, from: Data(contentsOf: url))
    }
  }

  private func pipeline(_ stages: String, head: String = "") throws -> PipelineDefinition {
    let file = folder.appendingPathComponent("windows.yaml")
    try "name: windows\nseed: 3\ntemperature: 300\n\(head)stages:\n\(stages)\n".write(
      to: file, atomically: true, encoding: .utf8)
    return try PipelineLoader(registry: StageCatalog.registry).load(file, shownAs: "windows.yaml")
  }

  /// Runs a file whose stage `w` reads windows.
  private func run(_ stages: String, head: String = "") throws -> Artifact {
    let definition = try pipeline(stages, head: head)
    let run = RunFolder(runs: folder.appendingPathComponent(UUID().uuidString), pipeline: definition)
    try run.lock(as: "test")
    let outcome = try Engine(pipeline: definition, folder: run, console: Console(quiet: true)).run()
    #expect(outcome.exitCode == 0)
    return try Artifact.open(run.artifact("w"), verify: true)
  }

  /// The error of stage `w`, or of the file.
  private func failure(_ stage: String, head: String = "") throws -> String {
    let definition: PipelineDefinition
    do { definition = try pipeline("  w: { uses: windows, \(stage) }", head: head) } catch { return "\(error)" }
    let stage = try #require(definition.stages.first)
    var checked = ""
    do { _ = try definition.check(["w"]) } catch { checked = "\(error)" }
    let writer = try ArtifactWriter(url: folder.appendingPathComponent("\(UUID().uuidString).h5"))
    defer { writer.discard() }
    let context = StageContext(
      stage: "w", seed: 1, values: stage.parameters, output: writer,
      checkpoints: CheckpointStore(folder: folder, stage: "w", key: "k"), shared: stage.shared)
    do {
      try WindowsStage.run(context)
      #expect(checked.isEmpty, "\(checked)")
      return "none; \(context.warnings)"
    } catch {
      // the file's check has found it before anything ran
      #expect(checked.contains("\(error)"), "\(checked)")
      return "\(error)"
    }
  }

  private func check(_ artifact: Artifact, _ answer: Answer, torsion: String) throws {
    let record = Recorded.windows
    let free = try artifact.read(record.windowFreeEnergy).values
    #expect(free.count == answer.free_energies.count)
    for (ours, theirs) in zip(free, answer.free_energies) { #expect(abs(ours - theirs) < 1e-6) }
    let profile = try artifact.read(record.profile.freeEnergy).values
    #expect(profile.count == 36)
    for (ours, theirs) in zip(profile, answer.profile) where theirs != nil { #expect(abs(ours - (theirs ?? 0)) < 1e-6) }
    #expect(try abs(artifact.read(record.freeEnergy.deltaF) - answer.delta_f) < 1e-6)
    #expect(try artifact.read(record.freeEnergy.standardError) > 0)
    #expect(try artifact.read(record.halves.values).values.count == 2)
    #expect(try artifact.shape(record.profile.angles[torsion]) == [36])
    #expect(try artifact.read(record.weakestLink) > 0.03)
  }

  private var pymbar: String { Self.fixtures.appendingPathComponent("pymbar").path }
  private var sander: String { Self.fixtures.appendingPathComponent("sander").path }

  /// From a WHAM table, and from a pattern and lists; a report sets it beside nothing and takes it.
  @Test func pymbarsExample() throws {
    let state = "system: { state: { torsion: chi, from: 0, to: 2 } }\n"
    let answer = try Answer("pymbar")
    let common =
      "uses: windows, coordinates: chi, units: degrees, force_constant_units: kJ/mol/rad2, profile_bins: 36, bootstrap: 20"
    let fromTable = try run(
      "  w: { \(common), table: \(pymbar)/metadata.dat }\n  page: { uses: report, compare: [w] }", head: state)
    try check(fromTable, answer, torsion: "chi")
    let metadata = try WindowMetadata(URL(fileURLWithPath: "\(pymbar)/metadata.dat"), coordinates: 1)
    let centers = metadata.entries.map { "\($0.centers[0])" }.joined(separator: ", ")
    let constants = metadata.entries.map { "\($0.forceConstants[0])" }.joined(separator: ", ")
    let fromLists = try run(
      "  w: { \(common), files: \"\(pymbar)/prod*.xvg\", centers: [\(centers)], force_constants: [\(constants)], sample_interval: 1 }",
      head: state)
    try check(fromLists, answer, torsion: "chi")
    #expect(try fromLists.read(Recorded.windows.files) == (0..<26).map { "prod\($0).xvg" })
    #expect(try fromLists.shape(Recorded.windows.correlationTime) == [26])
    #expect(!fromTable.has(Recorded.windows.correlationTime))
  }

  @Test func sandersFiles() throws {
    let artifact = try run(
      """
        w:
          uses: windows
          coordinates: [phi]
          format: amber
          files: \(sander)/w*.dat
          restraints: ["\(sander)/w*.RST"]
          first: 20
          profile_bins: 36
          bootstrap: 20
      """)
    try check(artifact, Answer("sander"), torsion: "phi")
    let constants = try artifact.read(Recorded.windows.torsionForceConstants["phi"]).values
    #expect(constants.count == 24 && constants.allSatisfy { abs($0 - 334.72) < 1e-9 })
  }

  /// PLUMED's files and HDF5 of the same windows give the same bits as a table of plain columns; a distance in two units too.
  @Test func theSameWindowsInOtherFormats() throws {
    var stream = RandomStream(seed: 4, "formats")
    var table = ""
    for k in 0..<8 {
      let center = 0.3 + 0.05 * Double(k)
      let values = (0..<120).map { _ in center + stream.normal() / (2000 / 2.494).squareRoot() }
      let rows = values.enumerated().map { "\(Double($0.offset) * 0.5) \($0.element)" }
      try ("#! FIELDS time d\n" + rows.joined(separator: "\n") + "\n").write(
        to: folder.appendingPathComponent("COLVAR.\(k)"), atomically: true, encoding: .utf8)
      try (rows.joined(separator: "\n") + "\n").write(
        to: folder.appendingPathComponent("w\(k).dat"), atomically: true, encoding: .utf8)
      let file = try HDF5File.create(folder.appendingPathComponent("w\(k).h5"))
      try file.createDataset("series/d", type: Double.hdf5Type, shape: [120]).write(values)
      try file.close()
      table += "w\(k).dat \(10 * center) \(20.0 / 4.184)\n"
    }
    try table.write(to: folder.appendingPathComponent("angstrom.txt"), atomically: true, encoding: .utf8)
    let common = "uses: windows, coordinates: d, interval: [0.45, 0.8], bootstrap: 10, profile_bins: 12"
    let centers = "centers: [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65], force_constants: [2000]"
    let plumed = try run("  w: { \(common), format: plumed, files: COLVAR.*, \(centers) }")
    let units = "units: nm, force_constant_units: kJ/mol/nm2"
    let hdf5 = try run("  w: { \(common), format: hdf5, files: w*.h5, columns: series/d, \(units), \(centers) }")
    let plain = try run("  w: { \(common), files: [w?.dat], \(units), \(centers) }")
    let record = Recorded.windows
    let deltaF = try plumed.read(record.freeEnergy.deltaF)
    #expect(deltaF.isFinite && abs(deltaF) < 3)
    for other in [hdf5, plain] { #expect(try other.read(record.freeEnergy.deltaF) == deltaF) }
    #expect(try plumed.read(record.logWeights).values == hdf5.read(record.logWeights).values)
    #expect(try plumed.read(record.distances["d"]).values.count == 960)
    #expect(try plumed.shape(record.distanceProfile["d"]) == [12])
    // 0.5 ps between rows, from PLUMED's own times
    let inefficiency = try plumed.read(record.statisticalInefficiency).values
    #expect(try plumed.read(record.correlationTime).values == inefficiency.map { ($0 - 1) / 2 * 0.5 })
    // the same numbers taken for angstrom, 20 kJ/mol/angstrom^2: one tenth of the distances, k of a tenth's square
    let wrongUnit = try failure(
      "coordinates: d, table: angstrom.txt, units: nm, force_constant_units: kcal/mol/nm2")
    #expect(wrongUnit.contains("allow") || wrongUnit.contains("elsewhere"), "\(wrongUnit)")
  }

  @Test func aChangedFileChangesTheKey() throws {
    let lines = (0..<12).map { "\($0) \(0.1 * Double($0))\n" }.joined()
    for name in ["a.dat", "b.dat", "c.dat"] {
      try lines.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }
    try "a.dat 0.5 3\nb.dat 0.6 3\n".write(
      to: folder.appendingPathComponent("table"), atomically: true, encoding: .utf8)
    let rest = "coordinates: phi, units: rad, force_constant_units: kJ/mol/rad2"
    let stages = [
      "table: table, \(rest)", "files: [\"?.dat\"], centers: [0.5, 0.6, 0.7], force_constants: [3], \(rest)",
    ]
    for stage in stages {
      let definition = try pipeline("  w: { uses: windows, \(stage) }")
      func key() throws -> String {
        try StageKey(try #require(definition.stages.first), in: definition, digests: [:], files: FileDigests()).hex
      }
      let before = try key()
      #expect(try key() == before)
      let b = folder.appendingPathComponent("b.dat")
      try (lines + "12 1.2\n").write(to: b, atomically: true, encoding: .utf8)
      #expect(try key() != before)
      try lines.write(to: b, atomically: true, encoding: .utf8)
      #expect(try key() == before)
    }
    #expect(
      try failure("files: \"no*.dat\", \(rest)").contains("windows.yaml:5:")
        && failure("files: \"no*.dat\", \(rest)").contains("there is no file no*.dat"))
    try "a.dat 0.5 3\nmissing.dat 0.6 3\n".write(
      to: folder.appendingPathComponent("table"), atomically: true, encoding: .utf8)
    #expect(try failure("table: table, \(rest)").contains("missing.dat"))
    #expect(FilePattern.files(folder.path + "/*.dat").count == 3)
    for name in ["w10.x", "w9.x", "w2.x"] {
      try "".write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }
    #expect(
      FilePattern.files(folder.path + "/w*.x").map { URL(fileURLWithPath: $0).lastPathComponent } == [
        "w2.x", "w9.x", "w10.x",
      ])
  }

  @Test func mistakesAreSaidBeforeAnythingIsComputed() throws {
    let lists = "files: \"\(pymbar)/prod*.xvg\", centers: [\((0..<26).map { "\($0)" }.joined(separator: ", "))]"
    let units = "units: degrees, force_constant_units: kJ/mol/rad2"
    for (stage, expected) in [
      ("coordinates: chi, \(units)", "windows need files, or a table"),
      ("coordinates: chi, \(lists), \(units)", "centers and force_constants are needed"),
      ("coordinates: chi, \(lists), force_constants: [200]", "units and force_constant_units are needed"),
      (
        "coordinates: chi, \(lists), force_constants: [200], units: degrees, force_constant_units: kJ/mol/nm2",
        "force_constant_units: chi is a torsion"
      ),
      ("coordinates: chi, \(lists), force_constants: [1, 2], \(units)", "force_constants has 2 entries for 26 windows"),
      (
        "coordinates: chi, files: \"\(pymbar)/prod*.xvg\", centers: [1, 2], force_constants: [1], \(units)",
        "centers has 2 entries for 26"
      ),
      ("coordinates: [chi, psi], \(lists), force_constants: [1], \(units)", "units has 1 values for 2 coordinates"),
      (
        "coordinates: chi, table: \(pymbar)/metadata.dat, force_constants: [1], \(units)",
        "force_constants has no meaning beside table"
      ),
      (
        "coordinates: chi, table: \(pymbar)/metadata.dat, units: rad, force_constant_units: kJ/mol/rad2",
        "which is no angle in rad; say units: degrees"
      ),
      (
        "coordinates: chi, table: \(pymbar)/metadata.dat, columns: [3], \(units)",
        "prod0.xvg: there is no column 3; it has 2"
      ),
      ("coordinates: chi, table: \(pymbar)/metadata.dat, format: plumed", "no line #! FIELDS"),
      (
        "coordinates: chi, table: \(pymbar)/metadata.dat, units: degrees, force_constant_units: kJ/mol/degree2",
        "; see units, force_constant_units and halved"
      ),
      (
        "coordinates: chi, table: \(pymbar)/metadata.dat, temperatures: 350, \(units)",
        "prod0.xvg was run at 350.0 K, and 300.0 K is asked for"
      ),
      ("coordinates: phi, format: amber, files: \"\(sander)/w*.dat\"", "format: amber needs files and restraints"),
      (
        "coordinates: phi, format: amber, files: \"\(sander)/w*.dat\", restraints: [\"\(sander)/w1.RST\"]",
        "restraints has 1 entries for 24 windows"
      ),
      (
        "coordinates: [phi, psi], format: amber, files: \"\(sander)/w*.dat\", restraints: [\"\(sander)/w*.RST\"]",
        "w0.RST: 1 restraints for 2 coordinates"
      ),
      ("coordinates: chi, table: \(pymbar)/metadata.dat, interval: [0, 1], \(units)", "interval is of a distance"),
      ("coordinates: chi, table: \(pymbar)/metadata.dat, along: psi, \(units)", "along 'psi' is none of chi"),
      (
        "coordinates: chi, table: \(pymbar)/metadata.dat, bootstrap: 10, \(units)",
        "No free-energy difference: the state is of phi"
      ),
      ("coordinates: chi, table: \(pymbar)/metadata.dat, units: [parsec]", "windows.yaml:5:"),
    ] {
      let found = try failure(stage)
      #expect(found.contains(expected), "\(stage): \(found)")
    }
  }
}
