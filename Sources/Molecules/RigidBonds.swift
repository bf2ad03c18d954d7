import Foundation

/// Bonds at constant lengths: the surface in the space of positions that constraints hold a molecule on, and its volume.
public struct RigidBonds: Sendable, Equatable {
  public let bonds: [Topology.Bond]
  /// nm, one for each.
  public let lengths: [Double]

  /// How far a bond of a frame, or a constraint of a force field, may be from its length, nm: positions rounded to 0.001 nm (XTC) are off
  /// by less.
  public static let tolerance = 2e-3

  public init(bonds: [Topology.Bond], lengths: [Double]) { (self.bonds, self.lengths) = (bonds, lengths) }

  public var isEmpty: Bool { bonds.isEmpty }

  public func length(of bond: Topology.Bond) -> Double? { bonds.firstIndex(of: bond).map { lengths[$0] } }

  /// The first bond of a frame that is not at its length; nil where all are. `coordinates`: nm, [atoms, 3], from `start` on.
  public func violation(_ coordinates: [Double], from start: Int = 0) -> (bond: Topology.Bond, length: Double)? {
    for (bond, length) in zip(bonds, lengths) {
      let found = Self.vector(bond, coordinates, start).length
      if !(abs(found - length) <= Self.tolerance) { return (bond, found) }
    }
    return nil
  }

  /// 1/2 ln det Z, [frames], for masses in dalton; Z_bc = sum over atoms a of (d r_b / d x_a) . (d r_c / d x_a) / m_a.
  ///
  /// Constrained dynamics has momenta along the surface alone. Integrated over them, positions have the density
  /// exp(-U/kT) sqrt(det A) dq, with A_ij = sum over atoms of m (dx / dq_i) . (dx / dq_j) the metric of the coordinates q that are free.
  /// With the held lengths r beside them, det A = det Z * det(the metric of (q, r)), and that is |dx / d(q, r)|^2 times masses. So the
  /// density over q is exp(-U/kT) |dx / d(q, r)| sqrt(det Z): a molecule with infinitely stiff springs would lack the last factor. Source:
  /// Fixman, Proc. Natl. Acad. Sci. USA 71, 3050 (1974). Bonds that share no atom do not enter each other's part of Z: what varies are the
  /// cosines of the angles between held bonds.
  ///
  /// `coordinates`: nm, [frames, atoms, 3].
  public func logVolumes(_ coordinates: [Double], masses: [Double]) -> [Double] {
    let width = 3 * masses.count
    let groups = connected
    return stride(from: 0, to: coordinates.count, by: max(1, width)).map { start in
      groups.reduce(0) { $0 + halfLogDeterminant($1, coordinates, start, masses) }
    }
  }

  /// Gradients of `logVolumes` over positions, 1/nm, [frames, atoms, 3]: 1/2 tr(Z^-1 dZ), where only cosines between held bonds move.
  public func logVolumeGradients(_ coordinates: [Double], masses: [Double]) -> [Double] {
    let width = 3 * masses.count
    let groups = connected
    var result = [Double](repeating: 0, count: coordinates.count)
    for start in stride(from: 0, to: coordinates.count, by: max(1, width)) {
      for group in groups { addGradient(of: group, coordinates, start, masses, to: &result) }
    }
    return result
  }

  private func addGradient(
    of group: [Int], _ x: [Double], _ start: Int, _ masses: [Double], to result: inout [Double]
  ) {
    let vectors = group.map { Self.vector(bonds[$0], x, start) }
    let lengths = vectors.map(\.length)
    let directions = zip(vectors, lengths).map { (1 / $1) * $0 }
    let n = group.count
    let inverse = Self.inverse(
      (0..<n * n).map { k in
        element(bonds[group[k / n]], bonds[group[k % n]], directions[k / n], directions[k % n], masses)
      }, n)
    func add(_ pull: Vector3, _ bond: Topology.Bond) {
      for (atom, sign) in [(bond.first, -1.0), (bond.second, 1.0)] {
        result[start + 3 * atom] += sign * pull.x
        result[start + 3 * atom + 1] += sign * pull.y
        result[start + 3 * atom + 2] += sign * pull.z
      }
    }
    for row in 0..<n {
      for column in 0..<row {
        let (one, other, u, v) = (bonds[group[row]], bonds[group[column]], directions[row], directions[column])
        let cosine = u.dot(v)
        // of Z over the cosine
        let slope = element(one, other, u, u, masses)
        guard slope != 0 else { continue }
        let factor = inverse[row * n + column] * slope
        add((factor / lengths[row]) * (v - cosine * u), one)
        add((factor / lengths[column]) * (u - cosine * v), other)
      }
    }
  }

  /// Of a positive definite matrix, by Gauss and Jordan.
  private static func inverse(_ matrix: [Double], _ n: Int) -> [Double] {
    var (left, right) = (matrix, (0..<n * n).map { $0 / n == $0 % n ? 1.0 : 0 })
    for k in 0..<n {
      let pivot = 1 / left[k * n + k]
      for j in 0..<n {
        left[k * n + j] *= pivot
        right[k * n + j] *= pivot
      }
      for i in 0..<n where i != k {
        let factor = left[i * n + k]
        for j in 0..<n {
          left[i * n + j] -= factor * left[k * n + j]
          right[i * n + j] -= factor * right[k * n + j]
        }
      }
    }
    return right
  }

  /// Indices of bonds that hang together by atoms they share.
  private var connected: [[Int]] {
    var groups: [[Int]] = []
    for (index, bond) in bonds.enumerated() {
      let touches = { (other: Int) -> Bool in
        ![bonds[other].first, bonds[other].second].filter { $0 == bond.first || $0 == bond.second }.isEmpty
      }
      let near = groups.filter { $0.contains(where: touches) }
      groups.removeAll { $0.contains(where: touches) }
      groups.append((near.joined() + [index]).sorted())
    }
    return groups
  }

  /// By Cholesky's factors.
  private func halfLogDeterminant(_ group: [Int], _ x: [Double], _ start: Int, _ masses: [Double]) -> Double {
    let directions = group.map { index -> Vector3 in
      let vector = Self.vector(bonds[index], x, start)
      return (1 / vector.length) * vector
    }
    let n = group.count
    var factor = [Double](repeating: 0, count: n * n)
    var sum = 0.0
    for row in 0..<n {
      for column in 0...row {
        var value = element(bonds[group[row]], bonds[group[column]], directions[row], directions[column], masses)
        for k in 0..<column { value -= factor[row * n + k] * factor[column * n + k] }
        if row == column {
          sum += log(value) / 2
          factor[row * n + row] = value.squareRoot()
        } else {
          factor[row * n + column] = value / factor[column * n + column]
        }
      }
    }
    return sum
  }

  /// Of Z. `u`, `v`: unit vectors from each bond's first atom to its second.
  private func element(
    _ one: Topology.Bond, _ other: Topology.Bond, _ u: Vector3, _ v: Vector3, _ masses: [Double]
  ) -> Double {
    let cosine = u.dot(v)
    var sum = 0.0
    for (atom, sign) in [(one.first, -1.0), (one.second, 1.0)] {
      if atom == other.first { sum -= sign * cosine / masses[atom] }
      if atom == other.second { sum += sign * cosine / masses[atom] }
    }
    return sum
  }

  private static func vector(_ bond: Topology.Bond, _ x: [Double], _ start: Int) -> Vector3 {
    func atom(_ index: Int) -> Vector3 {
      Vector3(x[start + 3 * index], x[start + 3 * index + 1], x[start + 3 * index + 2])
    }
    return atom(bond.second) - atom(bond.first)
  }
}
