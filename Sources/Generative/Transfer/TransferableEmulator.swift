import Basics
import Foundation
import Molecules
import Torch

/// A Boltzmann emulator of many peptides: trained once, it draws any peptide whose residues it has seen at their places.
///
/// Residues share what they know: charts are pooled by residue (`PooledWhitening`), networks are gathered from rows (`RowNetwork`). For one
/// molecule it is an `Emulator` of two flows like any other.
public struct TransferableEmulator {
  let header: Header
  let whitening: PooledWhitening
  let network: TwoRowNetworks

  struct Header: Codable {
    var vocabulary: RowVocabulary
    var torsions, rest: RowConfiguration
  }

  /// One molecule's frames to learn from.
  public struct Frames {
    public let name: String
    /// With the coordinates of a frame, by which equal atoms are named.
    public let topology: Topology
    /// nm, [frames, atoms, 3].
    public let positions: [Double]
    /// Gradients of -u over them, kT/nm, [frames, atoms, 3].
    public let forces: [Double]
    /// How often each frame is drawn, relative to the others, [frames]; empty where all are alike.
    public var weights: [Double]

    public init(
      name: String, topology: Topology, positions: [Double], forces: [Double], weights: [Double] = []
    ) {
      (self.name, self.topology, self.positions, self.forces) = (name, topology, positions, forces)
      self.weights = weights
    }
  }

  public struct Settings {
    /// Width, depth and harmonics of the two networks' trunks.
    public var torsions = (width: 192, depth: 4, harmonics: 4)
    public var rest = (width: 256, depth: 5, harmonics: 3)
    /// Rows of all molecules of a step together.
    public var optimization = OptimizationSettings(steps: 8000, batch: 512)
    /// Molecules of a step.
    public var moleculesPerStep = 4
    public var recordEvery = 100
    public var seed: UInt64 = 0
    /// Of the frames' dynamics, K; for messages.
    public var temperature: Double

    public init(temperature: Double) { self.temperature = temperature }
  }

  /// What a training ends with.
  public struct Trained {
    public let emulator: TransferableEmulator
    /// Stein's identity of each training molecule's frames, in their order.
    public let checks: [SteinCheck]
    public let state: TrainingState
    public let trainingFrames: Int
  }

  public var parameterCount: Int { network.parameterCount }
  /// "ALA first", "link link": residues, and links between them, with their places.
  public var known: [String] { header.vocabulary.blocks }

  /// The emulator of one molecule, whose coordinates tell how equal atoms are named. Throws `PeptideError`, `TransferError`.
  public func emulator(for topology: Topology) throws -> Emulator {
    let molecule = try PeptideCoordinates(topology: topology)
    let chart = try whitening.chart(molecule, of: topology)
    let places = try header.vocabulary.places(molecule)
    let networks = try withoutGradients { try network.gathered(places) }
    return Emulator(
      header: Emulator.Header(
        architecture: .twoFlows(torsions: header.torsions.bound(places), rest: header.rest.bound(places)),
        interpolant: .linear),
      chart: .internal(chart), field: TwoFlows(network: networks, space: chart.space, interpolant: .linear))
  }

  /// As text and named tensors, for a store.
  public func archive() throws -> ModelArchive { try ModelArchive(header, whitening, network: network) }

  /// Throws `DecodingError`, and `TrainingError.badState` where tensors or tables are missing or of another shape.
  public init(_ archive: ModelArchive) throws {
    let (header, whitening) = try archive.decoded(Header.self, PooledWhitening.self)
    try whitening.checkShapes()
    guard header.vocabulary.isSound(header.torsions), header.vocabulary.isSound(header.rest) else {
      throw TrainingError.badState("rows of the tables have other names than there are rows")
    }
    self.init(
      header: header, whitening: whitening,
      network: try archive.network(like: Self.networks(header, Generator(seed: 0))))
  }

  private init(header: Header, whitening: PooledWhitening, network: TwoRowNetworks) {
    (self.header, self.whitening, self.network) = (header, whitening, network)
  }

  private static func networks(_ header: Header, _ generator: Generator) throws -> TwoRowNetworks {
    TwoRowNetworks(
      torsions: try RowNetwork(configuration: header.torsions, generator: generator),
      rest: try RowNetwork(configuration: header.rest, generator: generator))
  }

