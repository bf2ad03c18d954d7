import Basics
import Foundation
import Molecules
import Torch

/// What keeps an emulator of many peptides from one that it is asked for.
public enum TransferError: Error, CustomStringConvertible, Equatable {
  /// A residue, or a link, that no training molecule had at that place.
  case unseen(block: String, key: String, known: [String])
  /// A residue of the same name with other coordinates: another state of protonation, a bridge.
  case otherCoordinates(block: String, key: String, first: String)
  case tooFewFrames(block: String, frames: Int, narrow: Int)
  case constantCoordinate(block: String, name: String)
  /// Stereocentres, "CB of THR 2", whose hand is not that of the residues that were pooled.
  case otherHand(molecule: String, centres: [String])
  case noMolecules
  /// Weighted samples that are too few to say something of the torsions.
  case tooFewSamples(Int, needed: Int)
  /// What is wrong with one of many molecules.
  case molecule(String, reason: String)
  /// Adapted is an emulator of two flows on internal coordinates.
  case otherEmulator
  /// Frames to adapt by whose atom is not that of the emulator's molecule.
  case otherAtom(molecule: String, atom: Int, found: String, expected: String)
  /// Frames of a training molecule that are not the force field's.
  case badFrames(molecule: String, reason: String)
  case badForces(molecule: String, forces: Int, atoms: Int)

  /// What `body` throws, with the molecule's name.
  static func naming<T>(_ molecule: String, _ body: () throws -> T) throws -> T {
    do {
      return try body()
    } catch let error as TransferError {
      // some name it themselves
      if case .badForces = error { throw error }
      if case .otherHand = error { throw error }
      throw TransferError.molecule(molecule, reason: "\(error)")
    } catch let error as PeptideError {
      throw TransferError.molecule(molecule, reason: "\(error)")
    }
  }

  public var description: String {
    switch self {
    case .unseen(let block, let key, let known):
      "the emulator has seen no \(key): \(block) cannot be drawn; it knows \(known.joined(separator: ", "))"
    case .otherCoordinates(let block, let key, let first):
      "\(block) has other atoms or bonds than the \(key) that the emulator was trained on (\(first)): it cannot be drawn"
    case .tooFewFrames(let block, let frames, let narrow):
      "\(frames) frames cannot give the covariance of the \(narrow) internal coordinates of \(block); "
        + "give at least \(2 * narrow)"
    case .constantCoordinate(let block, let name):
      "\(name) of \(block) does not vary over the frames (a constraint?); remove the constraint in the simulation"
    case .otherHand(let molecule, let centres):
      "\(molecule): \(centres.joined(separator: ", ")) is of the other hand than in the peptides that the emulator was trained on, "
        + "which are of one hand each: it cannot be drawn"
    case .molecule(let name, let reason): "\(name): \(reason)"
    case .otherEmulator: "only an emulator of two flows on internal coordinates can be adapted"
    case .otherAtom(let molecule, let atom, let found, let expected):
      "atom \(atom) (from 0) of \(molecule) is \(found), and in the emulator's molecule it is \(expected): "
        + "give frames of the same molecule, whose atoms are in the same order"
    case .tooFewSamples(let found, let needed):
      "\(found) weighted samples are too few to tell the torsions' populations by; at least \(needed) are needed"
    case .noMolecules: "an emulator of many molecules needs frames of one molecule at least"
    case .badFrames(let molecule, let reason): "the frames of \(molecule) cannot be learnt from: \(reason)"
    case .badForces(let molecule, let forces, let atoms):
      "the frames of \(molecule) have \(forces) numbers of forces for \(atoms) of positions: both must be [frames, atoms, 3]"
    }
  }
}

/// Means and whitening of narrow coordinates, block by block, from the frames of all molecules that have the block.
///
/// A link is whitened by itself. Of a residue its regression on the whitened links beside it is taken away, and what is left is whitened.
/// Whitening is symmetric (ZCA: C^-1/2 of the correlations), so that a latent stays near its coordinate. For one molecule all of it is one
/// matrix, triangular by blocks: an `InternalChart`.
struct PooledWhitening: Codable, Equatable {
  struct Block: Codable, Equatable {
    let narrowNames, broadNames: [String]
    /// Of each narrow coordinate's arc, rad; 0 for lengths.
    let centres: [Double]
    /// Relative to `centres`.
    let mean: [Double]
    /// By "before " or "behind " and the link's key: what a link's latents add to the coordinates, [link, narrow].
    let regressions: [String: [Double]]
    /// W and its inverse, [narrow, narrow], row-major.
    let whitening, unwhitening: [Double]
    /// ln |det W|.
    let logDeterminant: Double
  }

  let blocks: [String: Block]

  /// Folded internal coordinates of one molecule's frames.
  struct Frames {
    let molecule: PeptideCoordinates
    /// [frames, dimension].
    let values: [Double]
    let count: Int
  }

