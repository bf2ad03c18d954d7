import Foundation

/// What a job asks of a batch system, by the keys of a profile. These are of every system: `cpus`, `prologue`,
/// `max_concurrent`, `requeue_limit`; the rest is the system's own.
public struct BatchResources: Hashable, Sendable {
  private(set) var values: [String: ParameterValue]  // What is said; nothing is null

  init(_ values: [String: ParameterValue] = [:]) { self.values = values.filter { $0.value != .null } }

  public func hash(into hasher: inout Hasher) { hasher.combine(ParameterValue.object(values).canonicalJSON) }
  func text(_ key: String) -> String? { values[key]?.string }
  func number(_ key: String) -> Int? { if case .integer(let number)? = values[key] { number } else { nil } }
  func texts(_ key: String) -> [String] {
    if case .list(let texts)? = values[key] { texts.compactMap(\.string) } else { [] }
  }

  /// These, and what `other` says instead.
  func overlaid(by other: BatchResources) -> BatchResources { BatchResources(values.merging(other.values) { $1 }) }

  static func field(_ name: String, _ help: String, _ kind: ParameterKind = .string) -> ParameterField {
    ParameterField(name, kind, optional: true, help: help)
  }

  static let cpusField = field("cpus", "cores of a task, and its stages' threads", .integer(1...4096))
  static let prologueField = field("prologue", "lines of shell", .list(.string, acceptsSingle: true))
  static let maxConcurrentField = field("max_concurrent", "tasks of an array at a time", .integer(1...1_000_000))
  static let requeueLimitField = field("requeue_limit", "requeues without progress", .integer(0...1000))

  var cpus: Int? { number("cpus") }
  /// Lines of shell, before the program starts in a job.
  var prologue: [String] { texts("prologue") }
  /// How many tasks of an array may run at a time.
  var maxConcurrent: Int? { number("max_concurrent") }
  /// How often in a row a job may come back to the queue without having got on.
  var requeueLimit: Int { number("requeue_limit") ?? 3 }

  /// Something wrong with a value of the right kind.
  struct Problem {
    let key: String
    var index: Int?  // In a list
    let text: (_ place: String) -> PipelineFileProblem  // Given the key's place in the profile
  }

  var problems: [Problem] {
    prologue.enumerated().filter { $1.utf8.contains { $0 < 32 && $0 != 9 } }.map { index, _ in
      Problem(key: "prologue", index: index) {
        .wrongType(place: $0, found: "a text of several lines", expected: "one line of shell each")
      }
    }
  }
}

/// How the stages of a pipeline become jobs of a batch system.
public struct BatchProfile: Sendable {
  /// What one job, or one task of an array, runs.
  enum Unit: Equatable, Sendable {
    case stage
    case axis(String)  // All stages of an entry of this axis of the matrix
  }

  var system: String?  // In lower case; nil: the first there is
  var unit = Unit.stage
  var defaults = BatchResources()
  var types: [String: BatchResources] = [:]  // By stage type
  /// By stage: full names, names in the pipeline file, patterns, `@entry`; a later one overrides an earlier one.
  var stages: [(name: String, resources: BatchResources)] = []
  var together = BatchResources()  // Of jobs that run several stages
  var maximumArray: Int?  // The largest array the system takes; nil: what it says itself

  func resources(for stage: StageDefinition) -> BatchResources {
    var result = defaults
    if let own = types[stage.type.type] { result = result.overlaid(by: own) }
    for (name, own) in stages where stage.matches(name) { result = result.overlaid(by: own) }
    return result
  }

  /// For a job of one stage or of several.
  func resources(for group: [StageDefinition]) -> BatchResources {
    if group.count == 1, let stage = group.first { return resources(for: stage) }
    return defaults.overlaid(by: together)
  }
}
