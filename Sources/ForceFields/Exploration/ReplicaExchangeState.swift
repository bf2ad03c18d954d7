import Dynamics
import Foundation

/// All that replica exchange needs to go on where it stands, and all it has found so far.
///
/// Arrays are flat. A slot is a temperature of one set: those of the first set from the coldest to the hottest, then those of the next.
public struct ReplicaExchangeState: Equatable, Sendable {
  /// Exchanges done.
  public var round = 0
  /// nm and nm/ps, [slots, atoms, 3].
  public var positions: [Double] = [], velocities: [Double] = []
  /// Which walk is in each slot now; at the beginning each has the number of its slot.
  public var walkers: [Int] = []
  /// rad, [rounds, slots, torsions].
  public var torsions: [Double] = []
  /// Potential energies, kJ/mol, [rounds, slots].
  public var energies: [Double] = []
  /// Which walk was in each slot, [rounds, slots].
  public var occupants: [Int] = []
  /// Frames of the lowest temperature, nm, [rounds, sets, atoms, 3].
  public var coldFrames: [Float] = []
  /// Exchanges tried and taken between a temperature and the next, [temperatures - 1].
  public var attempts: [Int] = [], acceptances: [Int] = []
  /// Pieces of walks that were taken back, [temperatures].
  public var rejections: [Int] = []
  public var work = DynamicsWork(moves: 0)

  /// The beginning, and for a state that was saved: `ReplicaExchange.resume` checks it.
  public init() {}

  /// How often a walk came to the lowest temperature from the highest, in all sets together, in round `first` and later. `rungs`: temperatures.
  public func arrivals(rungs: Int, from first: Int = 0) -> Int {
    let slots = walkers.count
    var wasHot = [Bool](repeating: false, count: slots)
    var arrivals = 0
    for (place, walk) in occupants.enumerated() {
      switch place % slots % rungs {
      case rungs - 1: wasHot[walk] = true
      case 0 where wasHot[walk]:
        wasHot[walk] = false
        if place / slots >= first { arrivals += 1 }
      default: break
      }
    }
    return arrivals
  }
}

/// What replica exchange was asked for that cannot be, or what became of it.
public enum ReplicaExchangeError: Error, Equatable, CustomStringConvertible {
  case settings(String)
  /// A checkpoint of another set-up.
  case state(String)
  /// Forces differ from OpenMM's where the walks went, relative to max(1, |force|).
  case forces(provider: String, deviation: Double)
  /// The dynamics left the finite numbers before that time (ps).
  case unstable(temperature: Double, time: Double, reason: String)
  /// Most pieces of the walks at a temperature end in a frame that is not one of this molecule.
  case badFrame(temperature: Double, time: Double, reason: String)

  public var description: String {
    func place(_ temperature: Double, _ time: Double) -> String {
      String(format: "a walk at %.0f K, after %g ps", temperature, time)
    }
    return switch self {
    case .settings(let reason): "replica exchange: \(reason)"
    case .state(let reason): "replica exchange: the saved state does not fit: \(reason)"
    case .forces(let provider, let deviation):
      "replica exchange: forces by \(provider) differ from OpenMM's by \(deviation) where the walks went"
    case .unstable(let temperature, let time, let reason):
      "\(place(temperature, time)): the dynamics became unstable (\(reason))"
    case .badFrame(let temperature, let time, let reason):
      "\(place(temperature, time)), and most others there: \(reason)"
    }
  }
}
