import Basics
import Foundation

/// The numbers MBAR iterates over, exponentiated once: for every sample n and sampled state k
/// E[n, k] = N_k exp(f0_k - u_kn) / (largest over k), at reference free energies f0.
///
/// Entries below 1e-18 of a sample's largest are numerically absent from every sum and are not stored, so that umbrella
/// windows, of which each sample feels few, cost a fraction of states x samples. Samples are kept in a fixed number of
/// blocks; blocks run in parallel and are added in order, so that results do not depend on the number of threads.
final class MBARMatrix: @unchecked Sendable {
  /// Writes reduced potentials [samples of the range, all states] for a range of samples; called from several threads.
  typealias Fill = @Sendable (Range<Int>, UnsafeMutableBufferPointer<Double>) -> Void

  private struct Block {
    var samples = 0..<0
    var rowStart: [Int] = [0]
    var state: [Int32] = []
    var value: [Double] = []
    /// ln of what each sample's row was divided by.
    var logScale: [Double] = []
    var invalid: Int?
  }

  /// Sums over samples at some free energies: `shares[k]` = sum of m_n p_kn, `objective` = sum of m_n ln D_n.
  struct Sums {
    var shares: [Double]
    var objective: Double
  }

  let stateCount, sampleCount: Int
  let reference: [Double]
  private let blocks: [Block]
  private static let tile = 64

  /// `sampled`: indices of the states with samples among `allStates`; `logCounts` and `reference` are per sampled state.
  init(
    allStates: Int, sampled: [Int], logCounts: [Double], reference: [Double], sampleCount: Int, fill: @escaping Fill
  ) throws {
    (stateCount, self.sampleCount, self.reference) = (sampled.count, sampleCount, reference)
    let (offset, ranges) = (zip(logCounts, reference).map { $0 + $1 }, Self.ranges(sampleCount))
    let made = parallelMap(ranges.count) { b -> Block in
      Self.makeBlock(ranges[b], allStates: allStates, sampled: sampled, offset: offset, fill: fill)
    }
    if let sample = made.compactMap(\.invalid).first {
      throw FreeEnergiesError.invalidValue(
        "sample \(sample): its reduced potentials hold NaN or -infinity, or are infinite in every sampled state")
    }
    blocks = made
  }

  /// Products of one Gram matrix.
  var gramCost: Double {
    blocks.reduce(0) { sum, block in
      zip(block.rowStart, block.rowStart.dropFirst()).reduce(sum) { $0 + Double(($1.1 - $1.0) * ($1.1 - $1.0)) }
    }
  }

  private static func ranges(_ count: Int) -> [Range<Int>] {
    let blocks = max(1, min(64, count / 256))
    return (0..<blocks).map { ($0 * count / blocks)..<(($0 + 1) * count / blocks) }
  }

  private static func makeBlock(
    _ samples: Range<Int>, allStates: Int, sampled: [Int], offset: [Double], fill: Fill
  ) -> Block {
    var block = Block()
    block.samples = samples
    block.rowStart.reserveCapacity(samples.count + 1)
    block.logScale.reserveCapacity(samples.count)
    let buffer = UnsafeMutableBufferPointer<Double>.allocate(capacity: tile * allStates)
    let exponents = UnsafeMutableBufferPointer<Double>.allocate(capacity: sampled.count)
    defer {
      buffer.deallocate()
      exponents.deallocate()
    }
    for start in stride(from: samples.lowerBound, to: samples.upperBound, by: tile) {
      let range = start..<min(start + tile, samples.upperBound)
      fill(range, buffer)
      for i in 0..<range.count {
        var (top, sound) = (-Double.infinity, true)
        for k in sampled.indices {
          let u = buffer[i * allStates + sampled[k]]
          sound = sound && u > -.infinity
          exponents[k] = offset[k] - u
          top = max(top, exponents[k])
        }
        guard sound, top > -.infinity else {
          block.invalid = range.lowerBound + i
          return block
        }
        for k in sampled.indices where exponents[k] - top > -41.5 {
          block.state.append(Int32(k))
          block.value.append(exp(exponents[k] - top))
        }
        block.logScale.append(top)
        block.rowStart.append(block.value.count)
      }
    }
    return block
  }

