import Foundation

public enum ShellText {
  /// A word as bash reads it back: nothing in it is expanded.
  public static func quoted(_ word: String) -> String {
    let isPlain = word.utf8.allSatisfy { byte in
      (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
        || "_@%+=:,./-".utf8.contains(byte)
    }
    return isPlain && !word.isEmpty ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
  }

  /// The script of a job: the user's lines, and then the program, in the shell's place, so that signals reach it.
  static func script(title: String, prologue: [String], command: [String]) -> String {
    let title = title.unicodeScalars.map { $0.value < 32 ? " " : String($0) }.joined()
    return (["#!/bin/bash", "# \(title)"] + prologue + ["exec " + command.map(quoted).joined(separator: " "), ""])
      .joined(separator: "\n")
  }
}
