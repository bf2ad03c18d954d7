import Artifacts
import Basics
import Workflow

/// A stage's context runs the long computations of the science modules; what they save goes into the stage's checkpoints.
extension StageContext: ComputationHost {
  public func save(step: Int, _ state: SavedArrays) throws {
    try checkpoints.save(step: step) { try $0.write(state) }
  }

  public func newestState() throws -> SavedArrays? {
    guard let found = try checkpoints.latest() else { return nil }
    if let warning = found.warning { warn(warning) }
    return try found.artifact.savedArrays()
  }

  public func saveRollbackPoint(step: Int, _ state: SavedArrays) throws {
    try checkpoints.rollback.save(step: step) { try $0.write(state) }
  }

  public func rollbackPoint(step: Int) throws -> SavedArrays? {
    try checkpoints.rollback.artifact(step: step)?.savedArrays()
  }
}

extension ArtifactWriter {
  /// Writes every array under its name, in a group or at the root. Float32 is never compressed: network weights do not shrink.
  func write(_ saved: SavedArrays, to group: String? = nil) throws {
    for (name, value) in saved.values.sorted(by: { $0.key < $1.key }) {
      let path = group.map { "\($0)/\(name)" } ?? name
      switch value {
      case .floats(let array): try write(path, array, compression: .none)
      case .doubles(let array): try write(path, array)
      case .integers(let array): try write(path, array)
      case .bytes(let array): try write(path, array)
      case .strings(let list): try write(path, strings: list)
      }
    }
  }
}

extension Artifact {
  /// All arrays of a group, or of the whole artifact but what the store itself keeps there.
  func savedArrays(_ group: String = "") throws -> SavedArrays {
    var saved = SavedArrays()
    for name in try list(group) where !(group.isEmpty && ["checkpoint", "provenance"].contains(name)) {
      let path = group.isEmpty ? name : "\(group)/\(name)"
      if try isGroup(path) {
        saved.add(try savedArrays(path), to: name)
        continue
      }
      switch try typeName(path) {
      case "float32": saved[name] = .floats(try read(path, as: Float.self))
      case "float64": saved[name] = .doubles(try read(path, as: Double.self))
      case "uint8": saved[name] = .bytes(try read(path, as: UInt8.self))
      case let type where type.hasPrefix("string"): saved[name] = .strings(try readStrings(path))
      default: saved[name] = .integers(try read(path, as: Int64.self))
      }
    }
    return saved
  }
}