  /// One self-consistent step from `f`, wholly in logarithms: right however far the free energies are from `f`.
  static func selfConsistentStep(
    from f: [Double], allStates: Int, sampled: [Int], logCounts: [Double], sampleCount: Int, fill: @escaping Fill
  ) -> [Double] {
    let ranges = Self.ranges(sampleCount)
    let partial = parallelMap(ranges.count) { b -> [(top: Double, sum: Double)] in
      var sums = sampled.map { _ in (top: -Double.infinity, sum: 0.0) }
      let buffer = UnsafeMutableBufferPointer<Double>.allocate(capacity: tile * allStates)
      defer { buffer.deallocate() }
      for start in Swift.stride(from: ranges[b].lowerBound, to: ranges[b].upperBound, by: tile) {
        let range = start..<min(start + tile, ranges[b].upperBound)
        fill(range, buffer)
        for i in 0..<range.count {
          let u = { buffer[i * allStates + sampled[$0]] }
          var top = -Double.infinity
          for k in sampled.indices { top = max(top, logCounts[k] + f[k] - u(k)) }
          guard top > -.infinity, top < .infinity else { continue }
          var total = 0.0
          for k in sampled.indices {
            let exponent = logCounts[k] + f[k] - u(k) - top
            if exponent > -40 { total += exp(exponent) }
          }
          let logDenominator = top + log(total)
          for k in sampled.indices {
            let term = -u(k) - logDenominator
            if term > sums[k].top {
              sums[k].sum = sums[k].sum * exp(sums[k].top - term) + 1
              sums[k].top = term
            } else if term > sums[k].top - 40 {
              sums[k].sum += exp(term - sums[k].top)
            }
          }
        }
      }
      return sums
    }
    return f.indices.map { k in
      let value = -logSumExp(partial.map { $0[k].sum > 0 ? $0[k].top + log($0[k].sum) : -.infinity })
      return value.isFinite ? value : f[k]
    }
  }

  /// Shares and objective at free energies `f`. `logCountShift[k]`: ln of (counts now / counts at construction);
  /// `multiplicity[n]`: how often a sample counts (bootstrap), 1 when nil.
  func sums(_ f: [Double], logCountShift: [Double]? = nil, multiplicity: [Double]? = nil) -> Sums {
    let factors = self.factors(f, logCountShift)
    let partial = parallelMap(blocks.count) { b -> Sums in
      var sums = Sums(shares: [Double](repeating: 0, count: self.stateCount), objective: 0)
      sums.shares.withUnsafeMutableBufferPointer { shares in
        self.forEachRow(b, factors, multiplicity) { sample, m, states, values, denominator, logDenominator in
          sums.objective += m * logDenominator
          let scale = m / denominator
          for i in 0..<states.count { shares[Int(states[i])] += scale * values[i] }
        }
      }
      return sums
    }
    var total = Sums(shares: [Double](repeating: 0, count: stateCount), objective: 0)
    for part in partial {
      total.objective += part.objective
      for k in 0..<stateCount { total.shares[k] += part.shares[k] * factors[k] }
    }
    return total
  }

  /// ln D_n = ln sum_k N_k exp(f_k - u_kn) of every sample.
  func logDenominators(_ f: [Double]) -> [Double] {
    perSample(factors(f, nil)) { _, _, _, logDenominator in logDenominator }
  }

  /// sum over n of p_kn x_n for several columns x [samples]; result [columns][states].
  func project(_ columns: [[Double]], _ f: [Double]) -> [[Double]] {
    let (factors, states) = (self.factors(f, nil), stateCount)
    let partial = parallelMap(blocks.count) { b -> [Double] in
      var sums = [Double](repeating: 0, count: states * columns.count)
      sums.withUnsafeMutableBufferPointer { sums in
        self.forEachRow(b, factors, nil) { sample, _, index, values, denominator, _ in
          for c in columns.indices where columns[c][sample] != 0 {
            let scale = columns[c][sample] / denominator
            for i in 0..<index.count { sums[c * states + Int(index[i])] += scale * values[i] }
          }
        }
      }
      return sums
    }
    return columns.indices.map { c in
      (0..<states).map { k -> Double in
        let sum: Double = partial.reduce(0) { $0 + $1[c * states + k] }
        return sum * factors[k]
      }
    }
  }

  /// For every sample sum_k p_kn c_k: the transpose of `project` for one vector of coefficients.
  func expand(_ coefficients: [Double], _ f: [Double]) -> [Double] {
    let factors = self.factors(f, nil)
    let scaled = zip(factors, coefficients).map { $0 * $1 }
    return perSample(factors) { index, values, denominator, _ in
      var sum = 0.0
      for i in 0..<index.count { sum += values[i] * scaled[Int(index[i])] }
      return sum / denominator
    }
  }

  /// sum over n of m_n p_in p_jn, [states, states], from every `stride`-th sample (times `stride`).
  func gram(_ f: [Double], stride step: Int = 1, multiplicity: [Double]? = nil) -> [Double] {
    let (factors, states) = (self.factors(f, nil), stateCount)
    let groups = min(blocks.count, max(1, min(8, ProcessInfo.processInfo.activeProcessorCount)))
    let partial = parallelMap(groups) { group -> [Double] in
      var sum = [Double](repeating: 0, count: states * states)
      sum.withUnsafeMutableBufferPointer { sum in
        var kernel = GramKernel(states: states, sum: sum)
        for b in Swift.stride(from: group, to: self.blocks.count, by: groups) {
          self.forEachRow(b, factors, multiplicity) { sample, m, index, values, denominator, _ in
            if sample % step == 0 { kernel.add(index, values, factors, scale: 1 / denominator, weight: m) }
          }
        }
        kernel.flush()
        kernel.release()
      }
      return sum
    }
    var total = [Double](repeating: 0, count: states * states)
    for part in partial { for i in total.indices { total[i] += part[i] } }
    for i in 0..<states {
      for j in 0...i {
        total[i * states + j] *= Double(step)
        total[j * states + i] = total[i * states + j]
      }
    }
    return total
  }

