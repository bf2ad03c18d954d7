import Basics
import Molecules
import Torch

/// A Boltzmann emulator: a trained flow that draws a molecule's conformations, with their densities.
///
/// What draws is `flow(for:)`: for a topology its chart and the vector field on it. A `TransferableEmulator`, of many peptides, gives one
/// of these for each.
public struct Emulator {
  public let header: Header
  let chart: Chart
  let field: any FlowModel

  /// Everything about the model but its numbers and the molecule.
  public struct Header: Codable, Sendable {
    public var architecture: EmulatorArchitecture
    public var interpolant: Interpolant
    /// The network gives the data point it expects and not the velocity.
    public var predictsEndpoint = false

    /// A vector field with fresh parameters; `data` as for `EmulatorArchitecture.field`.
    func field(_ chart: Chart, data: Tensor? = nil, _ generator: Generator) throws -> any FlowModel {
      try velocity(of: architecture.field(chart, interpolant, data: data, generator))
    }

    /// The field itself, or what it says of where paths end as a velocity.
    func velocity(of field: any FlowModel) -> any FlowModel {
      guard predictsEndpoint, let field = field as? any VectorField else { return field }
      return Self.endpoint(field, interpolant)
    }

    private static func endpoint(_ field: some VectorField, _ interpolant: Interpolant) -> any VectorField {
      EndpointVectorField(base: field, interpolant: interpolant)
    }
  }
}

public enum EmulatorError: Error, CustomStringConvertible, Equatable {
  /// What needs forces in the targets.
  public enum Lever: String, Sendable {
    case targets = "forces in the targets"
    case flows = "two flows"
    case hydrogens = "hydrogens given heavy atoms (coordinates: heavy)"
    case rotors = "folded rotors"
    case times = "times that count by likelihoods"
  }

  case otherMolecule(atoms: Int, expected: Int)
  case atomClasses(count: Int, atoms: Int)
  case couplingNeedsPositions(Coupling)
  /// So many bonds are held, and Cartesian coordinates hold none.
  case heldNeedsInternal(bonds: Int)
  /// Something that forces alone can carry is asked for, and they cannot be used.
  case forcesNeeded(Lever, reason: String)
  /// Two flows of a molecule without torsions that go all the way round.
  case noBroadTorsions
  /// A network over pairs with another objective, coupling or path.
  case pairsNeedLinearPaths

