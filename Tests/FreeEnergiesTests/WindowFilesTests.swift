import Basics
import Foundation
import TestSupport
import Testing

@testable import FreeEnergies

/// Files of windows as other programs write them.
@Suite struct WindowFilesTests {
  private static let fixtures = Package.root.appendingPathComponent("Tests/Fixtures/windows")

  struct Answer: Decodable {
    let free_energies: [Double]
    let profile: [Double?]
    let delta_f: Double
    let overlap: [[Double]]

    init(_ folder: String) throws {
      let url = WindowFilesTests.fixtures.appendingPathComponent("\(folder)/answer.json")
      self = try JSONDecoder().decode(Answer.self, from: Data(contentsOf: url))
    }
  }

  private func compare(_ data: BiasedWindows, _ answer: Answer) throws {
    var options = WindowsAnalysis.Options()
    options.states = StateSet(torsion: data.coordinates[0].name, TorsionState())
    (options.profileBins, options.bootstrapReplicates) = (36, 20)
    let result = try WindowsAnalysis(data: data, options: options).run().result
    #expect(answer.free_energies.count == result.windowFreeEnergies.count && answer.profile.count == 36)
    for (ours, theirs) in zip(result.windowFreeEnergies, answer.free_energies) { #expect(abs(ours - theirs) < 1e-6) }
    for (ours, theirs) in zip(result.profile.freeEnergy, answer.profile) {
      if let theirs { #expect(abs(ours - theirs) < 1e-6) } else { #expect(ours == .infinity) }
    }
    #expect(abs(result.deltaF - answer.delta_f) < 1e-6)
    for (ours, theirs) in zip(result.overlap.values, answer.overlap.joined()) { #expect(abs(ours - theirs) < 1e-6) }
  }

  /// pymbar's public example: 26 windows of one torsion, of eight force constants.
  @Test func pymbarsExampleAsPymbarHasIt() throws {
    let metadata = try WindowMetadata(Self.fixtures.appendingPathComponent("pymbar/metadata.dat"), coordinates: 1)
    #expect(metadata.entries.count == 26 && metadata.entries[0].centers == [-180])
    let windows = try metadata.entries.map { entry in
      let table = try SampleTable(entry.file, timeColumn: 0)
      return BiasedWindows.Window(
        name: entry.file.lastPathComponent, centers: [entry.centers[0] * .pi / 180],
        forceConstants: entry.forceConstants, temperature: 300,
        values: try table.column("2").map { $0 * .pi / 180 })
    }
    try compare(
      BiasedWindows(coordinates: [.init(name: "chi", isTorsion: true)], windows: windows, temperature: 300),
      Answer("pymbar"))
  }

  /// What sander wrote, with its restraint files: kcal/mol/rad^2, k without a half, degrees.
  @Test func sandersWindows() throws {
    let windows = try (0..<24).map { k -> BiasedWindows.Window in
      let restraints = try AMBERRestraint.read(Self.fixtures.appendingPathComponent("sander/w\(k).RST"))
      let restraint = try #require(restraints.first)
      #expect(restraints.count == 1 && restraint.isTorsion && restraint.atoms == [5, 7, 9, 15])
      #expect(abs(restraint.forceConstant - 80 * 4.184) < 1e-9)
      let table = try SampleTable(Self.fixtures.appendingPathComponent("sander/w\(k).dat"), timeColumn: 0)
      #expect(table.repeated == 1 && table.rows == 120)
      return .init(
        name: "w\(k)", centers: [restraint.center], forceConstants: [restraint.forceConstant], temperature: 300,
        values: table.columns[1].dropFirst(20).map { $0 * .pi / 180 })
    }
    try compare(
      BiasedWindows(coordinates: [.init(name: "phi", isTorsion: true)], windows: windows, temperature: 300),
      Answer("sander"))
  }

  private func file(_ text: String, _ name: String = "file.dat") throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("windows-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let url = folder.appendingPathComponent(name)
    try text.write(to: url, atomically: true, encoding: .utf8)
    return url
  }

  private func message<T>(_ body: () throws -> T) -> String {
    do { return "none: \(try body())" } catch { return "\(error)" }
  }

  @Test func colvarOfPLUMED() throws {
    let text = """
      #! FIELDS time phi d restraint.bias
      #! SET min_phi -pi
      #! SET max_phi pi
       0.000000 -1.5 0.31 0.0
       1.000000 -1.4 0.32 0.1
      #! FIELDS time phi d restraint.bias
      #! SET min_phi -pi
      #! SET max_phi pi
       1.000000 -1.3 0.33 0.2
       2.000000 -1.2 0.34 0.3
      """
    let table = try SampleTable(file(text), timeColumn: 0)
    #expect(table.periodic == ["phi"] && table.repeated == 1 && table.interval == 1)
    #expect(try table.column("phi") == [-1.5, -1.3, -1.2])
    #expect(try table.column("d") == [0.31, 0.33, 0.34])
    #expect(message { try table.column("psi") }.contains("no column 'psi' (there are: time, phi, d, restraint.bias)"))
    #expect(
      message { try SampleTable(file(text + "\n 1.5 0 0 0"), timeColumn: 0) }.contains(
        "file.dat:11: time goes back from 2.0 to 1.5"))
    #expect(
      message { try SampleTable(file(text + "\n 3.0 0 0"), timeColumn: 0) }.contains(
        "file.dat:11: 3 columns where there are 4; the last line is cut short"))
    #expect(
      message { try SampleTable(file(text + "\n#! FIELDS time psi\n 3.0 0"), timeColumn: 0) }.contains(
        "file.dat:11: other columns (time psi)"))
    #expect(message { try SampleTable(file("1 2\n3 nan\n"), timeColumn: nil) }.contains("file.dat:2: 'nan'"))
    #expect(message { try SampleTable(file("# nothing\n"), timeColumn: nil) }.contains("no line of numbers"))
    let crlf = try SampleTable(file("\u{FEFF}1,2\r\n3,4\r\n"), timeColumn: nil)
    #expect(crlf.columns == [[1, 3], [2, 4]])
    #expect(message { try crlf.column("3") }.contains("there is no column 3; it has 2"))
  }

