import Foundation
import Molecules
import Torch

/// Stein's identity of positions, for atoms bonded in any way: rings and cages need no coordinates of their own.
///
/// Fields are F = f(d) M grad d of a distance or a signed volume d, with one symmetric matrix M over atoms for all frames. They turn with the
/// molecule and are the same wherever it is, so the identity holds for densities that no rigid motion changes. With w = M_aa + M_bb - 2 M_ab,
///
///     div (f M grad d) = w (f' + 2 f / d) of a distance,     = f' grad V . M grad V of a volume,
///
/// since a volume is linear in the position of each of its atoms, and its mixed second derivatives are antisymmetric. f is what d is above its
/// mean, and 1. M is the inverse of a network of springs along bonds and between bonded atoms' neighbours: atoms beside the two that
/// move come along, so stiff forces say less than they would. Any M is right; this one makes errors small.
///
/// A bond in no ring turns: F = f(phi) e x (x - c) for all atoms beyond it, e the bond's direction and c its end. Nothing else changes with
/// phi, the field of a rotation has no divergence, and div F = f'(phi).
struct PositionSeries {
  /// Two atoms each, by their places: bonds, and atoms with a bonded atom in common.
  let bonds, angles: [[Int]]
  /// [centre, three neighbours of it].
  let centres: [[Int]]
  /// Of rings: the ends of three bonds that follow each other, and these four atoms.
  let diagonals, folds: [[Int]]
  /// Four atoms whose middle bond is in no ring, and what lies beyond it.
  let torsions: [(atoms: [Int], beyond: [Int])]
  private let topology: Topology
  /// Atoms of the topology whose positions these are, in their order.
  private let atoms: [Int]
  /// M, [atoms, atoms].
  private let mobility: [Double]
  /// Of a network's springs: between neighbours of one atom against bonds, as squares of the widths of their distances are.
  private static let angleStiffness = 0.2

  /// `atoms`: those of the topology whose positions are looked at, ascending. `preferred`: four atoms of the topology each, the torsions
  /// that bonds are called by where these are among them.
  init(_ topology: Topology, atoms: [Int], preferred: [[Int]]) throws {
    (self.topology, self.atoms) = (topology, atoms)
    let place = Dictionary(uniqueKeysWithValues: atoms.enumerated().map { ($0.element, $0.offset) })
    func places(_ atoms: [Int]) -> [Int]? {
      let found = atoms.compactMap { place[$0] }
      return found.count == atoms.count ? found : nil
    }
    let near = atoms.map { topology.neighbours[$0].compactMap { place[$0] } }
    let bonds = topology.bonds.compactMap { places([$0.first, $0.second]) }
    let known = Set(bonds)
    let ends = Set(near.flatMap { around in around.flatMap { a in around.filter { $0 > a }.map { [a, $0] } } })
    angles = ends.subtracting(known).sorted { ($0[0], $0[1]) < ($1[0], $1[1]) }
    self.bonds = bonds
    centres = PairGeometry.centres(near)
    let rings = topology.rings.compactMap(places)
    folds = rings.filter { $0.count > 3 }.flatMap { ring in
      ring.indices.map { start in (0..<4).map { ring[(start + $0) % ring.count] } }
    }
    let closer = known.union(ends)
    diagonals = Set(folds.map { [$0[0], $0[3]].sorted() }).subtracting(closer).sorted {
      ($0[0], $0[1]) < ($1[0], $1[1])
    }
    torsions = topology.bonds.compactMap { bond in
      guard topology.ringSize(of: bond) == nil else { return nil }
      func far(_ atom: Int, _ other: Int) -> Int? {
        topology.neighbours[atom].first { $0 != other && place[$0] != nil }
      }
      guard let before = far(bond.first, bond.second), let after = far(bond.second, bond.first) else { return nil }
      let own = preferred.first { Set($0[1...2]) == [bond.first, bond.second] && places($0) != nil }
      let torsion = own ?? [before, bond.first, bond.second, after]
      guard let found = places(torsion), let beyond = topology.turningAtoms(of: torsion) else { return nil }
      return (found, beyond.compactMap { place[$0] })
    }
    mobility = try Self.mobility(atoms.count, bonds, angles)
  }

  /// The inverse of the springs' matrix; motion of all atoms together plays no part.
  private static func mobility(_ count: Int, _ bonds: [[Int]], _ angles: [[Int]]) throws -> [Double] {
    var springs = [Double](repeating: 1 / Double(max(1, count)), count: count * count)
    for (pairs, stiffness) in [(bonds, 1), (angles, angleStiffness)] {
      for pair in pairs {
        for (i, j) in [(pair[0], pair[1]), (pair[1], pair[0])] {
          springs[i * count + i] += stiffness
          springs[i * count + j] -= stiffness
        }
      }
    }
    let (values, vectors) = try Tensor(springs, shape: [count, count]).symmetricEigenDecomposition()
    // parts that no bond joins would be free
    let inverse = try vectors / values.clamped(1e-3...Double.greatestFiniteMagnitude)
    return try inverse.matmul(vectors.transposed()).values()
  }

  /// What is found of frames.
  struct Found {
    /// Bonds, angles, hands and torsions that do not go all the way round; of rings their diagonals and folds, which are known less well.
    var narrow: [SteinCheck.Blocks.Narrow] = []
    var further: [SteinCheck.Blocks.Narrow] = []
    var turning: [SteinCheck.Blocks.Turning] = []
  }

