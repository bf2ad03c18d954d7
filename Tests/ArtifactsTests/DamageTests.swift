import Foundation
import HDF5
import Testing

@testable import Artifacts

@Suite struct DamageTests {
  /// Flips one bit in every 31st byte of the file, one at a time: either the check finds it, or nothing that can be
  /// read has changed (padding, unused slots).
  @Test func aFlippedBitAnywhereIsFoundOrHarmless() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.h5")
    let copy = scratch.file("copy.h5")
    let writer = try ArtifactWriter(url: url)
    try writer.write("x", (0..<64).map { Double($0).squareRoot() }, shape: [64], units: "nm")
    try writer.write("results/names", strings: ["phi", "psi"])
    try writer.setAttribute("results", "note", "text")
    try writer.commit(provenance: provenance(warnings: ["w"]))
    let original = try Artifact.open(url, verify: true)
    let content = try original.content()
    let data = try Data(contentsOf: url)
    var found = 0
    var harmless = 0
    for position in stride(from: 0, to: data.count, by: 31) {
      var damaged = data
      damaged[position] ^= 1 << UInt8(position % 8)
      try damaged.write(to: copy)
      do {
        let artifact = try Artifact.open(copy, verify: true)
        #expect(artifact.provenance == original.provenance, "bit flipped at byte \(position)")
        #expect(try artifact.content() == content, "bit flipped at byte \(position)")
        harmless += 1
      } catch is ArtifactError {
        found += 1
      } catch is HDF5Error {
        found += 1
      }
    }
    #expect(found > harmless / 4)
  }

  private func flip(_ url: URL, at text: String) throws {
    var data = try Data(contentsOf: url)
    let place = try #require(data.range(of: Data(text.utf8)))
    data[place.lowerBound] ^= 2
    try data.write(to: url)
  }

  @Test func damageIsNamedByItsPart() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.h5")
    let digest = try writeSample(url)

    try flip(url, at: "{\"atoms\"")  // a scalar string: no chunk, so no Fletcher32; the digest finds it
    let content = #expect(throws: ArtifactError.self) { try Artifact.open(url, verify: true) }
    guard case .contentDamaged(let file, let expected, _) = content else {
      Issue.record("\(String(describing: content))")
      return
    }
    #expect(file == url.path)
    #expect(expected == digest)
    // Without a request to verify only the provenance is checked.
    #expect(throws: Never.self) { try Artifact.open(url, verify: false) }

    try writeSample(url)
    try flip(url, at: "\"stageType\"")
    let record = #expect(throws: ArtifactError.self) { try Artifact.open(url, verify: false) }
    guard case .provenanceDamaged = record else {
      Issue.record("\(String(describing: record))")
      return
    }
  }

  @Test func truncatedAndForeignFilesAreTypedErrors() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.h5")
    try writeSample(url)
    let data = try Data(contentsOf: url)
    for length in [0, 4, 100, data.count / 2, data.count - 1] {
      try data.prefix(length).write(to: url)
      let error = #expect(throws: HDF5Error.self) { try Artifact.open(url, verify: false) }
      guard case .notHDF5 = error else {
        Issue.record("\(length): \(String(describing: error))")
        continue
      }
    }
    let foreign = scratch.file("foreign.h5")
    let file = try HDF5File.create(foreign)
    _ = try file.createDataset("x", type: .float64, shape: [])
    try file.close()
    #expect(throws: ArtifactError.incomplete(file: foreign.path, missing: "/provenance/record")) {
      try Artifact.open(foreign, verify: false)
    }
    #expect(throws: HDF5Error.noSuchFile(file: scratch.file("none.h5").path)) {
      try Artifact.open(scratch.file("none.h5"), verify: true)
    }
  }
}
