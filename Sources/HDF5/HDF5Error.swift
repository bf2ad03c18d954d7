import Basics

public enum HDF5Error: Error, Equatable, CustomStringConvertible {
  case noSuchFile(file: String)  // The file does not exist or is a folder
  case notHDF5(file: String, message: String)  // The file is there but is not HDF5, or its first blocks are damaged
  case notFound(file: String, path: String)  // There is no such dataset, group or attribute in the file
  /// A dataset or attribute has another type than the one asked for.
  case typeMismatch(file: String, path: String, stored: String, requested: String)
  /// Values and shape, or a range of rows and the dataset, do not fit together.
  case shapeMismatch(file: String, path: String, message: String)
  case closed(file: String)  // The file was closed before
  /// A call of the library failed; `message` is the library's own, innermost cause first.
  case callFailed(function: String, file: String, path: String, message: String)

  public var description: String {
    switch self {
    case .noSuchFile(let file): "\(file): no such file"
    case .notHDF5(let file, let message): "\(file): not a sound HDF5 file: \(message)\(Self.wayOut(message))"
    case .notFound(let file, let path): "\(file): there is no \(path) in it"
    case .typeMismatch(let file, let path, let stored, let requested):
      "\(file): \(path) holds \(stored), which cannot be read as \(requested)"
    case .shapeMismatch(let file, let path, let message): "\(file): \(path): \(message)"
    case .closed(let file): "\(file): the file is closed"
    case .callFailed(let function, let file, let path, let message):
      "\(file): \(path.isEmpty ? "" : path + ": ")\(function) failed: \(message)\(Self.wayOut(message))"
    }
  }

  /// What to do where a call of the system failed within the library, whose message has its number.
  private static func wayOut(_ message: String) -> String {
    // of this call the library does not hand its number on
    if message.contains("can't retrieve stat info") { return "; run again when the file system answers" }
    guard let code = message.firstMatch(of: #/errno = (\d+)/#).flatMap({ Int32($0.1) }), code != 0 else { return "" }
    return "; " + FileCalls.advice(code)
  }
}
