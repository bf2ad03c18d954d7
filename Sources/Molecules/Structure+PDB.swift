import Foundation

extension Structure {
  /// Reads the first model of a PDB file (wwPDB format 3.3, fixed columns; CRYST1, ATOM, HETATM, CONECT, TER, MODEL, END).
  ///
  /// Of alternate locations, and of two residues in one place, a residue has the first that the file names, the same for all its
  /// atoms. Elements come from columns 77-78, or from the atom name where those are blank. Bonds: see `bondedByNames`.
  /// Coordinates become nm.
  ///
  /// Throws `MoleculesError.unreadable`, `.malformed` with file and line, `.inconsistent`.
  public static func read(pdb url: URL, bondTolerance: Double = 1.3) throws -> Structure {
    let data = try MoleculesError.reading(url) { try Data(contentsOf: url) }
    return try parse(pdb: Array(data), file: url.path, bondTolerance: bondTolerance)
  }

  /// The same from text; `file` is what errors call it.
  public static func parse(pdb bytes: [UInt8], file: String, bondTolerance: Double = 1.3) throws -> Structure {
    var parser = PDBParser(file: file)
    try parser.read(bytes)
    guard !parser.records.isEmpty
    else { throw MoleculesError.unreadable(file: file, reason: "it holds no ATOM or HETATM record; give a PDB file") }
    var builder = PDBBuilder(parser)
    var structure = try builder.structure()
    let connected = builder.connectedBonds(structure, tolerance: bondTolerance)
    structure.warnings += builder.warnings
    return try structure.bondedByNames(connected: connected, tolerance: bondTolerance)
  }
}

/// Makes atoms and residues of a PDB file's records.
struct PDBBuilder {
  private let parser: PDBParser
  private(set) var warnings: [String] = []
  private var indicesOfSerial: [String: [Int]] = [:]
  private var skippedSerials: Set<String> = []
  private var atoms: [Topology.Atom] = []
  private var residues: [Topology.Residue] = []
  private var chains: [Int] = []
  private var coordinates: [Double] = []
  private let namesAreLeft: Bool

  init(_ parser: PDBParser) {
    self.parser = parser
    // a name of one letter stands in the second column; where it does not, the first column tells nothing
    namesAreLeft = parser.records.contains {
      $0.startsInFirstColumn && ["H", "C", "N", "O", "S", "P"].contains($0.name)
    }
  }

  mutating func structure() throws -> Structure {
    for group in places() {
      let kept = oneLocation(group)
      // a place is one residue; where no number tells residues apart, a name that comes again does
      var residue: [PDBParser.Record] = []
      var names: Set<String> = []
      let repeats = PDBNumber.value(group[0].sequence, width: 4) == nil || ResidueKind.isSolvent(group[0].residueName)
      for record in kept {
        let isOther = residue.last.map { $0.residueName != record.residueName } ?? false
        if isOther || (repeats && names.contains(record.name)) {
          try add(residue)
          (residue, names) = ([], [])
        }
        residue.append(record)
        names.insert(record.name)
      }
      try add(residue)
    }
    return Structure(
      atoms: atoms, residues: residues, chains: chains, coordinates: coordinates, cell: parser.cell)
  }

  /// Records that follow each other in one place of the chain.
  private func places() -> [[PDBParser.Record]] {
    var groups: [[PDBParser.Record]] = []
    for record in parser.records {
      if let last = groups.last?.last, last.place == record.place,
        last.residueName == record.residueName || !(last.alternate + record.alternate).isEmpty
      {
        groups[groups.count - 1].append(record)
      } else {
        groups.append([record])
      }
    }
    return groups
  }

  /// The records of a residue at one location: the first that the file names. An atom that has others only is kept at its first.
  private mutating func oneLocation(_ group: [PDBParser.Record]) -> [PDBParser.Record] {
    guard let first = group.first(where: { !$0.alternate.isEmpty }) else { return group }
    let common = Set(group.filter { $0.alternate.isEmpty }.map(\.name))
    let chosen = Set(group.filter { $0.alternate == first.alternate }.map(\.name))
    var others: Set<String> = []
    var kept: [PDBParser.Record] = []
    for record in group {
      var isKept = record.alternate.isEmpty || (record.alternate == first.alternate && !common.contains(record.name))
      if !isKept, record.residueName == first.residueName, !common.contains(record.name),
        !chosen.contains(record.name)
      {
        isKept = others.insert(record.name).inserted
      }
      if isKept { kept.append(record) } else { skippedSerials.insert(record.serial) }
    }
    if !others.isEmpty {
      warnings.append(
        "\(parser.file):\(first.line): residue \(first.residueName) \(first.sequence) is taken at its location "
          + "\(first.alternate), where it has no \(others.sorted().joined(separator: ", ")): taken from another")
    }
    return kept
  }

  private mutating func add(_ records: [PDBParser.Record]) throws {
    guard let first = records.first else { return }
    let number = PDBNumber.value(first.sequence, width: 4) ?? (residues.last?.sequence ?? 0) + 1
    if let last = residues.last {
      let isNew = last.chain != first.chain || first.part != lastPart
      chains.append((chains.last ?? 0) + (isNew ? 1 : 0))
    } else {
      chains.append(0)
    }
    lastPart = first.part
    residues.append(
      Topology.Residue(
        name: first.residueName, sequence: number, insertionCode: first.insertion, chain: first.chain,
        segment: first.segment))
    let names = Set(records.map(\.name))
    var seen: [String: PDBParser.Record] = [:]
    for record in records {
      if let twin = seen.updateValue(record, forKey: record.name), twin.position == record.position {
        throw parser.fail(
          record.line, "atom \(record.name) of \(first.residueName) \(number) stands there twice, in the same place")
      }
      let element = try element(of: record, in: names)
      if !record.serial.isEmpty { indicesOfSerial[record.serial, default: []].append(atoms.count) }
      let serial = PDBNumber.value(record.serial, width: 5) ?? (atoms.last?.serial ?? 0) + 1
      atoms.append(
        Topology.Atom(name: record.name, element: element, residueIndex: residues.count - 1, serial: serial))
      coordinates += record.position
    }
  }

