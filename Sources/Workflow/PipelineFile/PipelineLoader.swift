import Foundation

/// Reads a pipeline file: finds it, follows `extends`, applies `--set`, checks everything.
public struct PipelineLoader {
  public let registry: StageRegistry
  /// Input files need not be there: for whoever only looks at what is finished. Those that are not are in the definition.
  public var toleratesMissingFiles = false

  public init(registry: StageRegistry, toleratesMissingFiles: Bool = false) {
    (self.registry, self.toleratesMissingFiles) = (registry, toleratesMissingFiles)
  }

  /// Reads and checks the file. `overrides` are like "emulator.training.steps=500"; paths in them are relative to
  /// `workingFolder`. Throws `PipelineFileError` with everything that is wrong.
  public func load(
    _ url: URL, shownAs name: String? = nil, overrides: [String] = [],
    workingFolder: URL = URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
  ) throws -> PipelineDefinition {
    let name = name ?? url.relativePath
    return try load(
      PipelineOrigin(file: url.path, shown: name, overrides: overrides, workingFolder: workingFolder.path, texts: [:]))
  }

  /// Checks a text that is yet to be written to `url`. Throws `PipelineFileError`.
  public func load(text: String, of url: URL) throws -> PipelineDefinition {
    try load(
      PipelineOrigin(
        file: url.path, shown: url.relativePath, overrides: [],
        workingFolder: FileManager.default.currentDirectoryPath, texts: [url.path: text]))
  }

  /// Reads it again from what it was read from, of which nothing need be there any more. Throws `PipelineFileError`.
  public func load(_ origin: PipelineOrigin) throws -> PipelineDefinition {
    var origin = origin
    let file = URL(fileURLWithPath: origin.file)
    var root = try document(file, shownAs: origin.shown, chain: [], texts: &origin.texts)
    let workingFolder = URL(fileURLWithPath: origin.workingFolder, isDirectory: true)
    for override in origin.overrides { try apply(override, to: &root, workingFolder: workingFolder) }
    var checker = PipelineChecker(registry: registry)
    checker.toleratesMissingFiles = toleratesMissingFiles
    var definition = try checker.check(root, file: file, shownAs: origin.shown)
    definition.origin = origin
    return definition
  }

  /// Finds the file that a command line names: as given, else in pipelines/; the ending .yaml may be left out.
  public static func find(
    _ argument: String, workingFolder: URL = URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
  ) throws -> (url: URL, shown: String) {
    let endings = argument.hasSuffix(".yaml") || argument.hasSuffix(".yml") ? [""] : ["", ".yaml", ".yml"]
    for folder in argument.hasPrefix("/") ? [""] : ["", "pipelines/"] {
      for ending in endings {
        let shown = folder + argument + ending
        let url = workingFolder.file(shown)
        if url.isFile { return (url, shown) }
      }
    }
    let shipped = try? FileManager.default.contentsOfDirectory(
      atPath: workingFolder.appendingPathComponent("pipelines").path)
    // a profile of a cluster lies there too
    let known = (shipped ?? []).filter { name in
      guard name.hasSuffix(".yaml") || name.hasSuffix(".yml") else { return false }
      return isPipeline((try? String(contentsOf: workingFolder.file("pipelines/" + name), encoding: .utf8)) ?? "")
    }.sorted()
    throw PipelineFileError(
      SourceLocation(argument),
      .unreadable(
        reason: "there is no such file here or in pipelines/"
          + Suggestion.text(for: argument.contains(".") ? argument : argument + ".yaml", among: known)))
  }

  /// Whether a YAML text is a pipeline file's, and not a profile's of a cluster.
  public static func isPipeline(_ text: String) -> Bool {
    text.split(whereSeparator: \.isNewline).contains { $0.hasPrefix("stages:") || $0.hasPrefix("extends:") }
  }

