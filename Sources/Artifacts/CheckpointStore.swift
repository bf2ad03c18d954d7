import Foundation
import HDF5

/// A stage's checkpoints: two files, written in turn, each committed as an artifact is. Whatever happens while the newer
/// one is written, the older one is sound.
public final class CheckpointStore {
  private let slots: [URL]
  private let stage: String
  private let key: String
  private let reportDamage: ((String) -> Void)?
  private var next: (slot: Int, generation: Int)?
  /// How many threads the stage works with, for the provenance of its checkpoints.
  public var threads: Int?

  /// What stands for the stage type in a checkpoint's provenance.
  public static let stageType = "checkpoint"
  private static let stepPath = "checkpoint/step"
  private static let generationPath = "checkpoint/generation"

  /// `key` is the stage's key: a checkpoint with another one belongs to other parameters and is not used.
  ///
  /// With `reportDamage`, `latest` moves damaged files out of the way (NAME.damaged) and says so there; without, it only looks.
  public init(folder: URL, stage: String, key: String, reportDamage: ((String) -> Void)? = nil) {
    self.reportDamage = reportDamage
    self.stage = stage
    self.key = key
    slots = ["A", "B"].map { folder.appendingPathComponent("\(stage).ckpt-\($0).h5") }
  }

  /// Writes a checkpoint over the older of the two. `fill` may use any path but /checkpoint and /provenance.
  public func save(step: Int, _ fill: (ArtifactWriter) throws -> Void) throws {
    let (slot, generation) = try next ?? plan()
    // a folder that was taken away is not made again: what is in it belongs together, and so does its lock
    let folder = slots[slot].deletingLastPathComponent().path
    guard access(folder, F_OK) == 0 else { throw ArtifactError.system(call: "access", file: folder, code: errno) }
    let start = Date()
    let writer = try ArtifactWriter(url: slots[slot])
    try writer.writeScalar(Self.stepPath, step)
    try writer.writeScalar(Self.generationPath, generation)
    try fill(writer)
    let end = Date()
    try writer.commit(
      provenance: Provenance(
        key: key, canonical: "", stage: stage, stageType: Self.stageType, stageVersion: 1, seed: 0,
        threads: threads, start: start, end: end, wallSeconds: end.timeIntervalSince(start)))
    next = (1 - slot, generation + 1)
    try FaultPoint.betweenGenerations.pass()
  }

  /// The newest sound checkpoint with this key; nil when there is none. A damaged one beside it is named in `warning`.
  /// Throws `ArtifactError` where a checkpoint may be sound and cannot be read now.
  public func latest() throws -> (step: Int, artifact: Artifact, warning: String?)? {
    let (sound, damaged) = try inspect(check: .content)
    let damage = try damaged.map { found in
      let what = "checkpoint \(found.url.lastPathComponent) is damaged and was not used (\(found.reason))"
      guard let reportDamage else { return what }
      let kept = try FileSystem.setAside(found.url)
      let text = what + "; the file is kept as \(kept.lastPathComponent)"
      reportDamage(text)
      return text
    }
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
    next = nil
    for (index, slot) in slots.enumerated() {
      if index > 0 { try FaultPoint.midRemoval.pass() }
      guard unlink(slot.path) == 0 || errno == ENOENT else {
        throw ArtifactError.system(call: "unlink", file: slot.path, code: errno)
      }
    }
  }

  private typealias Found = (slot: Int, step: Int, generation: Int, artifact: Artifact)

  private func plan() throws -> (slot: Int, generation: Int) {
    guard let newest = try inspect(check: .seal).sound.max(by: { $0.generation < $1.generation }) else { return (0, 1) }
    return (1 - newest.slot, newest.generation + 1)
  }

  private func inspect(check: Artifact.Check) throws -> (sound: [Found], damage: [(url: URL, reason: String)]) {
    var sound: [Found] = []
    var damage: [(url: URL, reason: String)] = []
    for (slot, url) in slots.enumerated() {
      do {
        let artifact = try Artifact.open(url, check: check)
        let provenance = artifact.provenance
        guard provenance.stageType == Self.stageType, provenance.stage == stage else {
          damage.append((url, "it holds the \(provenance.stageType) of stage '\(provenance.stage)'"))
          continue
        }
        guard provenance.key == key else { continue }
        sound.append(
          (
            slot, try artifact.scalar(Self.stepPath, as: Int.self),
            try artifact.scalar(Self.generationPath, as: Int.self), artifact
          ))
      } catch HDF5Error.noSuchFile {
        continue
      } catch let error as ArtifactError where !error.isDamage {
        throw error
      } catch {
        damage.append((url, "\(error)"))
      }
    }
    return (sound, damage)
  }
}
