/// What a residue's name says it is.
public enum ResidueKind: Equatable, Sendable {
  case water, ion, lipid
  /// An amino acid, or a cap of a chain.
  case peptide
  case other

  public init(name: String) {
    let name = name.uppercased()
    if Self.waters.contains(name) {
      self = .water
    } else if Self.ions.contains(name) {
      self = .ion
    } else if Self.lipids.contains(name) {
      self = .lipid
    } else {
      self = PeptideTemplate.sideChain(of: name) != nil ? .peptide : .other
    }
  }

  /// Residues that come in numbers, and whose own numbers cannot be relied on.
  static func isSolvent(_ name: String) -> Bool { [.water, .ion].contains(ResidueKind(name: name)) }

  /// Names that MDTraj, AMBER, CHARMM, GROMACS and the PDB give.
  private static let waters: Set<String> = [
    "HOH", "WAT", "H2O", "HHO", "OHH", "OH2", "SOL", "TIP", "TIP2", "TIP3", "TIP4", "TIP5", "TIP3P", "T3P", "T4P",
    "TP3",
    "TP4", "TP5", "SPC", "SPCE", "OPC", "OP3", "DOD", "D2O", "T4E", "TP3F", "TPF",
  ]
  private static let ions: Set<String> = [
    "NA", "NA+", "SOD", "CL", "CL-", "CLA", "CIO", "K", "K+", "POT", "LI", "LI+", "LIT", "RB", "RB+", "RUB", "CS",
    "CS+",
    "CES", "F-", "BR", "BR-", "I-", "IOD", "MG", "MG2", "MG2+", "CA", "CA2", "CA2+", "CAL", "ZN", "ZN2", "ZN2+", "MN",
    "MN2", "FE", "FE2", "FE3", "CU", "CU1", "CO", "NI", "CD", "BA", "BAR", "SR", "HG", "AL", "IB", "IM", "IP", "CAD",
  ]
  /// Whole lipids of CHARMM and others, and AMBER's heads and tails.
  private static let lipids: Set<String> = [
    "POPC", "POPE", "POPS", "POPG", "POPA", "DPPC", "DPPE", "DPPG", "DOPC", "DOPE", "DOPS", "DOPG", "DMPC", "DMPE",
    "DMPG",
    "DLPC", "DLPE", "DLPG", "DSPC", "DSPE", "DAPC", "PSM", "SSM", "CHL", "CHL1", "CHOL", "PA", "PC", "PE", "PS", "PGR",
    "PH-",
    "OL", "LAL", "ST", "MY", "AR", "DHA", "SPM", "POP", "DPP", "DOP", "DMP",
  ]
}

/// Bonds of amino acids and caps, by the names of their atoms.
enum PeptideTemplate {
  /// Bonds of a residue's heavy atoms beside those of the backbone, "CB-CG CG-CD1"; nil for a residue that is not known.
  static func sideChain(of residue: String) -> [(String, String)]? {
    if let known = table[residue] { return known }
    // AMBER's libraries call the ends of a chain NALA and CALA
    guard residue.count == 4, let first = residue.first, first == "N" || first == "C" else { return nil }
    return table[String(residue.dropFirst())]
  }

  static let backbone = [
    ("N", "CA"), ("CA", "C"), ("C", "O"), ("C", "OXT"), ("C", "OT1"), ("C", "OT2"), ("C", "OC1"), ("C", "OC2"),
    ("C", "O1"), ("C", "O2"), ("CA", "CB"),
    // caps: acetyl, methylamide
    ("C", "CH3"), ("N", "CH3"), ("C", "CAY"), ("CAY", "CY"), ("CY", "OY"), ("NT", "CAT"),
  ]

  private static let table: [String: [(String, String)]] = {
    let ring = "CB-CG CG-CD1 CG-CD2 CD1-CE1 CD2-CE2 CE1-CZ CE2-CZ"
    let imidazole = "CB-CG CG-ND1 CG-CD2 ND1-CE1 CD2-NE2 CE1-NE2"
    let texts: [(String, String)] = [
      ("GLY ALA ACE NH2 NHE FOR", ""), ("NME NMA", "N-C"), ("SER", "CB-OG"), ("CYS CYX CYM CYS2", "CB-SG"),
      ("THR", "CB-OG1 CB-CG2"), ("VAL", "CB-CG1 CB-CG2"), ("LEU", "CB-CG CG-CD1 CG-CD2"),
      ("ILE", "CB-CG1 CB-CG2 CG1-CD1 CG1-CD"), ("MET", "CB-CG CG-SD SD-CE"), ("MSE", "CB-CG CG-SE SE-CE"),
      ("PRO", "CB-CG CG-CD CD-N"), ("HYP", "CB-CG CG-CD CD-N CG-OD1"), ("PHE", ring), ("TYR", ring + " CZ-OH"),
      ("TRP", "CB-CG CG-CD1 CG-CD2 CD1-NE1 NE1-CE2 CD2-CE2 CD2-CE3 CE3-CZ3 CZ3-CH2 CH2-CZ2 CZ2-CE2"),
      ("HIS HID HIE HIP HSD HSE HSP HISD HISE HISH", imidazole), ("ASP ASH ASPP", "CB-CG CG-OD1 CG-OD2"),
      ("ASN", "CB-CG CG-OD1 CG-ND2"), ("GLU GLH GLUP", "CB-CG CG-CD CD-OE1 CD-OE2"),
      ("GLN", "CB-CG CG-CD CD-OE1 CD-NE2"),
      ("LYS LYN LYP", "CB-CG CG-CD CD-CE CE-NZ"), ("ARG ARN", "CB-CG CG-CD CD-NE NE-CZ CZ-NH1 CZ-NH2"),
      ("ORN", "CB-CG CG-CD CD-NE"), ("NLE", "CB-CG CG-CD CD-CE"), ("AIB", "CA-CB1 CA-CB2"),
    ]
    var table: [String: [(String, String)]] = [:]
    for (names, bonds) in texts {
      let pairs = bonds.split(separator: " ").map { bond -> (String, String) in
        let ends = bond.split(separator: "-")
        return (String(ends[0]), String(ends[1]))
      }
      for name in names.split(separator: " ") { table[String(name)] = pairs }
    }
    return table
  }()

  /// How well a hydrogen's name fits a heavy atom's: HG11 is CG1's; 0 for not at all. Digits that stand before the H belong behind.
  static func fit(_ hydrogen: String, to heavy: String) -> Int {
    let digits = hydrogen.prefix { $0.isNumber }
    let suffix = hydrogen.dropFirst(digits.count).dropFirst() + digits
    let branch = heavy.dropFirst()
    // the hydrogens of an end that has no letter: H, H1, HN, HT1 of N
    if branch.isEmpty {
      return heavy == "N" && (suffix.isEmpty || suffix.first?.isNumber == true || "NT".contains(suffix.first ?? " "))
        ? 1 : 0
    }
    return suffix.hasPrefix(branch) ? 1 + branch.count : 0
  }
}
