import Foundation

public enum PerturbationError: Error, Equatable, CustomStringConvertible {
  /// The emulator works on positions.
  case cartesian
  /// The emulator keeps bonds at their lengths.
  case held
  /// The target tells the ends of a rotor apart that the emulator folds, by so many kT.
  case unequalEnds(String, Double)
  /// So many points are asked for, and the map needs more.
  case tooFewAsked(Int, least: Int)
  /// Fewer points of the surrogate than one step of a training takes.
  case tooFewChains(Int, batch: Int)
  /// Two emulators of which neither was carried to the other.
  case noMap
  /// Too few points of the emulator have a finite energy under the target.
  case tooFewPoints(Int, least: Int)

  public var description: String {
    switch self {
    case .cartesian: "only an emulator of internal coordinates can be carried to another potential"
    case .held: "an emulator that keeps bonds at their lengths cannot be carried to another potential"
    case .unequalEnds(let torsion, let difference):
      "the emulator takes the three ends of \(torsion) for equal, and the other potential tells them apart by "
        + String(format: "%.2g kT", difference)
    case .tooFewAsked(let asked, let least):
      "the map to the other potential needs energies at \(least) points of the emulator at least, not \(asked)"
    case .tooFewChains(let chains, let batch):
      "\(chains) points of the surrogate are fewer than one step takes, \(batch)"
    case .noMap: "the two emulators are not on the same coordinates, so no map leads from one to the other"
    case .tooFewPoints(let found, let least):
      "\(found) points of the emulator have a finite energy under the other potential, and the map to it needs \(least)"
    }
  }
}
