/// Why a trajectory file cannot be used.
public enum TrajectoryError: Error, Equatable, CustomStringConvertible {
  case noSuchFile(file: String)
  /// Of no format there is a reader for. `found` says what the file looks like, `readable` names the formats.
  case unknownFormat(file: String, found: String, readable: [String])
  case unreadable(file: String, message: String)
  /// The global attribute `Conventions` does not name AMBER.
  case wrongConvention(file: String, found: String?)
  /// A variable's `units` attribute is missing or is not what the convention says.
  case wrongUnits(file: String, variable: String, found: String?, expected: String)
  case missingVariable(file: String, variable: String)
  case wrongShape(file: String, variable: String, found: String, expected: String)
  case badScaleFactor(file: String, variable: String, found: String)
  case atomCount(file: String, found: Int, expected: Int)
  /// The file holds fewer frames than its header promises.
  case truncated(file: String, promised: Int, present: Int)
  case noFrames(file: String)
  /// A frame, counted from 0 in the file, is not as the format has it.
  case damagedFrame(file: String, frame: Int, message: String)
  /// The format does not tell the number of atoms, and nobody else did.
  case needsAtomCount(file: String)
  /// Frames of several states of a replica exchange that are not told apart by temperature.
  case severalStates(file: String, message: String)
  case frameRange(file: String, requested: Range<Int>, available: Int)
  /// Frames first to last were asked for, which are not all there.
  case selection(file: String, first: Int, last: Int, available: Int)
  /// Values handed to a writer do not make whole frames.
  case incompleteFrames(file: String, message: String)
  case unwritable(file: String, reason: String)

  public var description: String {
    switch self {
    case .noSuchFile(let file): "\(file): no such trajectory file"
    case .unknownFormat(let file, let found, let readable):
      "\(file): is no trajectory that can be read here: it is \(found); readable are "
        + "\(readable.joined(separator: ", ")): convert it with a trajectory tool (cpptraj, MDTraj, MDAnalysis)"
    case .unreadable(let file, let message): "\(file): cannot be read as a trajectory: \(message)"
    case .wrongConvention(let file, let found):
      "\(file): the attribute Conventions is \(found.map { "\"\($0)\"" } ?? "missing"); an AMBER trajectory says "
        + "\"AMBER\""
    case .wrongUnits(let file, let variable, let found, let expected):
      "\(file): the units of \(variable) are \(found.map { "\"\($0)\"" } ?? "missing"), not \"\(expected)\"; "
        + "convert the file, or correct the attribute if it is wrong"
    case .missingVariable(let file, let variable): "\(file): there is no variable \"\(variable)\" in it"
    case .wrongShape(let file, let variable, let found, let expected):
      "\(file): \(variable) has dimensions \(found), not \(expected)"
    case .badScaleFactor(let file, let variable, let found):
      "\(file): scale_factor of \(variable) is \(found), not one positive number"
    case .atomCount(let file, let found, let expected):
      "\(file): the trajectory has \(found) atoms and the topology \(expected); one of the two is another system's"
    case .truncated(let file, let promised, let present):
      "\(file): the file is cut off: its header promises \(promised) frames, \(present) are there; "
        + "copy it again, or cut it to whole frames with a trajectory tool"
    case .noFrames(let file): "\(file): there are no frames in it"
    case .damagedFrame(let file, let frame, let message):
      "\(file): frame \(frame) is damaged: \(message); copy the file again, or cut it before this frame"
    case .needsAtomCount(let file):
      "\(file): a file of this format does not tell its number of atoms; it can be read with a topology only"
    case .severalStates(let file, let message):
      "\(file): frames of several replicas' states are in it: \(message); sort them with a trajectory tool (cpptraj)"
    case .frameRange(let file, let requested, let available):
      "\(file): frames \(requested) were asked for, \(available) are there"
    case .selection(let file, let first, let last, let available):
      "\(file): frames \(first) to \(last) were asked for, the file has 0 to \(available - 1)"
    case .incompleteFrames(let file, let message): "\(file): \(message)"
    case .unwritable(let file, let reason): "\(file): the trajectory cannot be written: \(reason)"
    }
  }
}
