import Foundation

/// ln |det| by LU with partial pivoting; `matrix` row-major n x n.
public func logAbsoluteDeterminant(_ matrix: [Double], _ n: Int) -> Double {
  var a = matrix
  var result = 0.0
  for k in 0..<n {
    let pivot = (k..<n).max { abs(a[$0 * n + k]) < abs(a[$1 * n + k]) } ?? k
    if pivot != k { for j in 0..<n { a.swapAt(k * n + j, pivot * n + j) } }
    result += log(abs(a[k * n + k]))
    for i in (k + 1)..<n {
      let factor = a[i * n + k] / a[k * n + k]
      for j in k..<n { a[i * n + j] -= factor * a[k * n + j] }
    }
  }
  return result
}
