import Foundation

/// Which process it is, in words that other processes understand: the boot of its machine, the namespace of its processes (containers have
/// others), its number, and when it began, in the kernel's ticks since the boot: a number alone may have been given again.
struct ProcessPlace: Codable, Equatable {
  let words: [String]

  init(_ words: [String]) { self.words = words }

  /// This process.
  static var own: ProcessPlace { ProcessPlace(here + ["\(getpid())", start(of: getpid()) ?? "0"]) }

  private static let here: [String] = {
    let boot = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? "unknown"
    let namespace = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? "unknown"
    return [boot.trimmingCharacters(in: .whitespacesAndNewlines), namespace]
  }()

  private static func start(of process: Int32) -> String? {
    guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      let end = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[end...].split(separator: " ")
    return fields.count > 20 ? String(fields[20]) : nil
  }

  /// On another host, or in another container: it cannot be asked here.
  var isElsewhere: Bool { Array(words.prefix(2)) != Self.here }

  var isOnThisMachine: Bool { words.first == Self.here.first }

  /// It is here, and lives.
  var isAtWork: Bool {
    guard words.count == 4, !isElsewhere, let process = Int32(words[2]) else { return false }
    return Self.start(of: process) == words[3]
  }
}
