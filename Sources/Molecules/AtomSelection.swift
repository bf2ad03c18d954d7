/// A choice of atoms in words: "resname ALA and not (name CB or element H)", the language of MDTraj's `select`.
///
/// Properties: `index`, `resid` and `chainid` (from 0), `residue` or `resSeq` (the file's number), `name`, `resname`, `element` (or
/// `type`, `symbol`), `segname`, `mass`, `n_bonds`. Each is followed by a value, several ("name CA CB"), a range ("resid 0 to 5"), or a
/// comparison ("index < 22"). Kinds of atoms: `protein`, `water`, `ion`, `backbone`, `sidechain`, `all`, `none`. They are joined by
/// `and`, `or`, `not` and brackets.
public struct AtomSelection: Equatable, Sendable {
  /// As it was written.
  public let text: String
  private let expression: Expression

  /// Throws `MoleculesError.selection`.
  public init(_ text: String) throws {
    self.text = text
    var parser = SelectionParser(text)
    expression = try parser.whole()
  }

  /// The atoms meant, ascending, from 0. Throws `MoleculesError.selection` where there is none.
  public func atoms(of structure: Structure) throws -> [Int] {
    let facts = Facts(structure)
    let found = structure.atoms.indices.filter { facts.holds(expression, $0) }
    guard !found.isEmpty else {
      throw MoleculesError.selection("\"\(text)\" is none of the \(structure.atoms.count) atoms")
    }
    return found
  }

  indirect enum Expression: Equatable, Sendable {
    case kind(Kind)
    case isOneOf(Property, [Value])
    case compares(Property, Comparison, String)
    case not(Expression)
    case and(Expression, Expression)
    case or(Expression, Expression)
  }

  /// A value, or all from one to another.
  struct Value: Equatable, Sendable {
    let first: String
    let last: String?
  }

  enum Comparison: Sendable { case less, lessOrEqual, equal, notEqual, greaterOrEqual, greater }

  enum Kind: Sendable { case all, none, protein, water, ion, backbone, sidechain }

  enum Property: Sendable {
    case index, resid, chainid, sequence, name, residueName, element, segment, mass, bondCount

    var isNumber: Bool {
      switch self {
      case .index, .resid, .chainid, .sequence, .mass, .bondCount: true
      case .name, .residueName, .element, .segment: false
      }
    }
  }

  static let kinds: [String: Kind] = [
    "all": .all, "everything": .all, "none": .none, "nothing": .none, "protein": .protein, "is_protein": .protein,
    "water": .water, "waters": .water, "is_water": .water, "ion": .ion, "ions": .ion, "backbone": .backbone,
    "is_backbone": .backbone, "sidechain": .sidechain, "is_sidechain": .sidechain,
  ]
  static let properties: [String: Property] = [
    "index": .index, "resid": .resid, "resi": .resid, "chainid": .chainid, "residue": .sequence, "resSeq": .sequence,
    "name": .name, "resname": .residueName, "resn": .residueName, "element": .element, "type": .element,
    "symbol": .element, "segname": .segment, "segment_id": .segment, "mass": .mass, "n_bonds": .bondCount,
  ]
  static let comparisons: [String: Comparison] = [
    "<": .less, "lt": .less, "<=": .lessOrEqual, "le": .lessOrEqual, "==": .equal, "eq": .equal, "!=": .notEqual,
    "ne": .notEqual, ">=": .greaterOrEqual, "ge": .greaterOrEqual, ">": .greater, "gt": .greater,
  ]

  /// What expressions ask of a structure's atoms.
  private struct Facts {
    let structure: Structure
    let kinds: [ResidueKind]
    var bondCounts: [Int]

    init(_ structure: Structure) {
      self.structure = structure
      kinds = structure.residues.map { ResidueKind(name: $0.name) }
      bondCounts = [Int](repeating: 0, count: structure.atoms.count)
      for bond in structure.bonds {
        bondCounts[bond.first] += 1
        bondCounts[bond.second] += 1
      }
    }

