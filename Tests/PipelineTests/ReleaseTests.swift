import Artifacts
import Foundation
import Records
import Stages
import TestSupport
import Testing
import Workflow

/// Artifacts that older releases wrote: docs/stability.md promises that they can be read. Tests/Fixtures/releases/VERSION holds what that
/// release's golden.yaml left, the smaller ones.
@Suite struct ReleaseTests {
  static let releases = Package.root.appendingPathComponent("Tests/Fixtures/releases")
  static let versions = ((try? FileManager.default.contentsOfDirectory(atPath: releases.path)) ?? []).filter {
    $0.first?.isNumber == true
  }.sorted()
  /// ln q of four samples of a version's shared.h5, as that version drew them.
  static let densities = ["0.1.0": [219.4093, 219.5477, 217.6667, 213.3947]]

  @Test func thereAreSome() { #expect(Self.versions.first == "0.1.0") }

  /// Each opens with its seal and is of a type that is still known. That its fields are still declared, Python/tests/test_releases.py says.
  @Test(arguments: versions) func artifactsAreRead(version: String) throws {
    let folder = Self.releases.appendingPathComponent(version)
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".h5") }
    #expect(files.count > 20)
    for file in files.sorted() {
      let provenance = try Artifact.open(folder.appendingPathComponent(file), verify: true).provenance
      let type = try #require(StageCatalog.all.first { $0.type == provenance.stageType }, "\(provenance.stageType)")
      #expect(provenance.stageVersion <= type.version, "\(file)")
    }
  }

  /// A model of many peptides that an older release trained still draws.
  @Test(arguments: versions) func modelsDraw(version: String) throws {
    let program = try Program()
    let model = Self.releases.appendingPathComponent("\(version)/shared.h5").path
    try program.write(
      """
      name: old
      seed: 1
      temperature: 300
      system: { topology: \(Package.root.path)/datasets/alanine/alanine.pdb, forcefield: \(Package.root.path)/datasets/alanine/system.xml }
      stages:
        zero:  { uses: transferred-emulator, file: \(model) }
        fresh: { uses: sample, emulator: zero, count: 4 }
      """, to: "old.yaml")
    let run = try program.run("run", "old.yaml", "--threads", "1")
    #expect(run.code == 0, "\(run.errors)")
    let fresh = try Artifact.open(program.folder.appendingPathComponent("runs/old/fresh.h5"), verify: true)
    let densities = try fresh.read(Recorded.sample.logDensity.values).values
    let expected = try #require(Self.densities[version])
    #expect(densities.count == 4 && zip(densities, expected).allSatisfy { abs($0 - $1) < 0.01 }, "\(densities)")
  }
}
