import Foundation

/// What went wrong with an HDF5 file, and where in it.
public enum HDF5Error: Error, Equatable, CustomStringConvertible {
  /// The file does not exist or is a folder.
  case noSuchFile(file: String)
  /// The file is there but is not HDF5, or its first blocks are damaged.
  case notHDF5(file: String, message: String)
  /// There is no such dataset, group or attribute in the file.
  case notFound(file: String, path: String)
  /// A dataset or attribute has another type than the one asked for.
  case typeMismatch(file: String, path: String, stored: String, requested: String)
  /// Values and shape, or a range of rows and the dataset, do not fit together.
  case shapeMismatch(file: String, path: String, message: String)
  /// The file was closed before.
  case closed(file: String)
  /// A call of the library failed; `message` is the library's own, innermost cause first.
  case callFailed(function: String, file: String, path: String, message: String)

  public var description: String {
    switch self {
    case .noSuchFile(let file): return "\(file): no such file"
    case .notHDF5(let file, let message): return "\(file): not a sound HDF5 file: \(message)"
    case .notFound(let file, let path): return "\(file): there is no \(path) in it"
    case .typeMismatch(let file, let path, let stored, let requested):
      return "\(file): \(path) holds \(stored), which cannot be read as \(requested)"
    case .shapeMismatch(let file, let path, let message): return "\(file): \(path): \(message)"
    case .closed(let file): return "\(file): the file is closed"
    case .callFailed(let function, let file, let path, let message):
      return "\(file): \(path.isEmpty ? "" : path + ": ")\(function) failed: \(message)"
    }
  }
}
