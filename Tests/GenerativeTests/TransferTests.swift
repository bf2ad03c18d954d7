import Basics
import Foundation
import TestSupport
import Testing
import Torch

@testable import Generative
@testable import Molecules

/// One emulator of many peptides: pooled charts, gathered networks, and what is said of a molecule that it does not know.
@Suite struct TransferTests {
  /// A dipeptide, or ACE-ALA-NME ("alanine") and ACE-ALA-ALA-ALA-NME ("tetra-alanine").
  static func dipeptide(_ name: String) throws -> Topology {
    if name == "alanine" { return try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb")) }
    if name == "tetra-alanine" {
      return try Topology.read(pdb: Package.datasets.appendingPathComponent("tetra-alanine/topology.pdb"))
    }
    return try Topology.read(pdb: Package.datasets.appendingPathComponent("dipeptides/\(name)/topology.pdb"))
  }

  /// Frames of a molecule in a harmonic well about its structure: positions with the deviation `width` (nm), and gradients of ln p.
  static func shaken(_ topology: Topology, frames: Int, seed: UInt64, width: Double = 0.003)
    -> TransferableEmulator
    .Frames
  {
    var random = RandomStream(seed: seed, "shaken")
    let start = topology.referenceCoordinates
    var (positions, forces): ([Double], [Double]) = ([], [])
    for _ in 0..<frames {
      for value in start {
        let step = width * random.normal()
        positions.append(value + step)
        forces.append(-step / (width * width))
      }
    }
    return TransferableEmulator.Frames(
      name: topology.residues.map(\.name).joined(), topology: topology, positions: positions, forces: forces)
  }

  static func folded(_ frames: TransferableEmulator.Frames) throws -> (PooledWhitening.Frames, values: [Double]) {
    let molecule = try PeptideCoordinates(topology: frames.topology)
    let count = frames.positions.count / (3 * frames.topology.atoms.count)
    let values = try molecule.coordinates.internalCoordinates(frames.positions, frames: count).values
    var (turned, none) = (values, [Double]())
    molecule.rotors.fold(&turned, gradient: &none, frames: count)
    return (PooledWhitening.Frames(molecule: molecule, values: turned, count: count), values)
  }

  static let names = ["NF", "NY", "AC", "alanine", "tetra-alanine"]

  /// Each block of the pooled frames has mean 0 and covariance 1, a residue's is uncorrelated with the links beside it, and the chart's
  /// volume is that of its matrix.
  @Test func pooledLatentsAreWhite() throws {
    let found = try Self.names.enumerated().map {
      try Self.folded(Self.shaken(Self.dipeptide($1), frames: 400, seed: UInt64($0)))
    }
    let whitening = try PooledWhitening(found.map(\.0))
    var pooled: [String: [Tensor]] = [:]
    var beside: [String: [(own: Tensor, link: Tensor)]] = [:]
    for ((frames, values), name) in zip(found, Self.names) {
      let chart = try whitening.chart(frames.molecule, of: Self.dipeptide(name))
      let latents = try chart.latents(internal: values, frames: frames.count)
      let back = try chart.internalCoordinates(latents: latents)
      // a fold forgets which end is the first: latents of what comes back are the same
      #expect(try largestDifference(chart.latents(internal: back, frames: frames.count), latents) < 1e-7)
      let size = chart.narrow.count
      let W = try Tensor(chart.whitening, shape: [size, size])
      let both = try W.matmul(Tensor(chart.unwhitening, shape: [size, size])) - Tensor.identity(size, .float64)
      #expect(try both.abs().maximum(over: 0, 1).item() < 1e-8)
      let volume = try W.signLogDeterminant().logAbsolute.item() + frames.molecule.rotors.logDeterminant
      #expect(abs(volume - chart.logDeterminant) < 1e-7)
      let column = Dictionary(uniqueKeysWithValues: chart.narrow.enumerated().map { ($1, Int64($0)) })
      for block in frames.molecule.blocks {
        let own = try latents.selected(Tensor(block.narrow.compactMap { column[$0] }), axis: 1)
        pooled[block.key, default: []].append(own)
        guard block.key == "CYS last" || (block.key == "ALA inner" && name == "tetra-alanine") else { continue }
        for link in [block.before, block.behind].compactMap({ $0 }) {
          let other = try latents.selected(
            Tensor(frames.molecule.blocks[link].narrow.compactMap { column[$0] }), axis: 1)
          beside[block.key, default: []].append((own, other))
        }
      }
    }
    #expect(
      Set(pooled.keys) == [
        "ASN first", "ALA first", "PHE last", "TYR last", "CYS last", "ALA inner", "ACE cap", "NME cap", "link link",
        "link-from-ACE link", "link-to-NME link",
      ])
    // the one residue that one molecule alone has is uncorrelated with its link; alanines inside chains have a link on either side
    let (own, link) = try #require(beside["CYS last"]?.first)
    let centred = try link - link.mean(0)
    let mixed = try (centred.transposed().matmul(own) / 400).abs().maximum(over: 0, 1).item()
    #expect(mixed < 1e-4)
    #expect(beside["ALA inner"]?.count == 6)
    for (key, parts) in pooled {
      let y = try Tensor.concatenated(parts, axis: 0)
      let (count, size) = (y.shape[0], y.shape[1])
      let mean = try y.mean(0).abs().maximum(over: 0).item()
      #expect(mean < 1e-8, "\(key)")
      let covariance = try y.transposed().matmul(y) / Double(count) - Tensor.identity(size, .float64)
      #expect(try covariance.abs().maximum(over: 0, 1).item() < 1e-5, "\(key)")
    }
  }

