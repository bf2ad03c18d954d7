import Basics
import Dynamics
import Foundation
import OpenMM

/// Replica exchange in temperature: independent sets of walks, in each one walk at every temperature of a ladder. Neighbours on the ladder
/// exchange their frames by Metropolis' rule, so that a walk crosses barriers where it is hot and comes down where it is cold.
///
/// Source: Sugita and Okamoto, Chem. Phys. Lett. 314, 141 (1999). Every piece of a walk has a random stream of its own, derived from the
/// seed and the piece's place: the result depends neither on the threads nor on where a run was interrupted.
public final class ReplicaExchange: DynamicsRun {
  public struct Settings: Equatable, Sendable {
    /// Their temperature is the ladder's first. One of their torsion moves is tried every `ReplicaExchange.moveInterval` or so.
    public var dynamics: DynamicsSettings
    /// K, ascending: the ladder.
    public var temperatures: [Double]
    /// Independent sets of walks.
    public var sets = 4
    /// ps of each walk.
    public var length = 500.0
    /// ps between exchanges; torsions, energies and the coldest frames are recorded before each.
    public var exchangeInterval = 1.0
  }

  /// What is wrong with a frame [atoms, 3] in nm, in words, or nil.
  public typealias FrameCheck = (_ frame: [Double]) -> String?

  /// Of the pieces of a temperature's walks, of at least so many, no larger share may end in a bad frame.
  private static let (mostRejected, fewestPieces) = (0.5, 20)
  /// ps between torsion moves.
  static let moveInterval = 0.1

  public let settings: Settings
  /// Four atoms each.
  public let torsions: [[Int]]
  /// Exchanges of the whole run.
  public let rounds: Int
  public private(set) var state: ReplicaExchangeState

  public var dynamics: LangevinDynamics { ladder[0] }
  public var work: DynamicsWork { state.work }
  public var isFinished: Bool { state.round >= rounds }
  public var totalTime: Double { Double(rounds * interval * slots) * settings.dynamics.timestep }
  /// Walks of all sets.
  public var slots: Int { settings.sets * ladder.count }

  private let ladder: [LangevinDynamics]
  private let check: FrameCheck
  private let interval: Int
  private let inverseMasses: [Double]
  private var size: Int { 3 * dynamics.system.atomCount }

  /// `torsions`: to be recorded, four atoms each. `starts`: a frame for each walk, nm, [atoms, 3]: those of the first set from the coldest to
  /// the hottest, then those of the next.
  ///
  /// Throws `ReplicaExchangeError` and `OpenMMError`.
  public init(
    system: System, torsions: [[Int]], starts: [[Double]], settings: Settings,
    check: @escaping FrameCheck = { _ in nil }
  ) throws {
    let (temperatures, timestep) = (settings.temperatures, settings.dynamics.timestep)
    guard temperatures.count > 1, zip(temperatures, temperatures.dropFirst()).allSatisfy({ $0 < $1 }),
      temperatures[0] == settings.dynamics.temperature
    else {
      throw ReplicaExchangeError.settings(
        "a ladder ascends from \(settings.dynamics.temperature) K, by two temperatures at least; given are \(temperatures)"
      )
    }
    guard settings.sets >= 1, starts.count == settings.sets * temperatures.count else {
      throw ReplicaExchangeError.settings(
        "\(starts.count) starts for \(settings.sets) sets of \(temperatures.count) walks")
    }
    guard settings.exchangeInterval > 0, max(settings.length, settings.exchangeInterval) / timestep < 1e12 else {
      throw ReplicaExchangeError.settings(
        "exchanges every \(settings.exchangeInterval) ps in walks of \(settings.length) ps, \(timestep) ps a step")
    }
    interval = Int((settings.exchangeInterval / timestep).rounded())
    rounds = interval > 0 ? Int((settings.length / timestep).rounded()) / interval : 0
    guard rounds >= 1 else {
      throw ReplicaExchangeError.settings(
        "walks of \(settings.length) ps hold no exchange every \(settings.exchangeInterval) ps, or that is no step")
    }
    (self.settings, self.torsions, self.check) = (settings, torsions, check)
    // the dynamics tries a move after each of its record intervals; it is asked for no records
    let moves = max(1, Int((settings.exchangeInterval / Self.moveInterval).rounded()))
    let ladder = try temperatures.map { [interval] temperature in
      var own = settings.dynamics
      own.temperature = temperature
      return try LangevinDynamics(
        system: system, settings: own, torsions: torsions, recordInterval: max(1, interval / moves))
    }
    self.ladder = ladder
    inverseMasses = (settings.dynamics.masses ?? system.masses).map { $0 > 0 ? 1 / $0 : 0 }
    state = ReplicaExchangeState()
    state.walkers = Array(0..<starts.count)
    state.attempts = [Int](repeating: 0, count: temperatures.count - 1)
    state.acceptances = state.attempts
    state.rejections = [Int](repeating: 0, count: temperatures.count)
    state.work = DynamicsWork(moves: settings.dynamics.moves.count)
    for (slot, frame) in starts.enumerated() {
      let rung = slot % temperatures.count
      // with constraints a walk begins where they hold; the energy is as good as untouched
      state.positions +=
        system.constraintCount > 0 ? try ladder[0].minimised(frame, tolerance: 1e12, iterations: 1) : frame
      state.velocities += try ladder[rung].thermalVelocities(seed: seed("velocities", slot, 0))
    }
    guard state.positions.count == starts.count * 3 * system.atomCount else {
      throw ReplicaExchangeError.settings("starts of \(starts.map(\.count)) numbers for \(system.atomCount) atoms")
    }
  }

