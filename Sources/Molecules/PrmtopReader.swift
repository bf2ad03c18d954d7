import Foundation

/// Turns sections of a prmtop file into terms of a force field.
struct PrmtopReader {
  /// AMBER's charges are in this fraction of e, which makes e^2/angstrom a kcal/mol.
  static let chargeUnit = 18.2223
  static let kilocalorie = 4.184

  /// Places in the section POINTERS.
  enum Pointer: Int {
    case atoms = 0, types = 1, bondsWithHydrogen = 2, anglesWithHydrogen = 4, torsionsWithHydrogen = 6, excluded = 10
    case residues = 11, bondsWithout = 12, anglesWithout = 13, torsionsWithout = 14
    case bondTypes = 15, angleTypes = 16, torsionTypes = 17, hydrogenBondTypes = 19, perturbation = 20, box = 27
    case cap = 29
  }

  struct Pointers {
    fileprivate let values: [Int]
    subscript(pointer: Pointer) -> Int { values[pointer.rawValue] }
  }

  /// A torsion, whether its ends are a 1-4 pair, its type and the line it stood on.
  struct FoundTorsion {
    let term: AMBERTopology.Torsion
    let isPair: Bool
    let type, line: Int
  }

  let sections: PrmtopSections
  let pointers: Pointers
  var atoms: Int { pointers[.atoms] }

  init(_ sections: PrmtopSections) throws {
    self.sections = sections
    let section = try sections.required("POINTERS")
    var values: [Int] = []
    for (line, bytes) in section.lines {
      for field in String(decoding: bytes, as: UTF8.self).split(separator: " ") {
        // so that products of two do not overflow
        guard let value = Int(field), (0...100_000_000).contains(value)
        else { throw sections.fail(line, "POINTERS: \"\(field)\" is not a count") }
        values.append(value)
      }
    }
    guard values.count >= 30 else {
      throw sections.fail(section.line, "the section POINTERS holds \(values.count) values; at least 30 are needed")
    }
    pointers = Pointers(values: values)
    guard pointers[.atoms] > 0, pointers[.types] > 0, pointers[.residues] > 0
    else { throw sections.fail(section.line, "POINTERS announce no atoms, no atom types or no residues") }
    for (pointer, what) in [(Pointer.perturbation, "perturbed atoms"), (.cap, "a water cap")]
    where pointers[pointer] != 0 { throw sections.fail(section.line, "the file has \(what), which is not supported") }
    for (name, what) in [
      ("CTITLE", "a CHARMM force field (CHAMBER)"), ("CHARMM_CMAP_COUNT", "CMAP terms"),
      ("LENNARD_JONES_CCOEF", "12-6-4 terms"), ("CHARMM_UREY_BRADLEY", "Urey-Bradley terms"),
      ("POLARIZABILITY", "polarisable atoms"),
    ] { if let found = sections[name] { throw sections.fail(found.line, "the file has \(what), not supported here") } }
  }

  func residueIndices() throws -> [Int] {
    let starts = try sections.integers("RESIDUE_POINTER", count: pointers[.residues])
    var indices = [Int](repeating: 0, count: atoms)
    for (residue, start) in starts.enumerated() {
      let end = residue + 1 < starts.count ? starts[residue + 1].value : atoms + 1
      guard start.value >= 1, start.value < end, end <= atoms + 1, residue > 0 || start.value == 1
      else { throw sections.fail(start.line, "RESIDUE_POINTER: residue \(residue + 1) begins at atom \(start.value)") }
      for atom in start.value - 1..<end - 1 { indices[atom] = residue }
    }
    return indices
  }

  // MARK: Bonded terms

  /// The terms of the two sections of a kind, each a row of `width` numbers: indices of atoms, three times over, and a type from 1.
  /// `make` gets atoms, signs, type from 0, line.
  private func terms<T>(
    _ kind: String, _ withHydrogen: Pointer, _ without: Pointer, width: Int, types: Int,
    _ make: ([Int], [Bool], Int, Int) -> T
  ) throws -> [T] {
    try terms("\(kind)_INC_HYDROGEN", rows: pointers[withHydrogen], width: width, types: types, make)
      + terms("\(kind)_WITHOUT_HYDROGEN", rows: pointers[without], width: width, types: types, make)
  }

  private func terms<T>(
    _ name: String, rows: Int, width: Int, types: Int, _ make: ([Int], [Bool], Int, Int) -> T
  ) throws -> [T] {
    let values = try sections.integers(name, count: rows * width)
    return try (0..<rows).map { row in
      let fields = values[row * width..<(row + 1) * width]
      let line = fields.first?.line ?? 0
      var indices: [Int] = []
      var negative: [Bool] = []
      for (place, field) in fields.dropLast().enumerated() {
        // in torsions the signs of the last two atoms carry a meaning
        guard field.value >= 0 || (width == 5 && place >= 2), field.value % 3 == 0, field.value.magnitude / 3 < atoms
        else { throw sections.fail(field.line, "\(name): \(field.value) is three times no atom's index") }
        indices.append(Int(field.value.magnitude / 3))
        negative.append(field.value < 0)
      }
      guard Set(indices).count == indices.count
      else { throw sections.fail(line, "\(name): a term of atoms \(indices), which are not different") }
      let type = values[(row + 1) * width - 1]
      guard (1...max(1, types)).contains(type.value), types > 0
      else { throw sections.fail(type.line, "\(name): type \(type.value) of \(types)") }
      return make(indices, negative, type.value - 1, line)
    }
  }

