import Foundation
import HDF5
import TestSupport
import Testing

@testable import Artifacts

@Suite struct DamageTests {
  /// A small artifact with a dataset of each kind of storage.
  private func write(_ url: URL) throws {
    let writer = try ArtifactWriter(url: url)
    try writer.write("x", (0..<64).map { Double($0).squareRoot() }, shape: [64], units: "nm")
    try writer.write("results/names", strings: ["phi", "psi"])
    try writer.setAttribute("results", "note", "text")
    try writer.commit(provenance: provenance(warnings: ["w"]))
  }

  /// Gives a changed file the seal that belongs to its bytes, so that what comes after the seal is put to the test.
  private func reseal(_ data: Data, to url: URL) throws {
    try data.dropLast(Seal.size).write(to: url)
    try Seal.append(to: url)
  }

  /// Every bit counts, padding included, and so does every byte of the length.
  @Test func anyFlippedBitAndAnyOtherLengthBreakTheSeal() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.h5")
    let copy = scratch.file("copy.h5")
    try write(url)
    let data = try Data(contentsOf: url)
    func isRefused(_ damaged: Data) throws -> Bool {
      try damaged.write(to: copy)
      do {
        _ = try Artifact.open(copy, verify: false)
        return false
      } catch let error as ArtifactError {
        return error.isDamage
      }
    }
    var tried = 0
    for position in stride(from: 0, to: data.count, by: 13) {
      var damaged = data
      damaged[position] ^= 1 << UInt8(position % 8)
      // without the seal's mark the content is asked, and is what it was
      let isMark = position >= data.count - Seal.size && position < data.count - Seal.size + 16
      #expect(try isRefused(damaged) != isMark, "bit flipped at byte \(position)")
      tried += 1
    }
    for length in [0, 1, Seal.size - 1, Seal.size, data.count / 2, data.count - Seal.size - 1] {
      #expect(try isRefused(data.prefix(length)), "cut to \(length)")
    }
    #expect(try isRefused(data + data.suffix(Seal.size)))
    #expect(tried > 500)
  }

  /// Without its seal, or with something behind it, a file whose whole content has the committed digest is sound, and is sealed again.
  @Test func contentProvesItselfWithoutItsSeal() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.h5")
    let copy = scratch.file("copy.h5")
    try write(url)
    let data = try Data(contentsOf: url)
    #expect(try Artifact.open(url, verify: false).isSealed)
    for (changed, what) in [
      (data.dropLast(Seal.size), "cut off"), (data.dropLast(), "half of it"), (data + [0], "a byte more"),
    ] {
      try Data(changed).write(to: copy)
      let artifact = try Artifact.open(copy, verify: false)
      #expect(!artifact.isSealed, "\(what)")
      #expect(try artifact.read("x", as: Double.self).values[4] == 2, "\(what)")
      try artifact.sealAgain()
      #expect(try Artifact.open(copy, verify: true).isSealed, "\(what)")
    }
    // any other bit of the content, and it is damaged
    var refused = 0
    let body = data.dropLast(Seal.size)
    for position in stride(from: 0, to: body.count, by: 97) {
      var damaged = Data(body)
      damaged[position] ^= 1 << UInt8(position % 8)
      try damaged.write(to: copy)
      do {
        let artifact = try Artifact.open(copy, verify: false)
        #expect(
          try artifact.read("x", as: Double.self).values == (0..<64).map { Double($0).squareRoot() }, "byte \(position)"
        )
        #expect(artifact.provenance.warnings == ["w"])
      } catch let error as ArtifactError where error.isDamage { refused += 1 }
    }
    #expect(refused > 20)
  }

  /// What the seal does not see, the checks behind it do: one bit flipped in every 31st byte and the file sealed again.
  /// Either the check finds it, or nothing that can be read has changed (padding, unused slots).
  @Test func aFlippedBitUnderASoundSealIsFoundOrHarmless() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.h5")
    let copy = scratch.file("copy.h5")
    try write(url)
    let original = try Artifact.open(url, verify: true)
    let content = try original.content()
    let data = try Data(contentsOf: url)
    var found = 0
    var harmless = 0
    for position in stride(from: 0, to: data.count - Seal.size, by: 31) {
      var damaged = data
      damaged[position] ^= 1 << UInt8(position % 8)
      try reseal(damaged, to: copy)
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

  /// A notebook that was killed with the file open for writing leaves HDF5's mark of that, and HDF5 opens the file no more. The committed
  /// bytes are known, so the mark is taken back.
  @Test func theMarkOfAProgramThatWasKilledIsTakenBack() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.h5")
    try write(url)
    let data = try Data(contentsOf: url)
    var marked = data
    marked[11] = 1
    let python = Package.root.appendingPathComponent(".deps/checks/bin/python")
    if FileManager.default.isExecutableFile(atPath: python.path) {
      let process = Process()
      process.executableURL = python
      process.arguments = [
        "-c", "import h5py, os, sys; f = h5py.File(sys.argv[1], 'r+'); f['x'][()]; os._exit(0)", url.path,
      ]
      try process.run()
      process.waitUntilExit()
      marked = try Data(contentsOf: url)
      #expect(marked != data && marked.count == data.count, "h5py leaves no mark")
    } else {
      // the sum need not be right for the seal to tell that nothing else was changed
      try marked.write(to: url)
    }
    #expect(marked[11] != 0)
    let artifact = try Artifact.open(url, verify: true)
    #expect(artifact.isSealed)
    #expect(try Data(contentsOf: url) == data)
    // with a mark and something else it is damaged
    marked[data.count / 2] ^= 1
    try marked.write(to: url)
    #expect {
      try Artifact.open(url, verify: false)
    } throws: {
      ($0 as? ArtifactError)?.isDamage == true
    }
  }

  private func flip(_ url: URL, at text: String) throws {
    var data = try Data(contentsOf: url)
    let place = try #require(data.range(of: Data(text.utf8)))
    data[place.lowerBound] ^= 2
    try reseal(data, to: url)
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
    // Without a request to verify only the seal and the provenance are checked.
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
    for length in [0, 4, 100, data.count / 2, data.count - Seal.size - 1] {
      try data.prefix(length).write(to: url)
      let error = #expect(throws: ArtifactError.self) { try Artifact.open(url, verify: false) }
      guard case .unsealed = error else {
        Issue.record("\(length): \(String(describing: error))")
        continue
      }
    }
    let foreign = scratch.file("foreign.h5")
    let file = try HDF5File.create(foreign)
    _ = try file.createDataset("x", type: .float64, shape: [])
    try file.close()
    expectError(saying: "foreign.h5: not a committed artifact") { try Artifact.open(foreign, verify: false) }
    try Seal.append(to: foreign)
    #expect(throws: ArtifactError.incomplete(file: foreign.path, missing: "/provenance/record")) {
      try Artifact.open(foreign, verify: false)
    }
    #expect(throws: HDF5Error.noSuchFile(file: scratch.file("none.h5").path)) {
      try Artifact.open(scratch.file("none.h5"), verify: true)
    }
  }
}
