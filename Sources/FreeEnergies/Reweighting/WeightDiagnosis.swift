import Foundation
import Molecules

/// Why weights are poor: what the samples, coordinate by coordinate, have that the frames they were learnt from have not, and which single
/// term of the force field spoils the weights.
public struct WeightDiagnosis: Sendable {
  /// One thing that is wrong, in words.
  public enum Finding: Equatable, Sendable {
    /// The frames do not have the coordinate's thermal motion: it was held fixed. `spread` nm or rad.
    case heldFixed(coordinates: [String], spread: Double, thermal: Double)
    /// The frames' energy in a term is not that of the force field: mean in units of kT / 2.
    case otherForceField(term: String, ratio: Double, count: Int)
    /// Few samples are in a place of a torsion that carries much of the weight: shares of the samples, of the weight, and of the frames.
    case rarePlace(torsion: String, center: Double, samples: Double, weight: Double, frames: Double)
    /// The samples' coordinate is not the frames': medians and robust standard deviations, in `unit`. `closesRing`: of so many atoms, where
    /// it is a bond that is no internal coordinate.
    case unlikeFrames(coordinate: String, samples: Spread, frames: Spread, unit: String, closesRing: Int?)
    /// One term carries this share of the variance of the log-weights.
    case term(String, share: Double)
    /// Coordinate by coordinate the samples are as the frames, and no term stands out.
    case training
  }

  /// Median and robust standard deviation.
  public struct Spread: Equatable, Sendable {
    public let middle, width: Double

    init(_ values: [Double]) {
      let sorted = values.filter(\.isFinite).sorted()
      func at(_ fraction: Double) -> Double {
        sorted.isEmpty ? .nan : sorted[Int(fraction * Double(sorted.count - 1))]
      }
      (middle, width) = (at(0.5), (at(0.8413) - at(0.1587)) / 2)
    }
  }

  /// The most telling first; at least one.
  public let findings: [Finding]

  /// Coordinates that move less than this part of their thermal motion were held fixed. AMBER's files are single precision: a bond
  /// that SHAKE holds has a spread of 1e-7 to 1e-6 nm, heat gives 3e-3 nm.
  static let fixedShare = 0.1
  /// The frames' mean energy in a harmonic term is within these of kT / 2 where they are of that force field.
  static let energyRatio = 0.25...4.0
  /// A term that carries more of the variance of the log-weights than this is named.
  static let termShare = 0.25
  /// A place of a torsion with so much of the weight, so many times its share of the samples, and so many samples at least.
  static let (placeWeight, placeRatio, placeSamples) = (0.1, 4.0, 5)
  /// Samples whose median is off by more frames' widths than this, or whose width is as many times larger or smaller, are unlike.
  static let shift = 1.0, stretch = 1.6

