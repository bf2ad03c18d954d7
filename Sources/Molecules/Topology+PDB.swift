import Foundation

extension Topology {
  /// Reads the first model of a PDB file (wwPDB format 3.3, fixed columns; ATOM, HETATM, CONECT, TER, MODEL, END).
  ///
  /// Of alternate locations the first is kept. Elements come from columns 77-78, or from the atom name where those are
  /// blank. Bonds: CONECT records, completed by distances up to `bondTolerance` times the sum of covalent radii, because
  /// PDB files carry no CONECT records for standard residues. Coordinates become nm.
  ///
  /// Throws `MoleculesError.unreadable`, `.malformed` with file and line, `.disconnected`.
  public static func read(pdb url: URL, bondTolerance: Double = 1.3) throws -> Topology {
    let data = try MoleculesError.reading(url) { try Data(contentsOf: url) }
    return try parse(pdb: String(decoding: data, as: UTF8.self), file: url.path, bondTolerance: bondTolerance)
  }

  /// The same from text; `file` is what errors call it.
  public static func parse(pdb text: String, file: String, bondTolerance: Double = 1.3) throws -> Topology {
    var parser = PDBParser(file: file)
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      guard try parser.consume(Array(line.utf8), number: index + 1) else { break }
    }
    guard !parser.atoms.isEmpty
    else { throw MoleculesError.unreadable(file: file, reason: "it holds no ATOM or HETATM record; give a PDB file") }
    let close = try bondsByDistance(parser.atoms, parser.coordinates, tolerance: bondTolerance)
    return try Topology(
      atoms: parser.atoms, residues: parser.residues, bonds: try parser.explicitBonds() + close,
      referenceCoordinates: parser.coordinates)
  }

  /// No atom has so many bonds; a structure where one seems to has atoms on top of each other.
  static let bondsAtMost = 24

  /// Pairs closer than `tolerance` times the sum of their covalent radii; two hydrogens never bond. Atoms are sorted into cells,
  /// so that a large structure takes time in proportion to its size. Throws `MoleculesError.inconsistent`.
  static func bondsByDistance(_ atoms: [Atom], _ coordinates: [Double], tolerance: Double) throws -> [Bond] {
    let radii = atoms.map { Element(symbol: $0.element)?.covalentRadius ?? 0 }
    let (isHydrogen, edge) = (atoms.map { $0.element == "H" }, max(1e-3, 2 * tolerance * (radii.max() ?? 0)))
    struct Cell: Hashable {
      var x, y, z: Int
    }
    func cell(_ atom: Int) -> Cell {
      func index(_ axis: Int) -> Int {
        Int(max(-1e15, min(1e15, (coordinates[3 * atom + axis] / edge).rounded(.down))))
      }
      return Cell(x: index(0), y: index(1), z: index(2))
    }
    var cells: [Cell: [Int]] = [:]
    var bonds: [Bond] = []
    var counts = [Int](repeating: 0, count: atoms.count)
    for j in atoms.indices {
      let home = cell(j)
      for step in 0..<27 {
        let near = Cell(x: home.x + step / 9 - 1, y: home.y + step / 3 % 3 - 1, z: home.z + step % 3 - 1)
        for i in cells[near] ?? [] {
          let x = coordinates[3 * i] - coordinates[3 * j]
          let y = coordinates[3 * i + 1] - coordinates[3 * j + 1]
          let z = coordinates[3 * i + 2] - coordinates[3 * j + 2]
          let limit = tolerance * (radii[i] + radii[j])
          guard x * x + y * y + z * z < limit * limit else { continue }
          counts[i] += 1
          counts[j] += 1
          guard max(counts[i], counts[j]) <= bondsAtMost else {
            let atom = counts[i] > bondsAtMost ? i : j
            throw MoleculesError.inconsistent(
              "atom \(atom + 1) (\(atoms[atom].name)) has more than \(bondsAtMost) atoms within the length of a bond; "
                + "the coordinates are not those of a molecule")
          }
          if !(isHydrogen[i] && isHydrogen[j]) { bonds.append(Bond(i, j)) }
        }
      }
      cells[home, default: []].append(j)
    }
    return bonds
  }
}

/// The state of reading one PDB file, line by line.
private struct PDBParser {
  let file: String
  var atoms: [Topology.Atom] = []
  var residues: [Topology.Residue] = []
  var coordinates: [Double] = []
  private var indexOfSerial: [Int: Int] = [:]
  private var connections: [(line: Int, serials: [Int])] = []
  private var alternates: Set<String> = []
  private var skipped: Set<Int> = []
  private var inLaterModel = false

