import Foundation
import Molecules

/// Whether frames are what a force field makes of a molecule at its temperature, by Stein's identity.
///
/// For a density p that vanishes at its ends and a smooth vector field F, E[F . grad ln p + div F] = 0; and so it is for any mixture of
/// pieces of p, whatever their shares. With F = (q - mean) along one coordinate q, -E[F . grad ln p] / E[div F] is 1: it is T' / T for frames
/// of another temperature T', and far from 1 for a coordinate whose terms of the force field are stiffer or softer. With F = 1 the sum is the
/// mean force: it is 0, and far from that where the force field would have the coordinate rest elsewhere. For a torsion that goes all the
/// way round, F is a periodic function f of it, and E[(d ln p / dq) f + f'] = 0. Which fields are taken depends on what a model draws:
/// `InternalSeries`, `PositionSeries`. Source: C. Stein, Proc. Sixth Berkeley Symp. Math. Statist. Prob. 2, 583, 1972.
public struct SteinCheck: Equatable, Sendable {
  /// What is asked about.
  public struct Subject: Equatable, Sendable {
    public enum Kind: Sendable {
      case length, angle, torsion
      /// A distance or a volume of positions, whose field moves bonds too.
      case shape
    }

    public let kind: Kind
    /// "torsion C2-CA2-N2-C1", for records.
    public let label: String
    /// "torsion H3-C1-O1-H1 of LIG 1", for messages.
    public let title: String
  }

  public struct Coordinate: Equatable, Sendable {
    public let subject: Subject
    /// 1 where all is well.
    public let value: Double
    /// Standard error.
    public let error: Double
    /// Mean force of the force field along it, kT by its width; 0 where all is well.
    public let push: Double
    /// Standard error.
    public let pushError: Double
    /// Mean divergence of the same field, in the same unit: at T' in place of T the push is (1 - T' / T) times this.
    var divergence = 0.0
    var deviation: Double { abs(value - 1) }
    /// Neither small nor within the errors, or not known at all.
    var isOff: Bool { isStiff || isPushed || !isKnown }
    /// Stiffer or softer than in the frames.
    var isStiff: Bool { deviation > max(SteinCheck.coordinateTolerance, 5 * error) }
    /// At rest elsewhere.
    var isPushed: Bool { isPushed(beyond: 0) }
    func isPushed(beyond part: Double) -> Bool { abs(push - part) > max(SteinCheck.pushTolerance, 5 * pushError) }
    var isKnown: Bool { error <= SteinCheck.largestCoordinateError }
  }

  /// A broad torsion: the largest of E[g f + f'] for f = sin and cos of the angle and of twice it; 0 where all is well.
  public struct Torsion: Equatable, Sendable {
    public let subject: Subject
    public let value: Double
    /// Standard error.
    public let error: Double
    var isOff: Bool { isPushed || !isKnown }
    var isPushed: Bool { abs(value) > max(SteinCheck.torsionTolerance, 5 * error) }
    var isKnown: Bool { error <= SteinCheck.largestCoordinateError }
  }

  /// Broad torsions, the one that is furthest off first.
  public let torsions: [Torsion]
  /// Mean over all narrow coordinates, and its standard error.
  public let mean, error: Double
  /// Narrow coordinates, the one that is furthest off first.
  public let coordinates: [Coordinate]
  /// The mean may be this far from 1, and a single coordinate that far.
  public static let tolerance = 0.02
  public static let coordinateTolerance = 0.15
  public static let torsionTolerance = 0.1
  /// kT by a coordinate's width.
  public static let pushTolerance = 0.1
  /// What is known no better than this is not known.
  static let largestError = 0.05
  static let largestCoordinateError = 0.3

  /// Whether forces may be used.
  public var isSound: Bool {
    abs(mean - 1) <= max(Self.tolerance, 3 * error) && error <= Self.largestError
      && !coordinates.contains(where: \.isOff) && !torsions.contains(where: \.isOff)
  }
  /// Whether they may not, whatever more frames would say.
  var isRefuted: Bool {
    abs(mean - 1) > max(Self.tolerance, 5 * error)
      || coordinates.contains { $0.isPushed || ($0.isStiff && $0.isKnown) }
      || torsions.contains { $0.isPushed && $0.isKnown }
  }
  /// Narrow coordinates that are not as the force field has them.
  public var off: [Coordinate] { coordinates.filter(\.isOff) }

