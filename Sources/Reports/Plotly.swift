import Foundation

/// Finds the Plotly script that `./bootstrap` unpacks.
public enum Plotly {
  static let place = "plotly/package_data/plotly.min.js"  // Where it lies below the folder of dependencies

  /// The script's text; nil when it is not there.
  ///
  /// Looked for in `BOLTZMILL_DEPS`, then in the `.deps` of the executable's folder, of the folders above it, and of the
  /// working folder.
  public static func script(environment: [String: String] = ProcessInfo.processInfo.environment) -> String? {
    candidates(environment: environment).lazy.compactMap { try? String(contentsOf: $0, encoding: .utf8) }.first
  }

  static func candidates(environment: [String: String]) -> [URL] {
    if let folder = environment["BOLTZMILL_DEPS"] {
      return [URL(fileURLWithPath: folder).appendingPathComponent(place)]
    }
    var folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    var folders: [URL] = []
    while folder.path != "/" {
      folders.append(folder)
      folder.deleteLastPathComponent()
    }
    folders.append(URL(fileURLWithPath: FileManager.default.currentDirectoryPath))
    return folders.map { $0.appendingPathComponent(".deps").appendingPathComponent(place) }
  }
}
