/// Potential energies of a molecule, frame by frame.
public protocol EnergyEngine {
  var atomCount: Int { get }
  /// What computes the energies, for people: "GFN2-xTB in water (GBSA)".
  var summary: String { get }
  /// Frames worth handing over in one call where someone waits for news: less than a second's work.
  var framesPerCall: Int { get }
  /// kJ/mol, [frames], of coordinates in nm, [frames, atoms, 3]. +infinity where the energy is not a finite number.
  func energies(_ coordinates: [Double]) throws -> [Double]
  /// As `energies`, and forces in kJ/mol/nm, [frames, atoms, 3]; NaN where the energy is infinite.
  func energiesAndForces(_ coordinates: [Double]) throws -> (energies: [Double], forces: [Double])
}

extension EnergyEngine {
  /// As `energies`, in pieces: after each, `progress` hears how many frames are done. What it throws ends the work.
  public func energies(_ coordinates: [Double], progress: (Int) throws -> Void) throws -> [Double] {
    let size = 3 * atomCount * framesPerCall
    var result: [Double] = []
    for start in stride(from: 0, to: max(1, coordinates.count), by: size) {
      result += try energies(Array(coordinates[start..<min(start + size, coordinates.count)]))
      try progress(result.count)
    }
    return result
  }
}
