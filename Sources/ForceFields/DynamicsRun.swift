import Dynamics

/// Langevin dynamics of many walks that goes on piece by piece to its end.
public protocol DynamicsRun {
  /// What moves the walks.
  var dynamics: LangevinDynamics { get }
  /// What was done so far, all walks together, failed attempts included.
  var work: DynamicsWork { get }
  var isFinished: Bool { get }
  /// ps of the whole run, all walks together, if each reaches its start at once.
  var totalTime: Double { get }
}

extension DynamicsRun {
  /// What computes the forces.
  public var forceProvider: String { dynamics.forceProvider }
  /// Why that is not the built-in kernel, which would be many times faster; nil where it is, or was not asked for.
  public var kernelRefusal: String? { dynamics.kernelRefusal }
  /// s that one step takes on one thread, where the forces are external and have been asked for; nil where they are quick.
  public var secondsPerStep: Double? { dynamics.secondsPerForce }
  /// ps done so far.
  public var simulatedTime: Double { Double(work.steps) * dynamics.settings.timestep }
  /// Energies and forces computed so far: one a step, and two a torsion move.
  public var energyEvaluations: Int { work.steps + 2 * work.movesTried.reduce(0, +) }
}
