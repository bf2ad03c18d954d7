import Foundation

/// What went wrong with a NetCDF file, and where in it.
public enum NetCDFError: Error, Equatable, CustomStringConvertible {
  case noSuchFile(file: String)
  /// The file is there but is not NetCDF, or its header is damaged.
  case notNetCDF(file: String, message: String)
  case notFound(file: String, name: String)
  /// Values, start and count do not fit the variable.
  case shapeMismatch(file: String, name: String, message: String)
  /// The file was closed before.
  case closed(file: String)
  /// A call of the library failed.
  case callFailed(function: String, file: String, name: String, code: Int32, message: String)

  public var description: String {
    switch self {
    case .noSuchFile(let file): return "\(file): no such file"
    case .notNetCDF(let file, let message): return "\(file): not a sound NetCDF file: \(message)"
    case .notFound(let file, let name): return "\(file): there is no \(name) in it"
    case .shapeMismatch(let file, let name, let message): return "\(file): \(name): \(message)"
    case .closed(let file): return "\(file): the file is closed"
    case .callFailed(let function, let file, let name, let code, let message):
      return "\(file): \(name.isEmpty ? "" : name + ": ")\(function) failed (\(code)): \(message)"
    }
  }
}
