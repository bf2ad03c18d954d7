import Torch

/// Coefficients of the Dormand-Prince 5(4) pair. Source: J. R. Dormand and P. J. Prince, J. Comput. Appl. Math. 6 (1980) 19.
enum DormandPrince {
  static let c: [Double] = [0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1]
  private static let a1: [Double] = [1.0 / 5]
  private static let a2: [Double] = [3.0 / 40, 9.0 / 40]
  private static let a3: [Double] = [44.0 / 45, -56.0 / 15, 32.0 / 9]
  private static let a4: [Double] = [19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729]
  private static let a5: [Double] = [9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656]
  private static let a6: [Double] = [35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84]
  static let a: [[Double]] = [[], a1, a2, a3, a4, a5, a6]
  static let b: [Double] = a6 + [0]
  static let fourth: [Double] = [
    5179.0 / 57600, 0, 7571.0 / 16695, 393.0 / 640, -92097.0 / 339200, 187.0 / 2100, 1.0 / 40,
  ]
  static let error = zip(b, fourth).map { $0 - $1 }

  static func combination(_ slopes: [Tensor], _ weights: [Double]) throws -> Tensor {
    // every row of the tableau has a first weight
    var sum = try slopes[0] * weights[0]
    for (slope, weight) in zip(slopes, weights).dropFirst() where weight != 0 { sum = try sum + slope * weight }
    return sum
  }
}