  /// The largest difference between the forces in use and OpenMM's on the frames where all walks stand now. Throws
  /// `ReplicaExchangeError.forces` beyond what umbrella sampling bears too.
  public func checkForces() throws -> Double {
    let deviation = try ladder.map { try $0.forceDeviation(state.positions) }.max() ?? 0
    guard deviation <= UmbrellaSampler.forceTolerance
    else { throw ReplicaExchangeError.forces(provider: forceProvider, deviation: deviation) }
    return deviation
  }

  /// K, `count` of them, each higher than the one before by the same factor.
  public static func ladder(from lowest: Double, to highest: Double, count: Int) -> [Double] {
    (0..<count).map { $0 == 0 ? lowest : lowest * pow(highest / lowest, Double($0) / Double(max(1, count - 1))) }
  }

  /// How many temperatures a ladder needs for neighbours to exchange in about four of ten tries. The energies of a molecule of N atoms spread
  /// as those of a harmonic one: its heat capacity is (3N - 6)/2 k, and a factor r between two temperatures costs that times ln(r)^2.
  public static func rungs(from lowest: Double, to highest: Double, atoms: Int) -> Int {
    let capacity = Double(max(3, 3 * atoms - 6)) / 2
    return max(3, 1 + Int((log(highest / lowest) * (capacity / 1.5).squareRoot()).rounded(.up)))
  }

  /// Goes on from a saved state. Throws `ReplicaExchangeError.state` when it is of another set-up.
  public func resume(_ saved: ReplicaExchangeState) throws {
    func require(_ name: String, _ count: Int, _ expected: Int) throws {
      if count != expected { throw ReplicaExchangeError.state("\(count) \(name) where \(expected) belong") }
    }
    guard saved.round >= 0, saved.round <= rounds, saved.walkers.sorted() == Array(0..<slots),
      saved.occupants.allSatisfy((0..<slots).contains)
    else {
      throw ReplicaExchangeError.state("round \(saved.round) of \(rounds), walks \(saved.walkers)")
    }
    let records = saved.round * slots
    try require("positions", saved.positions.count, slots * size)
    try require("velocities", saved.velocities.count, slots * size)
    try require("recorded torsions", saved.torsions.count, records * torsions.count)
    try require("energies", saved.energies.count, records)
    try require("places of walks", saved.occupants.count, records)
    try require("numbers of frames", saved.coldFrames.count, saved.round * settings.sets * size)
    try require("pairs of temperatures", saved.attempts.count, ladder.count - 1)
    try require("pairs of temperatures", saved.acceptances.count, ladder.count - 1)
    try require("temperatures", saved.rejections.count, ladder.count)
    try require("torsion moves", saved.work.movesTried.count, settings.dynamics.moves.count)
    try require("torsion moves", saved.work.movesTaken.count, settings.dynamics.moves.count)
    state = saved
  }

