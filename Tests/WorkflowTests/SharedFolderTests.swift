import Foundation
import TestSupport
import Testing

@testable import Workflow

/// Several processes in one run folder: who may do what, and what is said to whom.
@Suite struct SharedFolderTests {
  private static let text = "name: demo\nstages: { a: { uses: source }, b: { uses: scale, of: a } }"

  @Test func jobsShareTheFolderAndARunDoesNot() throws {
    let place = try Workplace()
    let pipeline = try place.load(Self.text)
    let (first, second, third) = (place.runFolder(pipeline), place.runFolder(pipeline), place.runFolder(pipeline))
    try first.lock(as: "job 1", mode: .shared)
    try second.lock(as: "job 2", mode: .shared)
    let held = try StageLock(first, stage: "a", as: "job 1, stage 'a'")
    #expect {
      try third.lock(as: "pipeline run demo.yaml")
    } throws: { error in
      guard case EngineError.locked(_, let holder)? = error as? EngineError else { return false }
      return holder.hasPrefix("process \(getpid()) on ") && holder.hasSuffix(": job 1, stage 'a'")
    }
    #expect(third.holder()?.hasSuffix(": job 1, stage 'a'") == true)
    // one stage, one job
    #expect {
      _ = try StageLock(second, stage: "a", as: "job 2, stage 'a'")
    } throws: { error in
      guard case EngineError.stageLocked("a", let holder)? = error as? EngineError else { return false }
      return holder.hasSuffix(": job 1, stage 'a'")
    }
    let other = try StageLock(second, stage: "b", as: "job 2, stage 'b'")
    #expect(StageLock.holders(in: third).count == 2)
    held.release()
    let again = try StageLock(second, stage: "a", as: "job 2, stage 'a'")
    again.release()
    other.release()
    first.unlock()
    second.unlock()
    let names = try FileManager.default.contentsOfDirectory(atPath: third.url.path)
    #expect(!names.contains { $0.hasSuffix(".held") }, "\(names)")
    try third.lock(as: "pipeline run demo.yaml")
    expectError(saying: "is in use by another run", "pipeline run demo.yaml") {
      try first.lock(as: "job 3", mode: .shared)
    }
    #expect(first.holder()?.hasSuffix(": pipeline run demo.yaml") == true)
  }

  /// A lock's file that a dead process left is nobody's.
  @Test func aLeftLockFileIsNobodys() throws {
    let place = try Workplace()
    let folder = place.runFolder(try place.load(Self.text))
    try folder.lock(as: "job 1", mode: .shared)
    try Data("process 1 on nowhere: job 7\n".utf8).write(to: folder.url.appendingPathComponent(".a.held"))
    #expect(StageLock.holders(in: folder).isEmpty)
    #expect(folder.holder() == nil)
    try StageLock(folder, stage: "a", as: "job 1").release()
  }

  /// Jobs remove what a killed process left of their own stages, and nothing of others'.
  @Test func aJobRemovesLeftoversOfItsOwnStageOnly() throws {
    let place = try Workplace()
    let engine = try place.engine(place.load(Self.text))
    try engine.folder.lock(as: "job 1", mode: .shared)
    let gone = Process()
    gone.executableURL = URL(fileURLWithPath: "/bin/true")
    try gone.run()
    gone.waitUntilExit()
    let host = ProcessInfo.processInfo.hostName
    let left = ["a", "b"].map { ".\($0).h5.tmp-\(host)-\(gone.processIdentifier)-1" }
    for name in left { try Data().write(to: engine.folder.url.appendingPathComponent(name)) }
    func found() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: engine.folder.url.path).filter { $0.contains(".tmp-") }
    }
    var options = RunOptions()
    options.only = ["a"]
    _ = try engine.run(options)
    #expect(try found() == [left[1]], "the artifact's writer removed its own")
    engine.folder.unlock()
    try engine.folder.lock(as: "a run")
    _ = try engine.run(options)
    #expect(try found().isEmpty)
  }

  @Test func notesOfSeveralWritersAreAllKept() throws {
    let place = try Workplace()
    let file = place.folder.appendingPathComponent(".notes.json")
    DispatchQueue.concurrentPerform(iterations: 40) { number in
      _ = SharedNotes.merge(["n\(number)": number], into: file)
    }
    var notes: [String: Int] = SharedNotes.read(file)
    #expect(notes.count == 40)
    #expect(notes["n17"] == 17)
    #expect(SharedNotes.merge(["n17": Int?.none, "n18": 0], into: file))
    notes = SharedNotes.read(file)
    #expect(notes.count == 39)
    #expect(notes["n18"] == 0)
    try Data("no notes".utf8).write(to: file)
    notes = SharedNotes.read(file)
    #expect(notes.isEmpty)
    #expect(!SharedNotes.merge(["a": 1], into: place.folder.appendingPathComponent("missing/notes.json")))
  }

  /// What one process learnt of an artifact is not lost when another one writes what it learnt.
  @Test func whatIsVerifiedIsRememberedTogether() throws {
    let place = try Workplace()
    _ = try place.run(Self.text)
    let pipeline = try place.load(Self.text)
    let folder = place.runFolder(pipeline)
    try FileManager.default.removeItem(at: folder.verified)
    let (first, second) = (VerifiedArtifacts(folder: folder), VerifiedArtifacts(folder: folder))
    _ = try first.open("a")
    _ = try second.open("b")
    first.save()
    second.save()
    let text = try String(contentsOf: folder.verified, encoding: .utf8)
    #expect(text.contains("\"a\"") && text.contains("\"b\""))
  }
}
