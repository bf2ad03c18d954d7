/// Exact 2-Wasserstein distance between two weighted sets of numbers, in their own unit: the root mean square difference of their
/// quantiles. Of energies in kT it is the field's E-W2.
///
/// Weights may have any sum; nil means equal ones. Throws for values that are not finite and weights that are no weights.
public func wassersteinDistance(
  _ a: [Double], _ b: [Double], weightsOfA: [Double]? = nil, weightsOfB: [Double]? = nil
) throws -> Double {
  let (first, second) = (try Quantiles(a, weightsOfA), try Quantiles(b, weightsOfB))
  // both quantile functions are steps: walk through the union of their jumps
  var (i, j) = (0, 0)
  var (reached, sum) = (0.0, 0.0)
  while i < first.values.count, j < second.values.count {
    let next = min(first.cumulative[i], second.cumulative[j])
    let difference = first.values[i] - second.values[j]
    sum += max(0, next - reached) * difference * difference
    reached = max(reached, next)
    // two jumps at one place are passed together
    let (passA, passB) = (first.cumulative[i] <= next, second.cumulative[j] <= next)
    if passA { i += 1 }
    if passB { j += 1 }
  }
  return sum.squareRoot()
}

/// Row indices drawn with replacement in proportion to the weights, by systematic sampling: index i appears within 1 of
/// count * w_i times. `offset` in [0, 1) is the one random number.
public func resampledIndices(weights: [Double], count: Int, offset: Double) throws -> [Int] {
  let quantiles = try Quantiles(weights.indices.map(Double.init), weights)
  var result: [Int] = []
  result.reserveCapacity(count)
  var position = 0
  for k in 0..<count {
    let level = (Double(k) + offset) / Double(count)
    while position + 1 < quantiles.values.count, quantiles.cumulative[position] <= level { position += 1 }
    result.append(Int(quantiles.values[position]))
  }
  return result
}

/// The points with positive weight in ascending order, and the weight up to and with each.
private struct Quantiles {
  var values: [Double] = []
  var cumulative: [Double] = []

  init(_ values: [Double], _ weights: [Double]?) throws {
    if let weights, weights.count != values.count {
      throw FreeEnergiesError.shape("\(weights.count) weights for \(values.count) values")
    }
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw FreeEnergiesError.invalidValue("value \(bad) of a set to be compared is \(values[bad])")
    }
    let sum = weights?.reduce(0, +) ?? Double(values.count)
    if let weights, let bad = weights.firstIndex(where: { !($0 >= 0) || $0.isInfinite }) {
      throw FreeEnergiesError.invalidValue("weight \(bad) of a set to be compared is \(weights[bad])")
    }
    guard sum > 0, sum.isFinite else { throw FreeEnergiesError.invalidValue("a set to be compared has no weight") }
    var passed = 0.0
    for index in values.indices.sorted(by: { values[$0] < values[$1] }) {
      let weight = weights?[index] ?? 1
      guard weight > 0 else { continue }
      passed += weight
      self.values.append(values[index])
      cumulative.append(passed / sum)
    }
    cumulative[cumulative.count - 1] = 1
  }
}
