import Foundation

/// Free energies of the sampled states, and how far they are from the solution.
struct MBARSolution {
  var freeEnergies: [Double]
  var iterations: Int
  var remainingStep, largestGradient: Double
  var isConverged: Bool
  /// Factor of the last Hessian, for solutions near this one.
  var factor: Cholesky?
}

/// Minimises sum_n m_n ln D_n - sum_k N_k f_k.
struct MBARSolver {
  let matrix: MBARMatrix
  let counts: [Double]
  var tolerance = 1e-9
  var maximumIterations = 500
  /// How often each sample counts; nil = once.
  var multiplicity: [Double]?
  /// ln of (counts / counts the matrix was made with).
  var logCountShift: [Double]?
  /// Products one Hessian may cost; above it the Hessian comes from a part of the samples, which only slows convergence.
  var hessianBudget = 2e9

  /// Starts with self-consistent steps, goes on with Newton steps; a Hessian is kept as long as it works. Returns
  /// unconverged, to be continued with a new matrix, when the free energies leave the range the matrix is good for.
  ///
  /// `factor`: of the Hessian at a solution nearby, of data `1 / factorScale` times as many.
  func solve(from start: [Double], factor given: Cholesky? = nil, factorScale: Double = 1) throws -> MBARSolution {
    var (f, factor, scale) = (start, given, given == nil ? 1 : factorScale)
    let patience = given == nil ? 0.3 : 0.8
    var sums = matrix.sums(f, logCountShift: logCountShift, multiplicity: multiplicity)
    var (lastGradient, step, gradient) = (Double.infinity, Double.infinity, Double.infinity)
    let selfConsistent = given == nil ? 8 : 0
    for iteration in 1...maximumIterations {
      let residual = zip(sums.shares, counts).map { $0 - $1 }
      gradient = zip(residual, counts).map { abs($0) / $1 }.max() ?? 0
      func solution(_ step: Double, isConverged: Bool) -> MBARSolution {
        MBARSolution(
          freeEnergies: f, iterations: iteration, remainingStep: step, largestGradient: gradient,
          isConverged: isConverged, factor: factor)
      }
      if counts.count == 1 { return solution(0, isConverged: true) }
      let spread = zip(f, matrix.reference).map { $0 - $1 }
      if (spread.max() ?? 0) - (spread.min() ?? 0) > 20 { return solution(step, isConverged: false) }
      if iteration <= selfConsistent {
        for k in f.indices { f[k] += log(counts[k] / max(sums.shares[k], 1e-200)) }
        sums = matrix.sums(f, logCountShift: logCountShift, multiplicity: multiplicity)
        continue
      }
      if factor == nil || gradient > patience * lastGradient {
        factor = try hessian(f)
        scale = 1
      }
      lastGradient = gradient
      guard let factor else { break }
      var move = factor.solve(residual).map { -$0 / scale }
      step = move.map { abs($0) }.max() ?? 0
      if step < tolerance, gradient < max(1e-6, 10 * tolerance) {
        for k in f.indices { f[k] += move[k] }
        return solution(step, isConverged: true)
      }
      if step > 5 { move = move.map { $0 * 5 / step } }
      let objective = value(sums, f)
      for attempt in 0..<20 {
        let fraction = pow(0.5, Double(attempt))
        let trial = zip(f, move).map { $0 + fraction * $1 }
        let trialSums = matrix.sums(trial, logCountShift: logCountShift, multiplicity: multiplicity)
        if value(trialSums, trial) <= objective + 1e-12 * abs(objective) || attempt == 19 {
          (f, sums) = (trial, trialSums)
          break
        }
      }
    }
    throw FreeEnergiesError.notConverged(largestStep: step, largestGradient: gradient, iterations: maximumIterations)
  }

  private func value(_ sums: MBARMatrix.Sums, _ f: [Double]) -> Double {
    zip(counts, f).reduce(sums.objective) { $0 - $1.0 * $1.1 }
  }

  /// Factor of H = diag(shares) - sum p p^T, made definite along the constant shift that leaves the objective unchanged.
  private func hessian(_ f: [Double]) throws -> Cholesky {
    let stride = max(1, Int((matrix.gramCost / hessianBudget).rounded(.up)))
    let gram = matrix.gram(f, stride: stride, multiplicity: multiplicity)
    let matrix = Self.laplacian(gram, states: counts.count)
    var ridge = stride > 1 ? 1e-3 : 1e-12
    while ridge < 1 {
      var regular = matrix
      for k in counts.indices { regular[k * counts.count + k] += ridge * counts[k] }
      let shift = counts.reduce(0, +) / Double(counts.count * counts.count)
      for i in regular.indices { regular[i] += shift }
      if let factor = Cholesky(regular, size: counts.count) { return factor }
      ridge *= 100
    }
    throw FreeEnergiesError.disconnected("the Hessian of the free energies is singular")
  }

  /// diag(shares) - gram, with the diagonal taken as minus the sum of the others in its row: p sums to 1 over states, and
  /// so nothing cancels.
  static func laplacian(_ gram: [Double], states: Int) -> [Double] {
    var result = gram.map { -$0 }
    for i in 0..<states {
      var sum = 0.0
      for j in 0..<states where j != i { sum += gram[i * states + j] }
      result[i * states + i] = sum
    }
    return result
  }
}
