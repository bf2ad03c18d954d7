import ArgumentParser
import Foundation
import Stages
import Workflow

/// What a shell offers when a word is to be completed.
enum Completions {
  /// Pipeline files of the folder that is being typed, and those in pipelines/ by their names alone; folders on the way to them.
  static let files = CompletionKind.custom { _, _, prefix in files(prefix) }
  /// Full names of stages, for commands that take one.
  static let stages = CompletionKind.custom { words, _, prefix in names(words).filter { $0.hasPrefix(prefix) } }
  /// Whatever selects stages: also names in the file and entries of the matrix, several with commas between them.
  static let selections = CompletionKind.custom { words, _, prefix in
    let before = prefix.lastIndex(of: ",").map { prefix[...$0] } ?? ""
    let last = prefix.dropFirst(before.count)
    return selections(words).filter { $0.hasPrefix(last) }.map { before + $0 }
  }

  static func files(_ prefix: String) -> [String] {
    let cut = prefix.lastIndex(of: "/")
    let folder = cut.map { String(prefix[...$0]) } ?? ""
    func found(_ place: String) -> (files: [String], folders: [String]) {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: place.isEmpty ? "." : place)) ?? []
      let shown = names.filter { !$0.hasPrefix(".") }.sorted()
      return (
        shown.filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") },
        shown.filter { name in
          var isFolder: ObjCBool = false
          return FileManager.default.fileExists(atPath: place + name, isDirectory: &isFolder) && isFolder.boolValue
        }
      )
    }
    let here = found(folder)
    let shipped = folder.isEmpty ? found("pipelines/").files.filter { !here.files.contains($0) } : []
    return (here.files.map { folder + $0 } + shipped + here.folders.map { folder + $0 + "/" }).filter {
      $0.hasPrefix(prefix)
    }
  }

  /// The stages of the first word that is a pipeline file, with what `--set` says of it; none where it cannot be read.
  private static func definition(_ words: [String]) -> PipelineDefinition? {
    let words = words.map(unquoted)
    let overrides = zip(words, words.dropFirst()).filter { $0.0 == "--set" && $0.1.contains("=") }.map(\.1)
    let loader = PipelineLoader(registry: StageCatalog.registry, toleratesMissingFiles: true)
    for word in words.dropFirst(2) where !word.hasPrefix("-") && !word.isEmpty {
      guard let (url, shown) = try? PipelineLoader.find(word) else { continue }
      return (try? loader.load(url, shownAs: shown, overrides: overrides)) ?? (try? loader.load(url, shownAs: shown))
    }
    return nil
  }

  private static func names(_ words: [String]) -> [String] { definition(words)?.stages.map(\.name) ?? [] }

  private static func selections(_ words: [String]) -> [String] {
    guard let definition = definition(words) else { return [] }
    let labels = definition.stages.flatMap { $0.cell.map { "@" + $0.label } }
    var seen: Set<String> = []
    return (definition.stages.map(\.name) + definition.stages.map(\.base) + labels).filter { seen.insert($0).inserted }
  }

  /// A word as the shell reads it, where it is quoted as a whole or has escaped signs.
  private static func unquoted(_ word: String) -> String {
    for quote in ["'", "\""] where word.count > 1 && word.hasPrefix(quote) && word.hasSuffix(quote) {
      return String(word.dropFirst().dropLast())
    }
    return word.replacing(#/\\(.)/#) { String($0.1) }
  }
}