  /// Errors by blocks of frames that follow each other. `further` coordinates are looked at where there are frames enough to know them, and
  /// are no part of the mean.
  init(_ blocks: Blocks, narrow: [Blocks.Narrow], further: [Blocks.Narrow] = [], turning: [Blocks.Turning]) {
    var sums = blocks.zero
    var found: [Coordinate] = []
    func coordinate(_ one: Blocks.Narrow) -> Coordinate {
      let (value, push) = (blocks.mean(one.sums), blocks.mean(one.pushes))
      return Coordinate(
        subject: one.subject, value: value, error: blocks.error(one.sums, value), push: push,
        pushError: blocks.error(one.pushes, push), divergence: one.pushDivergence)
    }
    for one in narrow {
      found.append(coordinate(one))
      for block in sums.indices { sums[block] += one.sums[block] / Double(narrow.count) }
    }
    torsions = turning.map { one -> Torsion in
      let found = one.sums.map { sums -> (value: Double, error: Double) in
        let value = blocks.mean(sums)
        return (value, blocks.error(sums, value))
      }
      func excess(_ wave: (value: Double, error: Double)) -> Double {
        abs(wave.value) / max(Self.torsionTolerance, 5 * wave.error)
      }
      let worst = found.max { excess($0) < excess($1) } ?? (.nan, .nan)
      return Torsion(subject: one.subject, value: worst.value, error: worst.error)
    }.sorted { abs($0.value) > abs($1.value) }
    mean = blocks.mean(sums)
    error = blocks.error(sums, mean)
    found += further.map(coordinate).filter { $0.isKnown || $0.isStiff }
    coordinates = found.sorted { $0.deviation > $1.deviation }
  }

  /// Blocks of frames that follow each other: means, and their errors by how blocks differ.
  struct Blocks {
    /// One narrow coordinate: sums by block whose mean is -E[F . grad ln p] / E[div F], and of the mean force, kT by its width.
    struct Narrow {
      let subject: Subject
      fileprivate let sums, pushes: [Double]
      fileprivate let pushDivergence: Double
    }

    /// A torsion that goes all the way round: sums by block of g f + f', for each f.
    struct Turning {
      let subject: Subject
      fileprivate let sums: [[Double]]
    }

    let frames: Int
    private let sizes: [Double]

    init(frames: Int) {
      self.frames = frames
      let count = max(2, min(50, frames / 4))
      var sizes = [Double](repeating: 0, count: count)
      for frame in 0..<frames { sizes[frame * count / max(1, frames)] += 1 }
      self.sizes = sizes
    }

    /// -F . grad ln p of each frame, and div F where that is not 1 in all; F . grad ln p of F = 1, kT by the coordinate's width, and the
    /// divergence of that. All [frames].
    func narrow(
      _ subject: Subject, _ products: [Double], divergences: [Double]? = nil, pushes: [Double],
      pushDivergences: [Double]? = nil
    ) -> Narrow {
      let above = sums { products[$0] }
      let free = pushDivergences.map { Self.spread($0).mean } ?? 0
      let pushes = sums { pushes[$0] + (pushDivergences?[$0] ?? 0) }
      guard let divergences else {
        return Narrow(subject: subject, sums: above, pushes: pushes, pushDivergence: free)
      }
      let below = sums { divergences[$0] }
      let (scale, value) = (mean(below), mean(above) / mean(below))
      // a ratio to first order, so that its error is that of a mean
      let ratios = above.indices.map { above[$0] / scale - value * (below[$0] / scale - sizes[$0]) }
      return Narrow(subject: subject, sums: ratios, pushes: pushes, pushDivergence: free)
    }

    /// Of a coordinate of its own, `shifted` from any place, with the slopes of ln p along it, [frames].
    func narrow(_ subject: Subject, shifted: [Double], slopes: [Double]) -> Narrow {
      let (mean, width) = Self.spread(shifted)
      return narrow(
        subject, zip(slopes, shifted).map { -$0 * ($1 - mean) }, pushes: slopes.map { $0 * width })
    }

    /// Mean and standard deviation.
    static func spread(_ values: [Double]) -> (mean: Double, width: Double) {
      let n = Double(max(1, values.count))
      let mean = values.reduce(0, +) / n
      return (mean, (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n).squareRoot())
    }

    /// The torsion in rad, and d ln p over it, [frames].
    func turning(_ subject: Subject, angles: [Double], slopes: [Double]) -> Turning {
      let waves = [(1.0, 0.0), (1, 0.5), (2, 0), (2, 0.5)].map { order, phase in
        sums { frame in
          let angle = order * angles[frame] + phase * .pi
          return slopes[frame] * sin(angle) + order * cos(angle)
        }
      }
      return Turning(subject: subject, sums: waves)
    }

    fileprivate var zero: [Double] { [Double](repeating: 0, count: sizes.count) }

