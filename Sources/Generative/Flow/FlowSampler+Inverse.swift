import Torch

extension FlowSampler {
  /// The prior points [n, d] that fixed steps lead from to `end` [n, d], angles not wrapped.
  ///
  /// Steps are undone one by one, the last of the last part first. A row whose way back does not close, or leads over a step that is seen to fold
  /// over, is NaN. Folds are seen where a part has a Jacobian; elsewhere hold what `integrate(from:)` makes of a row against `end`. Throws `SamplingError.inverseNeedsFixedSteps`.
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
        for step in (0..<steps).reversed() {
          points = try StepInverse(sampler: plain, part: part, clock: clock, rates: rates, s: Double(step) * h, h: h)
            .points(before: points)
        }
      }
      return points
    }
  }
}

/// What leads back over one step of Runge-Kutta from s, of length h.
///
/// A step of length -h is not its inverse, but nearly. From there Newton's method goes on where the step's Jacobian is at hand; else the step back is
/// taken from an end that is shifted by what was missed (defect correction). Each row goes as far at a time as lets its miss fall.
private struct StepInverse {
  let sampler: FlowSampler
  let part: any VectorField
  let clock: Clock
  let rates: FlowSampler.Rates
  let s, h: Double

  private static let (corrections, shortest) = (80, 1.0 / 256)

  /// Where a row stands: what is corrected, the point before the step that it means, and where the next correction leads. [n, d] each.
  private struct Place {
    var variable, points, correction: Tensor
    var jacobian: Tensor?  // of the step, [n, m, m], where it is at hand
    var misses: [Double]

    /// Rows `place` of `other` in the place of rows `row`.
    func replacing(_ rows: [(row: Int, place: Int)], by other: Place) throws -> Place {
      var (order, misses) = (Array(misses.indices), misses)
      for (row, place) in rows { (order[row], misses[row]) = (order.count + place, other.misses[place]) }
      let index = try Tensor(order.map(Int64.init))
      func merged(_ a: Tensor, _ b: Tensor) throws -> Tensor {
        try Tensor.concatenated([a, b], axis: 0).selected(index)
      }
      return Place(
        variable: try merged(variable, other.variable), points: try merged(points, other.points),
        correction: try merged(correction, other.correction),
        jacobian: try jacobian.flatMap { own in try other.jacobian.map { try merged(own, $0) } }, misses: misses)
    }
  }

  func points(before end: Tensor) throws -> Tensor {
    let type = end.scalarType ?? .float32
    let rounding = type == .float64 ? 1e-14 : 6e-7
    var place = try look(part is any JacobianField ? back(end) : end, end)
    var shares = [Double](repeating: 1, count: end.shape[0])
    for _ in 0..<Self.corrections {
      let open = place.misses.indices.filter {
        place.misses[$0] > rounding && place.misses[$0].isFinite && shares[$0] >= Self.shortest
      }
      guard !open.isEmpty else { break }
      let index = try Tensor(open.map(Int64.init))
      let share = try Tensor(open.map { shares[$0] }, shape: [open.count, 1]).cast(type)
      let tried = try look(
        place.variable.selected(index) + place.correction.selected(index) * share, end.selected(index))
      var better: [(row: Int, place: Int)] = []
      for (k, row) in open.enumerated() {
        let falls = tried.misses[k] < place.misses[row]
        if falls { better.append((row, k)) }
        shares[row] = falls ? min(1, 2 * shares[row]) : shares[row] / 2
      }
      if !better.isEmpty { place = try place.replacing(better, by: tried) }
    }
    // a row that is not back within some roundings, or on another sheet of a step that folds over, is none
    var sure = place.misses.map { $0 <= 30 * rounding ? 1 : Double.nan }
    if let signs = try place.jacobian?.signLogDeterminant().sign.values(as: Double.self) {
      for row in sure.indices where !(signs[row] > 0) { sure[row] = .nan }
    }
    return try place.points * Tensor(sure, shape: [sure.count, 1]).cast(type)
  }

  private func back(_ end: Tensor) throws -> Tensor { try sampler.stepped([end], from: s + h, by: -h, rates)[0] }

  private func look(_ variable: Tensor, _ end: Tensor) throws -> Place {
    guard let part = part as? any JacobianField else {
      let points = try back(variable)
      let miss = try end - sampler.stepped([points], from: s, by: h, rates)[0]
      return Place(variable: variable, points: points, correction: miss, misses: try sizes(miss, end))
    }
    let (n, columns, type) = (end.shape[0], part.movedColumns, end.scalarType ?? .float32)
    let start = try [variable, Tensor.identity(columns.count, type).expanded([n, columns.count, columns.count])]
    let state = try sampler.stepped(start, from: s, by: h) { state, s in
      let rate = clock.rate(s)
      let (velocity, jacobian) = try part.withJacobian(state[0], Tensor.full([n], clock.time(s), type))
      return [try velocity * rate, try jacobian.matmul(state[1]) * rate]
    }
    let miss = try end - state[0]
    let right = try miss.slice(columns, axis: 1).unsqueezed(-1)
    // one singular matrix must not stop the others
    let solution =
      try (try? state[1].solved(right))
      ?? (state[1] + Tensor.identity(columns.count, type) * 1e-6).solved(right)
    let moved = try solution.reshaped(n, columns.count)
    let still = try [columns.lowerBound, end.shape[1] - columns.upperBound].map { try Tensor.zeros([n, $0], type) }
    return Place(
      variable: variable, points: variable,
      correction: try Tensor.concatenated([still[0], moved, still[1]], axis: 1), jacobian: state[1],
      misses: try sizes(miss, end))
  }

  private func sizes(_ miss: Tensor, _ end: Tensor) throws -> [Double] {
    try (miss.abs() / (end.abs() + 1)).maximum(over: -1).values(as: Double.self)
  }
}
