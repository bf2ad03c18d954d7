import Artifacts
import Basics
import Foundation

/// What a pipeline was read from, whole: it can be read again from this alone.
public struct PipelineOrigin: Codable, Equatable, Sendable {
  public var file: String  // Absolute
  public var shown: String  // As the user named it
  public var overrides: [String]
  public var workingFolder: String  // To which paths of the overrides are relative
  public var texts: [String: String]  // The file's, and those of the files that it extends, by path
}

/// What a run folder remembers of the pipeline file that made it, in `.pipeline.json`.
public struct RunOrigin: Codable, Equatable {
  public var pipeline: PipelineOrigin
  /// The file's path as seen from the folder: where folder and file were moved together, it is still right.
  public var relativeFile: String

  private static func place(_ folder: URL) -> URL { folder.appendingPathComponent(".pipeline.json") }

  /// Nil where nothing is remembered.
  public static func read(_ folder: URL) -> RunOrigin? {
    (try? Data(contentsOf: place(folder))).flatMap { try? JSONDecoder().decode(RunOrigin.self, from: $0) }
  }

  /// Remembers a pipeline's file, if it is another one than before. What cannot be written is left: it is for warnings and for looking.
  static func remember(_ pipeline: PipelineDefinition, in folder: URL) {
    guard let origin = pipeline.origin else { return }
    let mine = RunOrigin(pipeline: origin, relativeFile: RelativePath.of(origin.file, from: folder))
    guard read(folder) != mine else { return }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(mine) else { return }
    try? FileSystem.write(data, to: place(folder))
  }
}

/// Paths as seen from a folder.
public enum RelativePath {
  public static func of(_ path: String, from folder: URL) -> String {
    let (here, there) = (resolved(folder.path), resolved(path))
    let common = zip(here, there).prefix { $0 == $1 }.count
    return (Array(repeating: "..", count: here.count - common) + there.dropFirst(common)).joined(separator: "/")
  }

  static func absolute(_ path: String, from folder: URL) -> URL {
    path.hasPrefix("/")
      ? URL(fileURLWithPath: path) : folder.resolvingSymlinksInPath().appendingPathComponent(path).standardizedFileURL
  }

  private static func resolved(_ path: String) -> [String] {
    URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.path.split(separator: "/").map(String.init)
  }
}

extension PipelineDefinition {
  /// The pipeline file at `path` (as seen from `folder`) if it is another one than this pipeline's: it is there, is not the same file,
  /// and has another content. Nil where it is this one, also renamed, moved or copied.
  func otherFile(_ path: String?, from folder: URL) -> URL? {
    guard let path, let origin else { return nil }
    let (theirs, own) = (RelativePath.absolute(path, from: folder), URL(fileURLWithPath: origin.file))
    var (a, b) = (stat(), stat())
    guard stat(theirs.path, &a) == 0, a.st_mode & S_IFMT == S_IFREG else { return nil }
    if stat(own.path, &b) == 0, a.st_ino == b.st_ino, a.st_dev == b.st_dev { return nil }
    guard let text = try? Data(contentsOf: theirs), text != origin.texts[origin.file].map({ Data($0.utf8) }) else {
      return nil
    }
    return theirs
  }
}
