import Artifacts
import Foundation

/// How the last run in a folder ended, as it noted it itself at its end: `.outcome.json`. There is none while one is at work, and after one
/// that was killed.
public struct LastRun: Codable, Equatable, Sendable {
  public let exitCode: Int32
  public let ended: Date
  public let failures: [String: String]  // The errors of failed stages
  public let interrupted: [String]  // Stages that were stopped with a checkpoint
  /// What ended the run as a whole.
  public var error: String?

  init(_ outcome: RunOutcome) {
    (exitCode, ended) = (outcome.exitCode, Date())
    failures = Dictionary(
      outcome.stages.compactMap { stage in
        if case .failed(let message) = stage.result { (stage.stage, message) } else { nil }
      }, uniquingKeysWith: { $1 })
    interrupted = outcome.stages.filter { $0.result == .interrupted }.map(\.stage)
  }

  init(_ error: any Error) {
    (exitCode, ended, failures, interrupted, self.error) = (1, Date(), [:], [], "\(error)")
  }

  static let name = ".outcome.json"

  /// Nil where there is none that can be read.
  public static func read(_ folder: RunFolder) -> LastRun? {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    guard let data = try? FileSystem.read(folder.url.appendingPathComponent(name)) else { return nil }
    return try? decoder.decode(LastRun.self, from: data)
  }

  /// What cannot be written is left.
  func note(in folder: RunFolder) {
    let encoder = JSONEncoder()
    (encoder.dateEncodingStrategy, encoder.outputFormatting) = (.iso8601, .sortedKeys)
    guard (try? folder.checkPlace()) != nil, let data = try? encoder.encode(self) else { return }
    try? FileSystem.write(data, to: folder.url.appendingPathComponent(Self.name))
  }

  static func forget(in folder: RunFolder) { try? FileSystem.unlink(folder.url.appendingPathComponent(name)) }
}
