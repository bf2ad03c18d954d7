import Basics
import Foundation
import Rainbow

/// A run on one screen, and as lines where there is no screen.
public struct WatchView {
  private let columns: Int
  private let rows: Int
  private let hasColours: Bool

  /// At least 40 by 10 characters are written, whatever the terminal says.
  public init(columns: Int, rows: Int, hasColours: Bool) {
    (self.columns, self.rows, self.hasColours) = (max(40, columns), max(10, rows), hasColours)
    Rainbow.enabled = hasColours
    Rainbow.outputTarget = hasColours ? .console : .unknown
  }

  /// At most `rows` lines of at most `columns` characters. `footer` stands in the last one.
  public func screen(_ run: RunSnapshot, footer: String) -> [String] {
    let header = header(run)
    let warnings = self.warnings(run)
    let room = rows - header.count - 1
    let shownWarnings = min(warnings.count, max(1, room / 5))
    let running = run.rows.filter { $0.state == .running }
    // stages first, each a line; then what the running ones have to say; a third of the room at least for either
    let left = room - shownWarnings
    let blocks = self.blocks(running, room: max(left / 3, left - run.rows.count))
    let table = self.table(run, room: left - blocks.count)
    let rest = warnings.count - shownWarnings
    let tail = warnings.suffix(shownWarnings).enumerated().map { index, text in
      index == 0 && rest > 0 ? cut("\(rest) earlier warnings: see status; \(text)") : cut(text)
    }
    return header + table + blocks + tail.map { hasColours ? $0.yellow : $0 } + [cut(footer)]
  }

  private func cut(_ text: String) -> String {
    let line = Self.firstLine(text)
    return line.count <= columns ? line : String(line.prefix(columns - 1)) + "…"
  }

  private static func firstLine(_ text: String) -> String { text.split(separator: "\n").first.map(String.init) ?? "" }

  // MARK: Header

  private func header(_ run: RunSnapshot) -> [String] {
    let counts = Self.counts(run.rows)
    let who = run.holder.map { $0.split(separator: "\n").first.map(String.init) ?? "" }
    let first = cut("\(run.pipeline)  \(counts)")
    let second = run.problem ?? who ?? (run.isOver ? "nothing is running" : "waiting for a run to begin")
    return [hasColours ? first.bold : first, cut("\(run.folder)  \(second)"), ""]
  }

  static func counts(_ rows: [RunSnapshot.Row]) -> String {
    let finished = rows.filter(\.state.isDone).count
    let others = [RunSnapshot.State.running, .pending, .failed, .interrupted, .cancelled, .gone].compactMap { state in
      let count = rows.filter { $0.state == state }.count
      return count > 0 ? "\(count) \(state.rawValue)" : nil
    }
    return (["\(finished) of \(rows.count) stages finished"] + others).joined(separator: ", ")
  }

  // MARK: Stages

  private static func mark(_ state: RunSnapshot.State) -> String {
    switch state {
    case .finished: "✓"
    case .running: "▶"
    case .failed, .gone, .cancelled: "✗"
    case .interrupted: "‖"
    case .pending, .open: "·"
    }
  }

  private func table(_ run: RunSnapshot, room: Int) -> [String] {
    let shown = chosen(run.rows, room: room)
    var table = TextTable(columns: ["", "stage", "state", .init("", alignment: .right), ""])
    for row in shown {
      let work = row.progress?.work
      let percent = work.flatMap { $0.total > 0 ? "\($0.percent) %" : nil }
      let left = work?.secondsLeft.map { NumberText.duration(seconds: $0) + " left" }
      let text = Self.firstLine(row.state == .running && row.progress != nil ? left ?? "" : row.text)
      table.addRow([
        Self.mark(row.state), row.stage, row.state == .open ? "to come" : row.state.rawValue,
        percent ?? row.seconds.map { NumberText.duration(seconds: $0) } ?? "",
        row.numbers.isEmpty ? text : row.numbers.joined(separator: ", "),
      ])
    }
    let lines = table.rendered().split(separator: "\n", omittingEmptySubsequences: false).dropFirst(2).map {
      cut(String($0))
    }
    let written = zip(lines, shown).map { line, row in coloured(line, row.state) }
    guard shown.count < run.rows.count else { return written }
    let names = Set(shown.map(\.stage))
    return written + [
      cut(
        "  \(run.rows.count - shown.count) more: "
          + Self.counts(run.rows.filter { !names.contains($0.stage) }))
    ]
  }

  private func coloured(_ line: String, _ state: RunSnapshot.State) -> String {
    guard hasColours else { return line }
    switch state {
    case .finished: return line.green
    case .running: return line.bold
    case .failed, .gone, .cancelled: return line.red
    case .interrupted: return line.yellow
    case .pending, .open: return line.dim
    }
  }

