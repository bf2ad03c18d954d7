import Basics
import Dynamics
import ForceFields
import FreeEnergies
import Molecules
import OpenMM
import Records
import Workflow

/// What an explore stage begins with: the molecule, its force field, the samples and their weights.
struct ExploreSetup {
  let parameters: ExploreStage.Parameters
  let molecule: MolecularSystem
  let states: MolecularStates
  let torsions: [RotatableTorsion]
  let temperatures: [Double]
  let moves: TorsionMoves
  let samples: WeightedConformations
  /// Rows of the samples that the walks begin at, [sets * temperatures].
  let starts: [Int]
  /// Whether the System holds bonds by constraints.
  var holdsBonds: Bool { system.constraintCount > 0 }
  private let system: System
  private let dynamics: DynamicsSettings
  private let check: StructureCheck

  /// No sample's weight counts for more than this share of all when starts are drawn: one that is heavy by accident begins few walks.
  private static let heaviestStart = 0.01

  init(_ context: StageContext, _ parameters: ExploreStage.Parameters) throws {
    try parameters.checkTimes()
    let molecule = try MolecularSystem(context)
    (self.parameters, self.molecule) = (parameters, molecule)
    system = try molecule.dynamicsSystem(for: "dynamics from samples")
    states = try molecule.states()
    torsions = try molecule.exploredTorsions()
    temperatures = try parameters.ladder(molecule)
    check = try StructureCheck(molecule.topology)
    moves = parameters.torsionMoves ? TorsionMoves(turning: torsions, of: molecule.topology) : .none
    dynamics = try parameters.dynamics.settings(context, molecule, system, moves: moves)
    samples = try WeightedConformations(
      context.input(\ExploreStage.Inputs.reweight), molecule, torsions: torsions.map(\.atoms), states)
    var random = RandomStream(seed: context.seed, "starts")
    let weights = normalisedWeights(logWeights: samples.logWeights).map { min($0, Self.heaviestStart) }
    starts = try resampledIndices(
      weights: weights, count: parameters.sets * temperatures.count, offset: random.uniform())
  }

  func replicaExchange() throws -> ReplicaExchange {
    var settings = ReplicaExchange.Settings(dynamics, temperatures: temperatures)
    (settings.sets, settings.length) = (parameters.sets, parameters.length)
    settings.exchangeInterval = parameters.exchangeInterval
    return try ReplicaExchange(
      system: system, torsions: torsions.map(\.atoms), starts: starts.map(samples.frame), settings: settings,
      check: { [check] in check.fault(of: $0, bonds: false) })
  }
}

/// A reweighting's samples as exploration sees them.
struct WeightedConformations {
  let name: String  // Of the stage that drew them
  let logWeights: [Double]
  let columns: [[Double]]  // rad, [torsions][samples]
  let states: StateAssignment
  private let artifact: StageInput
  private static let chunk = 2000

  init(
    _ reweighting: StageInput, _ molecule: MolecularSystem, torsions: [[Int]], _ states: MolecularStates
  ) throws {
    artifact = try reweighting.input(\ReweightStage.Inputs.samples)
    name = artifact.name
    logWeights = try reweighting.artifact.read(Recorded.reweight.logWeights).values
    let coordinates = Recorded.sample.trajectory.coordinates
    let shape = try artifact.artifact.shape(coordinates)
    let atoms = molecule.topology.atoms.count
    try molecule.expect(shape.count == 3 ? shape[1] : 0, atomsIn: "samples of '\(name)'")
    guard logWeights.count == shape[0] else { throw ExploreError.weights(count: logWeights.count, samples: shape[0]) }
    var columns = torsions.map { _ in [Double]() }
    var measured = states.measured.coordinates.map { _ in [Double]() }
    for start in stride(from: 0, to: shape[0], by: Self.chunk) {
      let positions = try artifact.artifact.read(coordinates, rows: start..<min(start + Self.chunk, shape[0])).values
      for (k, torsion) in torsions.enumerated() {
        columns[k] += torsionAngles(positions, atoms: atoms, torsions: [torsion])
      }
      for (k, values) in states.measured.columns(positions).enumerated() { measured[k] += values }
    }
    self.columns = columns
    self.states = states.assignment(measured)
  }

  /// nm, [atoms, 3].
  func frame(_ row: Int) throws -> [Double] {
    try artifact.artifact.read(Recorded.sample.trajectory.coordinates, rows: row..<row + 1).values
  }
}

extension MolecularSystem {
  /// The torsions that exploration looks at: every bond that turns between different places, under the file's name where it has one, and
  /// what the file names besides. Throws `ExploreError.noTorsions`, `MolecularSystemError.torsionAtoms`.
  func exploredTorsions() throws -> [RotatableTorsion] {
    let named = try namedTorsions()
    let turning = topology.rotatableTorsions
    func bond(_ atoms: [Int]) -> Set<Int> { Set(atoms[1...2]) }
    var result = turning.filter { $0.fold % 3 != 0 }.map { torsion -> RotatableTorsion in
      guard let place = named.atoms.firstIndex(where: { bond($0) == bond(torsion.atoms) }) else { return torsion }
      return RotatableTorsion(
        name: named.names[place], atoms: named.atoms[place], fold: torsion.fold, isStaggered: torsion.isStaggered)
    }
    for (name, atoms) in zip(named.names, named.atoms) where !turning.contains(where: { bond($0.atoms) == bond(atoms) })
    {
      result.append(RotatableTorsion(name: name, atoms: atoms))
    }
    guard !result.isEmpty else { throw ExploreError.noTorsions }
    return result
  }
}