  /// - Parameters:
  ///   - samples: positions, nm, [samples, atoms, 3]; `logWeights` [samples], -infinity without weight.
  ///   - frames: what the samples were learnt from, nm, [frames, atoms, 3].
  ///   - terms: the force field's harmonic terms; empty where they are not known.
  ///   - isOnPositions: the samples were drawn as positions, which have no ring to close.
  ///   - rigid: bonds that are meant to keep their lengths.
  ///   - thermalEnergy: kJ/mol.
  ///   - called: what a torsion is called, where somebody has named it.
  public init(
    topology: Topology, samples: [Double], logWeights: [Double], frames: [Double], terms: [HarmonicTerm] = [],
    isOnPositions: Bool = false, rigid: RigidBonds? = nil, thermalEnergy: Double,
    called: (RotatableTorsion) -> String = { $0.name }
  ) {
    let atoms = topology.atoms.count
    let coordinates = isOnPositions ? nil : try? InternalCoordinates(topology: topology)
    let rings = coordinates?.openRings(in: topology, flat: true) ?? []
    let open = Dictionary(rings.map { ($0.bond, $0.size) }, uniquingKeysWith: { first, _ in first })
    let known = Dictionary(terms.map { (Self.ordered($0.atoms), $0) }, uniquingKeysWith: { first, _ in first })
    var found: [(badness: Double, finding: Finding)] = []
    var fixed: [(name: String, spread: Double, thermal: Double)] = []
    var foreign: [(name: String, ratio: Double)] = []
    var shares: [(name: String, share: Double)] = []
    let spoilt = Self.clipped(logWeights)
    let constant = Set(rigid?.bonds ?? [])
    for coordinate in Self.coordinates(of: topology) {
      if coordinate.count == 2, constant.contains(.init(coordinate[0], coordinate[1])) { continue }
      let inSamples = Self.values(coordinate, samples, atoms: atoms)
      let inFrames = Self.values(coordinate, frames, atoms: atoms)
      let (drawn, learnt) = (Spread(inSamples), Spread(inFrames))
      let name = Self.name(coordinate, topology)
      let term = known[Self.ordered(coordinate)]
      let thermal = term.map { (thermalEnergy / max($0.forceConstant, 1e-300)).squareRoot() }
      // without the force field: what a bond and an angle have at the least near room temperature
      let least = thermal ?? (coordinate.count == 2 ? 2e-3 : 2e-2)
      if learnt.width < Self.fixedShare * least {
        fixed.append((name, learnt.width, least))
        continue
      }
      if let term {
        let half = 2 / thermalEnergy
        let energies = inFrames.map { half * Self.energy(term, $0) }.filter(\.isFinite)
        let ratio = energies.reduce(0, +) / Double(max(1, energies.count))
        if !Self.energyRatio.contains(ratio) { foreign.append((name, ratio)) }
        let share = Self.share(of: inSamples.map { Self.energy(term, $0) / thermalEnergy }, in: spoilt)
        if share > Self.termShare { shares.append((name, share)) }
      }
      let off = abs(drawn.middle - learnt.middle) / max(learnt.width, 1e-12)
      let stretch = max(drawn.width / max(learnt.width, 1e-12), learnt.width / max(drawn.width, 1e-12))
      if off > Self.shift || stretch > Self.stretch || off.isNaN || stretch.isNaN {
        let isBond = coordinate.count == 2
        let ring = isBond ? open[Topology.Bond(coordinate[0], coordinate[1])] : nil
        let unit = isBond ? "nm" : "rad"
        found.append(
          (
            off + stretch,
            .unlikeFrames(coordinate: name, samples: drawn, frames: learnt, unit: unit, closesRing: ring)
          ))
      }
    }
    var findings: [Finding] = []
    if let widest = fixed.max(by: { $0.spread < $1.spread }) {
      findings.append(.heldFixed(coordinates: fixed.map(\.name), spread: widest.spread, thermal: widest.thermal))
    }
    if let worst = foreign.max(by: { abs(log($0.ratio)) < abs(log($1.ratio)) }) {
      findings.append(.otherForceField(term: worst.name, ratio: worst.ratio, count: foreign.count))
    }
    if let rare = Self.rarePlace(topology, samples, spoilt, frames, called) { findings.append(rare) }
    // a bond that nothing holds bends the angles beside it
    let torn = found.filter { $0.finding.isOfRing }
    if let worst = (torn.isEmpty ? found : torn).max(by: { $0.badness < $1.badness }) { findings.append(worst.finding) }
    if let worst = shares.max(by: { $0.share < $1.share }) { findings.append(.term(worst.name, share: worst.share)) }
    self.findings = findings.isEmpty ? [.training] : findings
  }

  // MARK: Torsions

  /// The place of a torsion that samples are rarest in for its weight.
  private static func rarePlace(
    _ topology: Topology, _ samples: [Double], _ logWeights: [Double], _ frames: [Double],
    _ called: (RotatableTorsion) -> String
  ) -> Finding? {
    let atoms = topology.atoms.count
    let top = logWeights.filter(\.isFinite).max() ?? 0
    let weights = logWeights.map { $0.isFinite ? exp($0 - top) : 0 }
    var worst: (ratio: Double, finding: Finding)?
    for torsion in topology.rotatableTorsions {
      let drawn = torsionAngles(samples, atoms: atoms, torsions: [torsion.atoms])
      let learnt = torsionAngles(frames, atoms: atoms, torsions: [torsion.atoms])
      let sampling = TorsionSampling(series: drawn.map { [$0] }, fold: torsion.fold)
      guard sampling.basins.count > 1 else { continue }
      let unweighted = sampling.shares(drawn, weights: drawn.map { _ in 1 })
      let weighted = sampling.shares(drawn, weights: weights)
      let inFrames = sampling.shares(learnt, weights: learnt.map { _ in 1 })
      for (place, basin) in sampling.basins.enumerated() {
        let ratio = weighted[place] / max(unweighted[place], 1e-12)
        guard weighted[place] > placeWeight, ratio > max(placeRatio, worst?.ratio ?? 0),
          weighted[place] > placeRatio * inFrames[place],
          unweighted[place] * Double(drawn.count) >= Double(placeSamples)
        else { continue }
        worst = (
          ratio,
          .rarePlace(
            torsion: called(torsion), center: basin.center, samples: unweighted[place], weight: weighted[place],
            frames: inFrames[place])
        )
      }
    }
    return worst?.finding
  }

  // MARK: Coordinates

  /// Bonds, and every angle once.
  private static func coordinates(of topology: Topology) -> [[Int]] {
    var found = topology.bonds.map { [$0.first, $0.second] }
    for (centre, neighbours) in topology.neighbours.enumerated() {
      for (place, first) in neighbours.enumerated() {
        for second in neighbours[(place + 1)...] { found.append([first, centre, second]) }
      }
    }
    return found
  }

  private static func ordered(_ atoms: [Int]) -> [Int] {
    guard let first = atoms.first, let last = atoms.last, first > last else { return atoms }
    return atoms.reversed()
  }

  private static func name(_ atoms: [Int], _ topology: Topology) -> String {
    let names = atoms.map { topology.label(of: $0) }
    return (atoms.count == 2 ? "bond " : "angle ") + names.joined(separator: " - ")
  }