  /// Trains on the frames of `molecules`; the loss on the frames of `heldOut` molecules, which must have no residue at a place that the
  /// others do not have, says when to stop. A host that keeps states makes the training go on where it was stopped, bit for bit.
  ///
  /// `start`: an emulator to go on from, of whose shape and whitening the new one is; it must know all residues. Throws `PeptideError`,
  /// `TransferError`, `TrainingError`.
  public static func train(
    on molecules: [Frames], heldOut: [Frames] = [], from start: TransferableEmulator? = nil, settings: Settings,
    host: any TrainingHost = UnattendedHost()
  ) throws -> Trained {
    guard !molecules.isEmpty else { throw TransferError.noMolecules }
    func prepared(_ list: [Frames], _ stream: String) throws -> [PreparedFrames] {
      host.progress.begin("internal coordinates", total: list.count, unit: "molecules")
      defer { host.progress.end() }
      return try list.enumerated().map { index, frames in
        let found = try TransferError.naming(frames.name) {
          try PreparedFrames(frames, seed: RandomStream.derivedSeed(settings.seed, [stream, frames.name]))
        }
        host.progress.update(completed: index + 1)
        try host.checkInterruption()
        return found
      }
    }
    let training = try prepared(molecules, "training")
    let validation = try prepared(heldOut, "held out")
    let whitening = try start?.whitening ?? PooledWhitening(training.map(\.folded))
    let vocabulary = start?.header.vocabulary ?? RowVocabulary(training.map(\.molecule))
    func rows(_ c: (width: Int, depth: Int, harmonics: Int), movesNarrow: Bool) -> RowConfiguration {
      RowConfiguration(
        width: c.width, depth: c.depth, harmonics: c.harmonics, timeFrequencies: 16, narrow: vocabulary.narrow.count,
        broad: vocabulary.broad.count, blocks: vocabulary.blocks.count, movesNarrow: movesNarrow)
    }
    let header =
      start?.header
      ?? Header(
        vocabulary: vocabulary, torsions: rows(settings.torsions, movesNarrow: false),
        rest: rows(settings.rest, movesNarrow: true))
    func learners(_ prepared: [PreparedFrames], _ list: [Frames]) throws -> [Learner] {
      try zip(prepared, list).map { prepared, frames in
        try TransferError.naming(frames.name) { try Learner(prepared, whitening, vocabulary) }
      }
    }
    let (learners, judges) = (try learners(training, molecules), try learners(validation, heldOut))
    for (learner, frames) in zip(learners + judges, molecules + heldOut) {
      guard learner.check.isSound else {
        throw TransferError.badFrames(
          molecule: frames.name, reason: learner.check.verdict(temperature: settings.temperature))
      }
    }
    let frames = learners.reduce(0) { $0 + $1.count }
    let generator = try Generator(seed: RandomStream.derivedSeed(settings.seed, ["noise"]))
    let network = try start?.network ?? networks(header, generator)
    host.log(
      "\(frames) frames of \(molecules.count) molecules, \(heldOut.count) more held out; \(vocabulary.blocks.count) residues and links by place, "
        + "\(network.parameterCount) parameters")
    let trainer = try Trainer(
      network: network, settings: settings.optimization, generator: generator, columns: ["train", "validation"])
    var sampler = try MoleculeSampler(learners.map { ($0.count, $0.weights) }, settings)
    let loop = TrainingLoop(
      trainer: trainer, host: host, title: "emulator of many molecules", recordEvery: settings.recordEvery,
      labels: ["loss", "validation"])
    try loop.runKeepingBest(
      frames: frames, batch: { _ in "" },
      validation: { average in
        guard !judges.isEmpty else { return nil }
        // always the same noise and times, so that two values can be compared
        let generator = try Generator(seed: RandomStream.derivedSeed(settings.seed, ["validation"]))
        return try withoutGradients {
          try average.loss(judges.map { ($0.loss, $0.places, $0.sample) }, generator).item()
        }
      },
      step: {
        let parts = try sampler.parts(step: trainer.step).map { part in
          let learner = learners[part.molecule]
          return (learner.loss, learner.places, try learner.rows.selected(part.rows))
        }
        return try trainer.network.loss(parts, trainer.generator)
      })
    return Trained(
      emulator: TransferableEmulator(header: header, whitening: whitening, network: trainer.average),
      checks: learners.map(\.check), state: try trainer.state(), trainingFrames: frames)
  }
}

extension TransferableEmulator.Frames {
  /// Positions and forces in which equal atoms that a turn exchanges are called either way, in half of the frames each: their names teach
  /// nothing, and short dynamics show one naming alone. Equal ends of flat groups are called in each frame as they stand.
  func exchanged(_ atoms: PeptideAtoms, seed: UInt64) -> (positions: [Double], forces: [Double]) {
    let size = 3 * topology.atoms.count
    var (positions, forces) = (positions, forces)
    var random = RandomStream(seed: seed)
    func exchange(_ pairs: [[Int]], _ base: Int) {
      for pair in pairs {
        for axis in 0..<3 {
          let (a, b) = (base + 3 * pair[0] + axis, base + 3 * pair[1] + axis)
          positions.swapAt(a, b)
          forces.swapAt(a, b)
        }
      }
    }
    for base in stride(from: 0, to: positions.count, by: size) {
      for symmetry in atoms.symmetries where Bool.random(using: &random) { exchange(symmetry, base) }
      // twice: what hangs on ends that were exchanged is looked at after them
      for ends in atoms.flatEnds + atoms.flatEnds {
        func square(_ atom: Int) -> Double {
          (0..<3).reduce(0) { sum, axis in
            let step = positions[base + 3 * atom + axis] - positions[base + 3 * ends.beside + axis]
            return sum + step * step
          }
        }
        if square(ends.pairs[0][0]) > square(ends.pairs[0][1]) { exchange(ends.pairs, base) }
      }
    }
    return (positions, forces)
  }
}

