import Basics
import Dynamics
import ForceFields
import FreeEnergies
import Molecules
import OpenMM
import Workflow

/// What an umbrella stage samples: the molecule, its force field, the biased torsions and those to watch.
struct UmbrellaSetup {
  private static let directionNames = ["up", "down"]
  /// ps of a piece where a step takes milliseconds: a run that is asked to stop does so after the pieces at hand.
  private static let dearPiece = 0.5

  let parameters: UmbrellaStage.Parameters
  let molecule: MolecularSystem
  private let system: System
  private let check: StructureCheck
  let grid: UmbrellaGrid
  let states: MolecularStates
  /// Names and atoms: the biased torsions first, then those that states depend on besides, then the molecule's other backbone and
  /// side-chain torsions.
  let torsionNames: [String]
  let torsions: [[Int]]
  let folds: [Int]  // How many equal places a full turn of each has: 2 for the ring of phenylalanine
  let watched: [RotatableTorsion]  // Those that carry no bias, in their order
  let stateAxis: Int  // Which coordinate the profile is along: that of the state
  /// Torsions without a bias that states depend on, and their places among those recorded.
  private let stateColumns: [(name: String, place: Int)]
  private let unwatched: Set<Int>  // Of those, the ones that are recorded for the states alone
  let lowering: BarrierLowering?  // nil where no barrier is lowered
  let moves: TorsionMoves
  private let dynamics: DynamicsSettings
  /// Whether the System holds bonds by constraints.
  var holdsBonds: Bool { system.constraintCount > 0 }

  init(_ context: StageContext, _ parameters: UmbrellaStage.Parameters) throws {
    self.parameters = parameters
    let molecule = try MolecularSystem(context)
    self.molecule = molecule
    let (system, external) = try molecule.dynamicsForces(for: "umbrella sampling")
    self.system = system
    check = try StructureCheck(molecule.topology)
    let names = parameters.coordinates
    for (parameter, count) in [
      ("windows", parameters.windows.count), ("force_constant", parameters.forceConstant.count),
    ] where count != names.count {
      throw UmbrellaError.listLength(parameter: parameter, count: count, coordinates: names)
    }
    let states = try molecule.states()
    self.states = states
    stateAxis = try Self.stateAxis(states, coordinates: names)
    grid = try UmbrellaGrid(counts: parameters.windows)
    let biased = try names.map(molecule.torsion(named:))
    let watched = molecule.topology.watchedTorsions(biased: biased)
    self.watched = watched
    let besides = states.measured.coordinates.filter { $0.isTorsion && !names.contains($0.name) }
    let further = besides.filter { wanted in !watched.contains { $0.atoms == wanted.atoms } }
    torsionNames = names + further.map(\.name) + watched.map(\.name)
    let torsions = biased + further.map(\.atoms) + watched.map(\.atoms)
    self.torsions = torsions
    stateColumns = besides.compactMap { wanted in
      torsions.indices.dropFirst(biased.count).first { torsions[$0] == wanted.atoms }.map { (wanted.name, $0) }
    }
    unwatched = Set(further.indices.map { biased.count + $0 })
    folds = (biased + further.map(\.atoms)).map { _ in 1 } + watched.map(\.fold)
    let staggered = watched.enumerated().filter { $0.element.isStaggered && $0.element.fold == 1 }.map {
      biased.count + further.count + $0.offset
    }
    lowering = parameters.barrierLowering.flatMap {
      BarrierLowering(share: $0, of: system, torsions: torsions, staggered: staggered)
    }
    moves = parameters.dynamics.moves(of: molecule, besides: biased)
    dynamics = try parameters.dynamics.settings(context, molecule, system, external: external, moves: moves)
  }

  /// Which of the biased coordinates the state is of: the first that the first pair's states depend on.
  ///
  /// Throws `UmbrellaError.stateTorsion` where they depend on none, `.distances` where all pairs depend on distances.
  static func stateAxis(_ states: MolecularStates, coordinates: [String]) throws -> Int {
    let leading = states.set.leadingCoordinates
    guard let axis = leading.lazy.compactMap(coordinates.firstIndex(of:)).first else {
      throw UmbrellaError.stateTorsion(
        name: leading.joined(separator: ", "), coordinates: coordinates, isShort: states.isShort)
    }
    func distances(of state: Int) -> [String] {
      states.set.coordinateNames(of: state).filter { name in
        states.set.coordinates.contains { $0.name == name && !$0.isTorsion }
      }
    }
    let missing = states.set.pairs.map { distances(of: $0.from) + distances(of: $0.to) }
    guard missing.contains(where: \.isEmpty) else {
      throw UmbrellaError.distances(Set(missing.joined()).sorted())
    }
    return axis
  }

