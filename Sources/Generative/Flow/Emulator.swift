import Basics
import Molecules
import Torch

/// A Boltzmann emulator: a trained flow that draws a molecule's conformations, with their densities.
///
/// What draws is `flow(for:)`: for a topology its chart and the vector field on it. An emulator of many molecules would differ in
/// that function alone.
public struct Emulator {
  public let header: Header
  let chart: Chart
  let field: any VectorField

  /// Everything about the model but its numbers and the molecule.
  public struct Header: Codable, Sendable {
    public var architecture: EmulatorArchitecture
    public var interpolant: Interpolant
    /// The network gives the data point it expects and not the velocity.
    public var predictsEndpoint = false

    /// A vector field with fresh parameters.
    func field(_ chart: Chart, _ generator: Generator) throws -> any VectorField {
      let field = try architecture.field(chart, interpolant, generator)
      return predictsEndpoint ? Self.endpoint(field, interpolant) : field
    }

    private static func endpoint(_ field: some VectorField, _ interpolant: Interpolant) -> any VectorField {
      EndpointVectorField(base: field, interpolant: interpolant)
    }
  }
}

public enum EmulatorError: Error, CustomStringConvertible, Equatable {
  case otherMolecule(atoms: Int, expected: Int)
  case atomClasses(count: Int, atoms: Int)
  case couplingNeedsPositions(Coupling)
  /// So many bonds are held, and Cartesian coordinates hold none.
  case heldNeedsInternal(bonds: Int)

  public var description: String {
    switch self {
    case .otherMolecule(let atoms, let expected):
      "the molecule has \(atoms) atoms, and the emulator is one of a molecule with \(expected)"
    case .atomClasses(let count, let atoms):
      "there are \(count) atom classes for \(atoms) atoms; give one class per atom, from 0"
    case .couplingNeedsPositions(let coupling):
      "the coupling \(coupling.rawValue) aligns positions; internal coordinates have no orientation to align"
    case .heldNeedsInternal(let bonds):
      "\(bonds) bonds are to keep their lengths, and Cartesian coordinates keep none: take internal ones"
    }
  }
}

/// How an emulator is trained by flow matching.
public struct EmulatorSettings {
  public enum Coordinates: Equatable, Sendable {
    /// Whitened bonds, angles and narrow torsions on R^n, broad torsions on the torus.
    case `internal`
    /// Positions times `scale` (1/nm); `atomClasses` one per atom, nil for those that the bond graph does not tell apart; `meanFree`
    /// where noise has no centre of mass of its own.
    case cartesian(atomClasses: [Int]? = nil, scale: Double = 10, meanFree: Bool = true)
  }

  public var coordinates = Coordinates.internal
  /// Bonds that keep their lengths; internal coordinates alone.
  public var rigid: RigidBonds?
  /// The network for a chart.
  public var architecture: (Chart) throws -> EmulatorArchitecture = EmulatorArchitecture.standard
  public var interpolant = Interpolant.linear
  public var objective = FlowObjective.velocity
  public var coupling = Coupling.independent
  public var optimization = OptimizationSettings(steps: 8000, batch: 512)
  /// Frames held out to see over-fitting; see `FrameSplit`.
  public var validationFraction = 0.05
  /// Steps between two rows of the loss curve.
  public var recordEvery = 50
  /// Of network, noise and order.
  public var seed: UInt64 = 0

  public init() {}
}

/// What a training of an emulator ends with.
public struct TrainedEmulator {
  public let emulator: Emulator
  /// The loss curve's columns are "train" and "validation".
  public let state: TrainingState
  public let trainingFrames: Int
}

/// Frames to learn from and frames to test on: blocks of 1 % of the frames, spread evenly, are held out, so that neighbours in time stay
/// on one side.
struct FrameSplit: Equatable {
  let training: [Int]
  /// At most `validationRows` of those held out, and `leastValidationRows` rows at least.
  let validation: [Int]
  /// Held-out frames that a row of the loss curve takes at most.
  static let validationRows = 2048
  /// Fewer than these are taken several times, each with noise of its own, so that two values differ by what the network is.
  static let leastValidationRows = 512

