import Molecules
import OpenMM

/// What generalised Born models take from a prmtop, and what they bring themselves.
extension SystemTerms.ImplicitSolvent {
  /// AMBER's number and the radii that the model was made with, by their names in LEaP; nil without solvent. Source: Amber reference
  /// manual, "Generalized Born/Surface Area".
  public var amber: (igb: Int, radii: String)? {
    switch self {
    case .none: nil
    case .hct: (1, "mbondi")
    case .obc1: (2, "mbondi2")
    case .obc2: (5, "mbondi2")
    case .gbn: (7, "bondi")
    case .gbn2: (8, "mbondi3")
    }
  }

  /// "OBC2 (igb=5)".
  public var title: String {
    let word =
      switch self {
      case .none: "no implicit solvent"
      case .hct: "HCT"
      case .obc1: "OBC1"
      case .obc2: "OBC2"
      case .gbn: "GBn"
      case .gbn2: "GBn2"
      }
    return amber.map { "\(word) (igb=\($0.igb))" } ?? word
  }

  /// Whether screening factors are the model's own, by element, and not the file's.
  var hasOwnScreens: Bool { self == .gbn || self == .gbn2 }
}

/// Screening factors and shapes of radii that GBn and GBn2 fitted by element.
///
/// Sources: GBn: Mongan et al., J. Chem. Theory Comput. 3, 156 (2007); GBn2: Nguyen, Roe and Simmerling, J. Chem. Theory Comput. 9, 2020
/// (2013), for nucleic acids Nguyen, Pérez, Bermeo and Simmerling, J. Chem. Theory Comput. 11, 3714 (2015).
struct BornElement {
  let screen: Double
  let shape: [Double]  // alpha, beta, gamma; of GBn2

  static func gbn(_ number: Int) -> BornElement {
    let screens = [1: 1.09085413633, 6: 0.48435382330, 7: 0.700147318409, 8: 1.06557401132, 16: 0.602256336067]
    return BornElement(screen: screens[number] ?? 0.5, shape: [])
  }

  static func gbn2(_ number: Int, inNucleicAcid: Bool) -> BornElement {
    (inNucleicAcid ? nucleic : protein)[number] ?? BornElement(screen: 0.5, shape: [1, 0.8, 4.851])
  }

  private static let protein = [
    1: BornElement(screen: 1.425952, shape: [0.788440, 0.798699, 0.437334]),
    6: BornElement(screen: 1.058554, shape: [0.733756, 0.506378, 0.205844]),
    7: BornElement(screen: 0.733599, shape: [0.503364, 0.316828, 0.192915]),
    8: BornElement(screen: 1.061039, shape: [0.867814, 0.876635, 0.387882]),
    16: BornElement(screen: -0.703469, shape: [0.867814, 0.876635, 0.387882]),
  ]
  private static let nucleic = [
    1: BornElement(screen: 1.696538, shape: [0.537050, 0.362861, 0.116704]),
    6: BornElement(screen: 1.268902, shape: [0.331670, 0.196842, 0.093422]),
    7: BornElement(screen: 1.4259728, shape: [0.686311, 0.463189, 0.138722]),
    8: BornElement(screen: 0.1840098, shape: [0.606344, 0.463006, 0.142262]),
    15: BornElement(screen: 1.5450597, shape: [0.418365, 0.290054, 0.1064245]),
    16: BornElement(screen: 0.05, shape: [0.606344, 0.463006, 0.142262]),
  ]

  /// Residues of nucleic acids as AMBER names them, at the ends of a strand too.
  static func isNucleic(_ residue: String) -> Bool {
    var name = Substring(residue)
    if name.count > 1, let last = name.last, "35N".contains(last) { name.removeLast() }
    return ["A", "C", "G", "U", "DA", "DC", "DG", "DT"].contains(name)
  }
}

extension AMBERTopology {
  /// The radius set by its name in LEaP ("mbondi2"); nil where the file does not tell.
  public var radiusSetName: String? {
    guard let radiusSet else { return nil }
    let known = ["mbondi3", "mbondi2", "mbondi", "bondi", "amber6", "parse"]
    return known.first { radiusSet.lowercased().contains("(\($0))") } ?? radiusSet
  }
}