/// Frames of one molecule in internal coordinates.
private struct PreparedFrames {
  let molecule: PeptideCoordinates
  let topology: Topology
  /// As they are, and with rotors folded. [frames, dimension].
  let values: [Double]
  let folded: PooledWhitening.Frames
  /// Of ln p over the internal coordinates, [frames, dimension].
  let gradients: [Double]
  let weights: [Double]

  init(_ frames: TransferableEmulator.Frames, seed: UInt64) throws {
    (topology, weights) = (frames.topology, frames.weights)
    let size = 3 * topology.atoms.count
    let count = frames.positions.count / size
    guard frames.forces.count == frames.positions.count else {
      throw TransferError.badForces(
        molecule: frames.name, forces: frames.forces.count, atoms: frames.positions.count)
    }
    molecule = try PeptideCoordinates(topology: topology)
    let (positions, forces) = frames.exchanged(molecule.atoms, seed: seed)
    values = try molecule.coordinates.internalCoordinates(positions, frames: count).values
    gradients = try molecule.coordinates.gradients(
      of: forces, at: positions, values: values, frames: count, jacobian: 1)
    var (turned, none) = (values, [Double]())
    molecule.rotors.fold(&turned, gradient: &none, frames: count)
    folded = PooledWhitening.Frames(molecule: molecule, values: turned, count: count)
  }
}

/// One molecule as the training sees it.
private struct Learner {
  let count: Int
  let weights: [Double]
  let places: RowPlaces
  /// Latents and gradients, [frames, 2 d].
  let rows: Tensor
  /// Some of them, spread evenly, to be judged by.
  let sample: Tensor
  let loss: EmulatorLoss
  let check: SteinCheck
  private static let judged = 512

  init(_ frames: PreparedFrames, _ whitening: PooledWhitening, _ vocabulary: RowVocabulary) throws {
    (count, weights) = (frames.folded.count, frames.weights)
    let chart = try whitening.chart(frames.molecule, of: frames.topology)
    places = try vocabulary.places(frames.molecule)
    let (latents, slopes) = try chart.latents(internal: frames.values, gradient: frames.gradients, frames: count)
    rows = try Tensor.concatenated([latents, slopes], axis: 1).cast(.float32)
    let (few, all) = (min(count, Self.judged), [Double](repeating: 1, count: count))
    // drawn as the frames of the training are
    let drawn = systematicDraw(weights.isEmpty ? all : weights, count: few, start: 0.5)
    sample = try rows.selected(Tensor(drawn.map(Int64.init)))
    let targets = try ForceTargets(
      slopes, weights: weights.isEmpty ? all : weights, space: chart.space, interpolant: .linear)
    loss = EmulatorLoss(
      plain: FlowMatchingLoss(interpolant: .linear), forces: targets, times: .likelihood)
    check = SteinCheck(chart, frames.topology, frames.values, frames.gradients, frames: count)
  }
}

/// Which molecules a step takes, and which of their frames: all molecules in an order of chance, then again, and so each molecule's frames.
private struct MoleculeSampler {
  private var molecules: EpochSampler
  private var frames: [EpochSampler]
  private let perStep: Int

  init(_ counts: [(frames: Int, weights: [Double])], _ settings: TransferableEmulator.Settings) throws {
    perStep = max(1, min(settings.moleculesPerStep, counts.count))
    let rows = max(1, settings.optimization.batch / perStep)
    molecules = try EpochSampler(
      count: counts.count, batch: perStep, seed: RandomStream.derivedSeed(settings.seed, ["molecules"]))
    frames = try counts.enumerated().map { index, molecule in
      try EpochSampler(
        count: molecule.frames, batch: rows, seed: RandomStream.derivedSeed(settings.seed, ["order", String(index)]),
        repeats: 16, weights: molecule.weights)
    }
  }

  mutating func parts(step: Int) throws -> [(molecule: Int, rows: Tensor)] {
    let visit = step / max(1, frames.count / perStep)
    return try molecules.indices(step: step).array(as: Int64.self).values.map { index in
      (Int(index), try frames[Int(index)].indices(step: visit))
    }
  }
}
