import ArgumentParser
import Foundation
import Stages
import Workflow

/// What a shell offers when a word is to be completed.
enum Completions {
  /// Pipeline files of the folder that is being typed, and those in pipelines/ by their names alone; folders on the way to them.
  static let files = CompletionKind.custom { _, _, prefix in files(prefix) }
  /// Full names of stages, for commands that take one.
  static let stages = CompletionKind.custom { words, index, prefix in
    let line = Line(words, index, prefix)
    return line.offered(names(line.words))
  }
  /// Whatever selects stages: also names in the file and entries of the matrix, several with commas between them.
  static let selections = CompletionKind.custom { words, index, prefix in
    let line = Line(words, index, prefix)
    let before = line.prefix.lastIndex(of: ",").map { line.prefix[...$0] } ?? ""
    return line.offered(selections(line.words).map { before + $0 })
  }

  /// The command line up to the cursor. bash takes words apart at @, = and :, which stand in names of stages and in overrides; here they are
  /// whole again.
  private struct Line {
    private(set) var words: [String] = []
    let prefix: String  // Of the word that is to be completed
    private let kept: String  // What stands before the part that bash replaces

    init(_ given: [String], _ index: Int, _ prefix: String) {
      let isSplit = CompletionShell.requesting == .bash
      var isOpen = false  // The next word belongs to this one
      for word in given.prefix(index) {
        let isBreak = isSplit && Self.isBreak(word)
        if isOpen || isBreak && Self.mayGoOn(words.last), let last = words.popLast() {
          words.append(last + word)
        } else {
          words.append(word)
        }
        isOpen = isBreak
      }
      let goesOn = isOpen || isSplit && Self.isBreak(prefix) && Self.mayGoOn(words.last)
      kept = goesOn ? words.popLast() ?? "" : ""
      self.prefix = kept + prefix
    }

    private static func isBreak(_ word: String) -> Bool { !word.isEmpty && word.allSatisfy { "@=:".contains($0) } }

    private static func mayGoOn(_ word: String?) -> Bool {
      guard let word, !word.hasPrefix("-") else { return false }
      return (try? PipelineLoader.find(word)) == nil
    }

    func offered(_ names: [String]) -> [String] {
      names.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(kept.count)) }
    }
  }

  /// What the parser prints where nothing is wrong; to a script for bash is added that names of stages hold @, at which bash would end a word
  /// in order to complete names of hosts.
  static func completed(_ message: String) -> String {
    guard message.hasPrefix("#!/bin/bash\n") else { return message }
    return message + "\nshopt -u hostcomplete\nCOMP_WORDBREAKS=\"${COMP_WORDBREAKS//@/}\"\n"
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