  /// nm or rad, [frames].
  private static func values(_ coordinate: [Int], _ positions: [Double], atoms: Int) -> [Double] {
    let width = 3 * atoms
    return stride(from: 0, to: positions.count, by: width).map { base -> Double in
      func vector(_ from: Int, _ to: Int) -> (x: Double, y: Double, z: Double) {
        let (i, j) = (base + 3 * from, base + 3 * to)
        return (positions[j] - positions[i], positions[j + 1] - positions[i + 1], positions[j + 2] - positions[i + 2])
      }
      func dot(_ a: (x: Double, y: Double, z: Double), _ b: (x: Double, y: Double, z: Double)) -> Double {
        a.x * b.x + a.y * b.y + a.z * b.z
      }
      if coordinate.count == 2 {
        let bond = vector(coordinate[0], coordinate[1])
        return dot(bond, bond).squareRoot()
      }
      let (a, b) = (vector(coordinate[1], coordinate[0]), vector(coordinate[1], coordinate[2]))
      let cosine: Double = dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
      return acos(max(-1, min(1, cosine)))
    }
  }

  private static func energy(_ term: HarmonicTerm, _ x: Double) -> Double {
    let off = x - term.equilibrium
    return term.forceConstant / 2 * off * off
  }

  // MARK: Weights

  /// Log-weights cut where the lowest and highest hundredth begin, so that a few samples do not make all of the variance; nan
  /// without weight.
  private static func clipped(_ logWeights: [Double]) -> [Double] {
    let finite = logWeights.filter(\.isFinite)
    let (low, high) = (quantile(finite, 0.01), quantile(finite, 0.99))
    return logWeights.map { $0.isFinite ? max(low, min(high, $0)) : .nan }
  }

  /// Part of the variance of the log-weights that goes with a term, in kT: -cov(term, ln w) / var(ln w).
  private static func share(of term: [Double], in logWeights: [Double]) -> Double {
    let rows = logWeights.indices.filter { logWeights[$0].isFinite && term[$0].isFinite }
    guard rows.count > 10 else { return 0 }
    let top = quantile(rows.map { term[$0] }, 0.99)
    let energies = rows.map { min(term[$0], top) }
    let weights = rows.map { logWeights[$0] }
    let count = Double(rows.count)
    let (meanEnergy, meanWeight) = (energies.reduce(0, +) / count, weights.reduce(0, +) / count)
    var (covariance, variance) = (0.0, 0.0)
    for (energy, weight) in zip(energies, weights) {
      covariance += (energy - meanEnergy) * (weight - meanWeight)
      variance += (weight - meanWeight) * (weight - meanWeight)
    }
    return variance > 0 ? -covariance / variance : 0
  }
}

extension WeightDiagnosis.Finding: CustomStringConvertible {
  /// Whether it is the bond of a ring that is no coordinate.
  fileprivate var isOfRing: Bool {
    if case .unlikeFrames(_, _, _, _, .some) = self { return true }
    return false
  }

  public var description: String {
    func number(_ value: Double) -> String { String(format: "%.3g", value) }
    switch self {
    case .heldFixed(let coordinates, let spread, let thermal):
      let listed = coordinates.prefix(4).joined(separator: ", ") + (coordinates.count > 4 ? ", ..." : "")
      return
        "\(coordinates.count) coordinates do not move in the frames that the samples were learnt from (\(listed); spread "
        + "\(number(spread)), heat gives about \(number(thermal))): they were constrained, and the force field lets them move"
    case .otherForceField(let term, let ratio, let count):
      return
        "the frames that the samples were learnt from have \(number(ratio)) times the thermal energy in the force field's term of "
        + "\(term)\(count > 1 ? " (and not that of \(count - 1) further terms)" : ""): they were made with another force field or "
        + "temperature, under a restraint, or with other atoms in their places"
    case .unlikeFrames(let coordinate, let samples, let frames, let unit, let ring):
      return "\(coordinate) is \(number(samples.middle)) ± \(number(samples.width)) \(unit) in the samples and "
        + "\(number(frames.middle)) ± \(number(frames.width)) \(unit) in the frames they were learnt from"
        + (ring.map { ": it closes a ring of \($0) atoms" } ?? "")
    case .rarePlace(let torsion, let center, let samples, let weight, let frames):
      return
        "\(torsion) is near \(String(format: "%.2f", center)) rad in \(number(100 * samples)) % of the samples and \(number(100 * frames)) % of the "
        + "frames they were learnt from, and there lies about \(number(100 * weight)) % of the weight: the frames hardly went where the force field "
        + "wants the molecule to be, and few samples carry the answer"
    case .term(let name, let share):
      return "the force field's term of \(name) goes with \(number(100 * share)) % of the variance of the log-weights"
    case .training:
      return
        "bond by bond and angle by angle the samples are like the frames they were learnt from, and no such term of the force "
        + "field stands out: what is missing is training"
    }
  }
}
