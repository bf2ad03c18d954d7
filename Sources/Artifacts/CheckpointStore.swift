import Foundation
import HDF5

/// A stage's checkpoints: two files, written in turn, each committed as an artifact is. Whatever happens while the newer
/// one is written, the older one is sound.
public final class CheckpointStore {
  private let slots: [URL]
  private let stage: String
  private let key: String
  private var next: (slot: Int, generation: Int)?

  private static let stepPath = "checkpoint/step"
  private static let generationPath = "checkpoint/generation"

  /// `key` is the stage's key: a checkpoint with another one belongs to other parameters and is not used.
  public init(folder: URL, stage: String, key: String) {
    self.stage = stage
    self.key = key
    slots = ["A", "B"].map { folder.appendingPathComponent("\(stage).ckpt-\($0).h5") }
  }

  /// Writes a checkpoint over the older of the two. `fill` may use any path but /checkpoint and /provenance.
  public func save(step: Int, _ fill: (ArtifactWriter) throws -> Void) throws {
    let (slot, generation) = try next ?? plan()
    let start = Date()
    let writer = try ArtifactWriter(url: slots[slot])
    try writer.writeScalar(Self.stepPath, step)
    try writer.writeScalar(Self.generationPath, generation)
    try fill(writer)
    let end = Date()
    try writer.commit(
      provenance: Provenance(
        key: key, canonical: "", stage: stage, stageType: "checkpoint", stageVersion: 1, seed: 0, start: start,
        end: end, wallSeconds: end.timeIntervalSince(start)))
    next = (1 - slot, generation + 1)
  }

  /// The newest sound checkpoint with this key; nil when there is none. A damaged one beside it is named in `warning`.
  public func latest() throws -> (step: Int, artifact: Artifact, warning: String?)? {
    let (sound, damage) = inspect(verify: true)
    warnings = damage
    guard let newest = sound.max(by: { $0.generation < $1.generation }) else { return nil }
    next = (1 - newest.slot, newest.generation + 1)
    let warning =
      damage.isEmpty ? nil : damage.joined(separator: "; ") + "; going on from the checkpoint of step \(newest.step)"
    return (newest.step, newest.artifact, warning)
  }

  /// What `latest` found damaged; also filled when it returned nil because no sound checkpoint was left.
  public private(set) var warnings: [String] = []

  /// Removes both files.
  public func removeAll() throws {
    for slot in slots where unlink(slot.path) != 0 && errno != ENOENT {
      throw ArtifactError.system(call: "unlink", file: slot.path, code: errno)
    }
    next = nil
  }

  private typealias Found = (slot: Int, step: Int, generation: Int, artifact: Artifact)

  private func plan() throws -> (slot: Int, generation: Int) {
    guard let newest = inspect(verify: false).sound.max(by: { $0.generation < $1.generation }) else { return (0, 1) }
    return (1 - newest.slot, newest.generation + 1)
  }

  private func inspect(verify: Bool) -> (sound: [Found], damage: [String]) {
    var sound: [Found] = []
    var damage: [String] = []
    for (slot, url) in slots.enumerated() where FileManager.default.fileExists(atPath: url.path) {
      do {
        let artifact = try Artifact.open(url, verify: verify)
        guard artifact.provenance.key == key else { continue }
        sound.append(
          (
            slot, try artifact.scalar(Self.stepPath, as: Int.self),
            try artifact.scalar(Self.generationPath, as: Int.self), artifact
          ))
      } catch {
        damage.append("checkpoint \(url.lastPathComponent) is damaged and was not used (\(error))")
      }
    }
    return (sound, damage)
  }
}
