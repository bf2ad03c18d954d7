import Basics
import Foundation

/// A piece of work of a running stage, as the stage tells it: how far it is, how fast, and its numbers so far.
public struct StageWork: Codable, Equatable, Sendable {
  public struct Metric: Codable, Equatable, Sendable {
    public let name, value: String  // The value as it shall be read
    /// How it went since the work began: means over equal numbers of updates. Empty for what is no number.
    public var history: [Double] = []
  }

  public var title: String
  public var total: Int
  public var unit: String
  public var completed = 0
  public var rate: Double?  // Units a second, since the work was begun or gone on with
  public var metrics: [Metric] = []

  public var percent: Int { total > 0 ? Int(100 * min(1, max(0, Double(completed) / Double(total)))) : 0 }

  /// Whether these are numbers that a stage can have told.
  var isSound: Bool { (0...1_000_000_000_000_000).contains(completed) && (0...1_000_000_000_000_000).contains(total) }

  /// s; nil where nothing says so.
  public var secondsLeft: Double? {
    guard let rate, rate > 0, total > completed else { return nil }
    return (Double(total) - Double(completed)) / rate
  }

  /// How much is done, the rate, the time left, then the stage's own metrics.
  var details: [String] { counts + metrics.map { "\($0.name) \($0.value)" } }

  var counts: [String] {
    var parts = ["\(NumberText.count(completed)) of \(NumberText.count(total)) \(unit)"]
    if let rate, rate > 0 {
      let rounded = rate >= 100 ? NumberText.count(Int(min(rate, 1e15))) : NumberText.significant(rate, 3)
      parts.append("\(rounded) \(unit)/s")
      if let secondsLeft { parts.append(NumberText.duration(seconds: secondsLeft) + " left") }
    }
    return parts
  }

  /// All of it on a line.
  var text: String { "\(title)\(total > 0 ? " \(percent) %" : ""), \(details.joined(separator: ", "))" }

  var json: ParameterValue {
    [
      "title": .string(title), "completed": .integer(completed), "total": .integer(total), "unit": .string(unit),
      "rate": rate.map { .number($0) } ?? .null, "seconds_left": secondsLeft.map { .number($0) } ?? .null,
      "metrics": .list(
        metrics.map {
          [
            "name": .string($0.name), "value": .string($0.value),
            "history": .list($0.history.map { .number($0) }),
          ]
        }),
    ]
  }

  /// So many characters, filled as far as the work is done.
  func bar(_ cells: Int) -> String {
    let filled = cells * percent / 100
    return String(repeating: "█", count: filled) + String(repeating: "░", count: cells - filled)
  }
}

/// Follows a piece of work by its updates.
struct WorkMeter {
  private(set) var work: StageWork
  /// Where the work stood at the first update: a resumed stage does not begin at zero.
  private var baseline: (completed: Int, time: Double)?

  init(_ title: String, total: Int, unit: String) { work = StageWork(title: title, total: total, unit: unit) }

  /// There was an update.
  var isUnderWay: Bool { baseline != nil }

  /// `time` in s. False for the first update, which says nothing of how fast it goes.
  mutating func update(completed: Int, metrics: [(name: String, value: String)], at time: Double) -> Bool {
    work.completed = completed
    work.metrics = metrics.map { StageWork.Metric(name: $0.name, value: $0.value) }
    guard let baseline else {
      self.baseline = (completed, time)
      return false
    }
    let elapsed = time - baseline.time
    work.rate = elapsed > 0 ? Double(completed - baseline.completed) / elapsed : nil
    return true
  }
}

/// The course of a number in a bounded number of points, each the mean of as many values.
struct MetricHistory {
  static let limit = 64

  private(set) var points: [Double] = []
  private var width = 1  // Values in a point
  private var sum = 0.0
  private var count = 0

  mutating func add(_ value: Double) {
    guard value.isFinite else { return }
    sum += value
    count += 1
    guard count == width else { return }
    points.append(sum / Double(count))
    (sum, count) = (0, 0)
    guard points.count == Self.limit else { return }
    points = stride(from: 0, to: points.count - 1, by: 2).map { (first: Int) -> Double in
      (points[first] + points[first + 1]) / 2
    }
    width *= 2
  }
}

/// A line of small bars.
enum Sparkline {
  /// The course of the points, at most `cells` characters, lowest to highest. Points that are no number are left out.
  static func text(_ points: [Double], cells: Int) -> String {
    let points = points.filter(\.isFinite)
    let count = min(cells, points.count)
    let means = (0..<max(0, count)).map { cell in
      let part = points[(cell * points.count / count)..<((cell + 1) * points.count / count)]
      return part.reduce(0, +) / Double(part.count)
    }
    guard let low = means.min(), let high = means.max() else { return "" }
    return means.map { mean in
      let level = high > low && (high - low).isFinite ? Int((mean - low) / (high - low) * 7.999) : 3
      return String(Array("▁▂▃▄▅▆▇█")[max(0, min(7, level))])
    }.joined()
  }
}
