import ArgumentParser
import Artifacts
import Foundation
import Stages
import Workflow

struct InspectCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what an artifact holds, and propose states from frames.",
    discussion: """
      inspect FILE.yaml STAGE, or inspect ARTIFACT.h5: names, types, shapes, units, small values. Of the frames of ingest and simulate stages \
      also the states that they suggest, as text to paste below 'system:' of a pipeline file.

      inspect TOPOLOGY TRAJECTORY...: the states that these frames suggest. The topology is a PDB file or a prmtop.

      Example: pipeline inspect alanine.yaml reweighting
      """)

  @OptionGroup var pipeline: PipelineOptions
  @Argument(
    help: "The stage; left out where the file is an artifact itself. Trajectories, where it is a topology.",
    completion: Completions.stages)
  var others: [String] = []
  @Flag(help: "Of an artifact, the states that its frames suggest, and nothing else.") var states = false
  @Option(help: "With a topology: which of its atoms the molecule is, as system.atoms has it.") var atoms: String?
  @OptionGroup var results: JSONOption

  func run() throws {
    let file = URL(fileURLWithPath: pipeline.file)
    if pipeline.file.hasSuffix(".h5"), others.isEmpty { return try show(Artifact.open(file, verify: false)) }
    if let trajectories = trajectories(beside: file) {
      let proposed = try ProposedStates.text(topology: file, trajectories: trajectories, atoms: atoms.map { [$0] })
      return results.json ? results.print(["states": .string(proposed)]) : print(proposed)
    }
    let engine = try pipeline.engine()
    guard let stage = others.first, others.count == 1 else {
      throw ValidationError("name a stage: \(engine.pipeline.stages.map(\.name).joined(separator: ", "))")
    }
    let url = try pipeline.artifact(of: stage, in: engine)
    try show(Artifact.open(url, verify: false))
  }

  private func show(_ artifact: Artifact) throws {
    let proposed = try ProposedStates.text(artifact)
    if results.json {
      let found = states ? ParameterValue.object([:]) : try ArtifactInspection.json(artifact)
      return results.print(found.with("states", .optional(proposed)))
    }
    if states {
      return print(proposed ?? "# the frames of ingest and simulate stages suggest states, and this artifact has none")
    }
    print(try ArtifactInspection.text(artifact))
    if let proposed { print("\n" + proposed) }
  }

  /// The files after one that is no pipeline file; nil for a pipeline file.
  private func trajectories(beside file: URL) -> [URL]? {
    guard !["yaml", "yml"].contains(file.pathExtension.lowercased()), !others.isEmpty else { return nil }
    func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
    // a stage of a pipeline file of any name is no file
    let areFiles = others.count > 1 || others.contains { isThere($0) || $0.contains(".") }
    return isThere(file.path) && areFiles ? others.map { URL(fileURLWithPath: $0) } : nil
  }
}
