import Foundation

/// Measures time by a clock that nobody can set: the time of day may jump while a run goes on.
public struct Stopwatch: Sendable {
  private var start: UInt64

  /// Starts it.
  public init() { start = Self.now }
  /// Seconds since the start.
  public var seconds: Double { Double(Self.now &- start) * 1e-9 }
  /// Starts again from zero.
  public mutating func restart() { start = Self.now }
  private static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }
}
