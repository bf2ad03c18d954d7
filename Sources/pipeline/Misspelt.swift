import ArgumentParser
import Foundation
import Workflow

/// Words of a command line that are nearly right: what was meant, as a line that can be pasted.
enum Misspelt {
  /// What to say where the first of the arguments is no command; nil where it is one, or none was typed.
  static func command(_ arguments: [String]) -> String? {
    guard let word = arguments.first, !word.hasPrefix("-"), word != "help" else { return nil }
    var known: [String] = []
    for command in Pipeline.configuration.subcommands {
      let configuration = command.configuration
      let name = configuration.commandName ?? ""
      if name == word { return nil }
      if configuration.shouldDisplay { known.append(name) }
    }
    let rest = Array(arguments.dropFirst())
    if let meant = Suggestion.nearest(to: word, among: known) {
      return "error: there is no command '\(word)'; did you mean '\(meant)'?\n" + next([meant] + rest)
    }
    if (try? PipelineLoader.find(word)) != nil {
      return "error: \(word) is a file, and a command comes first\n" + next(["run"] + arguments)
    }
    return "error: there is no command '\(word)' (known: \(known.joined(separator: ", ")))\n" + next(["--help"])
  }

  /// What to type after the parser's own message on an option that is not known; nil after other messages.
  static func option(_ message: String, _ arguments: [String]) -> String? {
    guard message.contains("Unknown option '") else { return nil }
    guard let found = message.firstMatch(of: #/Unknown option '(--[^']+)'\. Did you mean '(--[^']+)'\?/#) else {
      return next(Array(arguments.prefix(1)) + ["--help"])
    }
    let (typed, meant) = (String(found.1), String(found.2))
    return next(
      arguments.map { word in
        word == typed || word.hasPrefix(typed + "=") ? meant + word.dropFirst(typed.count) : word
      })
  }

  private static func next(_ words: [String]) -> String { "next: " + CommandLineText.command(words) }
}
