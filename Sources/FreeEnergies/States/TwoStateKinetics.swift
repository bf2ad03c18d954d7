import Foundation

/// How long a single unbiased trajectory must be for a free-energy difference between two states to have a standard error.
///
/// For jumps between two states with rates k_out and k_in, the share p of the time in one of them has over a long time T the variance
/// 2 p (1 - p) tau / T with tau = 1 / (k_in + k_out); dF = -ln(p / (1 - p)) therefore 2 tau / (T p (1 - p)), and with detailed balance,
/// tau = (1 - p) / k_out, that is 2 / (k_out p T).
public struct TwoStateKinetics: Equatable, Sendable {
  /// P(state), and exits per unit of time spent in it.
  public var population, exitRate: Double

  /// See the properties.
  public init(population: Double, exitRate: Double) { (self.population, self.exitRate) = (population, exitRate) }

  /// From -ln(P(state) / P(elsewhere)), kT, and the exits that were seen in the time spent inside. No exit counts as one: the times
  /// are lower bounds then.
  public init(deltaF: Double, exits: Int, timeInside: Double) {
    self.init(population: 1 / (1 + exp(deltaF)), exitRate: Double(max(1, exits)) / max(timeInside, 1e-300))
  }

  /// In the unit of time of the rate; `error` in kT.
  public func time(forError error: Double) -> Double { 2 / (exitRate * population * error * error) }
}
