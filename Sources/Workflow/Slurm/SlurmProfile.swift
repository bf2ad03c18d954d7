import Foundation

/// What jobs ask of a cluster; nil where nothing is said.
public struct SlurmResources: Hashable, Sendable {
  public var partition: String?
  public var account: String?
  public var qos: String?
  /// As Slurm writes it: `90` (minutes), `2:00:00`, `1-12:00:00`.
  public var time: String?
  public var cpus: Int?
  /// `4G`; of a node.
  public var memory: String?
  public var gres: String?
  public var constraint: String?
  /// Further words for sbatch.
  public var options: [String]?
  /// Lines of shell, before the program starts in a job.
  public var prologue: [String]?
  /// How many tasks of an array may run at a time.
  public var maxConcurrent: Int?
  /// How many s before the time limit a job is told to save a checkpoint; 0: not at all.
  public var signalLead: Int?
  /// How often in a row a job may come back to the queue without having got on.
  public var requeueLimit: Int?

  public init() {}

  static let defaultSignalLead = 120
  static let defaultRequeueLimit = 3

  /// These, and what `other` says instead.
  func overlaid(by other: SlurmResources) -> SlurmResources {
    var result = self
    result.partition = other.partition ?? partition
    result.account = other.account ?? account
    result.qos = other.qos ?? qos
    result.time = other.time ?? time
    result.cpus = other.cpus ?? cpus
    result.memory = other.memory ?? memory
    result.gres = other.gres ?? gres
    result.constraint = other.constraint ?? constraint
    result.options = other.options ?? options
    result.prologue = other.prologue ?? prologue
    result.maxConcurrent = other.maxConcurrent ?? maxConcurrent
    result.signalLead = other.signalLead ?? signalLead
    result.requeueLimit = other.requeueLimit ?? requeueLimit
    return result
  }

  /// The words for sbatch. The signal goes to the batch script alone, whose place the program takes.
  var words: [String] {
    var words: [String] = []
    func add(_ name: String, _ value: String?) { if let value { words.append("--\(name)=\(value)") } }
    add("partition", partition)
    add("account", account)
    add("qos", qos)
    add("time", time)
    add("cpus-per-task", cpus.map(String.init))
    add("mem", memory)
    add("gres", gres)
    add("constraint", constraint)
    let lead = signalLead ?? Self.defaultSignalLead
    if lead > 0 { words.append("--signal=B:USR1@\(lead)") }
    return words + (options ?? [])
  }

  /// Seconds of a time limit in one of Slurm's forms; nil for another text.
  static func seconds(ofTime text: String) -> Int? {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count <= 2, let last = parts.last else { return nil }
    var numbers: [Int] = []
    for part in last.split(separator: ":", omittingEmptySubsequences: false) {
      guard !part.isEmpty, part.count <= 6, part.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(part)
      else { return nil }
      numbers.append(number)
    }
    if parts.count == 2 {
      guard let days = Int(parts[0]), (0...10_000).contains(days), (1...3).contains(numbers.count) else { return nil }
      let clock = numbers + [0, 0]
      return days * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2]
    }
    switch numbers.count {
    case 1: return numbers[0] * 60
    case 2: return numbers[0] * 60 + numbers[1]
    case 3: return numbers[0] * 3600 + numbers[1] * 60 + numbers[2]
    default: return nil
    }
  }
}

/// How the stages of a pipeline become jobs of a cluster.
public struct SlurmProfile: Equatable, Sendable {
  /// What one job, or one task of an array, runs.
  public enum Unit: Equatable, Sendable {
    case stage
    /// All stages of an entry of this axis of the matrix.
    case axis(String)
  }

  public var unit = Unit.stage
  public var defaults = SlurmResources()
  /// By stage type.
  public var types: [String: SlurmResources] = [:]
  /// By stage: full names, names in the pipeline file, patterns, `@entry`; a later one overrides an earlier one.
  public var stages: [(name: String, resources: SlurmResources)] = []
  /// Of jobs that run several stages.
  public var together = SlurmResources()
  /// The largest array the cluster takes.
  public var maximumArray = 1000

  public init() {}

  public static func == (a: SlurmProfile, b: SlurmProfile) -> Bool {
    a.unit == b.unit && a.defaults == b.defaults && a.types == b.types && a.together == b.together
      && a.maximumArray == b.maximumArray && a.stages.map(\.name) == b.stages.map(\.name)
      && a.stages.map(\.resources) == b.stages.map(\.resources)
  }

  func resources(for stage: StageDefinition) -> SlurmResources {
    var result = defaults
    if let own = types[stage.type.type] { result = result.overlaid(by: own) }
    for (name, own) in stages where stage.matches(name) { result = result.overlaid(by: own) }
    return result
  }

  /// For a job of one stage or of several.
  func resources(for group: [StageDefinition]) -> SlurmResources {
    if group.count == 1, let stage = group.first { return resources(for: stage) }
    return defaults.overlaid(by: together)
  }
}
