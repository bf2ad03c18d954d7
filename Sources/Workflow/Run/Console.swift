import Basics
import Foundation

/// Standard error, for messages. What cannot be written (a full disk, a reader that left) is lost; the run goes on.
public enum StandardError {
  public static func write(_ text: String) { writeAll(text.utf8, to: STDERR_FILENO) }

  static func writeAll(_ text: some Sequence<UInt8>, to descriptor: Int32) {
    var bytes = Array(text)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}

/// Where a run shows what it does: lines, and the progress of each stage that is running.
public protocol RunDisplay: AnyObject {
  func line(_ text: String)
  func progress(of stage: String) -> any Basics.ProgressReporting
}

/// What a person sees of a run on standard error: lines, and the progress of the running stages, each as a bar on a terminal
/// or as a line every ten seconds elsewhere.
public final class Console: RunDisplay, @unchecked Sendable {
  private struct Work {
    let stage: String
    var meter: WorkMeter
    var lastPrinted: Double

    var state: StageWork { meter.work }
  }

  private let lock = NSRecursiveLock()
  private let isTerminal, showsStages: Bool
  private let clock: () -> Double
  private let width: () -> Int
  private let output: (String) -> Void
  private var works: [Work] = []
  private var shownBars = 0
  private var lastDrawn = -Double.infinity

  /// Prints to standard error. With `showsStages`, bars carry the stage's name: for several at a time.
  public convenience init(quiet: Bool = false, showsStages: Bool = false) {
    self.init(
      isTerminal: !quiet && Terminal.errors.isCapable, showsStages: showsStages,
      clock: { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }, width: { Terminal.errors.size.columns },
      output: quiet ? { _ in } : StandardError.write)
  }

  /// Prints wherever `output` says; for tests.
  public init(
    isTerminal: Bool, showsStages: Bool = false, clock: @escaping () -> Double, width: @escaping () -> Int = { 80 },
    output: @escaping (String) -> Void
  ) {
    (self.isTerminal, self.showsStages, self.clock) = (isTerminal, showsStages, clock)
    (self.width, self.output) = (width, output)
  }

  /// Prints a line, above the bars if there are any.
  public func line(_ text: String) {
    lock.withLock {
      let hadBars = shownBars > 1
      clearBars()
      output(text + "\n")
      if hadBars { drawBars() }
    }
  }

  public func progress(of stage: String) -> any Basics.ProgressReporting { Reporter(console: self, stage: stage) }

  private final class Reporter: Basics.ProgressReporting {
    private let console: Console
    private let stage: String

    init(console: Console, stage: String) { (self.console, self.stage) = (console, stage) }

    func begin(_ title: String, total: Int, unit: String) { console.begin(stage, title, total: total, unit: unit) }
    func update(completed: Int, metrics: [(name: String, value: String)]) {
      console.update(stage, completed: completed, metrics: metrics)
    }
    func end() { console.end(stage) }
  }

  private func begin(_ stage: String, _ title: String, total: Int, unit: String) {
    lock.withLock {
      clearBars()
      let work = Work(stage: stage, meter: WorkMeter(title, total: total, unit: unit), lastPrinted: clock())
      if let index = works.firstIndex(where: { $0.stage == stage }) { works[index] = work } else { works.append(work) }
    }
  }

  private func update(_ stage: String, completed: Int, metrics: [(name: String, value: String)]) {
    lock.withLock {
      guard let index = works.firstIndex(where: { $0.stage == stage }) else { return }
      let now = clock()
      guard works[index].meter.update(completed: completed, metrics: metrics, at: now) else { return }
      guard now - works[index].lastPrinted >= (isTerminal ? 0.1 : 10) else { return }
      works[index].lastPrinted = now
      if isTerminal {
        guard works.count == 1 || now - lastDrawn >= 0.1 else { return }
        lastDrawn = now
        clearBars()
        drawBars()
      } else {
        output("\(stage): \(works[index].state.text)\n")
      }
    }
  }

  private func end(_ stage: String) {
    lock.withLock {
      clearBars()
      works.removeAll { $0.stage == stage }
    }
  }

  private func drawBars() {
    let bars = works.filter(\.meter.isUnderWay).map { work in
      Self.bar(
        work.state, title: showsStages ? "\(work.stage): \(work.state.title)" : work.state.title, width: width())
    }
    if !bars.isEmpty { output("\r\u{1B}[2K" + bars.joined(separator: "\n")) }
    shownBars = bars.count
  }

  /// Leaves the cursor where the first bar began.
  private func clearBars() {
    if shownBars > 0 { output("\r\u{1B}[2K" + String(repeating: "\u{1B}[1A\u{1B}[2K", count: shownBars - 1)) }
    shownBars = 0
  }

  /// One line of at most `width` - 1 characters. On a narrow terminal the bar gets shorter, then the counts and the rate go,
  /// then the last metrics: time left and the first metrics matter more.
  private static func bar(_ work: StageWork, title: String, width: Int) -> String {
    let details = work.details
    func line(_ cells: Int, _ parts: [String]) -> String {
      "\(title) \(work.bar(cells)) \(work.percent) %  \(parts.joined(separator: ", "))"
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
