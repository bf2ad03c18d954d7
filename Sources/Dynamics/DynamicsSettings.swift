/// Turning `atoms` about the bond between two others, by Metropolis' rule: what dynamics does seldom.
public struct TorsionMove: Equatable, Sendable {
  public var axis: [Int]
  /// By about a third of a full turn, either way; else by any angle.
  public var isThird: Bool
  public var atoms: [Int]

  public init(axis: [Int], isThird: Bool, atoms: [Int]) {
    (self.axis, self.isThird, self.atoms) = (axis, isThird, atoms)
  }
}

/// How Langevin dynamics runs, whatever it samples.
public struct DynamicsSettings: Equatable, Sendable {
  /// K, ps and 1/ps.
  public var temperature, timestep, friction: Double
  public var threads: Int
  /// All random numbers of a simulation derive from it; `LangevinDynamics` itself is handed a seed with every segment.
  public var seed: UInt64
  /// dalton, [atoms]: in place of the System's, where given. Averages over positions do not depend on masses; how fast and in
  /// what steps they can be had does.
  public var masses: [Double]?
  /// Let OpenMM compute every force, also where the built-in kernel could.
  public var plainForces: Bool
  /// One of them, drawn at random, is tried after each record interval.
  public var moves: [TorsionMove]
  /// Forces in place of those of the System's terms; nil: the System's.
  public var externalForces: ExternalForces?

  public init(
    temperature: Double, timestep: Double = 0.001, friction: Double = 1, threads: Int, seed: UInt64 = 0,
    masses: [Double]? = nil, plainForces: Bool = false, moves: [TorsionMove] = [],
    externalForces: ExternalForces? = nil
  ) {
    (self.temperature, self.timestep, self.friction, self.threads) = (temperature, timestep, friction, threads)
    (self.seed, self.masses, self.plainForces, self.moves) = (seed, masses, plainForces, moves)
    self.externalForces = externalForces
  }
}

/// What dynamics has done so far, all walks together.
public struct DynamicsWork: Equatable, Sendable {
  /// An integer, because a sum of times would depend on their order.
  public var steps = 0
  /// How often each torsion move was tried and taken.
  public var movesTried, movesTaken: [Int]

  public init(moves: Int) {
    movesTried = [Int](repeating: 0, count: moves)
    movesTaken = movesTried
  }
}
