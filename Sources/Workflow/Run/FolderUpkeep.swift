import Artifacts
import Foundation

extension Engine {
  public struct Verification {
    public let file: String
    public let problem: String?  // Nil where the file is sound
  }

  /// Reads every artifact and checkpoint of the run folder, and every input file whose digest is remembered, and compares
  /// it with its digest.
  public func verify() -> [Verification] {
    let inputs = assessor.files.verify().map { Verification(file: $0.path, problem: $0.problem) }
    assessor.files.save()
    return inputs
      + contents().filter { $0.hasSuffix(".h5") && !$0.hasPrefix(".") }.map { name in
        do {
          let artifact = try Artifact.open(folder.url.appendingPathComponent(name), verify: true)
          let stage = artifact.provenance.stage
          if name != "\(stage).h5", !name.hasPrefix("\(stage).ckpt-"), !name.hasPrefix("\(stage).part-") {
            return Verification(file: name, problem: "holds the result of stage '\(stage)'")
          }
          return Verification(file: name, problem: nil)
        } catch {
          return Verification(file: name, problem: "\(error)")
        }
      }
  }

  /// A file that `clean` would delete, and why.
  public struct Removable {
    public let url: URL
    public let bytes: Int
    public let reason: String
  }

  /// What can go: damaged files set aside, leftovers of killed runs, checkpoints of finished stages, artifacts of stages
  /// that the file no longer has; with `all`, every artifact and checkpoint.
  public func removable(all: Bool) throws -> [Removable] {
    let assessments = try assess()
    let finished = Set(assessments.filter { $0.state == .upToDate }.map(\.stage.name))
    let stages = Set(pipeline.stages.map(\.name))
    return contents().compactMap { name in
      let url = folder.url.appendingPathComponent(name)
      guard let reason = reason(name, finished: finished, stages: stages, all: all) else { return nil }
      let bytes = (try? FileManager.default.attributesOfItem(atPath: url.path))?[.size] as? Int ?? 0
      return Removable(url: url, bytes: bytes, reason: reason)
    }
  }

  private func reason(_ name: String, finished: Set<String>, stages: Set<String>, all: Bool) -> String? {
    if name.contains(".h5.damaged") { return "damaged" }
    if name.hasPrefix("."), name.contains(".h5.tmp-") || name.hasSuffix(".held") {
      return "left by a run that was killed"
    }
    if let range = name.range(of: ".ckpt-") ?? name.range(of: ".part-"), name.hasSuffix(".h5") {
      let stage = String(name[..<range.lowerBound])
      if finished.contains(stage) { return "checkpoint of a finished stage" }
      if !stages.contains(stage) { return "checkpoint of a stage that is not in the file" }
      return all ? "checkpoint" : nil
    }
    guard name.hasSuffix(".h5") else { return nil }
    if !stages.contains(String(name.dropLast(3))) { return "artifact of a stage that is not in the file" }
    return all ? "artifact" : nil
  }

  /// Deletes the files. The caller holds the folder's lock.
  public func remove(_ files: [Removable]) throws {
    for file in files where unlink(file.url.path) != 0 && errno != ENOENT {
      throw EngineError.folder(file.url.path, "cannot be deleted")
    }
  }

  private func contents() -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.url.path)) ?? []).sorted()
  }
}
