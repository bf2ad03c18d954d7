import Basics
import Foundation
import Stages
import Workflow

/// The pipeline files that come with the program, each with the data that it names.
struct ShippedPipelines {
  private let installation: Installation

  init(_ installation: Installation? = .current) throws {
    guard let installation else { throw ExampleError.noPackage }
    self.installation = installation
  }

  private var folder: URL { installation.root.appendingPathComponent("pipelines", isDirectory: true) }

  /// Their names, and the first words of what each says of itself, in the order of names. A cluster's profile is among them.
  func all() throws -> [(name: String, about: String)] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
    return try names.sorted().map { name in
      let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
      let remarks = text.split(separator: "\n").prefix { $0.hasPrefix("#") }.map { $0.dropFirst(2) }
      let about = remarks.joined(separator: " ")
      let end = [". ", ": ", "; "].compactMap { about.range(of: $0)?.lowerBound }.min() ?? about.endIndex
      return (String(name.dropLast(5)), String(about[..<end]))
    }
  }

  /// Copies a pipeline file, those that it extends and the data that they name, or a cluster's profile, and returns where they are now.
  /// Throws `ExampleError`.
  func copy(_ name: String, to output: URL) throws -> (file: URL, others: [URL], isPipeline: Bool) {
    let known = try all().map(\.name)
    let stem = name.hasSuffix(".yaml") ? String(name.dropLast(5)) : name
    guard known.contains(stem) else { throw ExampleError.unknown(name, known: known) }
    let file = folder.appendingPathComponent(stem + ".yaml")
    guard PipelineLoader.isPipeline(try String(contentsOf: file, encoding: .utf8)) else {
      let target = output.appendingPathComponent(file.lastPathComponent)
      try write([(try Data(contentsOf: file), target)])
      return (target, [], false)
    }
    let loader = PipelineLoader(registry: StageCatalog.registry, toleratesMissingFiles: true)
    let definition = try loader.load(file, shownAs: stem + ".yaml", overrides: [])
    if let missing = definition.missingFiles.first { throw ExampleError.leftOut(stem, file: missing.shown) }
    var copies: [(content: Data, target: URL)] = []
    let texts = (definition.origin?.texts ?? [:]).sorted {
      ($0.key == file.path ? 0 : 1, $0.key) < ($1.key == file.path ? 0 : 1, $1.key)
    }
    for (path, text) in texts {
      // paths in it are as seen from pipelines/
      let moved = text.replacingOccurrences(of: "../datasets/", with: "datasets/")
      copies.append((Data(moved.utf8), output.appendingPathComponent(URL(fileURLWithPath: path).lastPathComponent)))
    }
    let root = installation.root.path + "/"
    let inputs = try (definition.inputFiles.map(\.path) + named(by: definition, loader)).unique
    // others the program makes itself
    for input in inputs.map(URL.init(fileURLWithPath:)) where input.path.hasPrefix(root) {
      copies.append(
        (try Data(contentsOf: input), output.appendingPathComponent(String(input.path.dropFirst(root.count)))))
    }
    try write(copies)
    return (copies[0].target, copies.dropFirst().map(\.target), true)
  }

  /// Writes all or, where one is there that says something else, nothing.
  private func write(_ copies: [(content: Data, target: URL)]) throws {
    for (content, target) in copies where FileCalls.presence(target.path) != .absent {
      guard (try? Data(contentsOf: target)) == content else { throw ExampleError.exists(target.relativePath) }
    }
    for (content, target) in copies where FileCalls.presence(target.path) == .absent {
      do {
        try FileManager.default.createDirectory(
          at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        try content.write(to: target, options: .withoutOverwriting)
      } catch {
        throw ExampleError.unwritable(target.relativePath, reason: error.localizedDescription)
      }
    }
  }
}

extension ShippedPipelines {
  /// Files that no stage reads and that must be there all the same: where the pipeline file lay elsewhere, they would be missing.
  private func named(by definition: PipelineDefinition, _ loader: PipelineLoader) throws -> [String] {
    guard var origin = definition.origin else { return [] }
    let (root, elsewhere) = (installation.root.path, "/nowhere")
    func moved(_ path: String) -> String { path.hasPrefix(root) ? elsewhere + path.dropFirst(root.count) : path }
    origin.file = moved(origin.file)
    origin.texts = Dictionary(uniqueKeysWithValues: origin.texts.map { (moved($0.key), $0.value) })
    return try loader.load(origin).missingFiles.map(\.path).filter { $0.hasPrefix(elsewhere) && !$0.contains("*") }.map
    {
      root + $0.dropFirst(elsewhere.count)
    }
  }
}

/// Why an example could not be copied.
enum ExampleError: Error, CustomStringConvertible {
  case noPackage
  case unknown(String, known: [String])
  case leftOut(String, file: String)
  case exists(String)
  case unwritable(String, reason: String)

  var description: String {
    switch self {
    case .noPackage:
      "no examples lie around this program: it is neither in a checkout nor in an installed wheel"
    case .unknown(let name, let known):
      "there is no example '\(name)'" + Suggestion.text(for: name, among: known) + "; 'pipeline example' lists them"
    case .leftOut(let name, let file):
      "\(name) names \(file), which does not come with this program: take the example from the project's repository"
    case .exists(let file): "\(file) is there already, is another, and is not replaced; name another folder by --output"
    case .unwritable(let file, let reason): "\(file) cannot be written: \(reason)"
    }
  }
}
