import Basics
import Foundation

/// The multistate Bennett acceptance ratio: free energies of all states from samples of some, with their asymptotic
/// covariance. Source: Shirts and Chodera, J. Chem. Phys. 129, 124105 (2008).
///
/// The equations are solved as the minimum of the convex function sum_n ln D_n - sum_k N_k f_k by damped Newton steps, and
/// taken as solved only when gradient and Newton step say so. Results do not depend on the number of threads.
public struct MBAR {
  /// Sampled states and others.
  public let stateCount: Int
  /// N_k, 0 for a state that was not sampled.
  public let sampleCounts: [Int]
  /// f_k = -ln Z_k in kT, f_0 = 0.
  public let reducedFreeEnergies: [Double]
  /// Of the solver, over all matrices it needed.
  public let iterations: Int
  /// The last Newton step, kT, which is what is left to converge; the largest |expected share - N_k| / N_k of sampled states.
  public let remainingStep, largestGradient: Double
  /// ln D_n = ln sum_k N_k exp(f_k - u_kn) of every sample, with f as in `reducedFreeEnergies`.
  public let logDenominators: [Double]

  let sampled: [Int]
  let matrix: MBARMatrix
  /// Free energies of the sampled states as the matrix counts them.
  let solution: MBARSolution
  /// ln W of unsampled states: unsampled state -> [samples].
  let unsampledLogWeights: [Int: [Double]]
  /// sum_n p_in p_jn over sampled states.
  let gram: [Double]

  /// - Parameters:
  ///   - reducedPotentials: u_kn [states, samples], kT; +infinity is allowed. Samples of all states pooled, in any order.
  ///   - sampleCounts: N_k; 0 for a state that was not sampled. They add up to the number of samples.
  ///   - tolerance: largest remaining Newton step, kT.
  ///   - initial: f_k to start from.
  ///
  /// Throws `FreeEnergiesError.shape`, `.invalidValue`, `.notConverged`, `.disconnected`.
  public init(
    reducedPotentials: NDArray<Double>, sampleCounts: [Int], tolerance: Double = 1e-9, initial: [Double]? = nil
  ) throws {
    guard reducedPotentials.shape.count == 2, reducedPotentials.shape[0] == sampleCounts.count else {
      throw FreeEnergiesError.shape(
        "reduced potentials of shape \(reducedPotentials.shape) do not fit \(sampleCounts.count) states x samples")
    }
    let (states, samples) = (reducedPotentials.shape[0], reducedPotentials.shape[1])
    try self.init(sampleCounts: sampleCounts, sampleTotal: samples, tolerance: tolerance, initial: initial) {
      range, out in
      reducedPotentials.values.withUnsafeBufferPointer { u in
        for k in 0..<states { for (i, n) in range.enumerated() { out[i * states + k] = u[k * samples + n] } }
      }
    }
  }

  /// The same without a matrix in memory: `fill` writes u for a range of samples, [samples of the range, states]; it is
  /// called from several threads, and for each range a few times. Throws as the other does.
  public init(
    sampleCounts: [Int], sampleTotal: Int, tolerance: Double = 1e-9, initial: [Double]? = nil,
    fill: @escaping @Sendable (Range<Int>, UnsafeMutableBufferPointer<Double>) -> Void
  ) throws {
    let states = sampleCounts.count
    guard sampleCounts.allSatisfy({ $0 >= 0 }), sampleCounts.reduce(0, +) == sampleTotal, sampleTotal > 0 else {
      throw FreeEnergiesError.shape(
        "sample counts add up to \(sampleCounts.reduce(0, +)), but there are \(sampleTotal) samples")
    }
    if let initial, initial.count != states || !initial.allSatisfy(\.isFinite) {
      throw FreeEnergiesError.shape("\(initial.count) initial free energies (all must be finite) for \(states) states")
    }
    let sampled = sampleCounts.indices.filter { sampleCounts[$0] > 0 }
    let counts = sampled.map { Double(sampleCounts[$0]) }
    let logCounts = counts.map { log($0) }
    var start = sampled.map { initial?[$0] ?? 0 }
    if initial == nil {
      start = MBARMatrix.selfConsistentStep(
        from: start, allStates: states, sampled: sampled, logCounts: logCounts, sampleCount: sampleTotal, fill: fill)
    }
    var total = 0
    var found: (MBARMatrix, MBARSolution)?
    for _ in 0..<20 {
      let matrix = try MBARMatrix(
        allStates: states, sampled: sampled, logCounts: logCounts, reference: start, sampleCount: sampleTotal,
        fill: fill)
      let solution = try MBARSolver(matrix: matrix, counts: counts, tolerance: tolerance).solve(from: start)
      total += solution.iterations
      let moved = zip(solution.freeEnergies, start).map { abs($0 - $1) }.max() ?? 0
      if solution.isConverged, moved < 2 {
        found = (matrix, solution)
        break
      }
      start = solution.freeEnergies
    }
    guard let (matrix, solution) = found
    else { throw FreeEnergiesError.notConverged(largestStep: .infinity, largestGradient: .infinity, iterations: total) }
    (stateCount, self.sampleCounts, self.sampled, self.matrix) = (states, sampleCounts, sampled, matrix)
    (self.solution, iterations, remainingStep) = (solution, total, solution.remainingStep)
    (largestGradient, gram) = (solution.largestGradient, matrix.gram(solution.freeEnergies))

    let denominators = matrix.logDenominators(solution.freeEnergies)
    let unsampled = sampleCounts.indices.filter { sampleCounts[$0] == 0 }
    let potentials = Self.columns(unsampled, states: states, samples: sampleTotal, fill: fill)
    var f = [Double](repeating: 0, count: states)
    var logWeights: [Int: [Double]] = [:]
    for (k, state) in sampled.enumerated() { f[state] = solution.freeEnergies[k] }
    for (column, state) in zip(potentials, unsampled) {
      let raw = zip(column, denominators).map { -$0 - $1 }
      let norm = logSumExp(raw)
      guard norm.isFinite else {
        throw FreeEnergiesError.invalidValue("state \(state) has no samples and no sample has finite energy in it")
      }
      f[state] = -norm
      logWeights[state] = raw.map { $0 - norm }
    }
    unsampledLogWeights = logWeights
    reducedFreeEnergies = f.map { $0 - f[0] }
    logDenominators = denominators.map { $0 - f[0] }
  }

  /// Normalised log weights of every sample in the state with reduced potential `u` [samples]; u = 0 where the samples
  /// carry nothing but their bias.
  ///
  /// - Precondition: one value per sample.
  public func logWeights(reducedPotential u: [Double]) -> [Double] {
    let raw = zip(u, logDenominators).map { -$0 - $1 }
    let norm = logSumExp(raw)
    return raw.map { $0 - norm }
  }

  private static func columns(
    _ wanted: [Int], states: Int, samples: Int, fill: @Sendable (Range<Int>, UnsafeMutableBufferPointer<Double>) -> Void
  ) -> [[Double]] {
    guard !wanted.isEmpty else { return [] }
    var result = wanted.map { _ in [Double](repeating: 0, count: samples) }
    let buffer = UnsafeMutableBufferPointer<Double>.allocate(capacity: 64 * states)
    defer { buffer.deallocate() }
    for start in stride(from: 0, to: samples, by: 64) {
      let range = start..<min(start + 64, samples)
      fill(range, buffer)
      for (c, state) in wanted.enumerated() {
        for (i, n) in range.enumerated() { result[c][n] = buffer[i * states + state] }
      }
    }
    return result
  }
}