  func bonds() throws -> [AMBERTopology.Bond] {
    let types = pointers[.bondTypes]
    let constants = try sections.numbers("BOND_FORCE_CONSTANT", count: types)
    let lengths = try sections.numbers("BOND_EQUIL_VALUE", count: types)
    return try terms("BONDS", .bondsWithHydrogen, .bondsWithout, width: 3, types: types) { indices, _, type, _ in
      .init(atoms: indices, length: lengths[type] / 10, forceConstant: 2 * constants[type] * Self.kilocalorie * 100)
    }
  }

  func angles() throws -> [AMBERTopology.Angle] {
    let types = pointers[.angleTypes]
    let constants = try sections.numbers("ANGLE_FORCE_CONSTANT", count: types)
    let angles = try sections.numbers("ANGLE_EQUIL_VALUE", count: types)
    return try terms("ANGLES", .anglesWithHydrogen, .anglesWithout, width: 4, types: types) { indices, _, type, _ in
      .init(atoms: indices, angle: angles[type], forceConstant: 2 * constants[type] * Self.kilocalorie)
    }
  }

  func torsions() throws -> [FoundTorsion] {
    let types = pointers[.torsionTypes]
    let constants = try sections.numbers("DIHEDRAL_FORCE_CONSTANT", count: types)
    let phases = try sections.numbers("DIHEDRAL_PHASE", count: types)
    let periodicities = try sections.numbers("DIHEDRAL_PERIODICITY", count: types).map { value in
      guard (-100...100).contains(value)
      else { throw sections.fail(try sections.required("DIHEDRAL_PERIODICITY").line, "a periodicity of \(value)") }
      return Int((value + 0.5).rounded(.down))
    }
    return try terms("DIHEDRALS", .torsionsWithHydrogen, .torsionsWithout, width: 5, types: types) {
      indices, negative, type, line in
      // a negative third index: its 1-4 pair is counted elsewhere; a negative fourth: an improper torsion
      .init(
        term: .init(
          atoms: indices, periodicity: periodicities[type], phase: phases[type],
          forceConstant: constants[type] * Self.kilocalorie), isPair: !negative[2] && !negative[3], type: type,
        line: line)
    }
  }

  // MARK: Exceptions

  /// Scaled 1-4 pairs, and the pairs of the exclusion list that are none of them.
  func exceptions(
    _ torsions: [FoundTorsion], charges: [Double], _ lennardJones: LennardJonesTable
  ) throws -> [AMBERTopology.Exception] {
    let types = pointers[.torsionTypes]
    let electrostatic = try scales("SCEE_SCALE_FACTOR", count: types, default: 1.2)
    let dispersive = try scales("SCNB_SCALE_FACTOR", count: types, default: 2)
    var exceptions: [AMBERTopology.Exception] = []
    var seen: Set<Topology.Bond> = []
    for torsion in torsions where torsion.isPair {
      let (first, last) = (torsion.term.atoms[0], torsion.term.atoms[3])
      guard seen.insert(Topology.Bond(first, last)).inserted
      else { throw sections.fail(torsion.line, "a second torsion counts atoms \(first) and \(last) as a 1-4 pair") }
      guard electrostatic[torsion.type] != 0, dispersive[torsion.type] != 0 else {
        throw sections.fail(torsion.line, "the 1-4 pair of atoms \(first) and \(last) is divided by a scale of zero")
      }
      let pair = lennardJones.pair(first, last)
      exceptions.append(
        .init(
          atoms: [first, last], chargeProduct: charges[first] * charges[last] / electrostatic[torsion.type],
          sigma: pair.sigma, epsilon: pair.epsilon / dispersive[torsion.type]))
    }
    let counts = try sections.integers("NUMBER_EXCLUDED_ATOMS", count: atoms)
    let excluded = try sections.integers("EXCLUDED_ATOMS_LIST", count: pointers[.excluded])
    var next = 0
    for (atom, count) in counts.enumerated() {
      guard count.value >= 0, next + count.value <= excluded.count else {
        throw sections.fail(count.line, "NUMBER_EXCLUDED_ATOMS: atom \(atom) excludes \(count.value) atoms of the list")
      }
      for other in excluded[next..<next + count.value] where other.value != 0 {  // 0: no atom
        guard (1...atoms).contains(other.value), other.value - 1 != atom else {
          throw sections.fail(other.line, "EXCLUDED_ATOMS_LIST: atom \(atom) excludes atom number \(other.value)")
        }
        guard seen.insert(Topology.Bond(atom, other.value - 1)).inserted else { continue }
        exceptions.append(.init(atoms: [atom, other.value - 1], chargeProduct: 0, sigma: 0.1, epsilon: 0))
      }
      next += count.value
    }
    return exceptions
  }

