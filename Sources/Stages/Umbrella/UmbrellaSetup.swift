import Dynamics
import ForceFields
import FreeEnergies
import Molecules
import OpenMM
import Workflow

/// What an umbrella stage samples: the molecule, its force field, the biased torsions and those to watch.
struct UmbrellaSetup {
  private static let directionNames = ["up", "down"]

  let parameters: UmbrellaStage.Parameters
  let molecule: MolecularSystem
  private let system: System
  private let check: StructureCheck
  let grid: UmbrellaGrid
  /// Names and atoms: the biased torsions first, then the molecule's other backbone and side-chain torsions.
  let torsionNames: [String]
  let torsions: [[Int]]
  let folds: [Int]  // How many equal places a full turn of each has: 2 for the ring of phenylalanine
  let watched: [RotatableTorsion]  // Those that carry no bias, in their order
  let stateAxis: Int  // Which coordinate defines the state
  let lowering: BarrierLowering?  // nil where no barrier is lowered
  let moves: TorsionMoves
  private let dynamics: DynamicsSettings
  /// Whether the System holds bonds by constraints.
  var holdsBonds: Bool { system.constraintCount > 0 }

  init(_ context: StageContext, _ parameters: UmbrellaStage.Parameters) throws {
    self.parameters = parameters
    let molecule = try MolecularSystem(context)
    self.molecule = molecule
    let system = try molecule.dynamicsSystem(for: "umbrella sampling")
    self.system = system
    check = try StructureCheck(molecule.topology)
    let names = parameters.coordinates
    for (parameter, count) in [
      ("windows", parameters.windows.count), ("force_constant", parameters.forceConstant.count),
    ] where count != names.count {
      throw UmbrellaError.listLength(parameter: parameter, count: count, coordinates: names)
    }
    guard let axis = names.firstIndex(of: molecule.stateTorsion) else {
      throw UmbrellaError.stateTorsion(name: molecule.stateTorsion, coordinates: names)
    }
    stateAxis = axis
    grid = try UmbrellaGrid(counts: parameters.windows)
    let biased = try names.map(molecule.torsion(named:))
    watched = molecule.topology.watchedTorsions(biased: biased)
    torsionNames = names + watched.map(\.name)
    let torsions = biased + watched.map(\.atoms)
    self.torsions = torsions
    folds = biased.map { _ in 1 } + watched.map(\.fold)
    let staggered = watched.enumerated().filter { $0.element.isStaggered && $0.element.fold == 1 }.map {
      biased.count + $0.offset
    }
    lowering = parameters.barrierLowering.flatMap {
      BarrierLowering(share: $0, of: system, torsions: torsions, staggered: staggered)
    }
    moves = parameters.dynamics.moves(of: molecule, besides: biased)
    dynamics = try parameters.dynamics.settings(context, molecule, system, moves: moves)
  }

  func sampler() throws -> UmbrellaSampler {
    var settings = UmbrellaSampler.Settings(dynamics)
    (settings.equilibration, settings.production) = (parameters.equilibration, parameters.production)
    settings.sampleInterval = parameters.sampleInterval
    settings.exchangeInterval = parameters.exchange ? parameters.exchangeInterval : nil
    return try UmbrellaSampler(
      system: lowering?.applied(to: system, torsions: torsions) ?? system, grid: grid, torsions: torsions,
      forceConstants: parameters.forceConstant, coordinates: molecule.topology.referenceCoordinates, settings: settings)
  }

  /// Throws `UmbrellaError.invertedCentre`.
  func checkChirality(_ frame: [Double], _ visit: UmbrellaSampler.Visit) throws {
    let inverted = check.invertedCentres(in: frame)
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
      sharedBias: lowering?.energies(of: sampler), temperature: molecule.temperature)
  }

  func analysis(_ sampler: UmbrellaSampler, seed: UInt64) throws -> UmbrellaAnalysis {
    var options = UmbrellaAnalysis.Options()
    (options.torsion, options.state, options.profileBins) = (stateAxis, molecule.state, parameters.profileBins)
    (options.bootstrapReplicates, options.overlapThreshold) = (parameters.bootstrap, parameters.overlapThreshold)
    (options.seed, options.ceiling) = (seed, parameters.ceiling)
    return UmbrellaAnalysis(data: try data(sampler), options: options)
  }
}
