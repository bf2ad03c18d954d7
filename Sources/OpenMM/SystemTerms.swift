import COpenMM

/// The terms of an AMBER-like force field without cutoff, periodicity or constraints, of which a `System` can be made.
public struct SystemTerms: Sendable {
  public typealias Torsion = (atoms: [Int], periodicity: Int, phase: Double, forceConstant: Double)

  public enum ImplicitSolvent: String, CaseIterable, Codable, Sendable {
    case none, obc1, obc2
  }

  /// dalton, [particles].
  public var masses: [Double]
  /// Elementary charges, nm and kJ/mol, [particles] each.
  public var charges, sigmas, epsilons: [Double]
  /// Energy k/2 (r - length)^2; nm, kJ/mol/nm^2.
  public var bonds: [(atoms: [Int], length: Double, forceConstant: Double)] = []
  /// Energy k/2 (theta - angle)^2; rad, kJ/mol/rad^2.
  public var angles: [(atoms: [Int], angle: Double, forceConstant: Double)] = []
  /// Energy k (1 + cos(n phi - phase)); rad, kJ/mol.
  public var torsions: [Torsion] = []
  /// Pairs whose interaction is not the usual one; e^2, nm, kJ/mol.
  public var exceptions: [(atoms: [Int], chargeProduct: Double, sigma: Double, epsilon: Double)] = []
  public var implicitSolvent = ImplicitSolvent.none
  /// nm and screening factors, [particles]; read with an implicit solvent only.
  public var bornRadii: [Double] = [], bornScreens: [Double] = []

  public init(masses: [Double], charges: [Double], sigmas: [Double], epsilons: [Double]) {
    (self.masses, self.charges, self.sigmas, self.epsilons) = (masses, charges, sigmas, epsilons)
  }
}

extension System {
  /// Throws `OpenMMError.invalidArgument` where lists do not fit each other, `.openMM` where OpenMM refuses a term.
  public convenience init(_ terms: SystemTerms) throws {
    let (count, hasBorn) = (terms.masses.count, terms.implicitSolvent != .none)
    try require("charges", terms.charges.count, count)
    try require("radii (sigma)", terms.sigmas.count, count)
    try require("well depths", terms.epsilons.count, count)
    if hasBorn {
      try require("Born radii", terms.bornRadii.count, count)
      try require("screening factors", terms.bornScreens.count, count)
    }
    let bondAtoms = try indices(terms.bonds.map(\.atoms), 2, of: count)
    let angleAtoms = try indices(terms.angles.map(\.atoms), 3, of: count)
    let torsionAtoms = try torsionIndices(terms.torsions, of: count)
    let exceptionAtoms = try indices(terms.exceptions.map(\.atoms), 2, of: count)
    var native = bm_system_terms()
    native.particles = Int32(clamping: count)
    native.bonds = Int32(clamping: terms.bonds.count)
    native.angles = Int32(clamping: terms.angles.count)
    native.torsions = Int32(clamping: terms.torsions.count)
    native.exceptions = Int32(clamping: terms.exceptions.count)
    native.born = terms.implicitSolvent == .obc1 ? 1 : hasBorn ? 2 : 0
    let made = withPointers([
      terms.masses, terms.charges, terms.sigmas, terms.epsilons, terms.bonds.flatMap { [$0.length, $0.forceConstant] },
      terms.angles.flatMap { [$0.angle, $0.forceConstant] }, terms.torsions.flatMap { [$0.phase, $0.forceConstant] },
      terms.exceptions.flatMap { [$0.chargeProduct, $0.sigma, $0.epsilon] }, terms.bornRadii, terms.bornScreens,
    ]) { numbers in
      withPointers([bondAtoms, angleAtoms, torsionAtoms, exceptionAtoms]) { atoms in
        (native.masses, native.charges, native.sigmas, native.epsilons) = (
          numbers[0], numbers[1], numbers[2], numbers[3]
        )
        (native.bond_parameters, native.angle_parameters, native.torsion_parameters) = (
          numbers[4], numbers[5], numbers[6]
        )
        (native.exception_parameters, native.born_radii, native.born_screens) = (numbers[7], numbers[8], numbers[9])
        (native.bond_atoms, native.angle_atoms, native.torsion_atoms) = (atoms[0], atoms[1], atoms[2])
        native.exception_atoms = atoms[3]
        return bm_system_from_terms(&native)
      }
    }
    self.init(try OpenMMError.unwrap(made))
  }

  /// The same System with further torsions, beside those it has.
  ///
  /// Throws `OpenMMError.invalidArgument` where a torsion does not fit the System, `.openMM` where OpenMM refuses it.
  public func adding(torsions: [SystemTerms.Torsion]) throws -> System {
    let atoms = try torsionIndices(torsions, of: atomCount)
    let parameters = torsions.flatMap { [$0.phase, $0.forceConstant] }
    return System(
      try OpenMMError.unwrap(bm_system_adding_torsions(handle, Int32(clamping: torsions.count), atoms, parameters)))
  }

  /// Height of the barriers that the force field's threefold torsion terms about a bond make together, kJ/mol, where both ends
  /// are tetrahedral: minima at 60, 180 and 300 degrees where positive, between them where negative. `bond`: two atoms from 0.
  public func threefoldBarrier(about bond: (Int, Int)) -> Double {
    2 * bm_system_threefold(handle, Int32(clamping: bond.0), Int32(clamping: bond.1))
  }
}

private func require(_ name: String, _ found: Int, _ expected: Int) throws {
  if found != expected { throw OpenMMError.invalidArgument("\(found) \(name) where \(expected) belong") }
}

/// Atoms of terms, one after another, of a System of `count` particles.
private func indices(_ rows: [[Int]], _ width: Int, of count: Int) throws -> [Int32] {
  try rows.flatMap { row in
    try require("atoms of a term", row.count, width)
    return try row.map { atom in
      guard (0..<count).contains(atom)
      else { throw OpenMMError.invalidArgument("a term of atom \(atom), where there are \(count)") }
      return Int32(atom)
    }
  }
}

/// [torsions, 5]: four atoms and the periodicity.
private func torsionIndices(_ torsions: [SystemTerms.Torsion], of count: Int) throws -> [Int32] {
  try torsions.flatMap { try indices([$0.atoms], 4, of: count) + [Int32(clamping: $0.periodicity)] }
}

/// Calls `body` with the arrays' elements side by side in memory.
package func withPointers<T, Result>(_ lists: [[T]], _ body: ([UnsafePointer<T>?]) -> Result) -> Result {
  let all = Array(lists.joined())
  return all.withUnsafeBufferPointer { buffer in
    var start = 0
    return body(
      lists.map { list in
        defer { start += list.count }
        return buffer.baseAddress.map { $0 + start }
      })
  }
}
