import CXTB

public enum XTBError: Error, Equatable, CustomStringConvertible {
  case noLibrary(reason: String)  // libxtb is not installed, or not loadable
  case refused(String)  // libxtb refuses the molecule or the solvent; the message is its own
  case foreignParameters(path: String)  // A file from which libxtb would take other parameters than its own
  case unknownElement(number: Int, atom: Int)  // An element that GFN2-xTB has no parameters for
  case oddElectrons(electrons: Int, charge: Int, unpaired: Int)  // Electrons that cannot be paired as asked
  case unknownSolvent(String, known: [String])
  case noAtoms
  case wrongShape(values: Int, atoms: Int)  // Coordinates whose count is no multiple of 3 x atoms
  case system(String)  // No memory, no thread

  public var description: String {
    switch self {
    case .noLibrary(let reason):
      "GFN2-xTB needs libxtb, which cannot be loaded (\(reason)); ./bootstrap installs it, or: apt-get install libxtb-dev"
    case .refused(let message): "libxtb: \(message)"
    case .foreignParameters(let path):
      "libxtb would take its parameters from \(path) and no longer be GFN2-xTB; move the file away or unset XTBPATH"
    case .unknownElement(let number, let atom):
      "atom \(atom) has atomic number \(number); GFN2-xTB covers 1 to \(XTBCalculator.largestAtomicNumber)"
    case .oddElectrons(let electrons, let charge, let unpaired):
      "\(electrons) electrons at charge \(charge) do not leave \(unpaired) unpaired: set the molecule's charge"
    case .unknownSolvent(let name, let known):
      "GFN2-xTB has no solvent '\(name)'; there are: \(known.joined(separator: ", "))"
    case .noAtoms: "GFN2-xTB: a molecule without atoms"
    case .wrongShape(let values, let atoms):
      "\(values) coordinates are no frames of \(atoms) atoms (3 x \(atoms) = \(3 * atoms) numbers each): "
        + "the coordinates and the topology are of different molecules"
    case .system(let message): "GFN2-xTB: \(message)"
    }
  }

  /// The error of the call that just failed on this thread.
  static func last() -> XTBError {
    let message = String(cString: bm_xtb_error())
    switch bm_xtb_status(UInt32(bitPattern: bm_xtb_error_status())) {
    case BM_XTB_ERROR_LIBRARY: return .noLibrary(reason: message)
    case BM_XTB_ERROR_REFUSED: return .refused(message)
    case BM_XTB_ERROR_PARAMETERS: return .foreignParameters(path: message)
    default: return .system(message)
    }
  }
}