  init(frames count: Int, fraction: Double) {
    let block = max(1, count / 100)
    let period = fraction > 0 ? max(2, Int((1 / fraction).rounded())) : Int.max
    let held = (0..<count).filter { ($0 / block) % period == period / 2 }
    guard !held.isEmpty, held.count < count else {
      (training, validation) = (Array(0..<count), [])
      return
    }
    let isHeld = Set(held)
    training = (0..<count).filter { !isHeld.contains($0) }
    let every = (held.count + Self.validationRows - 1) / Self.validationRows
    let chosen = stride(from: 0, to: held.count, by: every).map { held[$0] }
    let times = (Self.leastValidationRows + chosen.count - 1) / chosen.count
    validation = (0..<times).flatMap { _ in chosen }
  }
}

extension Emulator {
  /// A GVP network that another program trained on linear interpolants, in Cartesian coordinates. Weights carry the
  /// names of `GVPNetwork.parameterNames`; `timeIsReversed` where the network's time runs from data to noise. Throws
  /// `CartesianNetworkError` where the weights are not those of the configuration, `EmulatorError.atomClasses` where
  /// the classes are not as many as the topology's atoms.
  public init(
    gvp configuration: GVPConfiguration, weights: [String: NDArray<Float>], atomClasses: [Int], topology: Topology,
    timeIsReversed: Bool, scale: Double = 10, meanFree: Bool = true
  ) throws {
    let chart = Chart.cartesian(
      try CartesianChart(topology: topology, atomClasses: atomClasses, scale: scale, meanFree: meanFree))
    let network = try GVPNetwork(
      configuration: configuration, atoms: AtomClasses(atomClasses, count: configuration.atomClasses), weights: weights)
    self.init(
      header: Header(architecture: .gvp(configuration, timeIsReversed: timeIsReversed), interpolant: .linear),
      chart: chart,
      field: GVPVectorField(
        network: network, space: chart.space, networkTimeIsReversed: timeIsReversed, frame: try chart.frame()))
  }

  public var parameterCount: Int { field.network.parameterCount }

  /// The emulator on one molecule. Throws `EmulatorError.otherMolecule`, and `MoleculesError.flatCentre` for a topology whose
  /// coordinates show no hand.
  public func flow(for topology: Topology) throws -> MolecularFlow {
    guard topology.atoms.count == chart.atoms else {
      throw EmulatorError.otherMolecule(atoms: topology.atoms.count, expected: chart.atoms)
    }
    return MolecularFlow(chart: chart, field: field, chirality: try Chirality(topology: topology))
  }

  /// As text and named tensors, for a store.
  public func archive() throws -> ModelArchive { try ModelArchive(header, chart, network: field.network) }

  /// Throws `DecodingError`, and `TrainingError.badState` where tensors are missing or of another shape.
  public init(_ archive: ModelArchive) throws {
    let (header, chart) = try archive.decoded(Header.self, Chart.self)
    self.init(header: header, chart: chart, field: try Self.filled(header.field(chart, Generator(seed: 0)), archive))
  }

  private static func filled<Field: VectorField>(_ blank: Field, _ archive: ModelArchive) throws -> any VectorField {
    blank.replacing(network: try archive.network(like: blank.network))
  }

  /// Trains on `frames` [frames, atoms, 3], nm, of the molecule `topology`. A host that keeps states makes the training
  /// go on where it was stopped, bit for bit. Throws `EmulatorError`, `ChartError`, `MoleculesError`, `TrainingError`.
  public static func train(
    on frames: NDArray<Double>, topology: Topology, settings: EmulatorSettings,
    host: any TrainingHost = UnattendedHost()
  ) throws -> TrainedEmulator {
    let count = frames.shape.first ?? 0
    let chart = try chart(for: frames.values, count, topology, settings, host)
    let latents = try chart.latents(frames.values, frames: count).cast(.float32)
    let split = FrameSplit(frames: count, fraction: settings.validationFraction)
    let generator = try Generator(seed: RandomStream.derivedSeed(settings.seed, ["noise"]))
    if split.validation.isEmpty { return try train(chart, on: latents, validation: nil, settings, generator, host) }
    return try train(
      chart, on: latents.selected(Tensor(split.training.map(Int64.init))),
      validation: latents.selected(Tensor(split.validation.map(Int64.init))), settings, generator, host)
  }