  private func factors(_ f: [Double], _ logCountShift: [Double]?) -> [Double] {
    f.indices.map { exp(f[$0] - reference[$0] + (logCountShift?[$0] ?? 0)) }
  }

  /// A value of every sample, from its states, entries, sum of factor x entry, and ln D_n.
  private func perSample(
    _ factors: [Double],
    _ value: @escaping (UnsafeBufferPointer<Int32>, UnsafeBufferPointer<Double>, Double, Double) -> Double
  ) -> [Double] {
    parallelMap(blocks.count) { b -> [Double] in
      var result: [Double] = []
      self.forEachRow(b, factors, nil) { _, _, index, values, denominator, logDenominator in
        result.append(value(index, values, denominator, logDenominator))
      }
      return result
    }.flatMap { $0 }
  }

  /// Calls `body` with sample, multiplicity, states, entries, sum of factor x entry, and ln D_n. Samples of multiplicity 0
  /// are left out.
  @inline(__always)
  private func forEachRow(
    _ b: Int, _ factors: [Double], _ multiplicity: [Double]?,
    _ body: (Int, Double, UnsafeBufferPointer<Int32>, UnsafeBufferPointer<Double>, Double, Double) -> Void
  ) {
    let block = blocks[b]
    block.state.withUnsafeBufferPointer { states in
      block.value.withUnsafeBufferPointer { values in
        factors.withUnsafeBufferPointer { factors in
          for i in 0..<block.samples.count {
            let sample = block.samples.lowerBound + i
            let m = multiplicity?[sample] ?? 1
            if m == 0 { continue }
            let range = block.rowStart[i]..<block.rowStart[i + 1]
            var denominator = 0.0
            for e in range { denominator += values[e] * factors[Int(states[e])] }
            body(
              sample, m, UnsafeBufferPointer(rebasing: states[range]), UnsafeBufferPointer(rebasing: values[range]),
              denominator, log(denominator) + block.logScale[i])
          }
        }
      }
    }
  }
}

/// Adds up p p^T over samples in the lower triangle: pair by pair where a sample feels few states, in batches of dense rows
/// where it feels most.
private struct GramKernel {
  let states: Int
  let sum: UnsafeMutableBufferPointer<Double>
  private static let batch = 64
  private static let vectors = batch / 8
  /// [states, batch], as vectors and as numbers over the same memory.
  private let rows: UnsafeMutablePointer<SIMD8<Double>>
  private let dense: UnsafeMutableRawPointer
  private let probabilities: UnsafeMutableBufferPointer<Double>
  private let kept: UnsafeMutableBufferPointer<Int32>
  private var filled = 0

  init(states: Int, sum: UnsafeMutableBufferPointer<Double>) {
    (self.states, self.sum) = (states, sum)
    rows = .allocate(capacity: Self.vectors * states)
    rows.initialize(repeating: .zero, count: Self.vectors * states)
    dense = UnsafeMutableRawPointer(rows)
    probabilities = .allocate(capacity: states)
    kept = .allocate(capacity: states)
  }

  func release() {
    rows.deallocate()
    probabilities.deallocate()
    kept.deallocate()
  }

  mutating func add(
    _ index: UnsafeBufferPointer<Int32>, _ values: UnsafeBufferPointer<Double>, _ factors: [Double], scale: Double,
    weight: Double
  ) {
    var count = 0
    for i in 0..<index.count {
      let p = values[i] * factors[Int(index[i])] * scale
      if p > 1e-13 {
        probabilities[count] = p
        kept[count] = index[i]
        count += 1
      }
    }
    if count * 2 < states {
      for i in 0..<count {
        let (row, p) = (Int(kept[i]) * states, probabilities[i] * weight)
        for j in 0...i { sum[row + Int(kept[j])] += p * probabilities[j] }
      }
      return
    }
    let root = weight.squareRoot()
    for i in 0..<count {
      let place = (Int(kept[i]) * Self.batch + filled) * MemoryLayout<Double>.stride
      dense.storeBytes(of: probabilities[i] * root, toByteOffset: place, as: Double.self)
    }
    filled += 1
    if filled == Self.batch { flush() }
  }

  mutating func flush() {
    guard filled > 0 else { return }
    filled = 0
    for i in 0..<states {
      let first = rows + Self.vectors * i
      for j in 0...i {
        let second = rows + Self.vectors * j
        var product = first[0] * second[0]
        for v in 1..<Self.vectors { product += first[v] * second[v] }
        sum[i * states + j] += product.sum()
      }
    }
    rows.update(repeating: .zero, count: Self.vectors * states)
  }
}
