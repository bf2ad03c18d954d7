import Basics
import Foundation

/// A harmonic term of a force field: energy k/2 (x - equilibrium)^2 of a bond (nm) or an angle (rad).
public struct HarmonicTerm: Sendable, Equatable {
  /// Two atoms of a bond, three of an angle.
  public let atoms: [Int]
  /// nm or rad, and kJ/mol per nm^2 or rad^2.
  public let equilibrium, forceConstant: Double

  public init(atoms: [Int], equilibrium: Double, forceConstant: Double) {
    (self.atoms, self.equilibrium, self.forceConstant) = (atoms, equilibrium, forceConstant)
  }
}

/// Bonds and angles that dynamics held at one value (SHAKE, LINCS, SETTLE), found in its frames.
///
/// Single precision and the tolerance of such algorithms leave a spread of 1e-7 to 1e-5 nm, positions rounded to 0.001 nm (XTC) one of
/// 4e-4; heat gives a stiff bond 2e-3 nm and the ends of an angle more.
public struct HeldCoordinates: Sendable, Equatable {
  public let bonds: [Topology.Bond]
  /// Mean length of each of them, nm.
  public let lengths: [Double]
  /// Angles whose ends keep their distance: end, centre, end. With held bonds the angle is held.
  public let angles: [[Int]]
  /// The largest spread of a held bond, nm; 0 without.
  public let largestSpread: Double

  /// nm, of a distance.
  static let smallestThermalSpread = 6e-4
  /// Distance of an angle's ends over the sum of its bonds: from here on it counts as straight (164 degrees).
  private static let straightest = 0.99
  /// Fewer frames do not tell.
  public static let fewestFrames = 5

  public var isEmpty: Bool { bonds.isEmpty && angles.isEmpty }

  /// `coordinates`: whole frames, nm, [frames, atoms, 3]. Frames that are all alike, and too few of them, tell nothing: nothing is held.
  public init(topology: Topology, coordinates: [Double]) {
    let width = 3 * topology.atoms.count
    let frames = width == 0 ? 0 : coordinates.count / width
    func distance(_ i: Int, _ j: Int) -> (mean: Double, spread: Double) {
      var (sum, squares, first) = (0.0, 0.0, 0.0)
      for frame in 0..<frames {
        let base = frame * width
        let x = coordinates[base + 3 * i] - coordinates[base + 3 * j]
        let y = coordinates[base + 3 * i + 1] - coordinates[base + 3 * j + 1]
        let z = coordinates[base + 3 * i + 2] - coordinates[base + 3 * j + 2]
        let length = (x * x + y * y + z * z).squareRoot()
        // about the first, so that small differences of large numbers are not lost
        if frame == 0 { first = length }
        sum += length - first
        squares += (length - first) * (length - first)
      }
      let mean = sum / Double(frames)
      return (first + mean, max(0, squares / Double(frames) - mean * mean).squareRoot())
    }
    guard frames >= Self.fewestFrames else {
      (bonds, lengths, angles, largestSpread) = ([], [], [], 0)
      return
    }
    let distances = topology.bonds.map { distance($0.first, $0.second) }
    let held = zip(topology.bonds, distances).filter { $1.spread < Self.smallestThermalSpread }
    let heldBonds = Set(held.map(\.0))
    let lengthOf = Dictionary(zip(topology.bonds, distances.map(\.mean)), uniquingKeysWith: { first, _ in first })
    var heldAngles: [[Int]] = []
    var angleCount = 0
    for (centre, neighbours) in topology.neighbours.enumerated() {
      for (place, one) in neighbours.enumerated() {
        for other in neighbours[(place + 1)...] {
          let (first, second) = (Topology.Bond(one, centre), Topology.Bond(centre, other))
          let ends = distance(one, other)
          // the ends of a straight angle hardly move, whatever holds it or does not
          guard ends.mean < Self.straightest * ((lengthOf[first] ?? 0) + (lengthOf[second] ?? 0)) else { continue }
          angleCount += 1
          // an angle between bonds that move is no coordinate of a constraint
          guard heldBonds.contains(first), heldBonds.contains(second) else { continue }
          if ends.spread < Self.smallestThermalSpread { heldAngles.append([one, centre, other]) }
        }
      }
    }
    let allAlike = held.count == topology.bonds.count && heldAngles.count == angleCount
    guard !allAlike else {
      (bonds, lengths, angles, largestSpread) = ([], [], [], 0)
      return
    }
    (bonds, lengths, angles) = (held.map(\.0), held.map(\.1.mean), heldAngles)
    largestSpread = held.map(\.1.spread).max() ?? 0
  }

  /// "4 bonds (C1 of MOH 1 - H1 of MOH 1, ...)": what is held, by name; at most six of a kind are listed.
  public func summary(in topology: Topology) -> String {
    func list(_ names: [String], _ what: String) -> String? {
      guard !names.isEmpty else { return nil }
      let shown = names.prefix(6).joined(separator: ", ") + (names.count > 6 ? ", ..." : "")
      return "\(names.count) \(what)\(names.count == 1 ? "" : "s") (\(shown))"
    }
    let bonds = self.bonds.map { "\(topology.label(of: $0.first)) - \(topology.label(of: $0.second))" }
    let angles = self.angles.map { $0.map { topology.label(of: $0) }.joined(separator: " - ") }
    return [list(bonds, "bond"), list(angles, "angle")].compactMap { $0 }.joined(separator: " and ")
  }
}

