import CDynamics
import OpenMM

/// Langevin dynamics of many walks at once, with harmonic torsion biases and the torsions recorded as they go.
///
/// A segment of a walk is a function of the state it begins with, its centres, its lengths and its seed: neither the number of
/// threads nor the cut of the work into calls changes a bit of the result. One call at a time. A System's constraints are held, by SHAKE and
/// RATTLE: walks then begin with positions at which they hold, as `minimised` gives them.
public final class LangevinDynamics {
  /// A walk's state: nm and nm/ps, [atoms, 3] each.
  public struct State: Equatable, Sendable {
    public var positions, velocities: [Double]

    public init(positions: [Double], velocities: [Double]) {
      (self.positions, self.velocities) = (positions, velocities)
    }
  }

  /// A stretch of a walk under one bias, with a random stream of its own.
  public struct Segment: Equatable, Sendable {
    /// rad, one per biased torsion.
    public var centers: [Double]
    /// Steps that are not recorded, which come first, and those that are.
    public var equilibrationSteps, productionSteps: Int
    public var seed: UInt64

    public init(centers: [Double], equilibrationSteps: Int, productionSteps: Int, seed: UInt64) {
      (self.centers, self.equilibrationSteps, self.productionSteps) = (centers, equilibrationSteps, productionSteps)
      self.seed = seed
    }
  }

  /// What one segment left: torsions in rad, [records, torsions], and the frame it ended with, nm, [atoms, 3].
  public struct Record: Equatable, Sendable {
    public var torsions, endPositions: [Double]
  }

  public let system: System
  public let settings: DynamicsSettings
  /// Four atoms each; the first `forceConstants.count` are biased, all are recorded.
  public let torsions: [[Int]]
  /// kJ/mol/rad^2, of k/2 wrap(torsion - centre)^2.
  public let forceConstants: [Double]
  /// Steps between records, and between torsion moves.
  public let recordInterval: Int
  private let handle: OpaquePointer
  private let external: ExternalCalls?

