import Basics
import Foundation

/// Standard error, for messages. What cannot be written (a full disk, a reader that left) is lost; the run goes on.
public enum StandardError {
  public static func write(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Foundation.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}

/// What a person sees of a run on standard error: lines, and the progress of the running stage as a bar on a terminal or as
/// a line every ten seconds elsewhere.
public final class Console: Basics.ProgressReporting, @unchecked Sendable {
  private struct Work {
    var title: String
    var total: Int
    var unit: String
    var start: Double
    /// Where the work stood at the first update: a resumed stage does not begin at zero.
    var baseline: (completed: Int, time: Double)?
    var completed = 0
    var lastPrinted: Double
  }

  private let lock = NSRecursiveLock()
  private let isTerminal: Bool
  private let clock: () -> Double
  private let width: () -> Int
  private let output: (String) -> Void
  private var work: Work?
  private var barIsShown = false
  /// Put before plain lines: the stage that is running.
  public var stage = ""

  /// Prints to standard error.
  public convenience init(quiet: Bool = false) {
    self.init(
      isTerminal: !quiet && isatty(STDERR_FILENO) == 1,
      clock: { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 },
      width: {
        var size = winsize()
        return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
      },
      output: quiet ? { _ in } : StandardError.write)
  }

  /// Prints wherever `output` says; for tests.
  public init(
    isTerminal: Bool, clock: @escaping () -> Double, width: @escaping () -> Int = { 80 },
    output: @escaping (String) -> Void
  ) {
    self.isTerminal = isTerminal
    self.clock = clock
    self.width = width
    self.output = output
  }

  /// Prints a line, above the bar if there is one.
  public func line(_ text: String) {
    lock.lock()
    defer { lock.unlock() }
    clearBar()
    output(text + "\n")
  }

  public func begin(_ title: String, total: Int, unit: String) {
    lock.lock()
    defer { lock.unlock() }
    clearBar()
    let now = clock()
    work = Work(title: title, total: total, unit: unit, start: now, lastPrinted: now)
  }

  public func update(completed: Int, metrics: [(name: String, value: String)]) {
    lock.lock()
    defer { lock.unlock() }
    guard var current = work else { return }
    defer { work = current }
    let now = clock()
    current.completed = completed
    guard let baseline = current.baseline else {
      current.baseline = (completed, now)
      return
    }
    guard now - current.lastPrinted >= (isTerminal ? 0.1 : 10) else { return }
    current.lastPrinted = now
    let elapsed = now - baseline.time
    let rate = elapsed > 0 ? Double(completed - baseline.completed) / elapsed : 0
    let details = Self.details(current, rate: rate, metrics: metrics)
    if isTerminal {
      output("\r\u{1B}[2K" + Self.bar(current, details: details, width: width()))
      barIsShown = true
    } else {
      let percent = current.total > 0 ? " \(Self.percent(current)) %" : ""
      output("\(stage): \(current.title)\(percent), \(details.joined(separator: ", "))\n")
    }
  }

  public func end() {
    lock.lock()
    defer { lock.unlock() }
    clearBar()
    work = nil
  }

  private func clearBar() {
    if barIsShown { output("\r\u{1B}[2K") }
    barIsShown = false
  }

  private static func percent(_ work: Work) -> Int {
    work.total > 0 ? Int(100 * min(1, max(0, Double(work.completed) / Double(work.total)))) : 0
  }

  /// What is told beside the bar: how much is done, the rate, the time left, then the stage's own metrics.
  private static func details(_ work: Work, rate: Double, metrics: [(name: String, value: String)]) -> [String] {
    var parts = ["\(NumberText.count(work.completed)) of \(NumberText.count(work.total)) \(work.unit)"]
    if rate > 0 {
      let rounded = rate >= 100 ? NumberText.count(Int(min(rate, 1e15))) : NumberText.significant(rate, 3)
      parts.append("\(rounded) \(work.unit)/s")
      if work.total > work.completed {
        parts.append(NumberText.duration(seconds: Double(work.total - work.completed) / rate) + " left")
      }
    }
    return parts + metrics.map { "\($0.name) \($0.value)" }
  }

  /// One line of at most `width` - 1 characters. On a narrow terminal the bar gets shorter, then the counts and the rate go,
  /// then the last metrics: time left and the first metrics matter more.
  private static func bar(_ work: Work, details: [String], width: Int) -> String {
    func line(_ cells: Int, _ parts: [String]) -> String {
      let filled = cells * percent(work) / 100
      let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: cells - filled)
      return "\(work.title) \(bar) \(percent(work)) %  \(parts.joined(separator: ", "))"
    }
    let room = max(20, width - 1)
    let droppable = max(0, min(2, details.count - 1))
    for candidate in [line(20, details)] + (0...droppable).map({ line(8, Array(details.dropFirst($0))) })
    where candidate.count <= room { return candidate }
    var parts = Array(details.dropFirst(droppable))
    while parts.count > 1, line(8, parts).count > room { parts.removeLast() }
    return String(line(8, parts).prefix(room))
  }
}
