import Artifacts
import Basics
import Foundation

extension Engine {
  /// What a stage makes of those of its inputs that are finished.
  public struct Preview {
    public let artifact: Artifact  // Of no pipeline: it is gone with `folder`
    public let file: URL?  // The side file that was asked for, kept in the run folder
    public let used, missing: [String]  // Its inputs
    fileprivate let folder: ScratchFolder
  }

  fileprivate final class ScratchFolder {
    let url: URL
    init(_ name: String) throws {
      url = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).appendingPathComponent(
        name)
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(at: url.deletingLastPathComponent()) }
  }

  /// Lets a stage that is not finished work with those of its inputs that are, elsewhere, and keeps its side file of that ending as
  /// `<stage>.partial.<ending>` in the run folder, where nothing depends on it. The folder need not be locked.
  ///
  /// Nil where none of its inputs is finished. Throws what the stage throws.
  public func preview(_ stage: StageDefinition, _ assessments: [StageAssessment], keeping ending: String) throws
    -> Preview?
  {
    let finished = Set(assessments.filter { $0.state == .upToDate }.map(\.stage.name))
    let used = stage.inputNames.filter { name in
      finished.contains(name) && (try? openInputs(of: stage, expecting: [:], only: [name], verified: false)) != nil
    }
    guard !used.isEmpty else { return nil }
    let scratch = try ScratchFolder(folder.url.lastPathComponent)
    let inside = RunFolder(scratch.url)
    let start = Date()
    let context = StageContext(
      stage: stage.name, seed: 0, values: stage.parameters,
      inputs: try openInputs(of: stage, expecting: [:], only: Set(used), verified: false),
      output: try ArtifactWriter(url: inside.artifact(stage.name)),
      checkpoints: CheckpointStore(folder: scratch.url, stage: stage.name, key: ""), shared: stage.shared,
      settings: pipeline.settings, missingInputs: stage.inputNames.filter { !used.contains($0) })
    try stage.type.run(context)
    _ = try context.output.commit(
      provenance: Provenance(
        key: "", canonical: "{}", stage: stage.name, stageType: stage.type.type, stageVersion: stage.type.version,
        seed: 0,
        start: start, end: Date(), wallSeconds: 0))
    let made = scratch.url.appendingPathComponent("\(stage.name).\(ending)")
    let kept = folder.url.appendingPathComponent("\(stage.name).partial.\(ending)")
    if FileCalls.presence(made.path) != .absent {
      let writer = SideFileWriter(folder: folder) { [console] in console.line("warning: \(stage.name): \($0)") }
      try writer.write(kept) { try FileSystem.write(try FileSystem.read(made), to: $0) }
    }
    return Preview(
      artifact: try Artifact.open(inside.artifact(stage.name), verify: false),
      file: FileCalls.presence(kept.path) == .absent ? nil : kept, used: used, missing: context.missingInputs,
      folder: scratch)
  }

  /// Removes what `preview` has kept of a stage, unless somebody has changed it.
  public func removePreview(_ stage: String, keeping ending: String) {
    let kept = folder.url.appendingPathComponent("\(stage).partial.\(ending)")
    guard FileClaims(folder, pipeline: pipeline).isOurs(sideFile: kept) else { return }
    try? FileSystem.unlink(kept)
  }
}
