import Basics
import Foundation
import Records

/// What to do next, as a line for the pipeline file.
extension ReportedRun {
  /// What to write in the file for another value of a stage's parameter. In a matrix it is so in all cells.
  func setting(_ stage: ReportedStage, _ path: String, _ value: String, now: String? = nil) -> String {
    let parts = path.split(separator: ".")
    let line = parts.dropLast().reversed().reduce("\(parts.last ?? ""): \(value)") { "\($1): { \($0) }" }
    return "write `\(line)`\(now.map { " (now \($0))" } ?? "") at '\(stage.base)' in \(pipelineFile), then run it again"
  }

  /// As the user named it; where nobody remembers that, its name.
  private var pipelineFile: String {
    options.pipelineFile
      ?? stages.lazy.compactMap { $0.artifact.provenance.pipelineFile }.last.map {
        URL(fileURLWithPath: $0).lastPathComponent
      } ?? "the pipeline file"
  }

  /// Twice as much of a parameter.
  func longer(_ stage: ReportedStage, _ path: String, _ why: String, times: Double = 2) -> String {
    if stage.type == WindowsRecord.stageType { return "\(why), where the windows of '\(stage.name)' were run" }
    guard let now = stage.parameter(path), now > 0 else {
      return "\(why): \(setting(stage, path, "N")), with an N larger than now"
    }
    return "\(why): \(setting(stage, path, NumberText.plain(times * now), now: NumberText.plain(now)))"
  }

  /// A better emulator where few of the samples count, else more samples.
  func more(_ stage: ReportedStage) throws -> String {
    let fraction = try stage.number(Recorded.reweight.effectiveFraction) ?? .nan
    let drawn = stage.lineage.last { $0.type == SampleRecord.stageType }
    if !(fraction >= Self.fairFraction), let target = drawn?.inputs["emulator"], target.type == PerturbRecord.stageType
    {
      return
        "the emulator is far from the target's Boltzmann distribution: add a round to 'rounds' of stage '\(target.name)', or more energies to its last"
    }
    let emulator = stage.lineage.last {
      [EmulatorRecord.stageType, EmulatorRecord.refinedStageType].contains($0.type)
    }
    if !(fraction >= Self.fairFraction), let emulator,
      ReportedStage.isOfAnotherForceField(stage.artifact.provenance.canonical, than: emulator.artifact)
    {
      return
        "the emulator is one of another force field: write `target: { uses: perturb, emulator: \(emulator.base) }` among the stages in "
        + "\(pipelineFile), and draw '\(drawn?.base ?? "samples")' from it"
    }
    if !(fraction >= Self.fairFraction), let emulator, emulator.parameter("training.steps") != nil {
      return longer(emulator, "training.steps", "the emulator is far from the Boltzmann distribution, train it longer")
    }
    guard let drawn else { return "draw more samples" }
    return longer(drawn, "count", "draw more samples", times: 4)
  }

  /// With a larger share of samples that count, more of them help more than longer training.
  private static let fairFraction = 0.05

  /// What helps most where nothing speaks against the answers.
  /// `open`: answers that are not determined, and pairs that differ by more than chance makes easily, a sentence each.
  func furtherStep(_ groups: [[Answer]], _ headline: Answer?, open: [String]) throws -> String {
    let all = groups.joined().filter { !$0.value.isNaN }.map(\.stage)
    let weighted = all.first { $0.type == ReweightRecord.stageType }
    guard let headline else { return "see the warnings and tables below" }
    let isAlone = !all.contains { Self.umbrellaTypes.contains($0.type) } && comparisons.isEmpty
    if isAlone, let weighted, others.allSatisfy({ $0.type != ExploreRecord.stageType }) {
      return
        "nothing here is independent of the emulator: add 'umbrella: { uses: umbrella }' or 'found: { uses: explore, reweight: "
        + "\(weighted.base) }' to the stages, and its name to the report's 'compare'"
    }
    if let model = weighted?.inputs["density"], let weighted, let samples = weighted.inputs["samples"],
      !all.contains(where: { $0.type == AuditRecord.stageType }),
      !all.contains(where: { $0.inputs["density"] == nil && $0.inputs["samples"]?.name == samples.name })
    {
      return
        "no exact likelihood tests '\(model.name)': add 'audit: { uses: audit, reweight: \(weighted.base) }' to the stages, and 'audit' to "
        + "the report's 'compare'"
    }
    let drawn = headline.stage.lineage.last { $0.type == SampleRecord.stageType }
    let length = headline.stage.type == SimulateRecord.stageType ? "length" : "production"
    func further(_ why: String) -> String {
      drawn.map { longer($0, "count", why, times: 4) } ?? longer(headline.stage, length, why, times: 4)
    }
    guard let interval = headline.interval else {
      return further("the answer has no interval; more data would give it one")
    }
    if (interval.high - interval.low) / 2 > Self.wideInterval {
      return further("the interval is wide; four times as much halves it")
    }
    if let first = open.first { return further("\(first) Four times as much tells more") }
    return "nothing need be done. The answer is dF = \(headline.text)"
      + (drawn.map { "; " + longer($0, "count", "to halve its interval", times: 4) } ?? "")
  }

  /// Half of a 95 % interval, kT.
  private static let wideInterval = 0.1
}