  /// As many as there is room for, in the file's order: what went wrong, what runs, what comes next, what was finished last.
  private func chosen(_ rows: [RunSnapshot.Row], room: Int) -> [RunSnapshot.Row] {
    guard rows.count > room else { return rows }
    let places = rows.indices
    let ranked =
      places.filter { rows[$0].state.isTrouble } + places.filter { rows[$0].state == .running }
      + places.filter { rows[$0].state == .interrupted } + places.filter { [.pending, .open].contains(rows[$0].state) }
      + places.filter { rows[$0].state.isDone }.reversed()
    return ranked.prefix(max(1, room - 1)).sorted().map { rows[$0] }
  }

  // MARK: Running stages

  /// A bar, the counts, and a line for each number that has a course. Where there is not room for all, the courses go first.
  private func blocks(_ running: [RunSnapshot.Row], room: Int) -> [String] {
    let noted = running.filter { $0.progress != nil }
    guard !noted.isEmpty, room > 1 else { return [] }
    let each = max(1, (room - 1) / noted.count)
    let blocks = noted.prefix(room - 1).map { block($0).prefix(each) }
    return [""] + blocks.flatMap { $0 }.map(cut)
  }

  private func block(_ row: RunSnapshot.Row) -> [String] {
    guard let progress = row.progress, let work = progress.work else { return ["\(row.stage): at work"] }
    let passed = NumberText.duration(seconds: max(0, progress.updated.timeIntervalSince(progress.started)))
    let threads = progress.threads == 1 ? "1 thread" : "\(progress.threads) threads"
    let courses = work.metrics.filter { $0.history.count > 1 }
    let others = work.metrics.filter { $0.history.count <= 1 }.map { "\($0.name) \($0.value)" }
    let title = "\(row.stage): \(work.title) "
    let cells = max(8, min(40, columns - title.count - 6))
    let width = (courses.map(\.name.count).max() ?? 0, courses.map(\.value.count).max() ?? 0)
    return ["\(title)\(work.bar(cells)) \(work.percent) %"]
      + ["  " + (work.counts + others + ["\(passed) so far", threads]).joined(separator: ", ")]
      + courses.map { metric in
        let name = metric.name.padding(toLength: width.0, withPad: " ", startingAt: 0)
        let value = String(repeating: " ", count: width.1 - metric.value.count) + metric.value
        return "  \(name)  \(value)  \(Sparkline.text(metric.history, cells: columns - width.0 - width.1 - 6))"
      }
  }

  private func warnings(_ run: RunSnapshot) -> [String] {
    run.rows.flatMap { row in row.warnings.map { "\($0.word): \(row.stage): \($0.text)" } }
  }

  /// "14:03:07", where the machine is: the system's own calendar knows that, also where Foundation has no tables of time zones.
  private static func clock(_ date: Date) -> String {
    var (seconds, parts) = (time_t(date.timeIntervalSince1970), tm())
    localtime_r(&seconds, &parts)
    let numbers: [Int32] = [parts.tm_hour, parts.tm_min, parts.tm_sec]
    return numbers.map { number -> String in (number < 10 ? "0" : "") + String(number) }.joined(separator: ":")
  }

  // MARK: Lines

  /// What has changed since the last look, one line each. Of work under way each tenth is told.
  public static func changes(from old: RunSnapshot?, to new: RunSnapshot) -> [String] {
    let time = Self.clock(new.date)
    var lines: [String] = []
    if old?.holder != new.holder, let holder = new.holder { lines.append("running: \(holder)") }
    if old?.problem != new.problem, let problem = new.problem { lines.append(problem) }
    let before = Dictionary((old?.rows ?? []).map { ($0.stage, $0) }, uniquingKeysWith: { $1 })
    for row in new.rows {
      let earlier = before[row.stage]
      if let line = change(from: earlier, to: row) { lines.append("\(row.stage): \(line)") }
      let known = earlier?.warnings.count ?? 0
      lines += row.warnings.dropFirst(earlier?.progress == nil && row.progress != nil ? 0 : known).map {
        "\(row.stage): \($0.word): \($0.text)"
      }
    }
    return lines.map { "\(time) \($0)" }
  }

  private static func change(from old: RunSnapshot.Row?, to new: RunSnapshot.Row) -> String? {
    let (before, now) = (old?.progress?.work, new.progress?.work)
    let isSameState = old?.state == new.state
    switch new.state {
    case .running where new.progress == nil: return isSameState && old?.text == new.text ? nil : "running, \(new.text)"
    case .running:
      let isSameWork = before?.title == now?.title && (before?.percent ?? 0) / 10 == (now?.percent ?? 0) / 10
      return isSameState && isSameWork || now == nil && isSameState ? nil : "running, \(new.progress?.text ?? "")"
    case .finished:
      if isSameState { return nil }
      let took = new.seconds.map { " in " + NumberText.duration(seconds: $0) } ?? ""
      return (["finished\(took)"] + new.numbers).joined(separator: ", ")
    case .open: return isSameState ? nil : "to come, \(new.text)"
    default: return isSameState && old?.text == new.text ? nil : "\(new.state.rawValue), \(new.text)"
    }
  }
}
