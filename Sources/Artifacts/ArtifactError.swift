import Basics
import Foundation

public enum ArtifactError: Error, Equatable, CustomStringConvertible {
  /// The file does not end in a seal: it is not a committed artifact, or not all of one.
  case unsealed(file: String, reason: String)
  case sealBroken(file: String, bytes: Int)  // The file's first `bytes` bytes are not those that were sealed
  /// The file is as it was committed, but for the mark of a program that has it open for writing, or was killed while it had.
  case openForWriting(file: String)
  /// The file is as it was committed, and the library cannot open it all the same.
  case unopenable(file: String, reason: String)
  case incomplete(file: String, missing: String)  // The file lacks a part that every committed artifact has
  case contentDamaged(file: String, expected: String, found: String)  // What the file holds is not what was committed
  case provenanceDamaged(file: String, reason: String)
  /// The file read back just after it was written differs from what was handed to the writer.
  case writtenWrongly(file: String, path: String)
  /// A writer was used after `commit` or `discard`, or a path was written twice.
  case misuse(file: String, path: String, reason: String)
  case system(call: String, file: String, code: Int32)  // A system call on the file or its folder failed

  public var description: String {
    switch self {
    case .unsealed(let file, let reason):
      "\(file): not a committed artifact: \(reason); delete the file, and the stage runs again"
    case .sealBroken(let file, let bytes):
      "\(file): damaged: its \(bytes) bytes are not those that were committed; "
        + "delete the file, and the stage runs again"
    case .openForWriting(let file):
      "\(file): another program has it open for writing, or was killed while it had, and the mark of that cannot be taken back here; "
        + "close it there, or make the file writable, and run again"
    case .unopenable(let file, let reason):
      "\(file): sound, but it cannot be opened: \(reason)\(reason.contains("run again") ? "" : "; run again")"
    case .incomplete(let file, let missing):
      "\(file): not a committed artifact: \(missing) is missing; run the stage again with --force"
    case .contentDamaged(let file, let expected, let found):
      "\(file): damaged: its content has digest \(found.prefix(12)), committed was \(expected.prefix(12)); "
        + "delete the file, and the stage runs again"
    case .provenanceDamaged(let file, let reason):
      "\(file): /provenance is damaged (\(reason)); delete the file, and the stage runs again"
    case .writtenWrongly(let file, let path):
      "\(file): \(path) read back differs from what was written: a write was lost, or the disk or the memory is faulty; run again"
    case .misuse(let file, let path, let reason): "\(file): \(path): \(reason)"
    case .system(let call, let file, let code):
      "\(file): \(call) failed: \(FileCalls.text(code)); \(FileCalls.advice(code))"
    }
  }

  /// The file is not what was committed. False where it may be sound and only cannot be reached now: no permission, no free
  /// file handle, a disk that does not answer.
  public var isDamage: Bool {
    switch self {
    case .unsealed, .sealBroken, .incomplete, .contentDamaged, .provenanceDamaged: true
    case .openForWriting, .unopenable, .writtenWrongly, .misuse, .system: false
    }
  }
}
