/// Factor L of a symmetric positive definite matrix A = L L^T, and solutions with it.
struct Cholesky: Sendable {
  let size: Int
  private var lower: [Double]

  /// Nil when the matrix (row-major, `size` x `size`) is not positive definite to rounding.
  init?(_ matrix: [Double], size: Int) {
    (self.size, lower) = (size, matrix)
    let isDefinite = lower.withUnsafeMutableBufferPointer { a -> Bool in
      for j in 0..<size {
        let rowJ = j * size
        let original = a[rowJ + j]
        let pivot = original - Self.dot(a, rowJ, rowJ, j)
        guard pivot > 1e-15 * abs(original), pivot.isFinite else { return false }
        let root = pivot.squareRoot()
        a[rowJ + j] = root
        for i in (j + 1)..<max(j + 1, size) {
          a[i * size + j] = (a[i * size + j] - Self.dot(a, i * size, rowJ, j)) / root
        }
      }
      return true
    }
    if !isDefinite { return nil }
  }

  /// x with A x = b.
  func solve(_ right: [Double]) -> [Double] {
    var x = right
    lower.withUnsafeBufferPointer { a in
      for i in 0..<size {
        var sum = x[i]
        for j in 0..<i { sum -= a[i * size + j] * x[j] }
        x[i] = sum / a[i * size + i]
      }
      for i in stride(from: size - 1, through: 0, by: -1) {
        x[i] /= a[i * size + i]
        let value = x[i]
        for j in 0..<i { x[j] -= a[i * size + j] * value }
      }
    }
    return x
  }

  /// Dot product of two row beginnings, in four strands so that additions do not wait for each other.
  @inline(__always)
  private static func dot(_ a: UnsafeMutableBufferPointer<Double>, _ p: Int, _ q: Int, _ count: Int) -> Double {
    var (s, k) = (SIMD4<Double>.zero, 0)
    while k + 4 <= count {
      let first = SIMD4(a[p + k], a[p + k + 1], a[p + k + 2], a[p + k + 3])
      let second = SIMD4(a[q + k], a[q + k + 1], a[q + k + 2], a[q + k + 3])
      s += first * second
      k += 4
    }
    var rest = 0.0
    while k < count {
      rest += a[p + k] * a[q + k]
      k += 1
    }
    return s.sum() + rest
  }
}
