import Basics
import Foundation

extension MBAR {
  /// f_j - f_i in row i, column j, and its asymptotic standard error for uncorrelated samples, both [states, states], kT.
  ///
  /// The covariance is Theta = W^T (I - W N W^T)^+ W of the source's equation 8, evaluated through the sampled states'
  /// K x K matrix. Throws `FreeEnergiesError.disconnected` when that is singular.
  public func differences() throws -> (differences: NDArray<Double>, standardErrors: NDArray<Double>) {
    let theta = try covariance()
    var differences = [Double](repeating: 0, count: stateCount * stateCount)
    var errors = differences
    for i in 0..<stateCount {
      for j in 0..<stateCount where i != j {
        differences[i * stateCount + j] = reducedFreeEnergies[j] - reducedFreeEnergies[i]
        let variance = theta[i * stateCount + i] - 2 * theta[i * stateCount + j] + theta[j * stateCount + j]
        errors[i * stateCount + j] = max(0, variance).squareRoot()
      }
    }
    let shape = [stateCount, stateCount]
    return (try NDArray(differences, shape: shape), try NDArray(errors, shape: shape))
  }

  /// O_ij = N_j sum_n W_in W_jn: the chance that a sample of state i is taken for one of state j; rows sum to 1.
  /// [states, states]. Source: Klimovich, Shirts, Mobley, J. Comput. Aided Mol. Des. 29, 397 (2015).
  public func overlapMatrix() throws -> NDArray<Double> {
    let products = weightProducts()
    let values = products.indices.map { products[$0] * Double(sampleCounts[$0 % stateCount]) }
    return try NDArray(values, shape: [stateCount, stateCount])
  }

  /// Mean of an observable [samples] in the state with reduced potential `u` [samples], and its asymptotic standard error.
  ///
  /// Throws `FreeEnergiesError.disconnected` where that error is infinite.
  public func expectation(of observable: [Double], reducedPotential u: [Double]) throws -> (
    mean: Double, standardError: Double
  ) {
    let weights = logWeights(reducedPotential: u).map { exp($0) }
    let mean = zip(weights, observable).reduce(0) { $0 + $1.0 * $1.1 }
    let influence = zip(weights, observable).map { $0 * ($1 - mean) }
    return (mean, try asymptoticVariances(of: [influence])[0].squareRoot())
  }

  /// -ln(P(subset) / P(rest)) in the state with reduced potential `u`, and its asymptotic standard error, kT.
  ///
  /// Throws `FreeEnergiesError.emptyState` when either part holds no weight.
  public func freeEnergyDifference(ofSubset inside: [Bool], reducedPotential u: [Double]) throws -> (
    value: Double, standardError: Double
  ) {
    let weights = logWeights(reducedPotential: u).map { exp($0) }
    let (value, influence) = try splitInfluence(weights: weights, SampleSplit(inside: inside))
    return (value, try asymptoticVariances(of: [influence])[0].squareRoot())
  }

  /// Variances of estimators whose direct dependence on ln w_n is `influence` [samples] (summing to zero).
  func asymptoticVariances(of influences: [[Double]]) throws -> [Double] {
    let factor = try sampledFactor()
    let roots = sampled.map { Double(sampleCounts[$0]).squareRoot() }
    let projected = matrix.project(influences, solution.freeEnergies)
    return zip(influences, projected).map { influence, projection in
      let (b, own) = (zip(projection, roots).map { $0 / $1 }, influence.reduce(0) { $0 + $1 * $1 })
      return max(0, own + zip(b, factor.solve(b)).reduce(0) { $0 + $1.0 * $1.1 })
    }
  }

