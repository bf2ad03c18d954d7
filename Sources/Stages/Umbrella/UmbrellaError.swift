import ForceFields
import Foundation

/// Why umbrella sampling cannot start, or must not go on.
public enum UmbrellaError: Error, Equatable, CustomStringConvertible {
  /// Lists of the pipeline file whose lengths differ.
  case listLength(parameter: String, count: Int, coordinates: [String])
  /// The torsion that defines the state carries no bias.
  case stateTorsion(name: String, coordinates: [String], isShort: Bool)
  /// Windows that exchange frames have one length.
  case exchangeInRounds
  /// Every pair of states depends on one of these distances.
  case distances([String])
  /// A bias has turned a stereocentre inside out.
  case invertedCentre(labels: [String], center: [Double], coordinates: [String], direction: String)

  public var description: String {
    switch self {
    case .listLength(let parameter, let count, let coordinates):
      return
        "\(parameter) has \(count) values for \(coordinates.count) coordinates (\(coordinates.joined(separator: ", "))): "
        + "give one for each"
    case .stateTorsion(let name, let coordinates, let isShort):
      return
        "the state is defined by \(name), which is none of the coordinates (\(coordinates.joined(separator: ", "))): "
        + "without a bias along it the difference cannot be had; add \(name) to coordinates or change "
        + (isShort ? "system.state.torsion" : "the first of system.pairs")
    case .exchangeInRounds:
      return
        "exchange does not go with target_error: windows that exchange frames have one length, and "
        + "target_error gives each its own; leave one of them out"
    case .distances(let names):
      return
        "the states of every pair depend on \(names.joined(separator: ", ")), and walks record torsions alone: name a pair of states "
        + "in torsions first under system.pairs (the rest depends on all coordinates), or compare with a simulate stage"
    case .invertedCentre(let labels, let center, let coordinates, let direction):
      let place = zip(coordinates, center).map { "\($0) = " + String(format: "%.2f", $1) }.joined(separator: ", ")
      return
        "\(labels.joined(separator: ", ")) inverted in the window at \(place) rad (walk \(direction)): its samples are of "
        + "another molecule; use a longer equilibration, more windows or a smaller force_constant"
    }
  }
}

extension UmbrellaSamplerError: AdvisableError {
  var advice: String? {
    switch self {
    case .grid, .settings: nil
    case .state: "; delete the stage's checkpoints to start again"
    case .forces: "; use forces: openmm"
    }
  }
}
