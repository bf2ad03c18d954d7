import Basics
import Foundation
import Molecules
import Torch

/// A network of which some tensors are trained, and the others stand.
struct PartlyTrained<Base: Network>: Network {
  let base: Base
  /// Places among the base's parameters.
  let trained: [Int]

  var parameterNames: [String] {
    let names = base.parameterNames
    return trained.map { names[$0] }
  }
  var parameters: [Tensor] { trained.map { base.parameters[$0] } }
  var constants: [(name: String, tensor: Tensor)] { base.constants }

  func replacing(parameters: [Tensor], constants: [Tensor]) -> Self {
    var all = base.parameters
    for (place, tensor) in zip(trained, parameters) { all[place] = tensor }
    return Self(base: base.replacing(parameters: all, constants: constants), trained: trained)
  }
}

/// How an emulator that was taken from one of many molecules is adapted to its own.
public struct AdaptationSettings: Sendable {
  /// The first and the last layers alone, which are the molecule's own rows; else all of the networks.
  public var trainsRowsAlone = false
  public var optimization = OptimizationSettings(
    steps: 2000, batch: 512, learningRate: 3e-4, warmUp: 10, averageDecay: 0.99)
  public var recordEvery = 100
  public var seed: UInt64 = 0

  public init() {}
}

extension Emulator {
  /// What an adaptation ends with.
  public struct Adapted {
    public let emulator: Emulator
    public let check: SteinCheck
    public let state: TrainingState
    public let trainingFrames: Int
  }

  /// Goes on training on frames of the emulator's own molecule, `topology`: positions in nm and gradients of -u over them in kT/nm, both
  /// [frames, atoms, 3], of dynamics at `temperature` (K, for messages). The chart stays. Nothing is held out: the last average is taken.
  ///
  /// For emulators of two flows. Throws `TransferError`, `PeptideError`, `TrainingError`.
  public func adapted(
    to frames: TransferableEmulator.Frames, topology: Topology, temperature: Double, settings: AdaptationSettings,
    host: any TrainingHost = UnattendedHost()
  ) throws -> Adapted {
    guard case .internal(let chart) = chart, let flows = field as? TwoFlows else { throw TransferError.otherEmulator }
    let atoms = try frames.checked(against: topology)
    let size = 3 * frames.topology.atoms.count
    let count = frames.positions.count / size
    guard frames.forces.count == frames.positions.count else {
      throw TransferError.badForces(molecule: frames.name, forces: frames.forces.count, atoms: frames.positions.count)
    }
    let weights = frames.weights
    let (positions, forces) = frames.exchanged(
      atoms, seed: RandomStream.derivedSeed(settings.seed, ["exchange"]))
    let values = try chart.coordinates.internalCoordinates(positions, frames: count).values
    let gradients = try chart.coordinates.gradients(
      of: forces, at: positions, values: values, frames: count, jacobian: 1)
    let check = SteinCheck(chart, frames.topology, values, gradients, frames: count)
    guard check.isSound else {
      throw TransferError.badFrames(molecule: frames.name, reason: check.verdict(temperature: temperature))
    }
    let (latents, slopes) = try chart.latents(internal: values, gradient: gradients, frames: count)
    let rows = try Tensor.concatenated([latents, slopes], axis: 1).cast(.float32)
    let loss = EmulatorLoss(
      plain: FlowMatchingLoss(interpolant: .linear),
      forces: try ForceTargets(
        slopes, weights: weights.isEmpty ? [Double](repeating: 1, count: count) : weights, space: chart.space,
        interpolant: .linear),
      times: .likelihood)
    let names = flows.network.parameterNames
    let trained = names.indices.filter {
      !settings.trainsRowsAlone || names[$0].contains(".input.") || names[$0].contains(".output.")
    }
    let generator = try Generator(seed: RandomStream.derivedSeed(settings.seed, ["noise"]))
    let trainer = try Trainer(
      network: PartlyTrained(base: flows.network, trained: trained), settings: settings.optimization,
      generator: generator, columns: ["train", "validation"])
    var sampler = try EpochSampler(
      count: count, batch: settings.optimization.batch, seed: RandomStream.derivedSeed(settings.seed, ["order"]),
      repeats: 16, weights: weights)
    let loop = TrainingLoop(
      trainer: trainer, host: host, title: "adaptation", recordEvery: settings.recordEvery,
      labels: ["loss", "validation"])
    try loop.runKeepingBest(
      frames: count, batch: { try sampler.name(step: $0) }, validation: { _ in nil },
      step: {
        try loss(
          flows.replacing(network: trainer.network.base), rows.selected(sampler.indices(step: trainer.step)),
          trainer.generator)
      })
    return Adapted(
      emulator: Emulator(
        header: header, chart: self.chart, field: flows.replacing(network: trainer.average.base)), check: check,
      state: try trainer.state(), trainingFrames: count)
  }
}

extension TransferableEmulator.Frames {
  /// The atoms as the emulator's topology tells them, which must be the frames' own, one by one. Throws `TransferError.otherAtom`, `PeptideError`.
  fileprivate func checked(against other: Topology) throws -> PeptideAtoms {
    func title(_ topology: Topology, _ labels: [String], _ atom: Int) -> String {
      topology.atoms.indices.contains(atom) ? "\(topology.label(of: atom)), \(labels[atom])" : "none"
    }
    let (mine, theirs) = (try PeptideAtoms(topology: topology), try PeptideAtoms(topology: other))
    var labels = mine.labels
    // equal ends of flat groups are told frame by frame: exchanged in the first one they are no other atoms
    for pair in (mine.flatEnds + mine.flatEnds).flatMap(\.pairs)
    where labels.count == theirs.labels.count && labels[pair[0]] != theirs.labels[pair[0]] {
      labels.swapAt(pair[0], pair[1])
    }
    let count = max(topology.atoms.count, other.atoms.count)
    let first = (0..<count).first { title(topology, labels, $0) != title(other, theirs.labels, $0) }
    if let first {
      throw TransferError.otherAtom(
        molecule: name, atom: first, found: title(topology, labels, first),
        expected: title(other, theirs.labels, first))
    }
    return theirs
  }
}

extension SteinCheck {
  /// Of frames whose internal coordinates `values`, and the gradients of ln p over them, are both [frames, dimension]; rotors count by
  /// their other coordinates. A torsion is narrow about the chart's centre, so that frames beyond its cut are seen.
  init(
    _ chart: InternalChart, _ topology: Topology, _ values: [Double], _ gradients: [Double], frames: Int
  ) {
    let rotors = Set((chart.rotors ?? []).map(\.torsion))
    let folded = Set((chart.rotors ?? []).flatMap(\.foldedPlaces))
    let arcs = chart.coordinates.broadTorsions(values, frames: frames)
    let centres = zip(chart.narrow, chart.centres).map { folded.contains($0) ? arcs.centres[$0] : $1 }
    let series = InternalSeries(
      coordinates: chart.coordinates, topology: topology, narrow: chart.narrow,
      broad: chart.broad.filter { !rotors.contains($0) }, centres: centres)
    let blocks = Blocks(frames: frames)
    let found = series.found(values, gradients, blocks)
    self.init(blocks, narrow: found.narrow, turning: found.turning)
  }
}
