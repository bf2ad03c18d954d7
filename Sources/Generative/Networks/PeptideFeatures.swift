import Basics
import Molecules

/// What keeps a molecule from a network for many peptides.
public enum PeptideFeatureError: Error, CustomStringConvertible, Equatable {
  /// The tables contradict themselves or each other.
  case table(String)
  /// The embedding does not have one column for each feature and one for the time.
  case embedding(shape: [Int], expected: Int)
  case residueCount(Int, expected: Int)
  /// "ACE 1".
  case residue(String, known: [String])
  /// "HD2 of ASP 1": no atom of such a residue, by its name.
  case unknownAtom(String)
  /// "OXT of ALA 1": one more than such a residue has there, which is so many of its type.
  case surplusAtom(String, type: String, expected: Int)
  /// A residue has too few atoms of a type.
  case missingAtom(type: String, residue: String, found: Int, expected: Int)

  public var description: String {
    switch self {
    case .table(let reason): "the tables of features contradict themselves: \(reason)"
    case .embedding(let shape, let expected):
      "the embedding has shape \(shape); with these features it needs \(expected) columns, the time's the last"
    case .residueCount(let found, let expected):
      "the molecule has \(found) residues, and the network knows peptides of \(expected)"
    case .residue(let residue, let known):
      "the network does not know residue \(residue); it knows \(known.joined(separator: ", "))"
    case .unknownAtom(let atom): "the network does not know atom \(atom): no such residue has it, by its name"
    case .surplusAtom(let atom, let type, let expected):
      "atom \(atom) is one too many: a residue has \(expected) of type \(type) in its place"
    case .missingAtom(let type, let residue, let found, let expected):
      "\(residue) has \(found) atoms of type \(type); the network knows it with \(expected) in its place, the ends charged and without caps"
    }
  }
}

/// What a network for many peptides is told of each atom: the place of its residue in the chain, the type of the residue, and the type
/// of the atom. Each is a one among zeros, so that an atom has three ones among `count` features.
///
/// The network's embedding is linear in these, so that on one molecule the three together are a class, whose column of weights is the sum
/// of theirs (`folded`).
public struct PeptideFeatures: Equatable, Sendable {
  /// Whether an atom is there, in a residue of its kind at a place of the chain.
  public enum Presence: Int, Sendable { case never, always, either }

  /// An atom that a residue can have.
  public struct Rule: Equatable, Sendable {
    /// "ALA", "HB1".
    public let residue, atom: String
    /// Index into `atomTypes`.
    public let type: Int
    /// By place in the chain. [places]
    public let presence: [Presence]

    public init(residue: String, atom: String, type: Int, presence: [Presence]) {
      (self.residue, self.atom, self.type, self.presence) = (residue, atom, type, presence)
    }
  }

  /// Residues of a molecule.
  public let places: Int
  public let residueTypes, atomTypes: [String]
  public let rules: [Rule]

  /// Throws `PeptideFeatureError.table`.
  public init(places: Int, residueTypes: [String], atomTypes: [String], rules: [Rule]) throws {
    for names in [residueTypes, atomTypes] where Set(names).count < names.count || names.isEmpty || names.contains("") {
      throw PeptideFeatureError.table("a type has no name, or a name stands twice in \(names)")
    }
    guard places > 0 else { throw PeptideFeatureError.table("peptides have \(places) residues") }
    var seen: Set<[String]> = []
    for rule in rules {
      let title = "\(rule.atom) of \(rule.residue)"
      guard atomTypes.indices.contains(rule.type) else {
        throw PeptideFeatureError.table("\(title) has type \(rule.type) of \(atomTypes.count)")
      }
      guard residueTypes.contains(rule.residue) else {
        throw PeptideFeatureError.table("\(title) is of no type of residue")
      }
      guard rule.presence.count == places else {
        throw PeptideFeatureError.table("\(title) has \(rule.presence.count) places of \(places)")
      }
      guard seen.insert([rule.residue, rule.atom]).inserted else { throw PeptideFeatureError.table("\(title) twice") }
    }
    (self.places, self.residueTypes, self.atomTypes, self.rules) = (places, residueTypes, atomTypes, rules)
  }

  /// Features of an atom: places, residue types, atom types, in this order.
  public var count: Int { places + residueTypes.count + atomTypes.count }