    func holds(_ expression: Expression, _ atom: Int) -> Bool {
      switch expression {
      case .kind(let kind): return holds(kind, atom)
      case .not(let inner): return !holds(inner, atom)
      case .and(let first, let second): return holds(first, atom) && holds(second, atom)
      case .or(let first, let second): return holds(first, atom) || holds(second, atom)
      case .compares(let property, let comparison, let value):
        return property.isNumber
          ? Double(value).map { Self.compare(number(property, atom), comparison, $0) } ?? false
          : Self.compare(text(property, atom), comparison, value)
      case .isOneOf(let property, let values):
        return values.contains { value in
          guard property.isNumber else {
            let own = text(property, atom)
            return value.last.map { value.first <= own && own <= $0 } ?? (own == value.first)
          }
          guard let first = Double(value.first), let last = Double(value.last ?? value.first) else { return false }
          return (min(first, last)...max(first, last)).contains(number(property, atom)) && first <= last
        }
      }
    }

    private func holds(_ kind: Kind, _ atom: Int) -> Bool {
      let residue = kinds[structure.atoms[atom].residueIndex]
      switch kind {
      case .all: return true
      case .none: return false
      case .protein: return residue == .peptide
      case .water: return residue == .water
      case .ion: return residue == .ion
      case .backbone: return residue == .peptide && ["C", "CA", "N", "O"].contains(structure.atoms[atom].name)
      case .sidechain:
        return residue == .peptide && !["C", "CA", "N", "O", "HA", "H"].contains(structure.atoms[atom].name)
      }
    }

    private func number(_ property: Property, _ atom: Int) -> Double {
      let residue = structure.atoms[atom].residueIndex
      switch property {
      case .index: return Double(atom)
      case .resid: return Double(residue)
      case .chainid: return Double(structure.chains[residue])
      case .sequence: return Double(structure.residues[residue].sequence)
      case .mass: return Element(symbol: structure.atoms[atom].element)?.mass ?? 0
      case .bondCount: return Double(bondCounts[atom])
      default: return .nan
      }
    }

    private func text(_ property: Property, _ atom: Int) -> String {
      let residue = structure.residues[structure.atoms[atom].residueIndex]
      switch property {
      case .name: return structure.atoms[atom].name
      case .residueName: return residue.name
      case .element: return structure.atoms[atom].element
      default: return residue.segment
      }
    }

    private static func compare<T: Comparable>(_ a: T, _ comparison: Comparison, _ b: T) -> Bool {
      switch comparison {
      case .less: a < b
      case .lessOrEqual: a <= b
      case .equal: a == b
      case .notEqual: a != b
      case .greaterOrEqual: a >= b
      case .greater: a > b
      }
    }
  }
}

/// Reads a selection: `or` binds least, then `and`, then `not`.
private struct SelectionParser {
  private let text: String
  private let tokens: [String]
  private var next = 0
  private static let deepest = 200  // Brackets and `not` inside each other: enough for people

  init(_ text: String) {
    self.text = text
    var tokens: [String] = []
    var word = ""
    func isSign(_ character: Character) -> Bool { "<>=!&|".contains(character) }
    var quote: Character?
    for character in text {
      if let open = quote {
        if character == open {
          tokens.append("\"" + word)
          (word, quote) = ("", nil)
        } else {
          word.append(character)
        }
        continue
      }
      let breaks = character.isWhitespace || "()".contains(character) || (character == "\"")
      let changes = !word.isEmpty && isSign(character) != (word.first.map(isSign) ?? false)
      if (breaks || changes), !word.isEmpty {
        tokens.append(word)
        word = ""
      }
      if character == "\"" || (character == "'" && word.isEmpty) {
        quote = character
      } else if "()".contains(character) {
        tokens.append(String(character))
      } else if !character.isWhitespace {
        word.append(character)
      }
    }
    if !word.isEmpty { tokens.append(word) }
    self.tokens = tokens
  }

  private var token: String? { next < tokens.count ? tokens[next] : nil }

  private func fail(_ reason: String) -> MoleculesError { .selection("\"\(text)\": \(reason)") }

  mutating func whole() throws -> AtomSelection.Expression {
    let expression = try either(depth: 0)
    if let token { throw fail("\"\(shown(token))\" is out of place") }
    return expression
  }

  private func shown(_ token: String) -> String { token.hasPrefix("\"") ? String(token.dropFirst()) : token }

  private mutating func take(_ words: String...) -> Bool {
    guard let token, words.contains(token) else { return false }
    next += 1
    return true
  }

  private mutating func either(depth: Int) throws -> AtomSelection.Expression {
    var found = try both(depth: depth)
    while take("or", "||") { found = .or(found, try both(depth: depth)) }
    return found
  }

  private mutating func both(depth: Int) throws -> AtomSelection.Expression {
    var found = try single(depth: depth)
    while take("and", "&&") { found = .and(found, try single(depth: depth)) }
    return found
  }