  /// All walks go on to the next exchange, are recorded, and exchange. A piece of a walk that ends in a bad frame is taken back: the walk
  /// stays where it was, with its velocities reversed. So the frames are those of the Boltzmann distribution without the bad ones (Metropolis).
  ///
  /// Throws `ReplicaExchangeError.unstable`, `.badFrame` where most pieces of a temperature end so, and `OpenMMError`: the state is then what
  /// it was.
  public func advance() throws {
    guard !isFinished else { return }
    var (positions, velocities, work) = (state.positions, state.velocities, state.work)
    var rejections = state.rejections
    let time = Double((state.round + 1) * interval) * settings.dynamics.timestep
    for (rung, dynamics) in ladder.enumerated() {
      let own = (0..<settings.sets).map { $0 * ladder.count + rung }
      var walks = own.map { LangevinDynamics.State(positions: part(positions, $0), velocities: part(velocities, $0)) }
      let segments = own.map { slot in
        [
          LangevinDynamics.Segment(
            centers: [], equilibrationSteps: interval, productionSteps: 0, seed: seed("segment", slot, state.round))
        ]
      }
      do {
        _ = try dynamics.run(&walks, segments, adding: &work)
      } catch OpenMMError.unstable(let reason) {
        throw ReplicaExchangeError.unstable(temperature: settings.temperatures[rung], time: time, reason: reason)
      }
      for (walk, slot) in zip(walks, own) {
        if let reason = check(walk.positions) {
          rejections[rung] += 1
          let pieces = max(Self.fewestPieces, settings.sets * (state.round + 1))
          guard Double(rejections[rung]) <= Self.mostRejected * Double(pieces) else {
            throw ReplicaExchangeError.badFrame(temperature: settings.temperatures[rung], time: time, reason: reason)
          }
          let forces = try self.dynamics.biasedForces(part(state.positions, slot), centers: []).forces
          velocities.replaceSubrange(
            slot * size..<(slot + 1) * size, with: scaled(part(state.velocities, slot), by: -1, forces: forces))
          continue
        }
        positions.replaceSubrange(slot * size..<(slot + 1) * size, with: walk.positions)
        velocities.replaceSubrange(slot * size..<(slot + 1) * size, with: walk.velocities)
      }
    }
    let felt = try (0..<slots).map { try dynamics.biasedForces(part(positions, $0), centers: []) }
    let angles = try dynamics.torsions(positions)
    // what was recorded grows in its place: it may be long, and is never copied
    for slot in stride(from: 0, to: slots, by: ladder.count) {
      state.coldFrames += part(positions, slot).map { Float($0) }
    }
    state.torsions += angles
    state.energies += felt.map(\.energy)
    state.occupants += state.walkers
    (state.positions, state.velocities, state.work) = (positions, velocities, work)
    state.rejections = rejections
    state.round += 1
    exchange(&state, felt)
  }

  /// Every other pair of neighbours swaps its frames by Metropolis' rule; the other pairs take their turn at the next round.
  private func exchange(_ next: inout ReplicaExchangeState, _ felt: [(energy: Double, forces: [Double])]) {
    let inverse = settings.temperatures.map { 1 / PhysicalConstants.thermalEnergy(temperature: $0) }
    for set in 0..<settings.sets {
      var random = RandomStream(seed: settings.dynamics.seed, "exchange", "set \(set)", "round \(next.round)")
      for rung in stride(from: next.round % 2, to: ladder.count - 1, by: 2) {
        let (cold, hot) = (set * ladder.count + rung, set * ladder.count + rung + 1)
        next.attempts[rung] += 1
        let gain = (inverse[rung] - inverse[rung + 1]) * (felt[cold].energy - felt[hot].energy)
        guard random.uniform() < exp(gain) else { continue }
        next.acceptances[rung] += 1
        let scale = (settings.temperatures[rung + 1] / settings.temperatures[rung]).squareRoot()
        let down = scaled(part(next.velocities, hot), by: 1 / scale, forces: felt[hot].forces)
        let up = scaled(part(next.velocities, cold), by: scale, forces: felt[cold].forces)
        let (below, above) = (part(next.positions, cold), part(next.positions, hot))
        next.positions.replaceSubrange(cold * size..<(cold + 1) * size, with: above)
        next.positions.replaceSubrange(hot * size..<(hot + 1) * size, with: below)
        next.velocities.replaceSubrange(cold * size..<(cold + 1) * size, with: down)
        next.velocities.replaceSubrange(hot * size..<(hot + 1) * size, with: up)
        next.walkers.swapAt(cold, hot)
      }
    }
  }

  /// Velocities at another temperature. Those that the scheme stores lack half a kick, and it is the velocities with it that have the
  /// Maxwell distribution: half a kick is given, all is scaled, and it is taken back.
  private func scaled(_ velocities: [Double], by factor: Double, forces: [Double]) -> [Double] {
    velocities.indices.map { i in
      let kick = 0.5 * settings.dynamics.timestep * forces[i] * inverseMasses[i / 3]
      return factor * (velocities[i] + kick) - kick
    }
  }

  private func part(_ list: [Double], _ slot: Int) -> [Double] { Array(list[slot * size..<(slot + 1) * size]) }

  private func seed(_ kind: String, _ slot: Int, _ round: Int) -> UInt64 {
    RandomStream.derivedSeed(
      settings.dynamics.seed,
      [
        kind, "set \(slot / settings.temperatures.count)", "rung \(slot % settings.temperatures.count)",
        "round \(round)",
      ])
  }
}

extension ReplicaExchange.Settings {
  /// All else as the fields are declared. (Outside the struct, which keeps its memberwise initialiser.)
  public init(_ dynamics: DynamicsSettings, temperatures: [Double]) {
    self.init(dynamics: dynamics, temperatures: temperatures)
  }
}
