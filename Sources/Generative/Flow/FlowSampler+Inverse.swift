import Torch

extension FlowSampler {
  /// The prior points [n, d] that fixed steps lead from to `end` [n, d], angles not wrapped.
  ///
  /// A step back is not the inverse of a step. It is taken again and again, each time from where the step before should have been taken from, by
  /// how far it missed (defect correction), until rounding is all that is left. Where a step's map folds over, or no point leads there, a row stays off: hold
  /// what `integrate(from:)` makes of it against `end`. Throws `SamplingError.inverseNeedsFixedSteps`.
  public func priorPoints(of end: Tensor) throws -> Tensor {
    let plain = try FlowSampler(field: field, integrator: integrator, method: .none, endTime: endTime)
    let unused = try Generator(seed: 0)
    return try withoutGradients {
      var points = end
      for part in field.parts.reversed() {
        let integrator = integrator.fitted(to: part)
        guard let steps = integrator.steps else { throw SamplingError.inverseNeedsFixedSteps }
        let clock = Clock(integrator, endTime: endTime)
        let rates = try plain.rates(of: part, clock, like: end, unused)
        let h = clock.end / Double(steps)
        for step in (0..<steps).reversed() { points = try plain.undone(points, from: Double(step) * h, by: h, rates) }
      }
      return points
    }
  }

  /// Corrections of a step at most. Each leaves a fifth order of the step's length of the miss before.
  private static let corrections = 40

  /// The points that one step from s, of length h, leads to `end`.
  private func undone(_ end: Tensor, from s: Double, by h: Double, _ rates: Rates) throws -> Tensor {
    let rounding = end.scalarType == .float64 ? 1e-14 : 4e-7
    var (aim, before) = (end, [Double](repeating: .infinity, count: end.shape[0]))
    var points = try stepped([aim], from: s + h, by: -h, rates)[0]
    for _ in 0..<Self.corrections {
      let miss = try end - stepped([points], from: s, by: h, rates)[0]
      let sizes = try (miss.abs() / (end.abs() + 1)).maximum(over: -1).values(as: Double.self)
      guard zip(sizes, before).contains(where: { $0 > rounding && $0 < 0.9 * $1 }) else { break }
      before = sizes
      aim = try aim + miss
      points = try stepped([aim], from: s + h, by: -h, rates)[0]
    }
    return points
  }
}
