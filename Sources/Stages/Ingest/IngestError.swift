import Trajectories

/// How many frames are of a temperature, K.
public struct TemperatureCount: Equatable, Sendable {
  public let temperature: Double
  public let frames: Int
}

/// Why frames cannot be taken over.
public enum IngestError: Error, Equatable, CustomStringConvertible {
  /// `listed` are the first few of `count`.
  case badFrames(count: Int, of: Int, listed: [BadFrame])
  /// Every frame was bad.
  case nothingLeft(count: Int, listed: [BadFrame])
  case frameRange(file: String, first: Int, last: Int, available: Int)
  /// Files and a simulation were given, or neither.
  case source(both: Bool)
  case otherMolecule(stage: String)
  /// Bonds or angles were held by constraints, and the file says nothing about them. `spread`: the largest, nm.
  case heldBonds(file: String, summary: String, spread: Double)
  /// Nothing is said about them, and the force field does not tell either.
  case heldBondsUnclear(file: String, summary: String, spread: Double, forceField: String)
  /// A frame of bonds that are to keep their lengths has one of another, nm.
  case heldLength(file: String, frame: Int, bond: String, length: Double, expected: Double)
  /// They are to keep their lengths, and files hold different ones.
  case heldDifferently(file: String, other: String, bond: String)
  /// They are to keep their lengths, and angles are held too, or a bond has no coordinate of its own: these are named.
  case heldNotRigid(file: String, name: String, isAngle: Bool)
  /// They are to be released, and no force field tells how.
  case noSprings(file: String, summary: String)
  /// Frames of several temperatures, of which none was chosen.
  case severalTemperatures(found: [TemperatureCount], files: [String])
  /// No frame has the temperature that was asked for.
  case noFrameAt(temperature: Double, found: [TemperatureCount])
  /// A temperature was asked for, and a file tells none.
  case temperatureUnknown(file: String)
  /// A trajectory holds more atoms than the topology, and does not begin with the topology's molecule.
  case surroundings(file: String, found: Int, topology: Int)

  public var description: String {
    switch self {
    case .badFrames(let count, let total, let listed):
      "\(count) of \(total) frames are bad:\n" + Self.lines(count, listed)
        + "\nMend the trajectory, or set bad_frames: drop to go on without them"
    case .nothingLeft(let count, let listed):
      "no frame is left: all \(count) are bad:\n" + Self.lines(count, listed)
        + "\nCompare the topology with the trajectory"
    case .frameRange(let file, let first, let last, let available):
      "\(file): frames \(first) to \(last) were asked for (first, last), the file has 0 to \(available - 1)"
    case .source(let both):
      both
        ? "trajectory and simulation are both given; frames come from one of them: leave the other out"
        : "there is nothing to read: give trajectory (files) or simulation (a simulate stage)"
    case .heldBonds(let file, let summary, let spread):
      "\(file): \(summary) were held at one length by constraints (SHAKE, LINCS, SETTLE): they vary by "
        + "\(String(format: "%.1g", max(spread, 1e-12))) nm, heat gives 3e-3. " + Self.choices
    case .heldBondsUnclear(let file, let summary, let spread, let forceField):
      "\(file): \(summary) were held at one length by constraints (they vary by \(String(format: "%.1g", max(spread, 1e-12))) nm), and "
        + "\(forceField) has springs for some of these bonds or for none. " + Self.choices
    case .heldLength(let file, let frame, let bond, let length, let expected):
      "\(file), frame \(frame): \(bond) is \(String(format: "%.4f", length)) nm long, and \(String(format: "%.4f", expected)) nm in the frames "
        + "that were looked at first; constraints: rigid needs frames of one dynamics with the same bonds held in all of them"
    case .heldDifferently(let file, let other, let bond):
      "\(file) and \(other): \(bond) is held in one of them, or held at another length; constraints: rigid needs frames with the same bonds "
        + "held in all of them"
    case .heldNotRigid(let file, let name, let isAngle):
      "\(file): "
        + (isAngle
          ? "the angle \(name) is held too (HAngles, rigid water), and constraints: rigid keeps bonds alone"
          : "the held bond \(name) closes a ring in which it is no coordinate, so that it cannot keep its length")
        + "; make frames in which bonds to hydrogen alone, or nothing, is held"
    case .noSprings(let file, let summary):
      "\(file): \(summary) were held at one length; constraints: flexible needs system.forcefield, an OpenMM System or an AMBER prmtop, "
        + "whose springs tell how they move"
    case .severalTemperatures(let found, let files):
      "\(files.joined(separator: ", ")): frames of several temperatures: \(Self.list(found)); they are no ensemble of one. Set "
        + "temperature_of_frames to the one that is wanted"
    case .noFrameAt(let temperature, let found):
      "temperature_of_frames: no frame is of \(temperature) K; there are: \(Self.list(found))"
    case .temperatureUnknown(let file):
      "temperature_of_frames: \(file) does not tell the temperatures of its frames; leave it out if they are all of one"
    case .surroundings(let file, let found, let topology):
      "\(file) holds \(found) atoms, the topology \(topology), and the trajectory does not begin with them: give as "
        + "system.topology the file of all \(found) atoms (PDB or prmtop) and choose the molecule with system.atoms, or strip the "
        + "solvent from the trajectory"
    case .otherMolecule(let stage):
      "the frames of '\(stage)' are of another molecule than system.topology; run that stage again"
    }
  }

  private static let choices =
    "Write constraints: flexible to give every such bond the motion of its spring in system.forcefield (free energies are then those of "
    + "the flexible molecule), constraints: rigid to keep them at their lengths (those of the constrained molecule), or constraints: keep "
    + "to go on with the frames as they are"

  private static func list(_ found: [TemperatureCount]) -> String {
    let shown = found.prefix(20).map { "\($0.temperature) K (\($0.frames) frames)" }.joined(separator: ", ")
    return found.count > 20 ? "\(shown) and \(found.count - 20) more" : shown
  }

  private static func lines(_ count: Int, _ listed: [BadFrame]) -> String {
    var lines = listed.map { "  \($0)" }
    if count > listed.count { lines.append("  and \(count - listed.count) more") }
    return lines.joined(separator: "\n")
  }
}
