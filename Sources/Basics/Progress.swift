/// How long work tells its progress: one protocol for every stage and every sampler.
///
/// `update` is cheap to call often: implementations decide how often to print.
public protocol ProgressReporting: AnyObject {
  /// Work of `total` units begins ("steps", "frames", "windows").
  func begin(_ title: String, total: Int, unit: String)
  /// `completed` units are done; `metrics` are shown beside the bar, in order (name, value as it shall be read).
  func update(completed: Int, metrics: [(name: String, value: String)])
  func end()
}

extension ProgressReporting {
  public func update(completed: Int) { update(completed: completed, metrics: []) }
}

/// Reports to nobody.
public final class SilentProgress: ProgressReporting {
  public init() {}
  public func begin(_ title: String, total: Int, unit: String) {}
  public func update(completed: Int, metrics: [(name: String, value: String)]) {}
  public func end() {}
}
