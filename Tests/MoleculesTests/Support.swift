import Foundation
import TestSupport

@testable import Molecules

enum Fixtures {
  /// Dipeptides that are shipped: AC, ET, GN, IM, KS, NF, NY.
  static func dipeptide(_ name: String) throws -> Topology {
    try Topology.read(pdb: Package.dipeptide(name).appendingPathComponent("topology.pdb"))
  }

  static func alanine() throws -> Topology { try Topology.read(pdb: Package.fixture("molecules/alanine.pdb")) }

  /// A topology given by elements, bonds and coordinates (nm) alone.
  static func molecule(_ elements: [String], _ bonds: [(Int, Int)], _ coordinates: [Double]) throws -> Topology {
    try Topology(
      atoms: elements.enumerated().map { .init(name: "\($1)\($0)", element: $1, residueIndex: 0, serial: $0) },
      residues: [.init(name: "MOL", sequence: 1)], bonds: bonds.map { .init($0.0, $0.1) },
      referenceCoordinates: coordinates)
  }
}

/// Coordinates of a frame in the orthonormal frame of three of its atoms: equal for two frames that differ by a rigid
/// motion, different for mirror images.
func aligned(_ x: [Double], on three: [Int]) -> [Double] {
  func point(_ i: Int) -> Vector3 { Vector3(x[3 * i], x[3 * i + 1], x[3 * i + 2]) }
  let origin = point(three[0])
  var u = point(three[1]) - origin
  u = (1 / u.length) * u
  var w = u.cross(point(three[2]) - origin)
  w = (1 / w.length) * w
  let v = w.cross(u)
  return (0..<(x.count / 3)).flatMap { i -> [Double] in
    let d = point(i) - origin
    return [d.dot(u), d.dot(v), d.dot(w)]
  }
}
