import Basics
import ForceFields
import Foundation
import FreeEnergies
import Molecules
import OpenMM
import Workflow

/// What an umbrella stage samples: the molecule, its force field, the biased torsions and those to watch.
struct UmbrellaSetup {
  static let directionNames = ["up", "down"]

  let parameters: UmbrellaStage.Parameters
  let temperature: Double
  let topology: Topology
  let system: System
  let grid: UmbrellaGrid
  let chirality: Chirality
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
  let moves: RotamerMoves

  init(_ context: StageContext, _ parameters: UmbrellaStage.Parameters) throws {
    self.parameters = parameters
    temperature = context.temperature
    guard let source = try context.system.energySource() else { throw UmbrellaError.noForceField }
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
    let topology = try Topology.read(pdb: context.system.topology)
    self.topology = topology
    system = try EnergyEngines.system(source, topology: topology)
    guard system.atomCount == topology.atoms.count else {
      throw UmbrellaError.atomCount(
        topology: topology.atoms.count, forceField: system.atomCount,
        file: context.system.forcefieldName)
    }
    chirality = try Chirality(topology: topology)
    grid = try UmbrellaGrid(counts: parameters.windows)

    let biased = try names.map { name -> [Int] in
      guard let atoms = context.system.torsions[name] else { return try topology.torsion(named: name) }
      guard atoms.count == 4, atoms.allSatisfy(topology.atoms.indices.contains) else {
        throw UmbrellaError.torsionAtoms(name: name, atoms: atoms, atomCount: topology.atoms.count)
      }
      return atoms
    }
    watched = topology.watchedTorsions(biased: biased)
    torsionNames = names + watched.map(\.name)
    torsions = biased + watched.map(\.atoms)
    folds = biased.map { _ in 1 } + watched.map(\.fold)
    let first = biased.count
    let staggered = watched.enumerated().filter { $0.element.isStaggered && $0.element.fold == 1 }.map {
      first + $0.offset
    }
    moves = parameters.rotamerMoves == true ? RotamerMoves(topology, besides: biased) : .none
    let (system, torsions) = (system, torsions)
    lowering = parameters.barrierLowering.flatMap {
      BarrierLowering(share: $0, of: system, torsions: torsions, staggered: staggered)
    }
  }

  func sampler(threads: Int, seed: UInt64) throws -> UmbrellaSampler {
    try UmbrellaSampler(
      system: lowering?.applied(to: system, torsions: torsions) ?? system, grid: grid, torsions: torsions,
      forceConstants: parameters.forceConstant,
      coordinates: topology.referenceCoordinates,
      settings: .init(
        temperature: temperature, timestep: parameters.timestep, friction: parameters.friction,
        equilibration: parameters.equilibration, production: parameters.production,
        sampleInterval: parameters.sampleInterval,
        exchangeInterval: parameters.exchange ? parameters.exchangeInterval : nil, threads: threads, seed: seed,
        masses: try parameters.hydrogenMass.map {
          try topology.repartitionedMasses(system.masses, hydrogenMass: $0)
        }, plainForces: parameters.forces == "openmm", turns: moves.turns))
  }

  /// Throws `UmbrellaError.invertedCentre`.
  func checkChirality(_ frame: [Double], _ visit: UmbrellaSampler.Visit) throws {
    let inverted = chirality.invertedCentres(in: frame)
    guard inverted.isEmpty else {
      throw UmbrellaError.invertedCentre(
        labels: inverted.map { topology.label(of: $0) }, center: grid.center(of: visit.window),
        coordinates: parameters.coordinates, direction: Self.directionNames[visit.direction])
    }
  }

  /// The samples as the analysis takes them.
  func data(_ sampler: UmbrellaSampler) throws -> UmbrellaData {
    let (windows, samples, all) = (grid.windowCount, sampler.samples, sampler.torsionCount)
    let biased = grid.counts.count
    let kT = PhysicalConstants.thermalEnergy(temperature: temperature)
    let shared = lowering?.energies(of: sampler)
    let walks = try Self.directionNames.enumerated().map { direction, name in
      let first = direction * windows * samples
      func columns(_ range: Range<Int>) throws -> NDArray<Double> {
        var values: [Double] = []
        values.reserveCapacity(windows * samples * range.count)
        for row in first..<first + windows * samples {
          // between places that are the same there is no barrier worth a warning
          for column in range { values.append(Double(folds[column]) * sampler.state.records[row * all + column]) }
        }
        return try NDArray(values, shape: [windows, samples, range.count])
      }
      return UmbrellaData.Walk(
        name: name, series: try columns(0..<biased), others: try columns(biased..<all),
        sharedBias: try shared.map {
          try NDArray($0[first..<first + windows * samples].map { $0 / kT }, shape: [windows, samples])
        })
    }
    return UmbrellaData(
      torsionNames: Array(torsionNames.prefix(biased)), otherNames: Array(torsionNames.dropFirst(biased)),
      centers: (0..<windows).map(grid.center(of:)), forceConstants: parameters.forceConstant.map { $0 / kT },
      neighbours: grid.neighbours, walks: walks, sampleInterval: parameters.sampleInterval)
  }

  /// What the torsions without a bias did, each window of a walk by itself; and in how many windows the two walks stand in different
  /// basins, by torsion.
  func slowTorsions(_ sampler: UmbrellaSampler) -> (found: SlowTorsions, disagreeing: [Int]) {
    let (windows, samples, all) = (grid.windowCount, sampler.samples, sampler.torsionCount)
    let series = watched.indices.map { k in
      (0..<UmbrellaSampler.directions * windows).map { window in
        (0..<samples).map { sampler.state.records[(window * samples + $0) * all + grid.counts.count + k] }
      }
    }
    let found = SlowTorsions(watched, series: series)
    let disagreeing = watched.indices.map { k in
      (0..<windows).filter { window in
        let sampling = found.found[k]
        let (up, down) = (sampling.shares(series[k][window]), sampling.shares(series[k][windows + window]))
        return zip(up, down).reduce(0) { $0 + abs($1.0 - $1.1) } > 1  // half of the samples, or more
      }.count
    }
    return (found, disagreeing)
  }
}
