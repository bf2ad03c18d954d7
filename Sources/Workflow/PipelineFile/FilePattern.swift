import Foundation
import Glibc

/// Patterns of file names, as a shell has them.
enum FilePattern {
  /// The files that a path with * and ? fits; names that differ by a number stand in its order: w2 before w10.
  static func files(_ pattern: String) -> [String] {
    var found = glob_t()
    defer { globfree(&found) }
    guard glob(pattern, 0, nil, &found) == 0 else { return [] }
    let paths = (0..<Int(found.gl_pathc)).compactMap { index in
      found.gl_pathv[index].map { String(cString: $0) }
    }
    return paths.filter { URL(fileURLWithPath: $0).isFile }.sorted { first, second in
      let order = first.compare(second, options: .numeric)
      return order == .orderedSame ? first < second : order == .orderedAscending
    }
  }
}