  private mutating func single(depth: Int) throws -> AtomSelection.Expression {
    guard depth < Self.deepest else { throw fail("there are too many brackets") }
    if take("not", "!") { return .not(try single(depth: depth + 1)) }
    if take("(") {
      let inner = try either(depth: depth + 1)
      guard take(")") else { throw fail("a bracket is not closed") }
      return inner
    }
    guard let word = token else { throw fail("something is missing at the end") }
    next += 1
    if let kind = AtomSelection.kinds[word] { return .kind(kind) }
    guard let property = AtomSelection.properties[word] else {
      let known = AtomSelection.properties.keys.sorted() + AtomSelection.kinds.keys.sorted()
      throw fail("\"\(shown(word))\" is none of \(known.joined(separator: ", "))")
    }
    if let token, let comparison = AtomSelection.comparisons[token] {
      next += 1
      return .compares(property, comparison, try value(of: property, word))
    }
    var values: [AtomSelection.Value] = []
    repeat {
      let first = try value(of: property, word)
      values.append(AtomSelection.Value(first: first, last: take("to") ? try value(of: property, word) : nil))
    } while token.map(isValue) ?? false
    return .isOneOf(property, values)
  }

  private func isValue(_ token: String) -> Bool {
    if token.hasPrefix("\"") { return true }
    return !["and", "&&", "or", "||", "not", "!", "(", ")", "to"].contains(token)
      && AtomSelection.comparisons[token] == nil && AtomSelection.kinds[token] == nil
      && AtomSelection.properties[token] == nil
  }

  private mutating func value(of property: AtomSelection.Property, _ word: String) throws -> String {
    guard let token, token.hasPrefix("\"") || isValue(token)
    else { throw fail("\(word) is followed by " + (token.map { "\"\($0)\"" } ?? "nothing") + ", not by a value") }
    next += 1
    let value = shown(token)
    if property.isNumber, Double(value) == nil { throw fail("\(word): \"\(value)\" is not a number") }
    return value
  }
}

extension Structure {
  /// The atoms of the one molecule that is neither water nor ion nor lipid; of all where there is one molecule and no more.
  ///
  /// Throws `MoleculesError.severalMolecules`, and `.disconnected` where a residue falls apart.
  public func moleculeAtoms() throws -> [Int] {
    let all = molecules
    guard all.count > 1 else { return all.first ?? [] }
    var sizes = [Int](repeating: 0, count: residues.count)
    for atom in atoms { sizes[atom.residueIndex] += 1 }
    let found = all.filter { !isSolvent($0, sizes) }
    if found.count == 1 { return found[0] }
    var residueSeen: Set<Int> = []
    for members in found {
      let own = Set(members.map { atoms[$0].residueIndex })
      guard residueSeen.isDisjoint(with: own) else {
        throw MoleculesError.disconnected(
          atom: "atom \(members[0] + 1) (\(label(of: members[0])))", reached: found[0].count, of: atoms.count)
      }
      residueSeen.formUnion(own)
    }
    throw MoleculesError.severalMolecules(found.map(summary))
  }

  /// "ALA 1 to GLY 3 (33 atoms, resid 0 to 2)".
  private func summary(_ members: [Int]) -> String {
    let (first, last) = (atoms[members[0]].residueIndex, atoms[members[members.count - 1]].residueIndex)
    let names = [first, last].map { "\(residues[$0].name) \(residues[$0].sequence)" }
    guard first != last else { return "\(names[0]) (\(members.count) atoms, resid \(first))" }
    return "\(names[0]) to \(names[1]) (\(members.count) atoms, resid \(first) to \(last))"
  }

  /// Water whatever its name, single atoms that are ions, and residues that are all named as water or lipid. `sizes`: of the residues.
  private func isSolvent(_ members: [Int], _ sizes: [Int]) -> Bool {
    let elements = members.map { atoms[$0].element }.filter { !$0.isEmpty }
    if elements.isEmpty || elements.sorted() == ["H", "H", "O"] { return true }
    let kinds = members.map { ResidueKind(name: residues[atoms[$0].residueIndex].name) }
    if members.count == 1 {
      let isWhole = sizes[atoms[members[0]].residueIndex] == 1
      return isWhole && (kinds[0] == .ion || !["H", "C", "N", "O", "S", "P"].contains(elements[0]))
    }
    return kinds.allSatisfy { $0 == .water || $0 == .lipid }
  }
}
