import COpenMM

/// What went wrong in OpenMM or on the way to it.
public enum OpenMMError: Error, Equatable, CustomStringConvertible {
  /// The file could not be read.
  case unreadable(path: String, reason: String)
  /// Not a well-formed XML document; `reason` names the line.
  case brokenXML(source: String, reason: String)
  /// XML, but not of a serialised System; `found` says of what.
  case notASystem(source: String, found: String)
  /// Coordinates whose count is no multiple of 3 x particles.
  case wrongShape(values: Int, atoms: Int)
  /// Values that the call cannot work with.
  case invalidArgument(String)
  /// The dynamics left the finite numbers.
  case unstable(String)
  /// OpenMM refused; the message is its own.
  case openMM(String)

  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): the force field cannot be read: \(reason)"
    case .brokenXML(let source, let reason):
      "\(source): not well-formed XML: \(reason); serialise the System again (openmm.XmlSerializer.serialize)"
    case .notASystem(let source, let found):
      "\(source): \(found); a serialised OpenMM System is needed (openmm.XmlSerializer.serialize(system))"
    case .wrongShape(let values, let atoms):
      "\(values) coordinates are no frames of \(atoms) atoms (3 x \(atoms) = \(3 * atoms) numbers each): "
        + "the coordinates and the force field are of different molecules"
    case .invalidArgument(let reason): "OpenMM: \(reason)"
    case .unstable(let reason): "OpenMM: \(reason)"
    case .openMM(let message): "OpenMM: \(message)"
    }
  }

  /// The error of the call that just failed on this thread.
  package static func last(source: String = "System") -> OpenMMError {
    let message = String(cString: bm_openmm_error())
    switch bm_openmm_status(UInt32(bitPattern: bm_openmm_error_status())) {
    case BM_ERROR_XML: return .brokenXML(source: source, reason: message)
    case BM_ERROR_NOT_SYSTEM: return .notASystem(source: source, found: message)
    case BM_ERROR_ARGUMENT: return .invalidArgument(message)
    case BM_ERROR_UNSTABLE: return .unstable(message)
    default: return .openMM(message)
    }
  }

  package static func unwrap(_ made: OpaquePointer?, source: String = "System") throws -> OpaquePointer {
    guard let made else { throw last(source: source) }
    return made
  }

  package static func check(_ status: Int32) throws { if status != 0 { throw last() } }
}
