import Foundation
import HDF5

/// A stage's checkpoints: two files, written in turn, each committed as an artifact is. Whatever happens while the newer
/// one is written, the older one is sound. A stage that makes a long stream saves parts of it instead.
public final class CheckpointStore {
  private let folder: URL
  private let slots: [URL]
  private let stage: String
  private let key: String
  private let olderKeys: Set<String>
  private let reportDamage: ((String) -> Void)?
  private var next: (slot: Int, generation: Int)?
  /// Wall time that earlier sittings spent up to the checkpoint, or the last part, that this one went on from; s. What they did
  /// after it is lost and does not count.
  public private(set) var earlierSeconds = 0.0
  private var hasSaved = false
  private let opened = ContinuousClock.now
  public var threads: Int?  // How many threads the stage works with, for the provenance of its checkpoints
  public var device = "cpu"  // What the stage's numbers are computed on, for the same
  public var canonical = ""  // The text that the key was made from, for the same
  public var pipelineFile: String?  // For the same: see `Provenance.pipelineFile`
  /// Called before a checkpoint or part takes its place; what it throws is thrown on, and the one before stays the newest.
  public var beforeCommit: (() throws -> Void)?

  /// What stands for the stage type in a checkpoint's provenance.
  public static let stageType = "checkpoint"
  private static let stepPath = "checkpoint/step"
  private static let generationPath = "checkpoint/generation"

  /// `key` is the stage's key: a checkpoint with another one belongs to other parameters and is not used. `olderKeys` are those of older
  /// versions of the program whose checkpoints it goes on from.
  ///
  /// With `reportDamage`, `latest` moves damaged files out of the way (NAME.damaged) and says so there, and also where a checkpoint comes
  /// from another device; without, it only looks.
  public init(
    folder: URL, stage: String, key: String, olderKeys: Set<String> = [], names: [String] = ["A", "B"],
    reportDamage: ((String) -> Void)? = nil
  ) {
    (self.folder, self.stage, self.key, self.reportDamage) = (folder, stage, key, reportDamage)
    self.olderKeys = olderKeys
    slots = names.map { folder.appendingPathComponent("\(stage).ckpt-\($0).h5") }
  }

  /// Writes a checkpoint over the older of the two. `fill` may use any path but /checkpoint and /provenance.
  public func save(step: Int, _ fill: (ArtifactWriter) throws -> Void) throws {
    let (slot, generation) = try next ?? plan()
    // a folder that was taken away is not made again: what is in it belongs together, and so does its lock
    try checkFolder()
    let start = Date()
    let writer = try ArtifactWriter(url: slots[slot])
    try fill(writer)
    try commit(writer, step: step, generation: generation, begun: start)
    next = (1 - slot, generation + 1)
    try FaultPoint.betweenGenerations.pass()
  }

  /// The newest sound checkpoint with this key; nil when there is none. A damaged one beside it is named in `warning`.
  /// Throws `ArtifactError` where a checkpoint may be sound and cannot be read now.
  public func latest() throws -> (step: Int, artifact: Artifact, warning: String?)? {
    let (sound, damaged) = try inspect(check: .content)
    let damage = try damaged.map { try setAside($0.url, reason: $0.reason) }
    warnings = damage
    guard let newest = sound.max(by: { $0.generation < $1.generation }) else { return nil }
    next = (1 - newest.slot, newest.generation + 1)
    goOn(from: newest.artifact)
    let warning =
      damage.isEmpty ? nil : damage.joined(separator: "; ") + "; going on from the checkpoint of step \(newest.step)"
    return (newest.step, newest.artifact, warning)
  }

  private func checkFolder() throws {
    guard access(folder.path, F_OK) == 0 else {
      throw ArtifactError.system(call: "access", file: folder.path, code: errno)
    }
  }

  private func goOn(from artifact: Artifact) {
    if !hasSaved { earlierSeconds = artifact.provenance.wallSeconds }
    let before = artifact.provenance.device
    guard before != device else { return }
    reportDamage?(
      "begun on \(before), goes on on \(device): its result will differ from that of an undisturbed run, within rounding"
    )
  }

  /// A checkpoint's wall time is that of the stage so far, over all sittings.
  private func commit(_ writer: ArtifactWriter, step: Int, generation: Int, begun start: Date) throws {
    try writer.writeScalar(Self.stepPath, step)
    try writer.writeScalar(Self.generationPath, generation)
    let end = Date()
    let sitting = (ContinuousClock.now - opened) / .seconds(1)
    do { try beforeCommit?() } catch {
      writer.discard()
      throw error
    }
    hasSaved = true
    var provenance = Provenance(
      key: key, canonical: canonical, stage: stage, stageType: Self.stageType, stageVersion: 1, seed: 0,
      device: device, threads: threads, start: start, end: end, wallSeconds: earlierSeconds + sitting)
    provenance.pipelineFile = pipelineFile
    try writer.commit(provenance: provenance)
  }

  /// What `latest` found damaged; also filled when it returned nil because no sound checkpoint was left.
  public private(set) var warnings: [String] = []

  // MARK: Rollback

  /// Checkpoints to go back to when a training breaks down. They are taken at certain steps and not at certain times, so that
  /// where it goes back to does not depend on the machine's speed.
  public private(set) lazy var rollback: CheckpointStore = {
    let store = CheckpointStore(
      folder: folder, stage: stage, key: key, olderKeys: olderKeys, names: Self.rollbackNames,
      reportDamage: reportDamage)
    (store.pipelineFile, store.canonical) = (pipelineFile, canonical)
    store.beforeCommit = { [weak self] in try self?.beforeCommit?() }
    return store
  }()
  private static let rollbackNames = ["R1", "R2"]