  /// Throws `TransferError`.
  init(_ all: [Frames]) throws {
    guard !all.isEmpty else { throw TransferError.noMolecules }
    var blocks: [String: Block] = [:]
    /// Every block of a key, with the frames it is of.
    var places: [String: [(frames: Int, block: Int)]] = [:]
    for (index, frames) in all.enumerated() {
      for (number, block) in frames.molecule.blocks.enumerated() {
        places[block.key, default: []].append((index, number))
      }
    }
    let links = places.keys.filter { $0.hasSuffix(" link") }.sorted()
    let others = places.keys.filter { !$0.hasSuffix(" link") }.sorted()
    for key in links + others {
      let found = places[key] ?? []
      let first = all[found[0].frames].molecule.blocks[found[0].block]
      for (frames, number) in found {
        try KnownResidues.compare(all[frames].molecule.blocks[number], first.narrowNames, first.broadNames)
      }
      let kinds = first.narrow.map { all[found[0].frames].molecule.coordinates.kinds[$0] }
      let folded = Set(all[found[0].frames].molecule.rotors.flatMap(\.foldedPlaces))
      // an arc's centre is the same for all molecules: that of the mean direction
      let centres = first.narrow.indices.map { column -> Double in
        guard kinds[column].isTorsion, !folded.contains(first.narrow[column]) else { return 0 }
        var (sine, cosine) = (0.0, 0.0)
        for (frames, number) in found {
          let (part, index) = (all[frames], all[frames].molecule.blocks[number].narrow[column])
          for frame in 0..<part.count {
            let angle = part.values[frame * part.molecule.coordinates.dimension + index]
            sine += sin(angle)
            cosine += cos(angle)
          }
        }
        return atan2(sine, cosine)
      }
      let parts = try found.map { try Self.columns(all[$0.frames], $0.block, centres) }
      let n = try Tensor.concatenated(parts, axis: 0)
      let isLink = key.hasSuffix(" link")
      var sides: [String] = []
      var features: Tensor?
      if !isLink {
        let beside = found.map { Self.sides(all[$0.frames].molecule, $0.block) }
        sides = Set(beside.flatMap { $0.map(\.name) }).sorted()
        if !sides.isEmpty {
          let rows = try zip(found, beside).map { place, own -> Tensor in
            let frames = all[place.frames]
            let tables = try sides.map { side -> Tensor in
              let link = String(side.drop { $0 != " " }.dropFirst())
              let size = blocks[link]?.mean.count ?? 0
              guard let there = own.first(where: { $0.name == side }), let known = blocks[link] else {
                return try Tensor.zeros([frames.count, size], .float64)
              }
              let centred = try Self.columns(frames, there.block, known.centres) - Tensor(known.mean)
              return try centred.matmul(Tensor(known.whitening, shape: [size, size]))
            }
            return try Tensor.concatenated(tables, axis: 1)
          }
          features = try Tensor.concatenated(rows, axis: 0)
        }
      }
      blocks[key] = try Self.block(n, features, sides, links: blocks, first, centres)
    }
    self.blocks = blocks
  }

  /// Blocks of the links beside a residue, by "before KEY" and "behind KEY".
  private static func sides(_ molecule: PeptideCoordinates, _ block: Int) -> [(name: String, block: Int)] {
    let own = molecule.blocks[block]
    return [("before", own.before), ("behind", own.behind)].compactMap { side, link in
      link.map { ("\(side) \(molecule.blocks[$0].key)", $0) }
    }
  }

  private static func columns(_ frames: Frames, _ block: Int, _ centres: [Double]) throws -> Tensor {
    let (coordinates, own) = (frames.molecule.coordinates, frames.molecule.blocks[block].narrow)
    var n = [Double](repeating: 0, count: frames.count * own.count)
    for frame in 0..<frames.count {
      for (column, index) in own.enumerated() {
        let shifted = frames.values[frame * coordinates.dimension + index] - centres[column]
        n[frame * own.count + column] = coordinates.kinds[index].isTorsion ? wrappedAngle(shifted) : shifted
      }
    }
    return try Tensor(n, shape: [frames.count, own.count])
  }