  /// A sentence for each state that depends on a distance, which walks do not record.
  var untoldStates: [String] {
    states.set.names.indices.compactMap { state in
      let missing = states.set.coordinateNames(of: state).filter { name in
        states.set.coordinates.contains { $0.name == name && !$0.isTorsion }
      }
      return missing.isEmpty
        ? nil
        : "\(states.called(state)) is not told: it depends on \(missing.joined(separator: ", ")), and of windows torsions alone are recorded"
    }
  }

  func sampler() throws -> UmbrellaSampler {
    var settings = UmbrellaSampler.Settings(dynamics)
    (settings.equilibration, settings.production) = (parameters.equilibration, parameters.production)
    settings.sampleInterval = parameters.sampleInterval
    settings.exchangeInterval = parameters.exchange ? parameters.exchangeInterval : nil
    if dynamics.externalForces != nil { (settings.pieceLength, settings.callLength) = (Self.dearPiece, 1) }
    settings.firstPass = parameters.targetError.map { _ in UmbrellaRounds.firstShare * parameters.production }
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

  /// Whether windows get lengths of their own, in rounds.
  var hasRounds: Bool { parameters.targetError != nil }

  /// The samples as the analysis takes them; of the first pass alone where asked for.
  func data(_ sampler: UmbrellaSampler, firstPass: Bool = false) throws -> UmbrellaData {
    let records = firstPass ? sampler.firstRecords : sampler.records
    return try UmbrellaData(
      records: records, walkNames: Self.directionNames, torsionNames: torsionNames, folds: folds,
      centers: (0..<grid.windowCount).map(grid.center(of:)), forceConstants: parameters.forceConstant,
      neighbours: grid.neighbours, sampleInterval: parameters.sampleInterval,
      sharedBias: lowering?.energies(records: records, torsionCount: sampler.torsionCount),
      stateColumns: stateColumns, unwatched: unwatched, temperature: molecule.temperature,
      lengths: hasRounds && !firstPass ? sampler.lengths : nil)
  }

  /// `windows`: those that are looked at; nil: all. `data`: nil for all there is.
  func analysis(
    _ sampler: UmbrellaSampler, seed: UInt64, windows: [Int]? = nil, data given: UmbrellaData? = nil,
    bootstrap: Bool = true
  ) throws -> UmbrellaAnalysis {
    var options = UmbrellaAnalysis.Options()
    (options.torsion, options.states, options.profileBins) = (stateAxis, states.set, parameters.profileBins)
    (options.bootstrapReplicates, options.overlapThreshold) = (
      bootstrap ? parameters.bootstrap : 0, parameters.overlapThreshold
    )
    (options.seed, options.ceiling) = (seed, parameters.ceiling)
    let data = try given ?? data(sampler)
    return UmbrellaAnalysis(data: try windows.map(data.keeping) ?? data, options: options, numbers: windows)
  }
}

extension UmbrellaSetup {
  /// Warnings of torsions that are neither biased nor recorded (those without a name of the field), and that stand in one place at the end of
  /// every walk though they should have others.
  func unrecordedPlaces(_ sampler: UmbrellaSampler) throws -> [String] {
    let called = try molecule.namedTorsions().called
    let topology = molecule.topology
    let recorded = Set(torsions.map { Set($0[1...2]) })
    let others = topology.rotatableTorsions.filter { !recorded.contains(Set($0.atoms[1...2])) }
    // windows that were left out have no frame
    let width = 3 * topology.atoms.count
    let all = sampler.state.endPositions
    let frames = stride(from: 0, to: all.count, by: width).map { all[$0..<$0 + width] }
      .filter { $0.contains { $0 != 0 } }
    let angles = torsionAngles(
      frames.flatMap { $0 }, atoms: topology.atoms.count, torsions: others.map(\.atoms))
    return SlowTorsions.inOnePlace(others, angles: angles).map { torsion, center in
      "\(called(torsion)) was near \(NumberText.fixed(center, 2)) rad at the end of all \(frames.count) walks. If it has other places, they are rare "
        + "or were never reached, and the free energies are those of this place; bias it too (coordinates) where that matters"
    }
  }
}