  /// The sound checkpoint of that step; nil where there is none.
  public func artifact(step: Int) throws -> Artifact? {
    try inspect(check: .content).sound.first { $0.step == step }?.artifact
  }

  // MARK: Parts

  // A stage whose result is a long stream saves it in parts, each once, rather than the whole again and again.

  private func part(_ index: Int) -> URL { folder.appendingPathComponent("\(stage).part-\(index).h5") }

  /// A writer for the part after the first `index`, to be given to `commitPart`.
  public func beginPart(_ index: Int) throws -> ArtifactWriter {
    try checkFolder()
    return try ArtifactWriter(url: part(index))
  }

  /// Commits a part; `step` is how far the stage is with it.
  public func commitPart(_ writer: ArtifactWriter, index: Int, step: Int) throws {
    try commit(writer, step: step, generation: index, begun: Date())
    try FaultPoint.betweenGenerations.pass()
  }

  /// The sound parts with this key, in order, up to the first that is missing or damaged.
  public func parts() throws -> [(step: Int, artifact: Artifact)] {
    var found: [(step: Int, artifact: Artifact)] = []
    while true {
      let url = part(found.count)
      switch try look(url, check: .content) {
      case .sound(let step, let generation, let artifact) where generation == found.count:
        found.append((step, artifact))
        continue
      case .sound(_, _, let artifact): try setAside(url, reason: Self.holds(artifact.provenance))
      case .damaged(let reason): try setAside(url, reason: reason)
      case .nothing: break
      }
      if let last = found.last { goOn(from: last.artifact) }
      return found
    }
  }

  /// How far the newest sound checkpoint or part is, and with how many threads it was made; nil where there is none.
  public func newest() throws -> (step: Int, threads: Int?)? {
    let names = (slots + [part(0)]).filter { access($0.path, F_OK) == 0 }
    guard !names.isEmpty else { return nil }
    if let found = try latest() { return (found.step, found.artifact.provenance.threads) }
    return try parts().last.map { ($0.step, $0.artifact.provenance.threads) }
  }

  /// How far the farthest checkpoint or part of another key is, and the text that key was made from; nil where there is none. What cannot
  /// be read is passed over: this is for a warning.
  public func newestOfOthers() -> (step: Int, canonical: String)? {
    var names = slots + [part(0)]
    while access(names[names.count - 1].path, F_OK) == 0 { names.append(part(names.count - slots.count)) }
    let found = names.filter { access($0.path, F_OK) == 0 }.compactMap { url -> (step: Int, canonical: String)? in
      guard let artifact = try? Artifact.open(url, check: .seal) else { return nil }
      let provenance = artifact.provenance
      guard provenance.stageType == Self.stageType, provenance.stage == stage, provenance.key != key,
        !olderKeys.contains(provenance.key), let step = try? artifact.scalar(Self.stepPath, as: Int.self)
      else { return nil }
      return (step, provenance.canonical)
    }
    return found.max { $0.step < $1.step }
  }

  /// Names a damaged file and, if this store may, moves it out of the way. Returns what was said.
  @discardableResult
  private func setAside(_ url: URL, reason: String) throws -> String {
    let what = "checkpoint \(url.lastPathComponent) is damaged and was not used (\(reason))"
    guard let reportDamage else { return what }
    let kept = try FileSystem.setAside(url)
    let text = what + "; the file is kept as \(kept.lastPathComponent)"
    reportDamage(text)
    return text
  }

  public func removeAll() throws {
    next = nil
    let all = slots + Self.rollbackNames.map { folder.appendingPathComponent("\(stage).ckpt-\($0).h5") }
    for (index, slot) in all.enumerated() {
      if index == 1 { try FaultPoint.midRemoval.pass() }
      try FileSystem.unlink(slot)
    }
    // the last one first: what is left of a removal that was cut short still begins at the first
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    let numbers = names.compactMap { name -> Int? in
      guard name.hasPrefix("\(stage).part-"), name.hasSuffix(".h5") else { return nil }
      return Int(name.dropFirst(stage.count + 6).dropLast(3))
    }
    for number in numbers.sorted(by: >) { try FileSystem.unlink(part(number)) }
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
      switch try look(url, check: check) {
      case .sound(let step, let generation, let artifact): sound.append((slot, step, generation, artifact))
      case .damaged(let reason): damage.append((url, reason))
      case .nothing: break
      }
    }
    return (sound, damage)
  }

  private enum Finding {
    case sound(step: Int, generation: Int, artifact: Artifact)
    case damaged(String)
    case nothing  // No file, or one of another key
  }

  private func look(_ url: URL, check: Artifact.Check) throws -> Finding {
    do {
      let artifact = try Artifact.open(url, check: check)
      let provenance = artifact.provenance
      guard provenance.stageType == Self.stageType, provenance.stage == stage else {
        return .damaged(Self.holds(provenance))
      }
      guard provenance.key == key || olderKeys.contains(provenance.key) else { return .nothing }
      return .sound(
        step: try artifact.scalar(Self.stepPath, as: Int.self),
        generation: try artifact.scalar(Self.generationPath, as: Int.self), artifact: artifact)
    } catch HDF5Error.noSuchFile { return .nothing } catch let error as ArtifactError where !error.isDamage {
      throw error
    } catch { return .damaged("\(error)") }
  }

  private static func holds(_ provenance: Provenance) -> String {
    "it holds the \(provenance.stageType) of stage '\(provenance.stage)'"
  }
}