  private static func block(
    _ n: Tensor, _ features: Tensor?, _ sides: [String], links: [String: Block], _ block: PeptideCoordinates.Block,
    _ centres: [Double]
  ) throws -> Block {
    let (count, size) = (n.shape[0], n.shape[1])
    guard count >= 2 * size else { throw TransferError.tooFewFrames(block: block.title, frames: count, narrow: size) }
    var mean = try n.mean(0)
    var rest = try n - mean
    var regressions: [String: [Double]] = [:]
    if let features {
      // links beside this residue may have another mean than all links
      let offset = try features.mean(0)
      let centred = try features - offset
      let normal = try centred.transposed().matmul(centred) + Tensor.identity(features.shape[1], .float64) * 1e-3
      let table = try normal.solved(centred.transposed().matmul(rest))
      rest = try rest - centred.matmul(table)
      mean = try mean - offset.unsqueezed(0).matmul(table).reshaped(mean.shape)
      var row = 0
      for side in sides {
        let height = links[String(side.drop { $0 != " " }.dropFirst())]?.mean.count ?? 0
        regressions[side] = try table.slice(row..<row + height).values()
        row += height
      }
    }
    let scale = try rest.square().mean(0).sqrt()
    if let flat = try scale.values(as: Double.self).firstIndex(where: { !($0 > 1e-9) }) {
      throw TransferError.constantCoordinate(block: block.title, name: block.narrowNames[flat])
    }
    let z = try rest / scale
    let (values, vectors) = try (z.transposed().matmul(z) / Double(count)).symmetricEigenDecomposition()
    let root = try values.clamped(1e-9...Double.greatestFiniteMagnitude).sqrt()
    let forward = try (vectors / root).matmul(vectors.transposed()) / scale.reshaped(-1, 1)
    let backward = try (vectors * root).matmul(vectors.transposed()) * scale
    return Block(
      narrowNames: block.narrowNames, broadNames: block.broadNames, centres: centres, mean: try mean.values(),
      regressions: regressions, whitening: try forward.values(), unwhitening: try backward.values(),
      logDeterminant: try -(scale.log().sum() + root.log().sum()).item())
  }

  /// Throws `TrainingError.badState` where a saved table is not of its block's size.
  func checkShapes() throws {
    for (key, block) in blocks {
      let size = block.narrowNames.count
      let sound =
        block.centres.count == size && block.mean.count == size && block.whitening.count == size * size
        && block.unwhitening.count == size * size
        && block.regressions.allSatisfy { side, table in
          let link = blocks[String(side.drop { $0 != " " }.dropFirst())]
          return link.map { $0.narrowNames.count * size == table.count } ?? false
        }
      if !sound { throw TrainingError.badState("the whitening of \(key) is not of its size") }
    }
  }

  /// The block of a molecule. Throws `TransferError` where it was not seen, or had other coordinates.
  func known(_ block: PeptideCoordinates.Block) throws -> Block {
    let found = try KnownResidues.find(block, in: blocks)
    try KnownResidues.compare(block, found.narrowNames, found.broadNames)
    return found
  }

  /// The chart of a molecule, whose topology's coordinates show its hands. Throws `TransferError`.
  func chart(_ molecule: PeptideCoordinates, of topology: Topology) throws -> InternalChart {
    let chart = try chart(molecule)
    // the pooled means are a molecule of the hands that were pooled
    let mean = try Tensor.zeros([1, chart.space.dimension], .float64)
    let (positions, _) = try molecule.coordinates.cartesian(chart.internalCoordinates(latents: mean), frames: 1)
    let inverted = try Chirality(topology: topology).invertedCentres(in: positions)
    guard inverted.isEmpty else {
      throw TransferError.otherHand(
        molecule: topology.residues.map(\.name).joined(separator: "-"), centres: inverted.map(topology.label))
    }
    return chart
  }

  private func chart(_ molecule: PeptideCoordinates) throws -> InternalChart {
    let (narrow, broad) = (molecule.narrow, molecule.broad)
    let column = Dictionary(uniqueKeysWithValues: narrow.enumerated().map { ($1, $0) })
    let size = narrow.count
    var (centres, mean) = ([Double](repeating: 0, count: size), [Double](repeating: 0, count: size))
    var whitening = [Double](repeating: 0, count: size * size)
    var unwhitening = whitening
    var logDeterminant = 0.0
    func fill(_ table: inout [Double], _ rows: [Int], _ columns: [Int], _ values: [Double]) {
      for (i, row) in rows.enumerated() {
        for (j, column) in columns.enumerated() { table[row * size + column] = values[i * columns.count + j] }
      }
    }
    for (number, block) in molecule.blocks.enumerated() {
      let known = try known(block)
      let places = block.narrow.compactMap { column[$0] }
      for (k, place) in places.enumerated() { (centres[place], mean[place]) = (known.centres[k], known.mean[k]) }
      fill(&whitening, places, places, known.whitening)
      fill(&unwhitening, places, places, known.unwhitening)
      logDeterminant += known.logDeterminant
      for side in Self.sides(molecule, number) {
        // a link of a kind that this residue was never seen beside adds nothing
        guard let regression = known.regressions[side.name] else { continue }
        let link = molecule.blocks[side.block]
        let (other, count) = (try self.known(link), link.narrow.count)
        let rows = link.narrow.compactMap { column[$0] }
        let B = try Tensor(regression, shape: [count, places.count])
        let W = try Tensor(known.whitening, shape: [places.count, places.count])
        let V = try Tensor(other.whitening, shape: [count, count])
        fill(&whitening, rows, places, try (-V.matmul(B).matmul(W)).values())
        fill(&unwhitening, rows, places, regression)
      }
    }
    return InternalChart(
      molecule.coordinates, narrow: narrow, broad: broad, rotors: molecule.rotors, centres: centres, mean: mean,
      whitening: whitening, unwhitening: unwhitening, logDeterminant: logDeterminant)
  }
}
