import Foundation
import HDF5
import TestSupport
import Testing

@testable import Artifacts

/// Nothing but a whole, sound artifact may ever stand under an artifact's name.
@Suite struct CommitTests {
  @Test func nothingStandsUnderTheNameBeforeTheCommit() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.h5")
    let writer = try ArtifactWriter(url: url)
    try writer.write("x", [1.0], shape: [1])
    #expect(!FileManager.default.fileExists(atPath: url.path))
    #expect(scratch.names.count == 1)
    try writer.commit(provenance: provenance())
    #expect(scratch.names == ["a.h5"])
  }

  @Test func aWriterLetGoLeavesNothing() throws {
    let scratch = try Scratch()
    do {
      let writer = try ArtifactWriter(url: scratch.file("a.h5"))
      try writer.write("x", [1.0], shape: [1])
    }
    #expect(scratch.names.isEmpty)
    let writer = try ArtifactWriter(url: scratch.file("a.h5"))
    writer.discard()
    #expect(scratch.names.isEmpty)
    expectError(saying: "committed or discarded already") { try writer.commit(provenance: provenance()) }
  }

  @Test func theOldArtifactStaysUntilTheNewOneIsWhole() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.h5")
    let old = try writeSample(url)
    do {
      let writer = try ArtifactWriter(url: url)
      try writer.write("x", [1.0], shape: [1])
      #expect(try Artifact.open(url, verify: true).provenance.contentDigest == old)
    }
    #expect(try Artifact.open(url, verify: true).provenance.contentDigest == old)
  }

  @Test func leftoversOfDeadProcessesAreRemoved() throws {
    let scratch = try Scratch()
    // The process of a command that has ended is dead for certain.
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "exit 0"]
    try process.run()
    process.waitUntilExit()
    let host = ProcessInfo.processInfo.hostName
    let dead = ".a.h5.tmp-\(host)-\(process.processIdentifier)-1"
    let alive = ".a.h5.tmp-\(host)-\(getppid())-1"
    let elsewhere = ".a.h5.tmp-elsewhere.\(host)-\(process.processIdentifier)-1"
    for name in [dead, alive, elsewhere] { try Data().write(to: scratch.file(name)) }
    let writer = try ArtifactWriter(url: scratch.file("a.h5"))
    try writer.write("x", [1.0], shape: [1])
    try writer.commit(provenance: provenance())
    #expect(scratch.names == [alive, elsewhere, "a.h5"].sorted())
  }

  /// A write past the file-size limit fails as one on a full disk does. In a process of its own: the limit is the
  /// process's, and other tests write files too.
  @Test func fullDiskIsATypedErrorAndLeavesNoHalfArtifact() async {
    await #expect(processExitsWith: .success) {
      let scratch = try Scratch()
      let url = scratch.file("a.h5")
      let old = try writeSample(url)
      for limit: rlim_t in [1 << 10, 1 << 16, 1 << 20, 3 << 20] {
        for compression in [Compression.none, .always] {
          let previous = limitFileSize(to: limit)
          let error = #expect(throws: HDF5Error.self) {
            let writer = try ArtifactWriter(url: url)
            try writer.createAppendable("x", Double.self, rowShape: [1000], compression: compression)
            for row in 0..<1000 {
              let values = (0..<1000).map { Double(row * 1000 + $0).squareRoot() }
              try writer.append("x", values)
            }
            try writer.commit(provenance: provenance())
          }
          limitFileSize(to: previous)
          #expect("\(try #require(error))".contains("File too large"))
          #expect(scratch.names == ["a.h5"])
        }
      }
      #expect(try Artifact.open(url, verify: true).provenance.contentDigest == old)
      // and the library is not left in a state that spoils what follows
      #expect(try writeSample(scratch.file("b.h5")) == old)
    }
  }

  /// Small artifacts stay in the library's caches, so only the commit meets the full disk.
  @Test func fullDiskAtTheCommitIsATypedError() async {
    await #expect(processExitsWith: .success) {
      let scratch = try Scratch()
      for limit: rlim_t in [0, 100, 1000, 3000] {
        let writer = try ArtifactWriter(url: scratch.file("a.h5"))
        try writer.write("x", (0..<500).map { Double($0).squareRoot() }, shape: [500], units: "nm")
        try writer.write("note", string: "text")
        let previous = limitFileSize(to: limit)
        #expect(throws: HDF5Error.self) { try writer.commit(provenance: provenance()) }
        limitFileSize(to: previous)
        #expect(scratch.names.isEmpty)
      }
      try writeSample(scratch.file("b.h5"))
    }
  }

  @Test func aFolderThatCannotBeMadeIsATypedError() throws {
    let scratch = try Scratch()
    try Data().write(to: scratch.file("file"))
    expectError(saying: "mkdir failed", "Not a directory") { try ArtifactWriter(url: scratch.file("file/inside/a.h5")) }
  }
}

/// Sets the largest size of a file that this process may write; returns the one before.
@discardableResult
private func limitFileSize(to bytes: rlim_t) -> rlim_t {
  var limit = rlimit()
  getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
  let previous = limit.rlim_cur
  limit.rlim_cur = bytes
  setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
  return previous
}

/// A batch reads thousands of artifacts at once.
@Suite struct OpenArtifactsTests {
  private func openFiles(below folder: URL) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").filter {
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)"))?.hasPrefix(folder.path)
        == true
    }.count
  }

  @Test func ofManyArtifactsOnlySomeFilesAreOpen() throws {
    let scratch = try Scratch()
    for number in 0..<200 {
      let writer = try ArtifactWriter(url: scratch.file("\(number).h5"))
      try writer.write("x", [Double(number)], shape: [1])
      try writer.commit(provenance: provenance())
    }
    let artifacts = try (0..<200).map { try Artifact.open(scratch.file("\($0).h5"), verify: false) }
    #expect(try openFiles(below: scratch.url) <= 128)
    for (number, artifact) in artifacts.enumerated() {
      #expect(try artifact.scalar("x", as: Double.self) == Double(number))
    }
    #expect(try openFiles(below: scratch.url) <= 128)
    // what has taken the place of a file is not read for it
    let writer = try ArtifactWriter(url: scratch.file("0.h5"))
    try writer.write("x", [7.0], shape: [1])
    try writer.commit(provenance: provenance())
    for artifact in artifacts.dropFirst() { _ = try artifact.list("") }
    expectError(saying: "it was replaced while it was read") { _ = try artifacts[0].scalar("x", as: Double.self) }
    #expect(artifacts[0].exists("nothing"), "whoever reads it is told why")
  }
}
