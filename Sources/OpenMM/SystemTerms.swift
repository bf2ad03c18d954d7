import COpenMM

/// The terms of an AMBER-like force field without cutoff, periodicity or constraints, of which a `System` can be made.
public struct SystemTerms: Sendable {
  public typealias Torsion = (atoms: [Int], periodicity: Int, phase: Double, forceConstant: Double)

  public enum ImplicitSolvent: String, CaseIterable, Codable, Sendable {
    case none, obc1, obc2, hct, gbn, gbn2

    fileprivate var native: bm_born {
      switch self {
      case .none: BM_BORN_NONE
      case .obc1: BM_BORN_OBC1
      case .obc2: BM_BORN_OBC2
      case .hct: BM_BORN_HCT
      case .gbn: BM_BORN_GBN
      case .gbn2: BM_BORN_GBN2
      }
    }
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
  /// alpha, beta and gamma of each particle, [particles]; read with GBn2 only.
  public var bornShapes: [[Double]] = []
  /// 1/nm: screening by salt, with the factor for the ions' size; 0 for none.
  public var bornKappa = 0.0
  /// Whether the implicit solvent has a surface term: 28.39 kJ/mol/nm^2 (radius + 0.14 nm)^2 (radius/Born radius)^6 for each particle,
  /// after Schaefer, Bartels and Karplus, J. Mol. Biol. 284, 835 (1998).
  public var hasSurfaceTerm = false
  /// Energies over two torsions (CMAP): kJ/mol, the second torsion first, each from 0 once around in `size` equal steps.
  public var maps: [(size: Int, energies: [Double])] = []
  /// Two torsions of four atoms each, and the map of their energy.
  public var mappedTorsions: [(first: [Int], second: [Int], map: Int)] = []

  public init(masses: [Double], charges: [Double], sigmas: [Double], epsilons: [Double]) {
    (self.masses, self.charges, self.sigmas, self.epsilons) = (masses, charges, sigmas, epsilons)
  }
}

extension System {
  /// Particles of these masses, dalton, that no term moves: for dynamics whose forces come from elsewhere. Throws `OpenMMError`.
  public convenience init(masses: [Double]) throws {
    let none = [Double](repeating: 0, count: masses.count)
    try self.init(SystemTerms(masses: masses, charges: none, sigmas: none.map { _ in 0.1 }, epsilons: none))
  }

  /// Throws `OpenMMError.invalidArgument` where lists do not fit each other, `.openMM` where OpenMM refuses a term.
  public convenience init(_ terms: SystemTerms) throws {
    let (count, hasBorn) = (terms.masses.count, terms.implicitSolvent != .none)
    try require("charges", terms.charges.count, count)
    try require("radii (sigma)", terms.sigmas.count, count)
    try require("well depths", terms.epsilons.count, count)
    if hasBorn {
      try require("Born radii", terms.bornRadii.count, count)
      try require("screening factors", terms.bornScreens.count, count)
      guard terms.bornKappa >= 0, terms.bornKappa.isFinite
      else { throw OpenMMError.invalidArgument("a screening of \(terms.bornKappa) per nm by salt") }
    }
    if terms.implicitSolvent == .gbn2 {
      try require("parameters of radii", terms.bornShapes.count, count)
      for shape in terms.bornShapes { try require("parameters of a radius", shape.count, 3) }
    }
    if terms.implicitSolvent == .gbn || terms.implicitSolvent == .gbn2,
      let radius = terms.bornRadii.first(where: { !(0.0999999...0.2000001).contains($0) })
    {
      throw OpenMMError.invalidArgument(
        "a Born radius of \(radius) nm, where this model's tables reach from 0.1 to 0.2 nm")
    }
    for map in terms.maps {
      guard map.size >= 2, map.energies.count == map.size * map.size, map.energies.allSatisfy(\.isFinite) else {
        throw OpenMMError.invalidArgument(
          "a map of \(map.size) steps with \(map.energies.count) energies, which must be finite")
      }
    }
    let mappedAtoms = try terms.mappedTorsions.flatMap { term in
      guard terms.maps.indices.contains(term.map)
      else { throw OpenMMError.invalidArgument("map \(term.map), where there are \(terms.maps.count)") }
      return try indices([term.first, term.second], 4, of: count) + [Int32(term.map)]
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
    native.maps = Int32(clamping: terms.maps.count)
    native.mapped = Int32(clamping: terms.mappedTorsions.count)
    native.born = Int32(bitPattern: terms.implicitSolvent.native.rawValue)
    (native.born_kappa, native.born_surface) = (terms.bornKappa, terms.hasSurfaceTerm ? 1 : 0)
    let made = withPointers([
      terms.masses, terms.charges, terms.sigmas, terms.epsilons, terms.bonds.flatMap { [$0.length, $0.forceConstant] },
      terms.angles.flatMap { [$0.angle, $0.forceConstant] }, terms.torsions.flatMap { [$0.phase, $0.forceConstant] },
      terms.exceptions.flatMap { [$0.chargeProduct, $0.sigma, $0.epsilon] }, terms.bornRadii, terms.bornScreens,
      terms.bornShapes.flatMap { $0 }, terms.maps.flatMap(\.energies),
    ]) { numbers in
      withPointers([
        bondAtoms, angleAtoms, torsionAtoms, exceptionAtoms, mappedAtoms, terms.maps.map { Int32(clamping: $0.size) },
      ]) { atoms in
        (native.masses, native.charges, native.sigmas, native.epsilons) = (
          numbers[0], numbers[1], numbers[2], numbers[3]
        )
        (native.bond_parameters, native.angle_parameters, native.torsion_parameters) = (
          numbers[4], numbers[5], numbers[6]
        )
        (native.exception_parameters, native.born_radii, native.born_screens) = (numbers[7], numbers[8], numbers[9])
        (native.bond_atoms, native.angle_atoms, native.torsion_atoms) = (atoms[0], atoms[1], atoms[2])
        (native.exception_atoms, native.mapped_atoms, native.map_sizes) = (atoms[3], atoms[4], atoms[5])
        (native.born_shapes, native.map_energies) = (numbers[10], numbers[11])
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
