import Foundation

/// A group of three equal atoms at the end of a bond, such as a methyl group or an ammonium group: turned by a third it is the same molecule.
///
/// In internal coordinates its ends have three torsions about the bond, three bonds and three angles. Folding takes the place of the torsion
/// by three times the ends' mean torsion, one circle for all three ways to name them, and of every other triple by its mean and by the
/// two waves that its differences form around the bond. None of these changes when the ends' names are turned cyclically, so the
/// three copies of a conformation become one, without a seam. The map is linear in all but the mean torsion, and its volume is constant.
public struct Rotor: Codable, Equatable, Sendable {
  /// The ends, in the sense of rotation in which torsions grow; the first carries the torsion proper.
  public let ends: [Int]
  /// Internal coordinate that is the torsion of the first end, and those of the other two against it.
  public let torsion: Int
  let relatives: [Int]
  /// Bonds and angles of the ends; empty bonds where they are constants.
  let triples: [[Int]]

  private static let third = 2 * Double.pi / 3
  /// ln |d(folded)/d(internal)|: a triple's mean and waves have 2 / (3 sqrt 3) of its volume, the mean and the waves of the three torsions as
  /// much. Three times the mean torsion triples the volume, and three conformations share it: neither counts.
  var logDeterminant: Double { Double(triples.count + 1) * log(2 / (3 * 3.0.squareRoot())) }

  /// Internal coordinates of one frame, beginning at `base`, to folded ones, in the same places; `gradient`, over the internal coordinates,
  /// to that over the folded ones.
  func fold(
    _ q: UnsafeMutableBufferPointer<Double>, gradient: UnsafeMutableBufferPointer<Double>? = nil, _ base: Int
  ) {
    let (shift, waves, differences) = turned(q, base)
    var pull = gradient.map { g in
      Pull(turning: g[base + torsion], waves: waves)
    }
    let total = pull?.turning ?? 0
    q[base + torsion] = wrappedAngle(3 * (q[base + torsion] - shift))
    let wave = waves.projected(differences)
    (q[base + relatives[0]], q[base + relatives[1]]) = (wave.cosine, wave.sine)
    if let g = gradient {
      let (one, two) = (g[base + relatives[0]], g[base + relatives[1]])
      let over = pull?.over(wave, Triple(total - one - two, one, two))
      (g[base + relatives[0]], g[base + relatives[1]]) = (over?.cosine ?? 0, over?.sine ?? 0)
    }
    for triple in triples {
      let values = Triple(q[base + triple[0]], q[base + triple[1]], q[base + triple[2]])
      let wave = waves.projected(values)
      q[base + triple[0]] = values.sum / 3
      (q[base + triple[1]], q[base + triple[2]]) = (wave.cosine, wave.sine)
      if let g = gradient {
        let pulls = Triple(g[base + triple[0]], g[base + triple[1]], g[base + triple[2]])
        let over = pull?.over(wave, pulls)
        g[base + triple[0]] = pulls.sum
        (g[base + triple[1]], g[base + triple[2]]) = (over?.cosine ?? 0, over?.sine ?? 0)
      }
    }
    if let g = gradient { g[base + torsion] = (pull?.turning ?? 0) / 3 }
  }

  /// The inverse of `fold`. `turn` 0, 1 or 2 says which of the three ways to name the ends.
  func unfold(_ q: UnsafeMutableBufferPointer<Double>, _ base: Int, turn: Int) {
    let mean = q[base + torsion] / 3 + Double(turn) * Self.third
    let waves = Waves(mean)
    let differences = waves.along((q[base + relatives[0]], q[base + relatives[1]]))
    q[base + torsion] = wrappedAngle(mean + differences.a)
    q[base + relatives[0]] = wrappedAngle(differences.b - differences.a + Self.third)
    q[base + relatives[1]] = wrappedAngle(differences.c - differences.a - Self.third)
    for triple in triples {
      let (middle, parts) = (q[base + triple[0]], waves.along((q[base + triple[1]], q[base + triple[2]])))
      q[base + triple[0]] = middle + parts.a
      q[base + triple[1]] = middle + parts.b
      q[base + triple[2]] = middle + parts.c
    }
  }

