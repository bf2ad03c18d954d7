import Artifacts
import Foundation
import Records
import Testing

@testable import Stages
@testable import Workflow

// All that a further stage type takes: this file, and an entry in StageCatalog.all.

/// The free energy of a harmonic well of one dimension, known by analysis.
enum HarmonicStage: RecordedStage {
  static let type = "harmonic"
  static let version = 1
  static let summary = "a well whose free energy is known"
  static let reads: [SharedField] = [.temperature]
  static let output = HarmonicRecord()
  static let method: ((StageInput) throws -> String)? = { _ in "analysis" }
  static let columns = [BatchColumn("width", output.width, decimals: 4)]

  struct Parameters: ParameterGroup {
    @Parameter("of the well", unit: "kJ/mol/nm2", in: .positive) var forceConstant = 100.0
  }

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    let width = (0.0083144626 * context.temperature / parameters.forceConstant).squareRoot()
    try context.output.write(output.width, width)
    try context.output.write(output.freeEnergy.deltaF, -log(width))
    try context.output.write(output.freeEnergy.standardError, 0)
  }
}

struct HarmonicRecord: Record {
  let freeEnergy = FreeEnergyRecord()
  let width = Number<Double>("results/width", unit: "nm", "standard deviation of the position")
}

// docs/architecture.md shows it.
enum ScaleStage: RecordedStage {
  static let type = "scale", version = 1, summary = "numbers times a factor"
  static let reads: [SharedField] = [.temperature]  // of what stands around the stages
  static let output = ScaleRecord()  // its datasets

  struct Inputs: StageInputs {
    let of = Input("what is scaled", of: HarmonicStage.self)
  }
  struct Parameters: ParameterGroup {
    @Parameter("the factor", unit: "nm", in: -10...10) var factor = 2.0
    @Parameter("makes it heavier", in: 1...5) var mass: Double?
  }
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    let width = try context.input(\Inputs.of).artifact.read(HarmonicStage.output.width)
    try context.output.write(output.width, width * parameters.factor / (parameters.mass ?? 1).squareRoot())
  }
}

struct ScaleRecord: Record {
  let width = Number<Double>("results/width", unit: "nm", "standard deviation of the position")
}

/// A stage type that stands in one file has its keys, its schema, its row in the report and its column in the table of a batch.
@Suite struct AddedStageTests {
  @Test func aStageTypeIsOneFileAndOneEntry() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("added-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("added.yaml")
    let text = """
      name: added
      temperature: 300
      matrix: { k: [100, 400] }
      stages:
        well:   { uses: harmonic, force_constant: "${k}" }
        scaled: { uses: scale, of: well, factor: 3, mass: 4 }
        report: { uses: report, compare: [well] }
      """
    try text.write(to: file, atomically: true, encoding: .utf8)
    let registry = StageCatalog.registry(of: StageCatalog.all + [HarmonicStage.self, ScaleStage.self])
    let pipeline = try PipelineLoader(registry: registry).load(file)
    let run = RunFolder(runs: folder, pipeline: pipeline)
    try run.lock(as: "test")
    let outcome = try Engine(pipeline: pipeline, folder: run, console: Console(quiet: true)).run()
    #expect(outcome.exitCode == 0)
    let width = (0.0083144626 * 300 / 100).squareRoot()
    let scaled = try Artifact.open(run.artifact("scaled@100"), verify: true)
    #expect(try abs(scaled.read(ScaleStage.output.width) - width * 1.5) < 1e-12)
    let report = try Artifact.open(run.artifact("report"), verify: true)
    #expect(try report.read(Recorded.report.stages) == ["well@100", "well@400"])
    #expect(try abs(report.read(Recorded.report.deltaF).values[1] + log(width / 2)) < 1e-12)
    #expect(try report.read(Recorded.report.table).contains("analysis"))
    let columns = StageCatalog.columns(registry.types)
    let table = try #require(BatchTable(outcome, pipeline: pipeline, folder: run, columns: columns))
    #expect(table.text.contains("width well / nm") && table.text.contains("0.1579"))
    let schema = PipelineSchema.schema(registry)["definitions"]?["harmonic"]?["properties"]?["force_constant"]
    #expect(schema?["default"] == 100.0 && schema?["x-unit"] == "kJ/mol/nm2")
    let message = #expect(throws: PipelineFileError.self) {
      try text.replacingOccurrences(of: "force_constant", with: "force_constnt").write(
        to: file, atomically: true, encoding: .utf8)
      _ = try PipelineLoader(registry: registry).load(file, shownAs: "added.yaml")
    }
    #expect("\(try #require(message))".contains("did you mean 'force_constant'?"))
  }
}