  /// The features that are one, three for each atom, ascending. [atoms][3]
  ///
  /// Atoms are known by their names, those of the rules or others that shorten to a type of the residue: "H1" to "H". Throws `PeptideFeatureError`
  /// where residues or atoms are others than those of the tables, `PeptideError` where the molecule is no chain of residues.
  public func columns(of topology: Topology) throws -> [[Int]] {
    guard topology.residues.count == places else {
      throw PeptideFeatureError.residueCount(topology.residues.count, expected: places)
    }
    let residues = try PeptideAtoms(topology: topology).residues
    // of histidine: which nitrogens carry a hydrogen is no feature
    let kinds = residues.map { $0.kind.split(separator: "-").first.map(String.init) ?? $0.kind }
    let residueColumns = try zip(kinds, residues).map { kind, residue in
      guard let type = residueTypes.firstIndex(of: kind) else {
        throw PeptideFeatureError.residue(residue.title, known: residueTypes)
      }
      return places + type
    }
    let known = kinds.map { kind in rules.filter { $0.residue == kind } }
    var found = [[Int]](repeating: [Int](repeating: 0, count: atomTypes.count), count: places)
    var columns: [[Int]] = []
    for (index, atom) in topology.atoms.enumerated() {
      let place = atom.residueIndex
      guard let type = type(of: atom.name, in: kinds[place], known[place]) else {
        throw PeptideFeatureError.unknownAtom(topology.label(of: index))
      }
      found[place][type] += 1
      let most = known[place].filter { $0.type == type && $0.presence[place] != .never }.count
      guard found[place][type] <= most else {
        throw PeptideFeatureError.surplusAtom(topology.label(of: index), type: atomTypes[type], expected: most)
      }
      columns.append([place, residueColumns[place], places + residueTypes.count + type])
    }
    for place in 0..<places {
      for type in atomTypes.indices {
        let least = known[place].filter { $0.type == type && $0.presence[place] == .always }.count
        guard found[place][type] >= least else {
          throw PeptideFeatureError.missingAtom(
            type: atomTypes[type], residue: residues[place].title, found: found[place][type], expected: least)
        }
      }
    }
    return columns
  }

  private func type(of name: String, in kind: String, _ known: [Rule]) -> Int? {
    if let rule = known.first(where: { $0.atom == name }) { return rule.type }
    let short = Self.shortened(name, in: kind)
    // a name that fits another residue alone is an atom of another molecule
    return known.first { atomTypes[$0.type] == short }?.type
  }

  /// The published naming: hydrogens of one atom, and oxygens of one carboxylate, go by one name.
  private static func shortened(_ name: String, in kind: String) -> String {
    func begins(_ prefixes: String...) -> Bool { prefixes.contains { name.hasPrefix($0) } }
    if begins("OE", "OD") { return String(name.dropLast()) }
    guard begins("H"), let last = name.last, "123".contains(last) else { return name }
    // hydrogens of rings have names of their own
    let isOfRing = ["HIS", "PHE", "TRP", "TYR"].contains(kind) && begins("HE", "HD", "HZ", "HH")
    return isOfRing ? name : String(name.dropLast())
  }

  /// A molecule's atoms by class, and the embedding of these classes.
  public struct Folded<Scalar: BinaryFloatingPoint & Sendable>: Sendable {
    /// From 0, in the order in which they first occur. [atoms]
    public let atomClasses: [Int]
    public let classCount: Int
    /// Columns of the classes and of the time. [scalars, classes + 1]
    public let embedding: NDArray<Scalar>
  }

  /// Atoms with the same features make a class, whose column is the sum of their columns.
  ///
  /// `columns` as `columns(of:)` gives them; `embedding` [scalars, count + 1], the last column for the time. Throws
  /// `PeptideFeatureError.embedding` where it has another shape.
  public func folded<Scalar>(_ embedding: NDArray<Scalar>, columns: [[Int]]) throws -> Folded<Scalar> {
    guard embedding.shape.count == 2, embedding.shape[1] == count + 1 else {
      throw PeptideFeatureError.embedding(shape: embedding.shape, expected: count + 1)
    }
    var classes: [[Int]] = []
    let atomClasses = columns.map { own in
      if let index = classes.firstIndex(of: own) { return index }
      classes.append(own)
      return classes.count - 1
    }
    let summed = (0..<embedding.shape[0]).flatMap { row in
      (classes + [[count]]).map { own in
        // rounded once
        Scalar(own.reduce(0.0) { $0 + Double(embedding.values[row * (count + 1) + $1]) })
      }
    }
    return Folded(
      atomClasses: atomClasses, classCount: classes.count,
      embedding: try NDArray(summed, shape: [embedding.shape[0], classes.count + 1]))
  }
}