  /// From a gradient over the folded coordinates, in place, that over the internal ones, `q`: what `fold` does to gradients, backwards.
  func unfold(gradient g: UnsafeMutableBufferPointer<Double>, at q: UnsafeMutableBufferPointer<Double>, _ base: Int) {
    let (_, waves, differences) = turned(q, base)
    var turning = 3 * g[base + torsion]
    func parts(_ values: Triple, _ cosine: Double, _ sine: Double) -> Triple {
      let wave = waves.projected(values)
      turning -= wave.sine * cosine - wave.cosine * sine
      return waves.along((2 * cosine / 3, 2 * sine / 3))
    }
    for triple in triples {
      let values = Triple(q[base + triple[0]], q[base + triple[1]], q[base + triple[2]])
      let (mean, part) = (g[base + triple[0]] / 3, parts(values, g[base + triple[1]], g[base + triple[2]]))
      g[base + triple[0]] = mean + part.a
      g[base + triple[1]] = mean + part.b
      g[base + triple[2]] = mean + part.c
    }
    let part = parts(differences, g[base + relatives[0]], g[base + relatives[1]])
    g[base + torsion] = turning
    g[base + relatives[0]] = turning / 3 + part.b
    g[base + relatives[1]] = turning / 3 + part.c
  }

  /// How far the first end is behind the mean torsion, the waves at that, and how far each end is from where it would stand if they stood
  /// evenly.
  private func turned(_ q: UnsafeMutableBufferPointer<Double>, _ base: Int) -> (Double, Waves, Triple) {
    // the relative torsions without the turn at pi
    let first = Self.near(q[base + relatives[0]], Self.third)
    let second = Self.near(q[base + relatives[1]], -Self.third)
    let shift = -(first + second) / 3
    return (
      shift, Waves(q[base + torsion] - shift),
      Triple(shift, first - Self.third + shift, second + Self.third + shift)
    )
  }

  /// The same torsion, within half a turn of `place`.
  private static func near(_ angle: Double, _ place: Double) -> Double { place + wrappedAngle(angle - place) }

  private typealias Wave = (cosine: Double, sine: Double)

  private struct Triple {
    let a, b, c: Double
    init(_ a: Double, _ b: Double, _ c: Double) { (self.a, self.b, self.c) = (a, b, c) }
    var sum: Double { a + b + c }
  }

  /// Cosine and sine of the places where the ends would stand if they stood evenly.
  private struct Waves {
    let cosine, sine: Triple

    init(_ mean: Double) {
      cosine = Triple(cos(mean), cos(mean + third), cos(mean - third))
      sine = Triple(sin(mean), sin(mean + third), sin(mean - third))
    }

    func projected(_ v: Triple) -> Wave {
      (2 * (v.a * cosine.a + v.b * cosine.b + v.c * cosine.c) / 3, 2 * (v.a * sine.a + v.b * sine.b + v.c * sine.c) / 3)
    }

    func along(_ wave: Wave) -> Triple {
      Triple(
        wave.cosine * cosine.a + wave.sine * sine.a, wave.cosine * cosine.b + wave.sine * sine.b,
        wave.cosine * cosine.c + wave.sine * sine.c)
    }
  }

  /// Gathers the gradient over the mean torsion, which turns all waves.
  private struct Pull {
    var turning: Double
    let waves: Waves

    /// From a gradient over the three values of a triple, that over its wave.
    mutating func over(_ wave: Wave, _ g: Triple) -> Wave {
      let (c, s) = (waves.cosine, waves.sine)
      let cosine = g.a * c.a + g.b * c.b + g.c * c.c
      let sine = g.a * s.a + g.b * s.b + g.c * s.c
      turning += wave.sine * cosine - wave.cosine * sine
      return (cosine, sine)
    }
  }
}

