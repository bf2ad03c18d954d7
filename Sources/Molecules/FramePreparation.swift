import Foundation

/// What makes a frame no sound picture of its molecule.
public struct FrameFault: Equatable, Sendable {
  public enum Reason: UInt8, CaseIterable, Sendable {
    case notFinite = 0
    case badCell, bondLength, chirality

    /// "bond length": for tables and files.
    public var name: String { ["not finite", "bad cell", "bond length", "chirality"][Int(rawValue)] }
  }

  public let reason: Reason
  /// The reason with its place and value: "bond CA of ALA 2 - CB of ALA 2 is 0.31 nm long, 0.15 in the topology".
  public let detail: String

  public init(reason: Reason, detail: String) { (self.reason, self.detail) = (reason, detail) }
}

/// Turns raw frames of a molecule into sound ones: finite, whole across the periodic box, with bonds of sensible length, the
/// topology's hand at every stereocentre, and the centre of mass at the origin.
public struct FramePreparation: Sendable {
  private let topology: Topology
  private let chirality: Chirality
  private let tolerance: Double
  /// Reference length of every bond, nm.
  private let bondLengths: [Double]
  /// Bonds in an order in which the first atom of each is placed before the second.
  private let walk: [(from: Int, to: Int)]
  /// Masses over their sum.
  private let weights: [Double]

  /// `bondTolerance`: how far a bond may be from its length in the topology's structure, relative. The hand of the
  /// stereocentres is that of the same structure.
  ///
  /// Throws `MoleculesError.flatCentre` where the structure has no hand to compare with.
  public init(topology: Topology, bondTolerance: Double = 0.3) throws {
    (self.topology, tolerance) = (topology, bondTolerance)
    chirality = try Chirality(topology: topology)
    bondLengths = topology.bonds.map { Self.distance(topology.referenceCoordinates[...], $0.first, $0.second) }
    let masses = topology.masses
    let total = masses.reduce(0, +)
    weights = masses.map { $0 / total }
    walk = topology.walk(from: Array(topology.atoms.indices.prefix(1)))
  }

  /// Makes one frame [atoms, 3] (nm) whole and centres it, in place. Returns what is wrong with it, or nil; a frame with a fault
  /// is left half prepared. `cell`: nil, or one that is absent, for a frame without periodic images.
  ///
  /// - Precondition: the frame holds three values for each atom of the topology.
  public func prepare(_ frame: inout ArraySlice<Double>, cell: UnitCell? = nil) -> FrameFault? {
    if let index = frame.indices.first(where: { !frame[$0].isFinite }) {
      let atom = (index - frame.startIndex) / 3
      return FrameFault(reason: .notFinite, detail: "the position of \(label(atom)) is not finite")
    }
    if let cell, !cell.isAbsent {
      guard let lattice = PeriodicLattice(cell) else {
        return FrameFault(
          reason: .badCell, detail: "edges \(cell.lengths) nm and angles \(cell.angles) degrees make no periodic box")
      }
      makeWhole(&frame, lattice)
    }
    for (bond, length) in zip(topology.bonds, bondLengths) {
      let found = Self.distance(frame, bond.first, bond.second)
      // also where shifts by far too many boxes have left no number
      if !(abs(found - length) <= tolerance * length) {
        let place = "bond \(label(bond.first)) - \(label(bond.second))"
        let guess = topology.guessedBonds.contains(bond) ? " (a bond that only its distance there tells)" : ""
        return FrameFault(
          reason: .bondLength,
          detail: "\(place) is \(Self.text(found)) nm long, \(Self.text(length)) in the topology\(guess)")
      }
    }
    let inverted = chirality.invertedCentres(in: Array(frame))
    if !inverted.isEmpty {
      return FrameFault(
        reason: .chirality, detail: "the hand of \(inverted.map(label).joined(separator: ", ")) is not the topology's")
    }
    centre(&frame)
    return nil
  }

  /// Shifts atoms by whole box vectors so that every bond of the spanning tree is as short as can be.
  private func makeWhole(_ frame: inout ArraySlice<Double>, _ lattice: PeriodicLattice) {
    let base = frame.startIndex
    for (from, to) in walk {
      let (i, j) = (base + 3 * from, base + 3 * to)
      let shift = lattice.nearestVector(frame[j] - frame[i], frame[j + 1] - frame[i + 1], frame[j + 2] - frame[i + 2])
      frame[j] -= shift.x
      frame[j + 1] -= shift.y
      frame[j + 2] -= shift.z
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