  /// `torsions`, `forceConstants`, `recordInterval`: see the properties.
  ///
  /// Throws `OpenMMError.invalidArgument` for settings or a System that it cannot run (virtual sites, constraints of massless particles, a
  /// barostat or thermostat of its own, torsions of atoms that are not there), `.openMM` when OpenMM refuses the System; what external forces
  /// throw where they are made.
  public init(
    system: System, settings: DynamicsSettings, torsions: [[Int]] = [], forceConstants: [Double] = [],
    recordInterval: Int
  ) throws {
    guard torsions.allSatisfy({ $0.count == 4 })
    else { throw OpenMMError.invalidArgument("a torsion is of four atoms; given were \(torsions)") }
    guard forceConstants.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
      throw OpenMMError.invalidArgument(
        "force constants \(forceConstants) kJ/mol/rad^2 must be finite and not negative")
    }
    let masses = settings.masses ?? system.masses
    guard masses.count == system.atomCount
    else { throw OpenMMError.invalidArgument("\(masses.count) masses for \(system.atomCount) particles") }
    let moves = settings.moves
    guard moves.allSatisfy({ $0.axis.count == 2 && !$0.atoms.isEmpty }) else {
      throw OpenMMError.invalidArgument("a torsion move is about two atoms and turns others; given were \(moves)")
    }
    let external = try settings.externalForces.map {
      try ExternalCalls($0, atoms: system.atomCount, threads: settings.threads)
    }
    self.external = external
    let lists = [
      torsions.flatMap { $0 }, moves.flatMap(\.axis), moves.map { $0.isThird ? 1 : 0 }, moves.map(\.atoms.count),
      moves.flatMap(\.atoms),
    ]
    let made = withPointers(lists.map { $0.map(Int32.init(clamping:)) }) { lists in
      withPointers([forceConstants, masses]) { numbers in
        var native = bm_dynamics_settings()
        (native.temperature, native.friction) = (settings.temperature, settings.friction)
        (native.timestep, native.threads) = (settings.timestep, Int32(clamping: settings.threads))
        (native.torsions, native.force_constants, native.masses) = (lists[0], numbers[0], numbers[1])
        (native.recorded_torsions, native.biased_torsions) = (Int32(torsions.count), Int32(forceConstants.count))
        native.record_interval = Int32(clamping: recordInterval)
        (native.plain_forces, native.moves) = (settings.plainForces ? 1 : 0, Int32(moves.count))
        (native.move_axes, native.move_thirds) = (lists[1], lists[2])
        (native.move_sizes, native.move_atoms) = (lists[3], lists[4])
        if let external {
          native.external_context = external.context
          native.external = { context, worker, positions, forces in
            guard let context, let positions, let forces else { return .nan }
            return Unmanaged<ExternalCalls>.fromOpaque(context).takeUnretainedValue()
              .evaluate(Int(worker), positions, forces)
          }
        }
        return bm_dynamics_create(system.handle, &native)
      }
    }
    handle = try OpenMMError.unwrap(made)
    (self.system, self.settings, self.recordInterval) = (system, settings, recordInterval)
    (self.torsions, self.forceConstants) = (torsions, forceConstants)
  }

  deinit { bm_dynamics_free(handle) }

  /// What computes the forces: "OpenMM Reference", the built-in kernel, or the name of external forces.
  public var forceProvider: String { external?.name ?? String(cString: bm_dynamics_force_provider(handle)) }

  /// s that external forces of a frame have taken on one thread so far, the mean over all calls; nil where there are none, or were not asked.
  public var secondsPerForce: Double? { external?.secondsPerCall }

  private func watching<T>(_ body: () throws -> T) throws -> T { try external.map { try $0.watching(body) } ?? body() }

  /// Why the built-in kernel does not compute the forces, which is many times slower; nil where it does, or was not asked to.
  public var kernelRefusal: String? {
    let text = String(cString: bm_dynamics_kernel_refusal(handle))
    return text.isEmpty ? nil : text
  }

  /// The largest difference between the forces in use and OpenMM's over frames, relative to max(1, |force| in kJ/mol/nm); 0 where
  /// OpenMM computes them.
  public func forceDeviation(_ coordinates: [Double]) throws -> Double {
    var deviation = 0.0
    try OpenMMError.check(
      bm_dynamics_force_deviation(handle, coordinates, Int64(try system.frameCount(of: coordinates)), &deviation))
    return deviation
  }

  /// The frame of the nearby minimum of the unbiased energy, nm, [atoms, 3]. `tolerance`: root mean square force, kJ/mol/nm.
  public func minimised(_ positions: [Double], tolerance: Double = 10, iterations: Int = 0) throws -> [Double] {
    try requireOneFrame(positions)
    var result = positions
    try watching {
      try OpenMMError.check(bm_dynamics_minimise(handle, &result, tolerance, Int32(clamping: iterations)))
    }
    return result
  }

  /// Velocities from the Maxwell distribution, nm/ps, [atoms, 3]; the first step takes from them what constraints forbid.
  public func thermalVelocities(seed: UInt64) throws -> [Double] {
    var velocities = [Double](repeating: 0, count: 3 * system.atomCount)
    try OpenMMError.check(bm_dynamics_thermalise(handle, seed, &velocities))
    return velocities
  }

  /// Energy (kJ/mol) and forces (kJ/mol/nm, [atoms, 3]) of one frame under the bias at `centers`, as the dynamics sees them.
  public func biasedForces(_ positions: [Double], centers: [Double]) throws -> (energy: Double, forces: [Double]) {
    try requireOneFrame(positions)
    try requireCenters(centers)
    var (energy, forces) = (0.0, [Double](repeating: 0, count: positions.count))
    try watching { try OpenMMError.check(bm_dynamics_forces(handle, positions, centers, &energy, &forces)) }
    return (energy, forces)
  }

  /// The recorded torsions of frames, rad in (-pi, pi], [frames, torsions].
  public func torsions(_ coordinates: [Double]) throws -> [Double] {
    let frames = try system.frameCount(of: coordinates)
    var result = [Double](repeating: 0, count: frames * torsions.count)
    try OpenMMError.check(bm_dynamics_torsions(handle, coordinates, Int64(frames), &result))
    return result
  }

  /// Advances every walk through its segments, in parallel over walks; `states` is left where they end. Returns the records,
  /// [walks][segments], and adds to `work`. Throws `OpenMMError.unstable` when the dynamics blows up; `states` and `work` are then as
  /// they were.
  public func run(
    _ states: inout [State], _ segments: [[Segment]], adding work: inout DynamicsWork
  ) throws -> [[Record]] {
    guard states.count == segments.count
    else { throw OpenMMError.invalidArgument("\(states.count) walks with segments for \(segments.count)") }
    let (atoms3, longest) = (3 * system.atomCount, segments.map(\.count).max() ?? 0)
    guard longest > 0 else { return segments.map { _ in [] } }
    let torsionCount = torsions.count
    let capacity = segments.joined().map { $0.productionSteps / recordInterval }.max() ?? 0

    for state in states {
      try requireOneFrame(state.positions)
      try requireOneFrame(state.velocities)
    }
    var (positions, velocities) = (states.flatMap(\.positions), states.flatMap(\.velocities))
    // Walks of fewer segments idle through empty ones at the end.
    let idle = Segment(
      centers: [Double](repeating: 0, count: forceConstants.count), equilibrationSteps: 0, productionSteps: 0,
      seed: 0)
    let all = segments.flatMap { $0 + [Segment](repeating: idle, count: longest - $0.count) }
    for segment in all { try requireCenters(segment.centers) }
    var records = [Double](repeating: 0, count: all.count * capacity * torsionCount)
    var ends = [Double](repeating: 0, count: all.count * atoms3)
    var moves = [Int64](repeating: 0, count: 2 * settings.moves.count)
    try watching {
      try OpenMMError.check(
        bm_dynamics_run(
          handle, Int32(states.count), Int32(longest), &positions, &velocities, all.flatMap(\.centers),
          all.map { Int64($0.equilibrationSteps) }, all.map { Int64($0.productionSteps) }, all.map(\.seed),
          Int64(capacity), &records, &ends, &moves))
    }
    for move in settings.moves.indices {
      work.movesTried[move] += Int(moves[2 * move])
      work.movesTaken[move] += Int(moves[2 * move + 1])
    }
    work.steps += segments.joined().reduce(0) { $0 + $1.equilibrationSteps + $1.productionSteps }

    for walk in states.indices {
      let range = walk * atoms3..<(walk + 1) * atoms3
      states[walk] = .init(positions: Array(positions[range]), velocities: Array(velocities[range]))
    }
    return segments.enumerated().map { walk, list in
      list.enumerated().map { index, segment in
        let (at, rows) = (walk * longest + index, segment.productionSteps / recordInterval)
        let first = at * capacity * torsionCount
        return Record(
          torsions: Array(records[first..<first + rows * torsionCount]),
          endPositions: Array(ends[at * atoms3..<(at + 1) * atoms3]))
      }
    }
  }

  /// As above, where nobody counts.
  public func run(_ states: inout [State], _ segments: [[Segment]]) throws -> [[Record]] {
    var work = DynamicsWork(moves: settings.moves.count)
    return try run(&states, segments, adding: &work)
  }

  private func requireOneFrame(_ values: [Double]) throws {
    guard values.count == 3 * system.atomCount
    else { throw OpenMMError.wrongShape(values: values.count, atoms: system.atomCount) }
  }

  private func requireCenters(_ centers: [Double]) throws {
    guard centers.count == forceConstants.count
    else { throw OpenMMError.invalidArgument("\(centers.count) centres for \(forceConstants.count) biased torsions") }
  }
}
