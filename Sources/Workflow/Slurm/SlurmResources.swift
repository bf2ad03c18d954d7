import Foundation

extension Slurm {
  var fields: [ParameterField] {
    let text = { BatchResources.field($0, $1) }
    return [
      text("partition", "the queue"), text("account", "who pays"), text("qos", "quality of service"),
      text("time", "time limit"), BatchResources.cpusField, text("memory", "memory of a node"),
      text("gres", "generic resources"), text("constraint", "features of the node"),
      BatchResources.field("options", "further words for sbatch", .list(.string)), BatchResources.prologueField,
      BatchResources.maxConcurrentField,
      ParameterField("signal_lead", .integer(0...65_535), optional: true, unit: "s", help: "time to save a checkpoint"),
      BatchResources.requeueLimitField,
    ]
  }

  /// The words for sbatch. The signal goes to the batch script alone, whose place the program takes.
  static func words(_ resources: BatchResources) -> [String] {
    func word(_ option: String, _ key: String) -> String? { resources.text(key).map { "--\(option)=\($0)" } }
    let lead = resources.number("signal_lead") ?? 120
    return [
      word("partition", "partition"), word("account", "account"), word("qos", "qos"), word("time", "time"),
      resources.cpus.map { "--cpus-per-task=\($0)" }, word("mem", "memory"), word("gres", "gres"),
      word("constraint", "constraint"), lead > 0 ? "--signal=B:USR1@\(lead)" : nil,
    ].compactMap { $0 } + resources.texts("options")
  }

  func summary(of resources: BatchResources) -> String {
    [
      resources.text("partition"), resources.cpus.map { $0 == 1 ? "1 cpu" : "\($0) cpus" }, resources.text("memory"),
      resources.text("gres"), resources.text("time").map { "time \($0)" },
    ].compactMap { $0 }.joined(separator: ", ")
  }

  /// What this package itself says to sbatch.
  private static let reserved = [
    "array", "chdir", "comment", "cpus-per-task", "dependency", "error", "export-file", "hold", "input", "job-name",
    "kill-on-invalid-dep", "mem", "no-requeue", "ntasks", "open-mode", "output", "parsable", "quiet", "requeue",
    "signal", "test-only", "time", "wait", "wrap", "partition", "account", "qos", "gres", "constraint",
  ]

  func problems(in resources: BatchResources) -> [BatchResources.Problem] {
    var found: [BatchResources.Problem] = []
    func wrong(_ key: String, index: Int? = nil, _ value: String, _ expected: String) {
      found.append(.init(key: key, index: index) { .wrongType(place: $0, found: "'\(value)'", expected: expected) })
    }
    for key in ["partition", "account", "qos", "gres", "constraint"] {
      guard let value = resources.text(key), value.isEmpty || value.utf8.contains(where: { $0 <= 32 || $0 == 127 })
      else { continue }
      wrong(key, value, "one word")
    }
    if let time = resources.text("time") {
      let seconds = Self.seconds(ofTime: time)
      if seconds ?? 0 < 60 {
        wrong("time", time, "a time limit of a minute or more: 90 (minutes), 2:00:00 or 1-12:00:00")
      }
      if let seconds, let lead = resources.number("signal_lead"), lead >= seconds, seconds >= 60 {
        found.append(
          .init(key: "signal_lead") {
            .outOfRange(place: $0, found: "\(lead)", expected: "less than the time limit, \(seconds) s")
          })
      }
    }
    if let memory = resources.text("memory") {
      let digits = memory.last.map { "KMGT".contains($0) } == true ? memory.dropLast() : memory[...]
      if digits.isEmpty || digits.count > 12 || !digits.utf8.allSatisfy({ (48...57).contains($0) }) {
        wrong("memory", memory, "a size such as 4G or 4000M")
      }
    }
    for (index, option) in resources.texts("options").enumerated() {
      let name = String(option.dropFirst(2).prefix { $0 != "=" })
      if !option.hasPrefix("--") || name.isEmpty || option.utf8.contains(where: { $0 < 32 || $0 == 127 }) {
        wrong("options", index: index, option, "a word such as --exclusive")
      } else if Self.reserved.contains(name) {
        found.append(
          .init(key: "options", index: index) {
            .syntax("\($0): --\(name) is set by 'submit' or by a key of the profile")
          })
      }
    }
    return found
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
    guard numbers.count <= 3 else { return nil }
    // minutes, minutes:seconds, hours:minutes:seconds
    return numbers.count == 1 ? numbers[0] * 60 : numbers.reduce(0) { $0 * 60 + $1 }
  }
}