  init(file: String) { self.file = file }

  /// False when nothing further matters.
  mutating func consume(_ line: [UInt8], number: Int) throws -> Bool {
    switch field(line, 1, 6) {
    case "ATOM", "HETATM": if !inLaterModel { try readAtom(line, number) }
    case "ENDMDL": inLaterModel = true
    case "CONECT": try readConnections(line, number)
    case "END": return false
    default: break
    }
    return true
  }

  /// Columns `from`...`to`, counted from 1 as the format does, without blanks around.
  private func field(_ line: [UInt8], _ from: Int, _ to: Int) -> String {
    guard from <= line.count else { return "" }
    return String(decoding: line[(from - 1)..<min(to, line.count)], as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private func integer(_ line: [UInt8], _ from: Int, _ to: Int, _ what: String, _ number: Int) throws -> Int {
    let text = field(line, from, to)
    guard let value = Int(text) else { throw fail(number, "\"\(text)\" in columns \(from)-\(to) is not \(what)") }
    return value
  }

  private func fail(_ number: Int, _ reason: String) -> MoleculesError {
    .malformed(file: file, line: number, reason: reason)
  }

  private mutating func readAtom(_ line: [UInt8], _ number: Int) throws {
    let serial = try integer(line, 7, 11, "an atom number", number)
    let name = field(line, 13, 16)
    guard !name.isEmpty else { throw fail(number, "columns 13-16 hold no atom name") }
    let sequence = try integer(line, 23, 26, "a residue number", number)
    let residue = Topology.Residue(
      name: field(line, 18, 20), sequence: sequence, insertionCode: field(line, 27, 27), chain: field(line, 22, 22),
      segment: field(line, 73, 76))
    let place = "\(residue.chain)|\(sequence)|\(residue.insertionCode)|\(name)"
    if !field(line, 17, 17).isEmpty, !alternates.insert(place).inserted {
      skipped.insert(serial)
      return
    }
    var position: [Double] = []
    for (axis, column) in [("x", 31), ("y", 39), ("z", 47)] {
      let text = field(line, column, column + 7)
      guard let value = Double(text), value.isFinite else {
        throw fail(number, "\"\(text)\" in columns \(column)-\(column + 7) is not a coordinate (\(axis), angstrom)")
      }
      position.append(value / 10)
    }
    if residues.last != residue { residues.append(residue) }
    let element = try self.element(line, name: name, number)
    guard indexOfSerial.updateValue(atoms.count, forKey: serial) == nil
    else { throw fail(number, "atom number \(serial) is given twice") }
    atoms.append(Topology.Atom(name: name, element: element, residueIndex: residues.count - 1, serial: serial))
    coordinates += position
  }

  private func element(_ line: [UInt8], name: String, _ number: Int) throws -> String {
    let written = field(line, 77, 78)
    if !written.isEmpty {
      guard let element = Element(symbol: written)
      else { throw fail(number, "\"\(written)\" in columns 77-78 is not an element known here") }
      return element.symbol
    }
    // The format puts a one-letter element into column 14 and a two-letter one into columns 13-14.
    let pair = field(line, 13, 14).filter(\.isLetter)
    let startsInFirstColumn = line.count > 12 && line[12] != UInt8(ascii: " ")
    let letters = name.filter(\.isLetter)
    if startsInFirstColumn, pair.count == 2, name.count < 4, let element = Element(symbol: pair) {
      return element.symbol
    }
    if let element = Element(symbol: String(letters.prefix(1))) { return element.symbol }
    throw fail(number, "columns 77-78 hold no element and the name \"\(name)\" tells none")
  }

  private mutating func readConnections(_ line: [UInt8], _ number: Int) throws {
    var serials: [Int] = []
    for column in stride(from: 7, through: 27, by: 5) where !field(line, column, column + 4).isEmpty {
      serials.append(try integer(line, column, column + 4, "an atom number", number))
    }
    connections.append((number, serials))
  }

  func explicitBonds() throws -> [Topology.Bond] {
    var bonds: [Topology.Bond] = []
    for (number, serials) in connections {
      var indices: [Int] = []
      for serial in serials where !skipped.contains(serial) {
        guard let index = indexOfSerial[serial]
        else { throw fail(number, "CONECT names atom number \(serial), which the file does not hold") }
        indices.append(index)
      }
      guard let first = indices.first else { continue }
      for other in indices.dropFirst() where other != first { bonds.append(Topology.Bond(first, other)) }
    }
    return bonds
  }
}