  /// Rows that two molecules share are the same rows, the gathered network is the one that the tables describe, and its loss teaches each table.
  @Test func networksAreGatheredFromRows() throws {
    let found = try Self.names.enumerated().map {
      try Self.folded(Self.shaken(Self.dipeptide($1), frames: 200, seed: UInt64($0)))
    }
    let vocabulary = RowVocabulary(found.map(\.0.molecule))
    let places = try found.map { try vocabulary.places($0.0.molecule) }
    let (nf, ny) = (places[0], places[1])
    #expect(nf.narrowCount == found[0].0.molecule.narrow.count && nf.broadCount == found[0].0.molecule.broad.count)
    let (one, two) = (
      Set(try nf.narrow.array(as: Int64.self).values), Set(try ny.narrow.array(as: Int64.self).values)
    )
    #expect(one.intersection(two).count > 150 && one != two)
    let configuration = RowConfiguration(
      width: 12, depth: 2, harmonics: 2, timeFrequencies: 3, narrow: vocabulary.narrow.count,
      broad: vocabulary.broad.count, blocks: vocabulary.blocks.count, movesNarrow: true)
    let generator = try Generator(seed: 3)
    let fresh = try RowNetwork(configuration: configuration, generator: generator)
    let network = fresh.replacing(
      parameters: try fresh.parameters.map { try ($0 + generator.normal($0.shape) * 0.1).requiringGradient() })
    let gathered = try network.gathered(nf)
    let fixed = try ResidualNetwork(
      space: gathered.space, configuration: configuration.bound(nf), generator: Generator(seed: 1))
    #expect(fixed.parameters.map(\.shape) == gathered.parameters.map(\.shape))
    // a column's weights are the sum of its three rows
    let rows = try nf.narrow.array(as: Int64.self).values.prefix(3)
    let table = try #require(network.parameters.first)
    let sum = try table.selected(Tensor(Array(rows))).sum(0)
    #expect(try largestDifference(gathered.parameters[0].slice(0..<1, axis: 1).reshaped(12), sum) < 1e-6)
    let x = try gathered.space.prior(5, generator)
    let output = try gathered(x, generator.uniform([5]))
    #expect(output.shape == [5, nf.narrowCount])
    // molecules that go through the trunk together come out as each by itself
    let other = try network.gathered(ny)
    let points = try [gathered, other].map {
      (x: try $0.space.prior(4, generator), t: try generator.uniform([4]))
    }
    let together = try RowNetwork.outputs(network.gathered([nf, ny]), points)
    #expect(try largestDifference(together[0], gathered(points[0].x, points[0].t)) < 1e-5)
    #expect(try largestDifference(together[1], other(points[1].x, points[1].t)) < 1e-5)
    let gradients = try output.square().sum().gradients(of: network.parameters)
    for (name, gradient) in zip(network.parameterNames, gradients) {
      #expect(try gradient.abs().sum().item() > 0, "\(name) learns nothing")
    }
  }

  /// Arginine's NH1 and NH2 are called as they stand in each frame, carboxylates either way, and nothing else moves.
  @Test func equalEndsAreCalledAsTheyStand() throws {
    let topology = try Self.dipeptide("GR")
    let atoms = try PeptideAtoms(topology: topology)
    func index(_ name: String) throws -> Int { try #require(topology.atoms.firstIndex { $0.name == name }) }
    // the guanidinium group, and the hydrogens of each of its ends
    #expect(atoms.flatEnds.count == 3)
    let pairs = [
      (try index("NH1"), try index("NH2")), (try index("HH11"), try index("HH21")),
      (try index("HH12"), try index("HH22")),
    ]
    var turned = topology.referenceCoordinates
    for (a, b) in pairs { for axis in 0..<3 { turned.swapAt(3 * a + axis, 3 * b + axis) } }
    let both = topology.referenceCoordinates + turned
    let frames = TransferableEmulator.Frames(name: "GR", topology: topology, positions: both, forces: both)
    let (positions, forces) = frames.exchanged(atoms, seed: 3)
    #expect(positions == forces && both != positions)
    let size = turned.count
    func atom(_ index: Int, _ frame: Int) -> [Double] {
      Array(positions[frame * size + 3 * index..<frame * size + 3 * index + 3])
    }
    let free = Set(atoms.symmetries.flatMap { $0.flatMap { $0 } })
    for index in topology.atoms.indices where !free.contains(index) {
      // as the topology has them, in both
      let own = Array(topology.referenceCoordinates[3 * index..<3 * index + 3])
      #expect(atom(index, 0) == own && atom(index, 1) == own, "\(topology.label(of: index))")
    }
    #expect(free.count == 2)
  }

  @Test func whatWasNotSeenIsNamed() throws {
    let found = try Self.folded(Self.shaken(Self.dipeptide("NF"), frames: 400, seed: 1))
    let whitening = try PooledWhitening([found.0])
    let topology = try Self.dipeptide("NY")
    let other = try PeptideCoordinates(topology: topology)
    #expect {
      try whitening.chart(other, of: topology)
    } throws: { error in
      error as? TransferError == .unseen(block: "TYR 2", key: "TYR last", known: ["PHE last"])
    }
    // the mirror image, of D residues
    let plain = try Self.dipeptide("NF")
    let mirrored = try Topology(
      atoms: plain.atoms, residues: plain.residues, bonds: plain.bonds,
      referenceCoordinates: plain.referenceCoordinates.enumerated().map { $0 % 3 == 0 ? -$1 : $1 })
    #expect {
      try whitening.chart(PeptideCoordinates(topology: mirrored), of: mirrored)
    } throws: { error in
      error as? TransferError == .otherHand(molecule: "ASN-PHE", centres: ["CA of ASN 1", "CA of PHE 2"])
    }
    #expect("\(TransferError.unseen(block: "TYR 2", key: "TYR last", known: ["PHE last"]))".contains("TYR 2"))
  }
}