/// Gives held bonds their thermal motion back: each length is drawn from the law that its spring has under the forces of all else,
/// p(r) ~ r^2 exp(-(k (r - r0)^2 / 2 - f (r - r0)) / kT), and what is beyond the bond moves along it. Angles and torsions stay as they are.
///
/// f is the force along the bond without the spring's, in that very frame: to first order the law of the length given all else. What is left
/// (bonds feel each other) is for weights to mend.
public struct ReleasedBonds: Sendable {
  private struct Release {
    let bond: Topology.Bond
    let moving: [Int]  // Atoms on the second atom's side
    let equilibrium, width, forceConstant: Double
  }

  private let releases: [Release]
  private let weights: [Double]  // Masses over their sum

  /// `terms` hold the springs of the held bonds. `temperature` K.
  ///
  /// Throws `ReleasedBondsError` for a held angle, a bond in a ring, or one without a spring.
  public init(_ held: HeldCoordinates, topology: Topology, terms: [HarmonicTerm], temperature: Double) throws {
    if let angle = held.angles.first {
      throw ReleasedBondsError.angle(
        count: held.angles.count, angle.map { topology.label(of: $0) }.joined(separator: " - "))
    }
    let kT = PhysicalConstants.thermalEnergy(temperature: temperature)
    var springs: [Topology.Bond: HarmonicTerm] = [:]
    for term in terms where term.atoms.count == 2 { springs[.init(term.atoms[0], term.atoms[1])] = term }
    releases = try held.bonds.map { bond in
      let name = "\(topology.label(of: bond.first)) - \(topology.label(of: bond.second))"
      guard let spring = springs[bond], spring.forceConstant > 0 else { throw ReleasedBondsError.noSpring(name) }
      let beyond = topology.walk(from: [bond.second]) { $0 != bond.first }.map(\.to)
      if topology.ringSize(of: bond) != nil { throw ReleasedBondsError.ring(name) }
      return Release(
        bond: bond, moving: [bond.second] + beyond, equilibrium: spring.equilibrium,
        width: (kT / spring.forceConstant).squareRoot(), forceConstant: spring.forceConstant)
    }
    let masses = topology.masses
    let total = masses.reduce(0, +)
    weights = masses.map { $0 / total }
  }

  /// Changes one frame [atoms, 3], nm, in place; its centre of mass stays where it was. `forces`: of the whole force field in that frame,
  /// kJ/mol/nm, [atoms, 3]; without them the springs have their lengths alone.
  public func apply(_ frame: inout [Double], forces: [Double]? = nil, _ random: inout RandomStream) {
    let before = centre(frame)
    for release in releases {
      let (i, j) = (3 * release.bond.first, 3 * release.bond.second)
      let x = frame[j] - frame[i]
      let y = frame[j + 1] - frame[i + 1]
      let z = frame[j + 2] - frame[i + 2]
      let length = (x * x + y * y + z * z).squareRoot()
      guard length > 0 else { continue }
      var pull = 0.0
      if let forces {
        for atom in release.moving {
          let along = forces[3 * atom] * x + forces[3 * atom + 1] * y + forces[3 * atom + 2] * z
          pull += along / length
        }
        pull += release.forceConstant * (length - release.equilibrium)
      }
      let middle = release.equilibrium + (pull.isFinite ? pull / release.forceConstant : 0)
      let stretch = draw(release, around: middle, &random) / length - 1
      for atom in release.moving {
        frame[3 * atom] += stretch * x
        frame[3 * atom + 1] += stretch * y
        frame[3 * atom + 2] += stretch * z
      }
    }
    let after = centre(frame)
    for atom in weights.indices {
      for axis in 0..<3 { frame[3 * atom + axis] += before[axis] - after[axis] }
    }
  }

  /// By rejection: a Gaussian, kept in proportion to r^2.
  private func draw(_ release: Release, around middle: Double, _ random: inout RandomStream) -> Double {
    let largest = middle + 8 * release.width
    while true {
      let length = middle + release.width * random.normal()
      guard length > 0, length < largest else { continue }
      if random.uniform() * largest * largest < length * length { return length }
    }
  }

  private func centre(_ frame: [Double]) -> [Double] {
    (0..<3).map { axis in
      var sum = 0.0
      for (atom, weight) in weights.enumerated() { sum += weight * frame[3 * atom + axis] }
      return sum
    }
  }
}

/// Why held bonds cannot be given their motion back.
public enum ReleasedBondsError: Error, Equatable, CustomStringConvertible {
  /// The first of so many angles.
  case angle(count: Int, String)
  case ring(String)
  case noSpring(String)

  public var description: String {
    switch self {
    case .angle(let count, let name):
      "\(count) angles were held too (\(name)): only bonds can be given their motion back; make frames in which bonds alone, or nothing, "
        + "is held"
    case .ring(let name):
      "the held bond \(name) is in a ring, where it cannot move by itself; make frames in which only bonds to hydrogen are held"
    case .noSpring(let name):
      "the force field has no spring for the held bond \(name), so its motion is not known; serialise the System without constraints"
    }
  }
}