extension InternalCoordinates {
  /// Groups of three equal ends that have all of their coordinates: a torsion proper, two against it, three angles and three bonds. `values`, the
  /// internal coordinates of one frame, tell in which sense the ends follow each other.
  ///
  /// `constants` are coordinates that stay as they are: a group with some of its bonds among them and some not is none.
  public func rotors(topology: Topology, values: ArraySlice<Double>, constants: Set<Int> = []) -> [Rotor] {
    let bondOf = Dictionary(uniqueKeysWithValues: rows.indices.dropFirst(1).map { (rows[$0].atom, $0 - 1) })
    return rows.indices.dropFirst(3).compactMap { i -> Rotor? in
      let row = rows[i]
      guard !row.relative, kinds[atomCount - 1 + i - 2] == .angle else { return nil }
      let siblings = rows.indices.filter { rows[$0].relative && rows[$0].d == row.atom && rows[$0].b == row.b }
      let ends = [row.atom] + siblings.map { rows[$0].atom }
      guard ends.count == 3, topology.neighbours[row.b].count == 4,
        ends.allSatisfy({ topology.neighbours[$0].count == 1 }), Set(ends.map { topology.atoms[$0].element }).count == 1
      else { return nil }
      let places = [i] + siblings
      let offset = 2 * atomCount - 3
      var order = [0, 1, 2]
      if values[values.startIndex + offset + places[1] - 3] < 0 { order.swapAt(1, 2) }
      let ordered = order.map { places[$0] }
      let bonds = order.compactMap { bondOf[ends[$0]] }
      let held = bonds.filter(constants.contains).count
      guard held == 0 || held == 3 else { return nil }
      return Rotor(
        ends: order.map { ends[$0] }, torsion: offset + ordered[0] - 3,
        relatives: ordered[1...].map { offset + $0 - 3 },
        triples: (held == 0 ? [bonds] : []) + [ordered.map { atomCount - 1 + $0 - 2 }])
    }
  }
}

extension [Rotor] {
  /// Internal coordinates [frames, dimension] to folded ones, in place; `gradient`, where it is not empty, to that over the folded ones.
  public func fold(_ values: inout [Double], gradient: inout [Double], frames: Int) {
    guard !isEmpty, frames > 0 else { return }
    let dimension = values.count / frames
    values.withUnsafeMutableBufferPointer { q in
      gradient.withUnsafeMutableBufferPointer { g in
        for frame in 0..<frames {
          for rotor in self { rotor.fold(q, gradient: g.isEmpty ? nil : g, frame * dimension) }
        }
      }
    }
  }

  /// A `gradient` over folded coordinates, [frames, dimension], to that over the internal coordinates `values`, in place.
  public func unfold(gradient: inout [Double], at values: [Double], frames: Int) {
    guard !isEmpty, frames > 0 else { return }
    let dimension = values.count / frames
    var values = values
    values.withUnsafeMutableBufferPointer { q in
      gradient.withUnsafeMutableBufferPointer { g in
        for frame in 0..<frames { for rotor in self { rotor.unfold(gradient: g, at: q, frame * dimension) } }
      }
    }
  }

  /// The inverse. `turns` [frames, rotors], 0 to 2, says how the ends are named.
  public func unfold(_ values: inout [Double], turns: [Int], frames: Int) {
    guard !isEmpty, frames > 0 else { return }
    let dimension = values.count / frames
    values.withUnsafeMutableBufferPointer { q in
      for frame in 0..<frames {
        for (k, rotor) in enumerated() { rotor.unfold(q, frame * dimension, turn: turns[frame * count + k]) }
      }
    }
  }

  /// ln |d(folded)/d(internal)|, a constant.
  public var logDeterminant: Double { reduce(0) { $0 + $1.logDeterminant } }
}
