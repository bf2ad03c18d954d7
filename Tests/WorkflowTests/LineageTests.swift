import Artifacts
import Foundation
import Testing

@testable import Workflow

@Suite struct LineageTests {
  @Test func everythingBehindAStageAndWhatItTook() throws {
    let text = """
      name: demo
      stages:
        aside: { uses: source }
        frames: { uses: source }
        count: { uses: count, steps: 3 }
        train: { uses: scale, of: frames }
        again: { uses: scale, of: train, factor: 3 }
        all: { uses: gather, compare: [again, train], against: frames }
        last: { uses: scale, of: count }
      """
    let place = try Workplace()
    let engine = place.engine(try place.load(text))
    #expect(try engine.lineage(of: "all").map(\.wallSeconds) == [nil, nil, nil])
    var options = RunOptions()
    options.until = "all"
    _ = try engine.run(options)
    let lineage = try engine.lineage(of: "all")
    #expect(lineage.map(\.name) == ["frames", "train", "again"], "once each, and nothing beside them")
    #expect(lineage.map(\.type) == ["source", "scale", "scale"])
    #expect(lineage.map(\.inputs) == [[], ["frames"], ["train"]])
    for ancestor in lineage {
      let artifact = try Artifact.open(engine.folder.artifact(ancestor.name), verify: true)
      #expect(ancestor.wallSeconds == artifact.provenance.wallSeconds && artifact.provenance.wallSeconds > 0)
    }
    #expect(try engine.lineage(of: "frames").isEmpty)

    // what a stage is told of an input: all behind it, each once, though "all" itself reads only what is next to it
    let times = Dictionary(uniqueKeysWithValues: lineage.map { ($0.name, $0.wallSeconds ?? .nan) })
    let behindAgain = try #require(engine.wallSeconds(upTo: "again"))
    #expect(abs(behindAgain / (times.values.reduce(0, +)) - 1) < 1e-12)
    #expect(engine.wallSeconds(upTo: "frames") == times["frames"])
    try FileManager.default.removeItem(at: engine.folder.artifact("train"))
    #expect(engine.wallSeconds(upTo: "again") == nil, "part of it is not there any more")
    #expect(try engine.lineage(of: "last").map(\.wallSeconds) == [nil], "not run")
    #expect(throws: EngineError.unknownStage("al", known: engine.pipeline.stages.map(\.name))) {
      try engine.lineage(of: "al")
    }
  }
}
