import Foundation
import Molecules
import Trajectories

/// Turns a raw frame into a sound one: finite, whole across the periodic box, with bonds of sensible length, the
/// topology's hand at every stereocentre, and its centre of mass at the origin.
struct IngestFrames {
  private let topology: Topology
  private let chirality: Chirality
  private let tolerance: Double
  /// Reference length of every bond, nm.
  private let bondLengths: [Double]
  /// Bonds in an order in which the first atom of each is placed before the second.
  private let walk: [(from: Int, to: Int)]
  /// Masses over their sum.
  private let weights: [Double]

  /// `tolerance`: how far a bond may be from its length in the topology, relative. Throws `MoleculesError`.
  init(topology: Topology, tolerance: Double) throws {
    self.topology = topology
    self.tolerance = tolerance
    chirality = try Chirality(topology: topology)
    bondLengths = topology.bonds.map { Self.distance(topology.referenceCoordinates[...], $0.first, $0.second) }
    let masses = topology.masses
    let total = masses.reduce(0, +)
    weights = masses.map { $0 / total }
    var walk: [(from: Int, to: Int)] = []
    var placed = [Bool](repeating: false, count: topology.atoms.count)
    var queue = topology.atoms.isEmpty ? [] : [0]
    if !placed.isEmpty { placed[0] = true }
    var next = 0
    while next < queue.count {
      let atom = queue[next]
      next += 1
      for neighbour in topology.neighbours[atom] where !placed[neighbour] {
        placed[neighbour] = true
        walk.append((atom, neighbour))
        queue.append(neighbour)
      }
    }
    self.walk = walk
  }

  /// Makes one frame [atoms, 3] (nm) whole and centres it, in place; says what is wrong with it, or nil.
  func prepare(_ frame: inout ArraySlice<Double>, cell: UnitCell?) -> (reason: BadFrame.Reason, detail: String)? {
    if let index = frame.indices.first(where: { !frame[$0].isFinite }) {
      let atom = (index - frame.startIndex) / 3
      return (.notFinite, "the position of \(label(atom)) is not finite")
    }
    if let cell, cell.lengths != [0, 0, 0] {
      guard let lattice = Lattice(cell) else {
        return (.badCell, "edges \(cell.lengths) nm and angles \(cell.angles) degrees make no periodic box")
      }
      makeWhole(&frame, lattice)
    }
    for (bond, length) in zip(topology.bonds, bondLengths) {
      let found = Self.distance(frame, bond.first, bond.second)
      if abs(found - length) > tolerance * length {
        let place = "bond \(label(bond.first)) - \(label(bond.second))"
        return (.bondLength, "\(place) is \(Self.text(found)) nm long, \(Self.text(length)) in the topology")
      }
    }
    let inverted = chirality.invertedCentres(in: Array(frame))
    if !inverted.isEmpty {
      return (.chirality, "the hand of \(inverted.map(label).joined(separator: ", ")) is not the topology's")
    }
    centre(&frame)
    return nil
  }

  /// Shifts atoms by whole box vectors so that every bond of the spanning tree is as short as can be.
  private func makeWhole(_ frame: inout ArraySlice<Double>, _ lattice: Lattice) {
    let base = frame.startIndex
    for (from, to) in walk {
      let (i, j) = (base + 3 * from, base + 3 * to)
      let shift = lattice.nearestVector(frame[j] - frame[i], frame[j + 1] - frame[i + 1], frame[j + 2] - frame[i + 2])
      frame[j] -= shift.0
      frame[j + 1] -= shift.1
      frame[j + 2] -= shift.2
    }
  }

  private func centre(_ frame: inout ArraySlice<Double>) {
    let base = frame.startIndex
    for axis in 0..<3 {
      var mean = 0.0
      for (atom, weight) in weights.enumerated() { mean += weight * frame[base + 3 * atom + axis] }
      for atom in weights.indices { frame[base + 3 * atom + axis] -= mean }
    }
  }

  private func label(_ atom: Int) -> String { topology.label(of: atom) }

  private static func text(_ length: Double) -> String { String(format: "%.4g", length) }

  private static func distance(_ positions: ArraySlice<Double>, _ a: Int, _ b: Int) -> Double {
    let (i, j) = (positions.startIndex + 3 * a, positions.startIndex + 3 * b)
    let (x, y, z) = (
      positions[i] - positions[j], positions[i + 1] - positions[j + 1], positions[i + 2] - positions[j + 2]
    )
    return (x * x + y * y + z * z).squareRoot()
  }
}

/// The vectors of a periodic box: a along x, b in the xy plane.
private struct Lattice {
  private let ax, bx, by, cx, cy, cz: Double

  /// nil when edges and angles make no box.
  init?(_ cell: UnitCell) {
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

  /// The box vector (a sum of whole edges) nearest to (x, y, z) in fractional coordinates: for the vector between two
  /// bonded atoms, shorter than half the box, the images it has to be moved by.
  func nearestVector(_ x: Double, _ y: Double, _ z: Double) -> (Double, Double, Double) {
    let w = z / cz
    let v = (y - w * cy) / by
    let u = (x - v * bx - w * cx) / ax
    let (nu, nv, nw) = (u.rounded(), v.rounded(), w.rounded())
    return (nu * ax + nv * bx + nw * cx, nv * by + nw * cy, nw * cz)
  }
}