  private var lastPart = 0

  /// The element that columns 77-78 or the name tell; "" for a virtual site of a water. `names`: of the residue.
  private func element(of record: PDBParser.Record, in names: Set<String>) throws -> String {
    let written = record.element.filter(\.isLetter)
    if let element = Element(symbol: written) { return element.symbol }
    let kind = ResidueKind(name: record.residueName)
    let isWater = kind == .water
    if isWater, ["M", "EP", "EPW", "MW", "LP"].contains(where: { record.name.hasPrefix($0) }) { return "" }
    // an ion that no molecule here is made of stays without
    let told = written.isEmpty ? record.name.filter(\.isLetter) : written
    if kind == .ion, names.count == 1, Element(symbol: told) == nil { return "" }
    if !written.isEmpty, record.element.first?.isLetter == true {
      throw parser.fail(record.line, "\"\(record.element)\" in columns 77-78 is not an element known here")
    }
    let letters = record.name.filter(\.isLetter)
    let pair = String(letters.prefix(2))
    let isBare = names.count == 1 && !isWater
    // an ion is a residue of its own; in a residue the first letter tells, unless the columns say otherwise
    let isBackbone = names.isSuperset(of: ["N", "C"])
    let tellsPair =
      isBare || ["CL", "BR"].contains(pair.uppercased())
      || (record.startsInFirstColumn && !namesAreLeft && record.name.count < 4 && !isBackbone)
    let isPair = record.name.prefix(2).filter(\.isLetter).count == 2
    if tellsPair, isPair, !isWater, let element = Element(symbol: pair) { return element.symbol }
    if let element = Element(symbol: String(letters.prefix(1))) { return element.symbol }
    if isPair, let element = Element(symbol: pair) { return element.symbol }
    throw parser.fail(record.line, "columns 77-78 hold no element and the name \"\(record.name)\" tells none")
  }

  /// Bonds that CONECT records name. Serials may repeat where a file has more atoms than columns hold: of the pairs they may mean,
  /// those are bonded that are close enough.
  mutating func connectedBonds(_ structure: Structure, tolerance: Double) -> [Topology.Bond] {
    var bonds: [Topology.Bond] = []
    var (lost, vague): (Set<String>, Set<String>) = ([], [])
    func isClose(_ a: Int, _ b: Int) -> Bool {
      let radii = [a, b].map { Element(symbol: atoms[$0].element)?.covalentRadius ?? 0 }
      let limit = tolerance * (radii[0] + radii[1])
      return structure.squaredDistance(a, b) < limit * limit
    }
    for (_, serials) in parser.connections {
      guard let first = serials.first else { continue }
      for other in serials.dropFirst() where other != first {
        let (left, right) = (indicesOfSerial[first] ?? [], indicesOfSerial[other] ?? [])
        if left.isEmpty || right.isEmpty {
          for serial in [first, other] where indicesOfSerial[serial] == nil && !skippedSerials.contains(serial) {
            lost.insert(serial)
          }
        } else if left.count == 1, right.count == 1 {
          bonds.append(Topology.Bond(left[0], right[0]))
        } else {
          // numbers that mean nearly everything mean nothing
          let isVague = left.count * right.count > 10_000
          let pairs =
            isVague ? [] : left.flatMap { a in right.filter { $0 != a && isClose(a, $0) }.map { Topology.Bond(a, $0) } }
          if pairs.isEmpty { vague.insert("\(first)-\(other)") }
          bonds += pairs
        }
      }
    }
    if !lost.isEmpty {
      warnings.append(
        "\(parser.file): CONECT names atom numbers that the file does not hold: " + Self.some(lost)
          + "; those records play no part")
    }
    if !vague.isEmpty {
      warnings.append(
        "\(parser.file): atom numbers repeat, and CONECT records of them name no atoms that are close: "
          + Self.some(vague) + "; those records play no part")
    }
    return bonds
  }

  private static func some(_ texts: Set<String>) -> String {
    texts.sorted().prefix(5).joined(separator: ", ") + (texts.count > 5 ? ", ..." : "")
  }
}

extension Topology {
  /// The one molecule of a PDB file: see `Structure.read(pdb:)`.
  ///
  /// Throws what that does, and `MoleculesError.disconnected` where the file holds more than one molecule.
  public static func read(pdb url: URL, bondTolerance: Double = 1.3) throws -> Topology {
    let structure = try Structure.read(pdb: url, bondTolerance: bondTolerance)
    return try structure.topology(of: Array(structure.atoms.indices))
  }

  /// The same from text; `file` is what errors call it.
  public static func parse(pdb text: String, file: String, bondTolerance: Double = 1.3) throws -> Topology {
    let structure = try Structure.parse(pdb: Array(text.utf8), file: file, bondTolerance: bondTolerance)
    return try structure.topology(of: Array(structure.atoms.indices))
  }
}
