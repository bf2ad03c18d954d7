import Artifacts
import Foundation
import TestSupport
import Testing

@testable import Workflow

/// Nothing is deleted or replaced that is not ours, and what is ours is deleted whole.
@Suite struct FolderClaimsTests {
  private static let text = """
    name: demo
    stages:
      first:  { uses: source, values: [1, 2, 3] }
      second: { uses: scale, of: first }
      third:  { uses: scale, of: second }
      words:  { uses: text, of: third }
    """
  private static let fewer = "name: demo\nstages: { first: { uses: source, values: [1, 2, 3] } }"

  private func lines(_ files: [Engine.Removable]) -> [String] {
    files.map { "\($0.url.lastPathComponent): \($0.reason)" }
  }

  private func exists(_ engine: Engine, _ name: String) -> Bool {
    FileManager.default.fileExists(atPath: engine.folder.url.appendingPathComponent(name).path)
  }

  // MARK: Foreign files

  @Test func aUsersOwnFilesAreNamedAndLeft() throws {
    let place = try Workplace()
    _ = try place.run(Self.text)
    let engine = try place.engine(place.load())
    try Data("my numbers".utf8).write(to: engine.folder.url.appendingPathComponent("my_analysis.h5"))
    try Data("notes".utf8).write(to: engine.folder.url.appendingPathComponent("README.txt"))
    let found = engine.verify()
    #expect(found.allSatisfy { $0.problem == nil })
    #expect(
      found.filter { !$0.wasRead }.map { "\($0.file): \($0.note ?? "")" } == [
        "README.txt: not this program's: it is no artifact",
        "my_analysis.h5: not this program's: it has no seal and no provenance of this program",
      ])
    for all in [false, true] {
      let upkeep = try engine.upkeep(all: all, intermediate: true, others: true)
      #expect(!upkeep.removable.contains { ["README.txt", "my_analysis.h5"].contains($0.url.lastPathComponent) })
      #expect(upkeep.left.map(\.file) == ["README.txt", "my_analysis.h5"])
    }
    // under the name of a stage it is in the way: kept, and never deleted
    try FileManager.default.removeItem(at: engine.folder.artifact("third"))
    try Data("my numbers".utf8).write(to: engine.folder.artifact("third"))
    #expect(try place.run(Self.text).ran == ["third"])
    let again = try place.engine(place.load()).upkeep(all: true)
    #expect(again.left.map(\.file).contains("third.h5.damaged"))
    #expect(!again.removable.contains { $0.url.lastPathComponent == "third.h5.damaged" })
    #expect(exists(engine, "third.h5.damaged"))
  }

  @Test func artifactsOfAnotherPipelineFileAreLeft() throws {
    let place = try Workplace()
    _ = try place.run(Self.text)
    let second = try place.engine(place.load(Self.fewer, name: "second.yaml"))
    let upkeep = try second.upkeep()
    #expect(upkeep.removable.isEmpty)
    #expect(upkeep.left.map(\.file) == ["first.h5", "second.h5", "third.h5", "words.h5"])
    #expect(upkeep.left.allSatisfy { $0.reason.hasPrefix("made by ") && $0.reason.hasSuffix("test.yaml") })
    #expect(try second.upkeep(all: true).removable.isEmpty)
    // by a word of its own, with what belongs to them
    #expect(
      try second.upkeep(others: true).removable.map(\.url.lastPathComponent) == [
        "first.h5", "second.h5", "third.h5", "words.h5", "words.csv", "words.html",
      ])
    // where that file is gone nobody knows whether it was this one: by the word of its own only
    try FileManager.default.moveItem(
      at: place.folder.appendingPathComponent("test.yaml"), to: place.folder.appendingPathComponent("renamed.yaml"))
    let renamed = try place.engine(place.load(Self.fewer, name: "renamed.yaml"))
    let uncertain = try renamed.upkeep()
    #expect(uncertain.removable.isEmpty && uncertain.left.map(\.file) == ["second.h5", "third.h5", "words.h5"])
    #expect(uncertain.left.allSatisfy { $0.reason.hasSuffix("test.yaml, which cannot be read") }, "\(uncertain.left)")
    #expect(
      try renamed.upkeep(others: true).removable.map(\.url.lastPathComponent) == [
        "second.h5", "third.h5", "words.h5", "words.csv", "words.html",
      ])
  }

  @Test func resultsOfAnotherFileAreNotReplacedWithoutAWord() throws {
    let place = try Workplace()
    _ = try place.run(Self.text)
    func warning(_ text: String, name: String) throws -> String? {
      let engine = try place.engine(place.load(text, name: name))
      return engine.otherFileWarning(try engine.selection(RunOptions()), try engine.assess())
    }
    let longer = Self.text.replacingOccurrences(of: "[1, 2, 3]", with: "[1, 2, 3, 4]")
    let said = try #require(try warning(longer, name: "longer.yaml"))
    #expect(said.contains("runs/demo holds results of ") && said.contains("test.yaml"))
    #expect(said.contains("give this file a name of its own, or --runs"))
    // an edit of the file itself, a copy that says the same, nothing to replace
    #expect(try warning(longer, name: "test.yaml") == nil)
    #expect(try warning(Self.text, name: "test.yaml") == nil)
    #expect(try warning(Self.text, name: "copy.yaml") == nil)
    // moved: the file of old is no longer there
    try FileManager.default.removeItem(at: place.folder.appendingPathComponent("test.yaml"))
    #expect(try warning(longer, name: "longer.yaml") == nil)
  }

  // MARK: Files of a run that is going on

  @Test func whatARunIsWritingIsNotLeftOver() throws {
    let place = try Workplace()
    _ = try place.run(Self.text)
    let engine = try place.engine(place.load())
    let host = ProcessInfo.processInfo.hostName
    let gone = Process()
    gone.executableURL = URL(fileURLWithPath: "/bin/true")
    try gone.run()
    gone.waitUntilExit()
    let (alive, dead, far) = (
      ".second.h5.tmp-\(host)-1-1", ".second.h5.tmp-\(host)-\(gone.processIdentifier)-1", ".second.h5.tmp-far.away-77-1"
    )
    for name in [alive, dead, far] { try Data("x".utf8).write(to: engine.folder.url.appendingPathComponent(name)) }
    // a process elsewhere cannot be asked, so the lock is
    let run = place.runFolder(try place.load())
    try run.lock(as: "pipeline run test.yaml")
    #expect(lines(try engine.upkeep().removable) == ["\(dead): left by a run that was killed"])
    #expect(try engine.upkeep().left.map(\.file) == [far, alive].sorted())
    run.unlock()
    #expect(try engine.upkeep().removable.map(\.url.lastPathComponent) == [dead, far].sorted())
    #expect(try engine.upkeep().left.map(\.file) == [alive])
  }

  // MARK: Side files

  @Test func sideFilesAreListedWithTheirArtifactAndMadeAgain() throws {
    let place = try Workplace()
    _ = try place.run(Self.text)
    let engine = try place.engine(place.load())
    let provenance = try Artifact.open(engine.folder.artifact("words"), verify: true).provenance
    #expect(provenance.sideFiles?.keys.sorted() == ["words.csv", "words.html"])
    #expect(
      engine.verify().filter(\.wasRead).map(\.file) == [
        "first.h5", "second.h5", "third.h5", "words.csv", "words.h5", "words.html",
      ])
    let (csv, html) = (
      engine.folder.url.appendingPathComponent("words.csv"), engine.folder.url.appendingPathComponent("words.html")
    )
    // of the artifact
    let before = try Data(contentsOf: csv)
    try FileManager.default.removeItem(at: csv)
    #expect(try engine.assess().map(\.state).last == .incomplete(["words.csv"]))
    #expect(engine.verify().last?.note == "missing; made again by 'run'")
    let restored = place.runFolder(try place.load())
    try restored.lock(as: "test")
    let again = Engine(
      pipeline: try place.load(), folder: restored, console: Console(isTerminal: false, clock: { 0 }, output: { _ in }))
    #expect(try again.run().stages.allSatisfy { $0.result == .skipped })
    restored.unlock()
    #expect(RunLog.shared.take(engine.folder.url).isEmpty)
    #expect(try Data(contentsOf: csv) == before)
    // by the stage
    try FileManager.default.removeItem(at: html)
    #expect(try place.run(Self.text).ran == ["words"])
    #expect(try String(contentsOf: html, encoding: .utf8).hasPrefix("<p>"))
    #expect(try place.run(Self.text).ran.isEmpty)
    // one that somebody has changed is neither damage nor replaced
    try Data("my remarks".utf8).write(to: html)
    #expect(engine.verify().first { $0.file == "words.html" }?.note == "changed since it was written")
    #expect(try place.run(Self.text).ran.isEmpty)
    let fewer = try place.engine(place.load(Self.fewer))
    #expect(try fewer.upkeep().left.map(\.file) == ["words.html"])
    #expect(
      try fewer.upkeep().removable.map(\.url.lastPathComponent) == ["second.h5", "third.h5", "words.h5", "words.csv"])
    _ = try place.run(Self.text, overrides: ["first.values=[5]"])
    #expect(
      try String(contentsOf: engine.folder.url.appendingPathComponent("words.html.kept"), encoding: .utf8)
        == "my remarks")
    #expect(place.lines.contains { $0.contains("it is kept as words.html.kept") })
  }

  // MARK: Intermediate results

  @Test func whatFinalResultsNoLongerNeedMayGo() throws {
    let place = try Workplace()
    _ = try place.run(Self.text)
    let engine = try place.engine(place.load())
    try engine.folder.lock(as: "clean")
    let upkeep = try engine.upkeep(intermediate: true)
    // the last stage, and what it reads to draw its files again, stay
    #expect(
      lines(upkeep.removable)
        == ["first", "second"].map { "\($0).h5: intermediate: what was made from it is finished" })
    let digest = try Artifact.open(engine.folder.artifact("second"), verify: true).provenance.contentDigest
    try engine.remove(upkeep.removable)
    engine.folder.unlock()
    let states = try place.engine(place.load()).assess()
    #expect(states.map(\.state.word) == ["removed", "removed", "up to date", "up to date"])
    #expect(states[0].state.description.hasPrefix("removed on purpose on "))
    #expect(try place.run(Self.text).ran.isEmpty)
    var only = RunOptions()
    only.only = ["words"]
    #expect(try place.run(Self.text, options: only).ran.isEmpty)
    // who needs them has them made again, and what they give is what they gave
    (only.only, only.force) = (["third"], ["third"])
    let refused = try place.run(Self.text, options: only).outcome
    #expect(
      refused.stages.contains {
        if case .failed(let text) = $0.result { text.contains("removed on purpose") } else { false }
      })
    #expect(try place.run(Self.text).ran == ["first", "second", "third"])
    #expect(try Artifact.open(engine.folder.artifact("second"), verify: true).provenance.contentDigest == digest)
    #expect(try place.run(Self.text).ran.isEmpty)
    // a change is no reason to believe a note
    try engine.folder.lock(as: "clean")
    try engine.remove(engine.upkeep(intermediate: true).removable)
    engine.folder.unlock()
    #expect(try place.run(Self.text, overrides: ["first.values=[4]"]).ran == ["first", "second", "third", "words"])
  }

  // MARK: Seals

  /// What HDF5 leaves of a file that was opened for writing and closed again: all but the seal.
  @Test func aFileThatWasOpenedForWritingProvesItself() throws {
    let place = try Workplace()
    _ = try place.run(Self.text)
    let engine = try place.engine(place.load())
    let url = engine.folder.artifact("second")
    let whole = try Data(contentsOf: url)
    try whole.dropLast(64).write(to: url)
    let looked = try engine.assess()
    #expect(looked.allSatisfy { $0.state == .upToDate })
    #expect(looked[1].why.contains("another program opened it for writing: 'run' seals it again"))
    #expect(engine.verify().allSatisfy { $0.problem == nil })
    let folder = place.runFolder(try place.load())
    try folder.lock(as: "test")
    var lines = ""
    let run = Engine(
      pipeline: try place.load(), folder: folder,
      console: Console(isTerminal: false, clock: { 0 }, output: { lines += $0 }))
    #expect(try run.run().stages.allSatisfy { $0.result == .skipped })
    folder.unlock()
    #expect(lines.contains("second") && lines.contains("it is sealed again"))
    #expect(try Data(contentsOf: url) == whole)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).allSatisfy { !$0.contains("damaged") })
    // a number that was changed is found, named, kept and made again
    var changed = whole.dropLast(64)
    let place2 = try #require(changed.range(of: withUnsafeBytes(of: 2.0.bitPattern) { Data($0) }))
    changed[place2.lowerBound + 6] ^= 1
    try Data(changed).write(to: url)
    #expect(try place.run(Self.text).ran == ["second"])
    #expect(exists(engine, "second.h5.damaged"))
    #expect(try Data(contentsOf: url).count == whole.count)
  }
}
