import Foundation

/// What is wrong with an artifact or a checkpoint, and where.
public enum ArtifactError: Error, Equatable, CustomStringConvertible {
  /// The file lacks a part that every committed artifact has.
  case incomplete(file: String, missing: String)
  /// What the file holds is not what was committed.
  case contentDamaged(file: String, expected: String, found: String)
  case provenanceDamaged(file: String, reason: String)
  /// The file read back just after it was written differs from what was handed to the writer.
  case writtenWrongly(file: String, path: String)
  /// A writer was used after `commit` or `discard`, or a path was written twice.
  case misuse(file: String, path: String, reason: String)
  /// A system call on the file or its folder failed.
  case system(call: String, file: String, code: Int32)

  public var description: String {
    switch self {
    case .incomplete(let file, let missing):
      return "\(file): not a committed artifact: \(missing) is missing; run the stage again with --force"
    case .contentDamaged(let file, let expected, let found):
      return "\(file): damaged: its content has digest \(found.prefix(12)), committed was \(expected.prefix(12)); "
        + "delete the file, and the stage runs again"
    case .provenanceDamaged(let file, let reason):
      return "\(file): /provenance is damaged (\(reason)); delete the file, and the stage runs again"
    case .writtenWrongly(let file, let path):
      return "\(file): \(path) read back differs from what was written; the disk or the memory is faulty"
    case .misuse(let file, let path, let reason):
      return "\(file): \(path): \(reason)"
    case .system(let call, let file, let code):
      return "\(file): \(call) failed: \(String(cString: strerror(code)))"
    }
  }
}