  /// Of `positions`, nm, and gradients of ln p over them, both [frames, atoms, 3]. Throws `TorchError`.
  func found(_ positions: [Double], _ gradients: [Double], _ blocks: SteinCheck.Blocks) throws -> Found {
    let (count, frames) = (atoms.count, blocks.frames)
    let moves: [Double] = try Tensor(mobility, shape: [count, count])
      .matmul(Tensor(gradients, shape: [frames, count, 3])).values()
    var found = Found()
    found.narrow = bonds.map { distance($0, "bond", .length, positions, moves, blocks) }
    found.narrow += angles.map { distance($0, "distance", .shape, positions, moves, blocks) }
    found.narrow += centres.map { volume($0, positions, moves, blocks) }
    found.further = diagonals.map { distance($0, "distance", .shape, positions, moves, blocks) }
    found.further += folds.map { volume($0, positions, moves, blocks) }
    let phi = torsionAngles(positions, atoms: count, torsions: torsions.map(\.atoms))
    for (k, torsion) in torsions.enumerated() {
      let angles = (0..<frames).map { phi[$0 * torsions.count + k] }
      let slopes = slopes(of: torsion, positions, gradients, frames: frames)
      let (subject, arc) = (subject("torsion", torsion.atoms, .torsion), AngularArc(of: angles))
      if arc.gap < .pi {
        found.turning.append(blocks.turning(subject, angles: angles, slopes: slopes))
      } else {
        let shifted = angles.map { wrappedAngle($0 - arc.centre) }
        found.narrow.append(blocks.narrow(subject, shifted: shifted, slopes: slopes))
      }
    }
    return found
  }

  private func subject(_ word: String, _ places: [Int], _ kind: SteinCheck.Subject.Kind) -> SteinCheck.Subject {
    let own = places.map { atoms[$0] }
    return SteinCheck.Subject(kind: kind, label: topology.label(word, of: own), title: topology.title(word, of: own))
  }

  private func distance(
    _ pair: [Int], _ word: String, _ kind: SteinCheck.Subject.Kind, _ x: [Double], _ moves: [Double],
    _ blocks: SteinCheck.Blocks
  ) -> SteinCheck.Blocks.Narrow {
    let (a, b, count, frames) = (pair[0], pair[1], atoms.count, blocks.frames)
    let stiffness = mobility[a * count + a] + mobility[b * count + b] - 2 * mobility[a * count + b]
    let arms = (0..<frames).map { Vector3(x, $0 * count + a) - Vector3(x, $0 * count + b) }
    let lengths = arms.map { $0.length }
    let (mean, width) = SteinCheck.Blocks.spread(lengths)
    let pulls = (0..<frames).map { frame in
      arms[frame].dot(Vector3(moves, frame * count + a) - Vector3(moves, frame * count + b)) / lengths[frame]
    }
    return blocks.narrow(
      subject(word, pair, kind), zip(lengths, pulls).map { -($0 - mean) * $1 },
      divergences: lengths.map { stiffness * (3 - 2 * mean / $0) },
      pushes: pulls.map { $0 * width / stiffness }, pushDivergences: lengths.map { 2 * width / $0 })
  }

  /// Of four atoms, (p - o) . ((q - o) x (r - o)): the hand of a centre, how far it is out of plane, and which way a ring folds.
  private func volume(
    _ four: [Int], _ x: [Double], _ moves: [Double], _ blocks: SteinCheck.Blocks
  ) -> SteinCheck.Blocks.Narrow {
    let (count, frames) = (atoms.count, blocks.frames)
    var values: [Double] = []
    var pulls: [Double] = []
    var spreads: [Double] = []
    for frame in 0..<frames {
      let arms = four[1...].map { Vector3(x, frame * count + $0) - Vector3(x, frame * count + four[0]) }
      let areas = (0..<3).map { arms[($0 + 1) % 3].cross(arms[($0 + 2) % 3]) }
      let slopes = [Vector3(0, 0, 0) - areas[0] - areas[1] - areas[2]] + areas
      values.append(arms[0].dot(areas[0]))
      pulls.append((0..<4).reduce(0) { $0 + slopes[$1].dot(Vector3(moves, frame * count + four[$1])) })
      var spread = 0.0
      for i in 0..<4 {
        for j in 0..<4 { spread += mobility[four[i] * count + four[j]] * slopes[i].dot(slopes[j]) }
      }
      spreads.append(spread)
    }
    let (mean, width) = SteinCheck.Blocks.spread(values)
    let scale = width / SteinCheck.Blocks.spread(spreads).mean
    return blocks.narrow(
      subject("volume", four, .shape), zip(values, pulls).map { -($0 - mean) * $1 }, divergences: spreads,
      pushes: pulls.map { $0 * scale })
  }

  /// d ln p over a torsion, all that is beyond its bond turning with it, [frames].
  func slopes(of torsion: (atoms: [Int], beyond: [Int]), _ x: [Double], _ gradients: [Double], frames: Int) -> [Double]
  {
    let count = atoms.count
    return (0..<frames).map { frame in
      let end = Vector3(x, frame * count + torsion.atoms[2])
      let axis = end - Vector3(x, frame * count + torsion.atoms[1])
      let torque = torsion.beyond.reduce(0.0) { sum, atom in
        let arm = Vector3(x, frame * count + atom) - end
        return sum + axis.cross(arm).dot(Vector3(gradients, frame * count + atom))
      }
      return torque / axis.length
    }
  }
}

extension Vector3 {
  /// Of positions [n, 3] the one at a place.
  fileprivate init(_ values: [Double], _ place: Int) {
    self.init(values[3 * place], values[3 * place + 1], values[3 * place + 2])
  }
}