  @Test func restraintsOfAMBER() throws {
    let text = """
      # two of them
       &RST IAT= 2, 9, R1=0.0, R2=2*3.5, R4=99.0d0, RK2=10.0, rk3=10.0 &end
       &rst iat(1)=5, iat(2)=7, iat(3)=9, iat(4)=15, r1=-240., r2=-60., r3=-60., r4=120.,
            rk2=1.0, rk3=1.0, ! weak
       /
      """
    // R2=2*3.5 gives two values to r2, and none to r3
    #expect(message { try AMBERRestraint.read(file(text)) }.contains("file.dat:2: this &rst does not give r3"))
    let both = try AMBERRestraint.read(file(text.replacingOccurrences(of: "R2=2*3.5", with: "R2=3.5, R3=3.5")))
    #expect(both.map(\.isTorsion) == [false, true] && both[1].atoms == [5, 7, 9, 15])
    #expect(abs(both[0].center - 0.35) < 1e-12 && abs(both[0].forceConstant - 8368) < 1e-9)
    #expect(abs(both[0].parabola.upperBound - 9.55) < 1e-9 && abs(both[0].parabola.lowerBound + 0.35) < 1e-9)
    #expect(abs(both[1].center + .pi / 3) < 1e-12 && abs(both[1].forceConstant - 8.368) < 1e-9)
    let one = " &rst iat=5,7,9,15, r1=-180.0, r2=0.0, r3=0.0, r4=180.0, rk2=5.0, rk3=5.0, /\n"
    for (from, to, expected) in [
      ("r3=0.0", "r3=10.0", "not harmonic"), ("rk3=5.0", "rk3=6.0", "not harmonic"),
      ("/", "nstep2=1000, /", "nstep2 makes this restraint change"), (",15", "", "iat names 3 atoms"),
      ("/", "", "has no end"), ("&rst", "rst", "no &rst"), ("r2=0.0", "r2=x", "'x' in this &rst is no number"),
      ("rk2=5.0", "rk2=-5.0, rk3=-5.0", "do not hold"), ("/", "rstwt=1,-1, /", "combination of coordinates"),
    ] {
      let changed = one.replacingOccurrences(of: from, with: to).replacingOccurrences(
        of: "-5.0, rk3=5.0", with: "-5.0")
      #expect(message { try AMBERRestraint.read(file(changed)) }.contains(expected), "\(changed)")
    }
  }

  @Test func metadataOfWHAM() throws {
    let text = "# comment\n\na.dat 10 20 0.5 0.6\n/b.dat 30 40 0.7 0.8 1\n"
    let url = try file(text)
    let entries = try WindowMetadata(url, coordinates: 2).entries
    #expect(
      entries.map(\.centers) == [[10, 20], [30, 40]] && entries.map(\.forceConstants) == [[0.5, 0.6], [0.7, 0.8]])
    #expect(entries[1].file.path == "/b.dat" && entries[0].file.path.hasSuffix("/a.dat"))
    #expect(try WindowMetadata.files(url).map(\.lastPathComponent) == ["a.dat", "b.dat"])
    let hot = try WindowMetadata(file("a 1 2 0 300\nb 1 2 0 310\n"), coordinates: 1).entries
    #expect(hot.map(\.temperature) == [300, 310])
    #expect(
      message { try WindowMetadata(file("a 1 2\nb 1\n"), coordinates: 1) }.contains("file.dat:2: 1 numbers after"))
    #expect(message { try WindowMetadata(file("a 1 x\n"), coordinates: 1) }.contains("file.dat:1: 'x'"))
    #expect(message { try WindowMetadata(file("a 1 2 0 300\nb 1 2\n"), coordinates: 1) }.contains("others do not"))
    #expect(message { try WindowMetadata(file("#\n"), coordinates: 1) }.contains("no window"))
  }
}
