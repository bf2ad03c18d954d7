import Foundation

public enum NetCDFError: Error, Equatable, CustomStringConvertible {
  case noSuchFile(file: String)
  case notNetCDF(file: String, message: String)  // The file is there but is not NetCDF, or its header is damaged
  case notFound(file: String, name: String)
  case shapeMismatch(file: String, name: String, message: String)  // Values, start and count do not fit the variable
  case closed(file: String)  // The file was closed before
  /// A call of the library failed.
  case callFailed(function: String, file: String, name: String, code: Int32, message: String)

  public var description: String {
    switch self {
    case .noSuchFile(let file): "\(file): no such file"
    case .notNetCDF(let file, let message): "\(file): not a sound NetCDF file: \(message)"
    case .notFound(let file, let name): "\(file): there is no \(name) in it"
    case .shapeMismatch(let file, let name, let message): "\(file): \(name): \(message)"
    case .closed(let file): "\(file): the file is closed"
    case .callFailed(let function, let file, let name, let code, let message):
      "\(file): \(name.isEmpty ? "" : name + ": ")\(function) failed (\(code)): \(message)"
    }
  }
}
