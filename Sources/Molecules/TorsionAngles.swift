import Foundation

/// Torsion angles in rad in (-pi, pi], [frames, torsions], for `coordinates` [frames, atoms, 3].
///
/// Sign as in IUPAC and MDTraj: positive when, looking along the middle bond, the far bond is turned clockwise.
/// Frames with coinciding or collinear atoms give 0, non-finite ones NaN: frames are checked elsewhere.
///
/// - Precondition: atoms > 0, each torsion has four indices below `atoms`, and the count is a multiple of 3 x atoms.
public func torsionAngles(_ coordinates: [Double], atoms: Int, torsions: [[Int]]) -> [Double] {
  let frames = coordinates.count / (3 * atoms)
  var result = [Double](repeating: 0, count: frames * torsions.count)
  let flat = torsions.flatMap { $0.map { 3 * $0 } }
  coordinates.withUnsafeBufferPointer { all in
    for frame in 0..<frames {
      let base = 3 * atoms * frame
      for k in torsions.indices {
        result[frame * torsions.count + k] = torsionAngle(
          Vector3(all, base + flat[4 * k]), Vector3(all, base + flat[4 * k + 1]), Vector3(all, base + flat[4 * k + 2]),
          Vector3(all, base + flat[4 * k + 3]))
      }
    }
  }
  return result
}

/// The same by torsion: [torsions][frames].
public func torsionColumns(_ coordinates: [Double], atoms: Int, torsions: [[Int]]) -> [[Double]] {
  let angles = torsionAngles(coordinates, atoms: atoms, torsions: torsions)
  return torsions.indices.map { k in stride(from: k, to: angles.count, by: torsions.count).map { angles[$0] } }
}

/// `angle` brought into (-pi, pi].
@inlinable
public func wrappedAngle(_ angle: Double) -> Double {
  let wrapped = angle - 2 * .pi * ((angle - .pi) / (2 * .pi)).rounded(.up)
  return wrapped > -.pi ? wrapped : wrapped + 2 * .pi
}

/// The shortest arc of the circle that holds all of some angles.
public struct AngularArc: Equatable, Sendable {
  /// Width of what the arc leaves free, and the arc's middle, rad.
  public let gap, centre: Double

  /// Of one angle or more, rad. Of none the arc is that of the angle 0.
  public init(of angles: some Sequence<Double>) {
    let sorted = angles.map(wrappedAngle).sorted()
    guard let first = sorted.first, let last = sorted.last else {
      (gap, centre) = (2 * .pi, 0)
      return
    }
    var (widest, start) = (first + 2 * .pi - last, first)
    for i in sorted.indices.dropFirst() where sorted[i] - sorted[i - 1] > widest {
      widest = sorted[i] - sorted[i - 1]
      start = sorted[i]
    }
    (gap, centre) = (widest, wrappedAngle(start + (2 * .pi - widest) / 2))
  }
}

@inline(__always)
func torsionAngle(_ a: Vector3, _ b: Vector3, _ c: Vector3, _ d: Vector3) -> Double {
  let axis = c - b
  let first = b - a
  let last = d - c
  let n2 = axis.cross(last)
  let n1 = first.cross(axis)
  return atan2(first.dot(n2) * axis.length, n1.dot(n2))
}

/// A point or a direction.
package struct Vector3 {
  package var x, y, z: Double

  @inlinable @inline(__always)
  package init(_ x: Double, _ y: Double, _ z: Double) { (self.x, self.y, self.z) = (x, y, z) }

  @inlinable @inline(__always)
  package init(_ values: UnsafeBufferPointer<Double>, _ offset: Int) {
    x = values[offset]
    y = values[offset + 1]
    z = values[offset + 2]
  }

  @inlinable @inline(__always)
  package func dot(_ o: Vector3) -> Double { x * o.x + y * o.y + z * o.z }
  @inlinable @inline(__always)
  package func cross(_ o: Vector3) -> Vector3 { Vector3(y * o.z - z * o.y, z * o.x - x * o.z, x * o.y - y * o.x) }
  @inlinable @inline(__always)
  package var length: Double { dot(self).squareRoot() }
  @inlinable @inline(__always)
  package static func - (a: Vector3, b: Vector3) -> Vector3 { Vector3(a.x - b.x, a.y - b.y, a.z - b.z) }
  @inlinable @inline(__always)
  package static func + (a: Vector3, b: Vector3) -> Vector3 { Vector3(a.x + b.x, a.y + b.y, a.z + b.z) }
  @inlinable @inline(__always)
  package static func * (s: Double, a: Vector3) -> Vector3 { Vector3(s * a.x, s * a.y, s * a.z) }
}
