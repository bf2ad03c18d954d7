import Foundation

/// The processor cores that this process may use: those of its affinity mask, and no more than its control group's quota.
///
/// A batch system gives a job some of a node's cores by one or the other; `nproc` knows the first.
public enum AllowedCores {
  /// At least 1.
  public static var count: Int {
    let machine = max(1, ProcessInfo.processInfo.processorCount)
    let allowed = affinity ?? machine
    return max(1, min(allowed, quota ?? allowed))
  }

  /// Cores in the affinity mask; nil where the system does not tell.
  private static var affinity: Int? {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    return cores(inStatus: status)
  }

  /// Of the line "Cpus_allowed: ff,ffffffff" of /proc/self/status.
  static func cores(inStatus text: String) -> Int? {
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed:") }) else { return nil }
    let digits = line.dropFirst("Cpus_allowed:".count).filter { !$0.isWhitespace && $0 != "," }
    let bits = digits.compactMap { $0.hexDigitValue?.nonzeroBitCount }
    return bits.count == digits.count && !bits.isEmpty ? bits.reduce(0, +) : nil
  }

  /// Cores' worth of time that the control group may use, rounded up; nil without a limit.
  private static var quota: Int? {
    let groups = ((try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? "").split(separator: "\n")
    let own = groups.first { $0.hasPrefix("0::") }.map { String($0.dropFirst(3)) } ?? "/"
    var smallest: Int?
    // a limit of any group above holds too
    var path = own
    while true {
      let file = "/sys/fs/cgroup" + (path == "/" ? "" : path) + "/cpu.max"
      if let cores = (try? String(contentsOfFile: file, encoding: .utf8)).flatMap(cores(inMaximum:)) {
        smallest = min(smallest ?? cores, cores)
      }
      guard path != "/", let slash = path.lastIndex(of: "/") else { return smallest }
      path = slash == path.startIndex ? "/" : String(path[..<slash])
    }
  }

  /// "200000 100000" are two cores; "max 100000" is no limit.
  static func cores(inMaximum text: String) -> Int? {
    let words = text.split(whereSeparator: \.isWhitespace)
    guard words.count == 2, let time = Double(words[0]), let period = Double(words[1]), time > 0, period > 0 else {
      return nil
    }
    return max(1, Int((time / period).rounded(.up)))
  }
}
