import Foundation

/// The box of periodic images of one frame, as a trajectory states it; it may be no box at all, see `PeriodicLattice`.
public struct UnitCell: Equatable, Sendable {
  /// Edge lengths a, b, c, nm; all zero where a file says that there is no box.
  public var lengths: [Double]
  /// alpha (between b and c), beta (a, c) and gamma (a, b), degrees.
  public var angles: [Double]

  public init(lengths: [Double], angles: [Double]) { (self.lengths, self.angles) = (lengths, angles) }
  /// Files without periodic images may carry boxes of zeros.
  public var isAbsent: Bool { lengths == [0, 0, 0] }
}

/// The vectors of a periodic box: a along x, b in the xy plane with y > 0, c with z > 0.
public struct PeriodicLattice: Equatable, Sendable {
  private let ax, bx, by, cx, cy, cz: Double

  /// Nil when edges and angles make no box: not finite, not positive, or flat.
  public init?(_ cell: UnitCell) {
    guard cell.lengths.count == 3, cell.angles.count == 3, (cell.lengths + cell.angles).allSatisfy(\.isFinite),
      cell.lengths.allSatisfy({ $0 > 0 })
    else { return nil }
    // exact zeros for right angles
    func cosine(_ degrees: Double) -> Double { degrees == 90 ? 0 : cos(degrees * .pi / 180) }
    let (alpha, beta, gamma) = (cosine(cell.angles[0]), cosine(cell.angles[1]), cosine(cell.angles[2]))
    let sine = (1 - gamma * gamma).squareRoot()
    ax = cell.lengths[0]
    bx = cell.lengths[1] * gamma
    by = cell.lengths[1] * sine
    cx = cell.lengths[2] * beta
    cy = sine > 0 ? cell.lengths[2] * (alpha - beta * gamma) / sine : .nan
    let square = cell.lengths[2] * cell.lengths[2] - cx * cx - cy * cy
    cz = square > 0 ? square.squareRoot() : .nan
    guard by > 1e-6 * ax, cz > 1e-6 * ax else { return nil }
  }

  /// a, b and c, nm.
  public var vectors: [[Double]] { [[ax, 0, 0], [bx, by, 0], [cx, cy, cz]] }

  /// The sum of whole box vectors nearest to (x, y, z) in fractional coordinates, nm: for the vector between two bonded
  /// atoms, which is shorter than half the box, the images it has to be moved by.
  public func nearestVector(_ x: Double, _ y: Double, _ z: Double) -> (x: Double, y: Double, z: Double) {
    let w = z / cz
    let v = (y - w * cy) / by
    let u = (x - v * bx - w * cx) / ax
    let (nu, nv, nw) = (u.rounded(), v.rounded(), w.rounded())
    return (nu * ax + nv * bx + nw * cx, nv * by + nw * cy, nw * cz)
  }
}