  /// `texts` are those of files that are known already, by path; what is read is added.
  private func document(
    _ url: URL, shownAs name: String, chain: [URL], texts: inout [String: String]
  ) throws -> ConfigurationNode {
    let chain = chain + [url.standardizedFileURL]
    let text = try texts[url.path] ?? YAMLDocument.text(of: url, shownAs: name)
    texts[url.path] = text
    var root = try YAMLDocument.parse(text, folder: url.deletingLastPathComponent()) {
      SourceLocation(name, line: $0, column: $1)
    }
    guard var entries = root.entries else {
      throw PipelineFileError(root.location, .wrong("the file", root, "a group of keys (name, stages, ...)"))
    }
    guard let index = entries.firstIndex(where: { $0.key == "extends" }) else { return root }
    let base = entries.remove(at: index).value
    root.content = .mapping(entries)
    guard let path = base.text else { throw PipelineFileError(base.location, .wrong("extends", base, "a file's name")) }
    let baseURL = url.deletingLastPathComponent().file(path)
    guard !chain.contains(baseURL), chain.count < 16 else {
      throw PipelineFileError(base.location, .circularExtends((chain + [baseURL]).map(\.lastPathComponent)))
    }
    guard texts[baseURL.path] != nil || FileManager.default.fileExists(atPath: baseURL.path) else {
      throw PipelineFileError(base.location, .missingFile(path, place: "extends"))
    }
    let folder = (name as NSString).deletingLastPathComponent
    let shown = path.hasPrefix("/") || folder.isEmpty ? path : folder + "/" + path
    return try document(baseURL, shownAs: shown, chain: chain, texts: &texts).overlaid(with: root)
  }

  /// `a.b.c=value`: the path begins with a stage's name or with a key of the file's top level.
  private func apply(_ override: String, to root: inout ConfigurationNode, workingFolder: URL) throws {
    let location = SourceLocation("--set \(override)")
    func failure(_ message: String) -> PipelineFileError { PipelineFileError(location, .badOverride(message)) }
    guard let equals = override.firstIndex(of: "=") else {
      throw failure("write it as stage.parameter=value, for example emulator.training.steps=500")
    }
    let key = override[..<equals]
    let text = String(override[override.index(after: equals)...])
    guard text.contains(where: { !$0.isWhitespace }) else {
      throw failure("\(key) is given no value; write --set \(key)=VALUE")
    }
    let value = try YAMLDocument.parse(text, folder: workingFolder) { _, _ in location }
    var path = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard path.allSatisfy({ !$0.isEmpty }), path.count <= YAMLDocument.maximumDepth else {
      throw failure("'\(key)' is not a path like stage.parameter")
    }
    let stages = root["stages"]?.entries?.map(\.key) ?? []
    let rest = path[0] == "stages" ? path.dropFirst().joined(separator: ".") : String(key)
    // stage names may hold dots: the longest name that fits
    let fitting = stages.filter { rest == $0 || rest.hasPrefix($0 + ".") }.max { $0.count < $1.count }
    if let stage = fitting {
      let inner = rest.dropFirst(stage.count + 1).split(separator: ".").map(String.init)
      path = ["stages", stage] + inner
    } else if path[0] == "stages" || !registry.topLevelKeys.contains(path[0]) {
      let known = stages + registry.topLevelKeys.filter { $0 != "stages" }
      let word = path[0] == "stages" ? path.dropFirst().first ?? "" : path[0]
      if let base = word.split(separator: "@").first.map(String.init), base != word, stages.contains(base) {
        throw failure("it changes every cell of the matrix: write \(base) instead of \(word)")
      }
      throw failure("there is no stage or key '\(word)'" + Suggestion.text(for: word, among: known))
    }
    root.set(path[...], to: value)
  }
}

extension URL {
  /// The file at `path`, which is absolute or relative to this folder.
  func file(_ path: String) -> URL {
    (path.hasPrefix("/") ? URL(fileURLWithPath: path) : appendingPathComponent(path)).standardizedFileURL
  }

  /// There is a file, or something else that is no folder.
  public var isFile: Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
  }
}