  public var description: String {
    switch self {
    case .otherMolecule(let atoms, let expected):
      "the molecule has \(atoms) atoms, and the emulator is one of a molecule with \(expected)"
    case .atomClasses(let count, let atoms):
      "there are \(count) atom classes for \(atoms) atoms; give one class per atom, from 0"
    case .couplingNeedsPositions(let coupling):
      "the coupling \(coupling.rawValue) aligns positions; internal coordinates have no orientation to align"
    case .forcesNeeded(let lever, let reason): "\(lever.rawValue) cannot be had: \(reason)"
    case .noBroadTorsions: "two flows need a torsion that goes all the way round, and no frame shows one"
    case .pairsNeedLinearPaths:
      "a network over pairs learns velocities of linear paths from independent pairs: leave objective, coupling and interpolant out"
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
    /// Positions of all atoms with unit variance, for a network over pairs.
    case pairs
    /// The same of the heavy atoms, and internal coordinates of the hydrogens given these. Needs forces.
    case heavy
  }

  public var coordinates = Coordinates.internal
  /// Bonds that keep their lengths; internal coordinates alone.
  public var rigid: RigidBonds?
  /// The network for a chart, and whether two flows are wanted.
  public var architecture: (Chart, _ inTwo: Bool) throws -> EmulatorArchitecture = EmulatorArchitecture.standard
  /// Of the frames' molecule and temperature; nil where there are none.
  public var forces: BoltzmannForces?
  public var levers = Levers()
  /// Of states, among the frames as they are drawn; nil where each frame is drawn once.
  public var shares: StateShares?
  public var interpolant = Interpolant.linear
  public var objective = FlowObjective.velocity
  public var coupling = Coupling.independent
  /// Given whether forces clean the targets.
  public var optimization: (_ withForces: Bool) -> OptimizationSettings = {
    OptimizationSettings(steps: $0 ? 3000 : 8000, batch: 512)
  }
  /// Frames held out to see over-fitting; see `FrameSplit`.
  public var validationFraction = 0.05
  /// Steps between two rows of the loss curve.
  public var recordEvery = 50
  /// Of network, noise and order.
  public var seed: UInt64 = 0

  public init() {}

  /// What makes a training on internal coordinates sharper; nil is what suits the rest: all of it with forces, none of it without.
  public struct Levers: Equatable, Sendable {
    /// Forces in the targets; nil where there are some and the frames are found to be theirs.
    public var forces: Bool?
    /// Torsions first, then the rest given them. Needs forces.
    public var twoFlows: Bool?
    /// Groups of three equal ends on one circle. Needs forces, by which ends are found equal.
    public var foldsRotors: Bool?
    /// The mean of the narrow coordinates depends on the broad torsions.
    public var conditionalMean: Bool?
    public var timeWeights: TimeWeights?

    public init() {}
  }
}

/// What a training of an emulator ends with.
public struct TrainedEmulator {
  public let emulator: Emulator
  /// Whether frames are the force field's; nil without one, or where nobody asked.
  public let check: SteinCheck?
  /// Forces cleaned the targets.
  public let usesForces: Bool
  /// The loss curve's columns are "train" and "validation".
  public let state: TrainingState
  public let trainingFrames: Int
}

/// Frames to learn from and frames to test on: blocks of 1 % of the frames, spread evenly, are held out, so that neighbours in time stay
/// on one side.
struct FrameSplit: Equatable {
  let training: [Int]  // All of them where none is held out
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
  /// names of `GVPNetwork.parameterNames`; `timeIsReversed` where the network's time runs from data to noise; `predictsEndpoint` where it
  /// gives the data point, in the unit of its positions, and not the velocity. Throws `CartesianNetworkError` where the weights are not those
  /// of the configuration, `EmulatorError.atomClasses` where the classes are not as many as the topology's atoms.
  public init(
    gvp configuration: GVPConfiguration, weights: [String: NDArray<Float>], atomClasses: [Int], topology: Topology,
    timeIsReversed: Bool, predictsEndpoint: Bool = false, scale: Double = 10, meanFree: Bool = true
  ) throws {
    let chart = Chart.cartesian(
      try CartesianChart(topology: topology, atomClasses: atomClasses, scale: scale, meanFree: meanFree))
    let network = try GVPNetwork(
      configuration: configuration, atoms: AtomClasses(atomClasses, count: configuration.atomClasses), weights: weights)
    let header = Header(
      architecture: .gvp(
        configuration, timeIsReversed: timeIsReversed, readsPoint: predictsEndpoint ? true : nil), interpolant: .linear,
      predictsEndpoint: predictsEndpoint)
    let field = GVPVectorField(
      network: network, space: chart.space, networkTimeIsReversed: timeIsReversed, readsPoint: predictsEndpoint,
      frame: try chart.frame())
    self.init(header: header, chart: chart, field: header.velocity(of: field))
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

  private static func filled<Field: FlowModel>(_ blank: Field, _ archive: ModelArchive) throws -> any FlowModel {
    blank.replacing(network: try archive.network(like: blank.network))
  }

  /// Trains on `frames` [frames, atoms, 3], nm, of the molecule `topology`. A host that keeps states makes the training
  /// go on where it was stopped, bit for bit. Throws `EmulatorError`, `ChartError`, `MoleculesError`, `TrainingError`, and what forces throw.
  public static func train(
    on frames: NDArray<Double>, topology: Topology, settings: EmulatorSettings,
    host: any TrainingHost = UnattendedHost()
  ) throws -> TrainedEmulator {
    let split = FrameSplit(frames: frames.shape.first ?? 0, fraction: settings.validationFraction)
    let data = try EmulatorData(frames, topology, split, settings, host)
    let generator = try Generator(seed: RandomStream.derivedSeed(settings.seed, ["noise"]))
    func rows(_ chosen: [Int]) throws -> Tensor { try data.rows.selected(Tensor(chosen.map(Int64.init))) }
    let training = split.validation.isEmpty ? data.rows : try rows(split.training)
    let validation = try data.validation(split).map(rows)
    var predictsEndpoint = false
    if case .endpoint = settings.objective { predictsEndpoint = true }
    let header = Header(
      architecture: try settings.architecture(data.chart, data.isInTwo), interpolant: settings.interpolant,
      predictsEndpoint: predictsEndpoint)
    let loss = EmulatorLoss(
      plain: FlowMatchingLoss(
        interpolant: settings.interpolant, objective: settings.objective, coupling: settings.coupling),
      forces: data.targets, times: data.timeWeights, pairs: data.pairs)
    let weights = data.factors.isEmpty ? [] : split.training.map { data.weights[$0] }
    let (field, state) = try optimize(
      header.field(data.chart, data: training.slice(0..<data.chart.space.dimension, axis: 1), generator), loss,
      on: training, weights: weights, validation: validation,
      settings.optimization(data.usesForces), settings, generator, host)
    return TrainedEmulator(
      emulator: Emulator(header: header, chart: data.chart, field: field), check: data.check,
      usesForces: data.usesForces, state: state, trainingFrames: training.shape[0])
  }

  /// The field with the averaged network, and the training's last state.
  static func optimize<Field: FlowModel>(
    _ field: Field, _ loss: EmulatorLoss, on training: Tensor, weights: [Double], validation: Tensor?,
    _ optimization: OptimizationSettings, _ settings: EmulatorSettings, _ generator: Generator,
    _ host: any TrainingHost
  ) throws -> (any FlowModel, TrainingState) {
    let trainer = try Trainer(
      network: field.network, settings: optimization, generator: generator, columns: ["train", "validation"])
    var sampler = try EpochSampler(
      count: training.shape[0], batch: optimization.batch, seed: RandomStream.derivedSeed(settings.seed, ["order"]),
      repeats: 16, weights: weights)
    let loop = TrainingLoop(
      trainer: trainer, host: host, title: "emulator", recordEvery: settings.recordEvery,
      labels: ["loss", "validation"])
    try loop.runKeepingBest(
      frames: training.shape[0], batch: { try sampler.name(step: $0) },
      validation: { average in
        try validation.map {
          try validationLoss(loss, field.replacing(network: average), $0, seed: settings.seed)
        }
      },
      step: {
        let rows = try training.selected(sampler.indices(step: trainer.step))
        return try loss(field.replacing(network: trainer.network), rows, trainer.generator)
      })
    return (field.replacing(network: trainer.average), try trainer.state())
  }

  /// Always the same noise and times, so that two values can be compared.
  private static func validationLoss(
    _ loss: EmulatorLoss, _ field: some FlowModel, _ rows: Tensor, seed: UInt64
  ) throws -> Double {
    try withoutGradients {
      let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["validation"]))
      return try loss(field, rows, generator).item()
    }
  }
}
