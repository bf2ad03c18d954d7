import ForceFields
import FreeEnergies
import Molecules
import Workflow

/// What an umbrella stage samples: the molecule, its force field, the biased torsions and those to watch.
struct UmbrellaSetup {
  static let directionNames = ["up", "down"]

  let parameters: UmbrellaStage.Parameters
  let molecule: SimulatedMolecule
  let grid: UmbrellaGrid
  /// Names and atoms: the biased torsions first, then the molecule's other backbone and side-chain torsions.
  let torsionNames: [String]
  let torsions: [[Int]]
  /// How many equal places a full turn of each has: 2 for the ring of phenylalanine.
  let folds: [Int]
  /// Those that carry no bias, in their order.
  let watched: [RotatableTorsion]
  /// Which coordinate defines the state.
  let stateAxis: Int
  /// nil where no barrier is lowered.
  let lowering: BarrierLowering?
  let moves: TorsionMoves

  init(_ context: StageContext, _ parameters: UmbrellaStage.Parameters) throws {
    self.parameters = parameters
    molecule = try SimulatedMolecule(context, purpose: "umbrella sampling")
    let names = parameters.coordinates
    for (parameter, count) in [
      ("windows", parameters.windows.count), ("force_constant", parameters.forceConstant.count),
    ] where count != names.count {
      throw UmbrellaError.listLength(parameter: parameter, count: count, coordinates: names)
    }
    guard let axis = names.firstIndex(of: context.system.state.torsion) else {
      throw UmbrellaError.stateTorsion(name: context.system.state.torsion, coordinates: names)
    }
    stateAxis = axis
    grid = try UmbrellaGrid(counts: parameters.windows)
    let biased = try names.map(molecule.molecule.torsion(named:))
    watched = molecule.topology.watchedTorsions(biased: biased)
    torsionNames = names + watched.map(\.name)
    torsions = biased + watched.map(\.atoms)
    folds = biased.map { _ in 1 } + watched.map(\.fold)
    let first = biased.count
    let staggered = watched.enumerated().filter { $0.element.isStaggered && $0.element.fold == 1 }.map {
      first + $0.offset
    }
    moves = parameters.rotamerMoves == true ? TorsionMoves(sideChainsOf: molecule.topology, besides: biased) : .none
    let (system, torsions) = (molecule.system, torsions)
    lowering = parameters.barrierLowering.flatMap {
      BarrierLowering(share: $0, of: system, torsions: torsions, staggered: staggered)
    }
  }

  func sampler(threads: Int, seed: UInt64) throws -> UmbrellaSampler {
    try UmbrellaSampler(
      system: lowering?.applied(to: molecule.system, torsions: torsions) ?? molecule.system, grid: grid,
      torsions: torsions, forceConstants: parameters.forceConstant,
      coordinates: molecule.topology.referenceCoordinates,
      settings: .init(
        dynamics: try molecule.dynamics(parameters, moves: moves, threads: threads, seed: seed),
        equilibration: parameters.equilibration, production: parameters.production,
        sampleInterval: parameters.sampleInterval,
        exchangeInterval: parameters.exchange ? parameters.exchangeInterval : nil))
  }

  /// Throws `UmbrellaError.invertedCentre`.
  func checkChirality(_ frame: [Double], _ visit: UmbrellaSampler.Visit) throws {
    let inverted = molecule.check.invertedCentres(in: frame)
    guard inverted.isEmpty else {
      throw UmbrellaError.invertedCentre(
        labels: inverted, center: grid.center(of: visit.window),
        coordinates: parameters.coordinates, direction: Self.directionNames[visit.direction])
    }
  }

  /// The samples as the analysis takes them.
  func data(_ sampler: UmbrellaSampler) throws -> UmbrellaData {
    try UmbrellaData(
      records: sampler.state.records, walkNames: Self.directionNames, torsionNames: torsionNames, folds: folds,
      centers: (0..<grid.windowCount).map(grid.center(of:)), forceConstants: parameters.forceConstant,
      neighbours: grid.neighbours, sampleInterval: parameters.sampleInterval,
      sharedBias: lowering?.energies(of: sampler), temperature: molecule.molecule.temperature)
  }

  /// What the torsions without a bias did.
  func slowTorsions(_ sampler: UmbrellaSampler) -> (found: SlowTorsions, disagreeing: [Int]) {
    SlowTorsions.inWindows(
      watched, records: sampler.state.records, windows: grid.windowCount, recorded: sampler.torsionCount)
  }
}
