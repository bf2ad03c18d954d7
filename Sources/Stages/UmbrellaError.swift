import Foundation

/// Why umbrella sampling cannot start, or must not go on.
public enum UmbrellaError: Error, Equatable, CustomStringConvertible {
  case noForceField
  /// Topology and force field are of different molecules.
  case atomCount(topology: Int, forceField: Int, file: String)
  /// Lists of the pipeline file whose lengths differ.
  case listLength(parameter: String, count: Int, coordinates: [String])
  /// The torsion that defines the state carries no bias.
  case stateTorsion(name: String, coordinates: [String])
  case torsionAtoms(name: String, atoms: [Int], atomCount: Int)
  /// A bias has turned a stereocentre inside out.
  case invertedCentre(labels: [String], center: [Double], coordinates: [String], direction: String)

  public var description: String {
    switch self {
    case .noForceField:
      return "umbrella sampling needs system.forcefield, a serialised OpenMM System or an AMBER prmtop"
    case .atomCount(let topology, let forceField, let file):
      return "\(file) has \(forceField) particles, the topology \(topology) atoms: they are of different molecules"
    case .listLength(let parameter, let count, let coordinates):
      return
        "\(parameter) has \(count) values for \(coordinates.count) coordinates (\(coordinates.joined(separator: ", "))): "
        + "give one for each"
    case .stateTorsion(let name, let coordinates):
      return
        "the state is defined by \(name), which is none of the coordinates (\(coordinates.joined(separator: ", "))): "
        + "without a bias along it the difference cannot be had; add \(name) to coordinates or change system.state.torsion"
    case .torsionAtoms(let name, let atoms, let atomCount):
      return "system.torsions.\(name): \(atoms) are not four atoms of a molecule with \(atomCount) (from 0)"
    case .invertedCentre(let labels, let center, let coordinates, let direction):
      let place = zip(coordinates, center).map { "\($0) = " + String(format: "%.2f", $1) }.joined(separator: ", ")
      return
        "\(labels.joined(separator: ", ")) inverted in the window at \(place) rad (walk \(direction)): its samples are of "
        + "another molecule; use a longer equilibration, more windows or a smaller force_constant"
    }
  }
}
