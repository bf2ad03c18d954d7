import CXTB

/// libxtb itself. It is loaded when first asked for.
public enum XTBLibrary {
  /// "6.5.1". Throws `XTBError.noLibrary`.
  public static func version() throws -> String {
    var interface: Int32 = 0
    var name: UnsafePointer<CChar>?
    guard bm_xtb_version(&interface, &name) == 0 else { throw XTBError.last() }
    let version = name.map { String(cString: $0) } ?? ""
    return version.isEmpty ? "interface \(interface / 10000).\(interface / 100 % 100).\(interface % 100)" : version
  }
}

/// GFN2-xTB energies and forces of many frames of one molecule in one call, spread over threads with a calculator each.
///
/// Every frame starts from the same first guess of its charges, so that its energy depends neither on the frames before it nor on
/// the number of threads. libxtb's own settings: electronic temperature 300 K, accuracy 1 (energies converged to 1e-6 hartree),
/// at most 250 iterations. The solvation model is GBSA, which is what libxtb's C interface offers in version 6.5 (ALPB is not
/// to be had through it). Method: Bannwarth, Ehlert and Grimme, J. Chem. Theory Comput. 15, 1652 (2019).
///
/// One call at a time: a calculator is not to be shared between threads.
public final class XTBCalculator {
  public static let largestAtomicNumber = 86
  /// Names that libxtb's GBSA model knows for GFN2-xTB.
  public static let solvents = [
    "water", "acetone", "acetonitrile", "ch2cl2", "chcl3", "cs2", "dmf", "dmso", "ether", "hexane", "methanol", "thf",
    "toluene",
  ]

  public let atomCount: Int
  private let handle: OpaquePointer

  /// `charge` in elementary charges; `solvent` nil for the gas phase. Throws `XTBError`.
  public init(atomicNumbers: [Int], charge: Int = 0, unpairedElectrons: Int = 0, solvent: String?, threads: Int) throws
  {
    guard !atomicNumbers.isEmpty, let count = Int32(exactly: atomicNumbers.count) else { throw XTBError.noAtoms }
    for (atom, number) in atomicNumbers.enumerated() where !(1...Self.largestAtomicNumber).contains(number) {
      throw XTBError.unknownElement(number: number, atom: atom)
    }
    let electrons = atomicNumbers.reduce(0, +) - charge
    guard unpairedElectrons >= 0, electrons >= unpairedElectrons, (electrons - unpairedElectrons) % 2 == 0
    else { throw XTBError.oddElectrons(electrons: electrons, charge: charge, unpaired: unpairedElectrons) }
    if let solvent, !Self.solvents.contains(solvent) { throw XTBError.unknownSolvent(solvent, known: Self.solvents) }
    let numbers = atomicNumbers.map(Int32.init)
    guard
      let made = bm_xtb_create(
        count, numbers, Double(charge), Int32(unpairedElectrons), solvent ?? "", Int32(clamping: threads))
    else { throw XTBError.last() }
    (handle, atomCount) = (made, atomicNumbers.count)
  }

  deinit { bm_xtb_free(handle) }

  /// kJ/mol, [frames], of coordinates in nm, [frames, atoms, 3]. A frame with a number that is not finite, with two atoms nearer
  /// than 0.035 nm, or whose charges do not converge has energy +infinity. Throws `XTBError.wrongShape`.
  public func energies(_ coordinates: [Double]) throws -> [Double] { try evaluate(coordinates, forces: nil) }

  /// As `energies`, and forces in kJ/mol/nm, [frames, atoms, 3]; those of a frame of infinite energy are NaN.
  public func energiesAndForces(_ coordinates: [Double]) throws -> (energies: [Double], forces: [Double]) {
    var forces = [Double](repeating: 0, count: coordinates.count)
    return (try evaluate(coordinates, forces: &forces), forces)
  }

  private func evaluate(_ coordinates: [Double], forces: UnsafeMutablePointer<Double>?) throws -> [Double] {
    guard coordinates.count % (3 * atomCount) == 0
    else { throw XTBError.wrongShape(values: coordinates.count, atoms: atomCount) }
    var energies = [Double](repeating: 0, count: coordinates.count / (3 * atomCount))
    guard bm_xtb_evaluate(handle, coordinates, Int64(energies.count), &energies, forces) == 0
    else { throw XTBError.last() }
    return energies
  }
}