    private func sums(_ value: (Int) -> Double) -> [Double] {
      var sums = zero
      for frame in 0..<frames { sums[frame * sizes.count / frames] += value(frame) }
      return sums
    }

    fileprivate func mean(_ sums: [Double]) -> Double { sums.reduce(0, +) / Double(max(1, frames)) }

    fileprivate func error(_ sums: [Double], _ mean: Double) -> Double {
      let means = zip(sums, sizes).map { $0 / max(1, $1) }
      let variance = means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(sizes.count - 1)
      return (variance / Double(sizes.count)).squareRoot()
    }
  }
}

extension SteinCheck {
  /// "thermometer 0.9996 +- 0.0012, worst ..."
  var summary: String {
    let worst = coordinates.prefix(3).map { $0.subject.title + String(format: " %.3f ± %.3f", $0.value, $0.error) }
    return String(format: "thermometer %.4f ± %.4f (1 where frames are the force field's)", mean, error)
      + (worst.isEmpty ? "" : "; furthest off: " + worst.joined(separator: ", "))
      + (furthestPushed.map { "; furthest pushed: \(Self.push($0))" } ?? "")
  }

  /// By its error, where that is large.
  private var furthestPushed: Coordinate? {
    func excess(_ one: Coordinate) -> Double { abs(one.push) / max(Self.pushTolerance, 5 * one.pushError) }
    return coordinates.max { excess($0) < excess($1) }
  }

  /// "bond C1-C2 of LIG 1 by 1.58 +- 0.03 kT a width"
  private static func push(_ one: Coordinate) -> String {
    one.subject.title + String(format: " by %.2f ± %.2f kT a width", one.push, one.pushError)
  }

  /// Why forces cannot be used, with the likely cause. `temperature` is the force field's, K.
  func verdict(temperature: Double) -> String {
    let agreeing = coordinates.filter { abs($0.value - mean) < max(0.1 * abs(mean), 2 * $0.error) }.count
    var text = "frames are not what the force field makes of the molecule at " + String(format: "%g K: ", temperature)
    text += summary
    let isOneTemperature = !coordinates.contains {
      $0.isPushed(beyond: (1 - mean) * $0.divergence)
        || abs($0.value - mean) > max(Self.coordinateTolerance, 5 * $0.error)
    }
    if abs(mean - 1) > max(Self.tolerance, 3 * error), mean > 0, abs(mean - 1) < 1, isOneTemperature,
      Double(agreeing) > 0.9 * Double(coordinates.count)
    {
      return text + String(format: ". All coordinates agree on another temperature, %.0f K", temperature * mean)
    }
    // no spring pushes away from its own middle, and none is so much stiffer than in the simulation
    if off.contains(where: { $0.value < -5 * $0.error || $0.value - 5 * $0.error > 5 }) {
      return text
        + ". The force field pushes some away from where they are: another order of the atoms, or another molecule"
    }
    let errors = coordinates.map(\.error) + torsions.map(\.error)
    if error > Self.largestError || errors.contains(where: { !($0 <= Self.largestCoordinateError) }) {
      return text + ". The frames are too few, or some forces too large, to tell"
    }
    let wrong = off.map(\.subject.kind)
    // distances and volumes beside a bond that is held lose what that bond does not move
    let lengths = off.filter { $0.subject.kind == .length }
    if lengths.contains(where: { abs($0.value) < max(0.1, 5 * $0.error) }),
      wrong.allSatisfy({ $0 == .length || $0 == .shape })
    {
      return text + ". Bonds alone are off: constraints in the simulation, or other bond terms"
    }
    if Double(wrong.count) > 0.5 * Double(coordinates.count) {
      return text + ". Most coordinates are off: another force field"
    }
    if let torsion = torsions.first, torsion.isOff {
      return text + ". " + torsion.subject.title
        + String(format: " lacks %.2f ± %.2f of its force: ", torsion.value, torsion.error)
        + "another solvent, a restraint, or other torsion terms"
    }
    if wrong.isEmpty { return text + ". None by itself: another solvent, or another force field" }
    if wrong.allSatisfy({ $0 == .torsion }) {
      return text + ". Torsions alone are off: a restraint, another solvent, or other torsion terms"
    }
    if let pushed = furthestPushed, pushed.isPushed {
      return text
        + ". The force field would have it elsewhere: \(Self.push(pushed)); other lengths or angles at rest, another solvent, or a restraint"
    }
    if wrong.first == .length, wrong.allSatisfy({ $0 == .length || $0 == .shape }) {
      return text + ". Bonds alone are off: constraints in the simulation, or other bond terms"
    }
    return text + ". The terms of these coordinates are others in the force field than in the simulation"
  }
}