  /// What each sample contributes to the error of an estimator with direct influence z: psi_n = z_n + b H^+ (p_n - e_k(n)),
  /// the linear response of the whole estimate, re-solved free energies included, to the sample's multiplicity. `state[n]`:
  /// the state sample n was drawn in. Its sum over one state's samples fluctuates as the estimate does.
  func fullInfluence(of influence: [Double], state: [Int]) throws -> [Double] {
    let factor = try sampledFactor()
    let counts = sampled.map { Double(sampleCounts[$0]) }
    var position = [Int](repeating: -1, count: stateCount)
    for (k, s) in sampled.enumerated() { position[s] = k }
    let b = zip(matrix.project([influence], solution.freeEnergies)[0], counts).map { $0 / $1.squareRoot() }
    let response = zip(factor.solve(b), counts).map { $0 / $1.squareRoot() }
    let mixed = matrix.expand(response, solution.freeEnergies)
    return influence.indices.map { influence[$0] + mixed[$0] - response[position[state[$0]]] }
  }

  /// Factor of I - N^(-1/2) (sum p p^T) N^(-1/2) plus its null vector's projector.
  private func sampledFactor() throws -> Cholesky {
    let counts = sampled.map { Double(sampleCounts[$0]) }
    let count = counts.count
    var m = MBARSolver.laplacian(gram, states: count)
    let total = counts.reduce(0, +)
    for i in 0..<count {
      for j in 0..<count {
        let root = (counts[i] * counts[j]).squareRoot()
        m[i * count + j] = m[i * count + j] / root + root / total
      }
    }
    guard let factor = Cholesky(m, size: count) else {
      throw FreeEnergiesError.disconnected("the covariance of the free energies is infinite: the states do not overlap")
    }
    return factor
  }

  /// sum_n W_in W_jn over all states.
  private func weightProducts() -> [Double] {
    var result = [Double](repeating: 0, count: stateCount * stateCount)
    for (a, i) in sampled.enumerated() {
      for (b, j) in sampled.enumerated() {
        result[i * stateCount + j] = gram[a * sampled.count + b] / Double(sampleCounts[i]) / Double(sampleCounts[j])
      }
    }
    let unsampled = unsampledLogWeights.keys.sorted()
    let weights = unsampled.map { (unsampledLogWeights[$0] ?? []).map { exp($0) } }
    for (column, i) in zip(weights, unsampled) {
      let products = matrix.project([column], solution.freeEnergies)[0]
      for (b, j) in sampled.enumerated() {
        result[i * stateCount + j] = products[b] / Double(sampleCounts[j])
        result[j * stateCount + i] = result[i * stateCount + j]
      }
      for (other, j) in zip(weights, unsampled) {
        result[i * stateCount + j] = zip(column, other).reduce(0) { $0 + $1.0 * $1.1 }
      }
    }
    return result
  }

  /// Theta over all states, up to the constant that cancels in differences.
  private func covariance() throws -> [Double] {
    let products = weightProducts()
    let factor = try sampledFactor()
    // B = N^(1/2) W_sampled^T W: one column per state
    let columns = (0..<stateCount).map { i in
      sampled.map { Double(sampleCounts[$0]).squareRoot() * products[$0 * stateCount + i] }
    }
    let solved = parallelMap(stateCount) { factor.solve(columns[$0]) }
    var theta = products
    for i in 0..<stateCount {
      for j in 0..<stateCount { theta[i * stateCount + j] += zip(columns[i], solved[j]).reduce(0) { $0 + $1.0 * $1.1 } }
    }
    return theta
  }

  /// -ln(P(first) / P(second)) of two groups of samples, and its derivative with respect to every ln w_n.
  ///
  /// Throws `FreeEnergiesError.emptyState` when either holds no weight.
  func splitInfluence(weights: [Double], _ split: SampleSplit) throws -> (value: Double, influence: [Double]) {
    let (p, q) = split.sums(weights)
    guard p > 0, q > 0 else {
      throw FreeEnergiesError.emptyState(
        "\(p > 0 ? "nothing lies outside" : "no sample lies in") the state: its free energy is not defined by these samples"
      )
    }
    return (
      -log(p / q),
      weights.indices.map { split.sides[$0] == 0 ? -weights[$0] / p : split.sides[$0] == 1 ? weights[$0] / q : 0 }
    )
  }
}