  private func scales(_ name: String, count: Int, default value: Double) throws -> [Double] {
    try sections[name] == nil ? [Double](repeating: value, count: count) : sections.numbers(name, count: count)
  }
}

/// Lennard-Jones parameters, which a prmtop holds as coefficients A/r^12 - B/r^6 of every pair of types.
struct LennardJonesTable {
  /// nm and kJ/mol, per atom.
  let sigmas, epsilons: [Double]
  private let typeOfAtom, index: [Int]
  private let a, b: [Double]
  private let types: Int

  init(_ reader: PrmtopReader) throws {
    let (sections, types) = (reader.sections, reader.pointers[.types])
    self.types = types
    for name in ["HBOND_ACOEF", "HBOND_BCOEF"] where sections[name] != nil {
      if try sections.numbers(name, count: reader.pointers[.hydrogenBondTypes]).contains(where: { $0 != 0 }) {
        throw sections.fail(try sections.required(name).line, "the file has 10-12 terms, which are not supported")
      }
    }
    let pairs = types * (types + 1) / 2
    let found = try sections.integers("NONBONDED_PARM_INDEX", count: types * types)
    let a = try sections.numbers("LENNARD_JONES_ACOEF", count: pairs)
    let b = try sections.numbers("LENNARD_JONES_BCOEF", count: pairs)
    for entry in found where entry.value > pairs {
      throw sections.fail(entry.line, "NONBONDED_PARM_INDEX: \(entry.value) of \(pairs) coefficients")
    }
    let index = found.map { $0.value - 1 }  // below 0: a 10-12 pair
    let typeOfAtom = try sections.integers("ATOM_TYPE_INDEX", count: reader.atoms).map { type in
      guard (1...types).contains(type.value), index[(types + 1) * (type.value - 1)] >= 0
      else { throw sections.fail(type.line, "ATOM_TYPE_INDEX: type \(type.value) of \(types)") }
      return type.value - 1
    }
    var parameters = [(sigma: Double, epsilon: Double)](repeating: (0, 0), count: types)
    for type in Set(typeOfAtom) {
      let entry = index[(types + 1) * type]
      parameters[type] = Self.parameters(a[entry], b[entry])
    }
    // radii and depths of single atoms stand for the pairs only where these follow the combination rules
    for i in Set(typeOfAtom).sorted() {
      for j in Set(typeOfAtom) where index[types * i + j] >= 0 {
        let entry = index[types * i + j]
        let sum = (parameters[i].sigma + parameters[j].sigma) / 2
        let depth = (parameters[i].epsilon * parameters[j].epsilon).squareRoot()
        let six = 4 * depth * Self.sixth(10 * sum) / PrmtopReader.kilocalorie
        let expected = (six * Self.sixth(10 * sum), six)
        let isSound =
          a[entry] == 0 || b[entry] == 0
          ? a[entry] == b[entry] && (depth == 0 || sum == 0)
          : abs(a[entry] - expected.0) <= 1e-6 * abs(a[entry]) && abs(b[entry] - expected.1) <= 1e-6 * abs(b[entry])
        guard isSound else {
          throw sections.fail(
            found[types * i + j].line,
            "Lennard-Jones coefficients of types \(i + 1) and \(j + 1) do not follow the combination rules (NBFIX), "
              + "which is not supported")
        }
      }
    }
    sigmas = typeOfAtom.map { parameters[$0].sigma }
    epsilons = typeOfAtom.map { parameters[$0].epsilon }
    (self.typeOfAtom, self.index, self.a, self.b) = (typeOfAtom, index, a, b)
  }

  /// Of a 1-4 pair, before scaling; none of a 10-12 pair.
  func pair(_ first: Int, _ second: Int) -> (sigma: Double, epsilon: Double) {
    let entry = index[types * typeOfAtom[first] + typeOfAtom[second]]
    return entry < 0 ? (0.1, 0) : Self.parameters(a[entry], b[entry])
  }

  private static func sixth(_ x: Double) -> Double { x * x * x * x * x * x }

  /// nm and kJ/mol, from kcal/mol angstrom^12 and kcal/mol angstrom^6. An atom without a well has depth 0 and any size.
  private static func parameters(_ a: Double, _ b: Double) -> (sigma: Double, epsilon: Double) {
    guard a > 0, b > 0 else { return (0.1, 0) }
    return (cbrt((a / b).squareRoot()) / 10, b * b / (4 * a) * PrmtopReader.kilocalorie)
  }
}