  private static func train(
    _ chart: Chart, on training: Tensor, validation: Tensor?, _ settings: EmulatorSettings, _ generator: Generator,
    _ host: any TrainingHost
  ) throws -> TrainedEmulator {
    var predictsEndpoint = false
    if case .endpoint = settings.objective { predictsEndpoint = true }
    let header = Header(
      architecture: try settings.architecture(chart), interpolant: settings.interpolant,
      predictsEndpoint: predictsEndpoint)
    let (field, state) = try optimize(
      header.field(chart, generator), on: training, validation: validation, settings, generator, host)
    return TrainedEmulator(
      emulator: Emulator(header: header, chart: chart, field: field), state: state, trainingFrames: training.shape[0])
  }

  private static func chart(
    for positions: [Double], _ count: Int, _ topology: Topology, _ settings: EmulatorSettings,
    _ host: any TrainingHost
  ) throws -> Chart {
    if case .cartesian(let given, let scale, let meanFree) = settings.coordinates {
      if let rigid = settings.rigid { throw EmulatorError.heldNeedsInternal(bonds: rigid.bonds.count) }
      let classes = given ?? topology.symmetryClasses
      let chart = try CartesianChart(topology: topology, atomClasses: classes, scale: scale, meanFree: meanFree)
      host.log("\(count) frames of \(classes.count) atoms in \(Set(classes).count) classes")
      return .cartesian(chart)
    }
    guard settings.coupling != .kabsch else { throw EmulatorError.couplingNeedsPositions(settings.coupling) }
    let coordinates = try InternalCoordinates(topology: topology)
    let (values, _) = try coordinates.internalCoordinates(positions, frames: count)
    let chart = try InternalChart(coordinates: coordinates, values: values, frames: count, rigid: settings.rigid)
    host.log(
      "\(count) frames; \(chart.held.map { "\($0.count) bonds at their lengths, " } ?? "")\(chart.space.euclidean) narrow and \(chart.space.angles) broad coordinates: "
        + chart.broad.map { coordinates.label(of: $0, in: topology) }.joined(separator: ", "))
    return .internal(chart)
  }

  /// The field with the averaged network, and the training's last state.
  private static func optimize<Field: VectorField>(
    _ field: Field, on training: Tensor, validation: Tensor?, _ settings: EmulatorSettings, _ generator: Generator,
    _ host: any TrainingHost
  ) throws -> (any VectorField, TrainingState) {
    let trainer = try Trainer(
      network: field.network, settings: settings.optimization, generator: generator, columns: ["train", "validation"])
    let loss = FlowMatchingLoss(
      interpolant: settings.interpolant, objective: settings.objective, coupling: settings.coupling)
    let batch = settings.optimization.batch
    var sampler = try EpochSampler(
      count: training.shape[0], batch: batch, seed: RandomStream.derivedSeed(settings.seed, ["order"]), repeats: 16)
    let loop = TrainingLoop(
      trainer: trainer, host: host, title: "emulator", recordEvery: settings.recordEvery,
      labels: ["loss", "validation"])
    try loop.run(batch: { try sampler.name(step: $0) }) {
      let average = field.replacing(network: trainer.average)
      guard let validation else { return [.nan] }
      let value = try validationLoss(loss, average, validation, seed: settings.seed)
      var curve = trainer.curve
      curve.record(step: trainer.step, [.nan, value])
      if value.isFinite, OverFitting(curve)?.keepsLast ?? false { try trainer.keepAverage() }
      return [value]
    } endsEarly: {
      OverFitting($0)?.isBeyondReturn ?? false
    } step: {
      let rows = try training.selected(sampler.indices(step: trainer.step))
      let t = try FlowMatchingLoss.stratifiedTimes(batch, trainer.generator)
      let now = field.replacing(network: trainer.network)
      return [try trainer.update(loss(now, data: rows, t: t, trainer.generator))]
    }
    if let found = OverFitting(trainer.curve), !found.keepsLast, try trainer.returnToKeptAverage() {
      host.warn(found.warning(frames: training.shape[0], steps: settings.optimization.steps))
    } else {
      trainer.forgetKeptAverage()
    }
    return (field.replacing(network: trainer.average), try trainer.state())
  }

  /// Always the same noise and times, so that two values can be compared.
  private static func validationLoss(
    _ loss: FlowMatchingLoss, _ field: some VectorField, _ rows: Tensor, seed: UInt64
  ) throws -> Double {
    try withoutGradients {
      let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["validation"]))
      let t = try FlowMatchingLoss.stratifiedTimes(rows.shape[0], generator)
      return try loss(field, data: rows, t: t, generator).item()
    }
  }
}
