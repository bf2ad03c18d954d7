import Foundation

/// Energies and forces by OpenMM's Python layer (Fixtures/make_openmm_energies.py) and the System they belong to.
public struct AlanineFixture: Decodable {
  public let atoms: Int
  public let coordinates: [Double]
  public let energies: [Double]
  public let forces: [Double]

  enum CodingKeys: String, CodingKey {
    case atoms
    case coordinates = "coordinates_nm"
    case energies = "energies_kj_mol"
    case forces = "forces_kj_mol_nm"
  }

  public static let systemXML = Package.alanine.appendingPathComponent("system.xml")

  public static func load() throws -> AlanineFixture {
    try JSONDecoder().decode(AlanineFixture.self, from: Data(contentsOf: Package.fixture("openmm_energies.json")))
  }

  public func frame(_ index: Int) -> [Double] { Array(coordinates[3 * atoms * index..<3 * atoms * (index + 1)]) }
}

/// |a - b| relative to max(1, |b|), the largest over all pairs.
public func largestRelativeError(_ values: [Double], _ expected: [Double]) -> Double {
  guard values.count == expected.count else { return .infinity }
  return zip(values, expected).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? 0
}

extension AlanineFixture {
  /// The molecule with another force field, in which the bond between atoms 4 and 5 is so long (nm) in place of 0.1229.
  public static func withBond(of length: Double, in folder: URL) throws -> MoleculeFiles {
    let text = try String(contentsOf: systemXML, encoding: .utf8)
    let bond = "<Bond d=\".1229\" k=\"476976\" p1=\"4\" p2=\"5\"/>"
    guard text.contains(bond) else { throw NoSuchBond() }
    let file = folder.appendingPathComponent("longer.xml")
    try text.replacing(bond, with: bond.replacing(".1229", with: "\(length)")).write(
      to: file, atomically: true, encoding: .utf8)
    return MoleculeFiles(topology: MoleculeFiles.alanine.topology, forcefield: file)
  }

  private struct NoSuchBond: Error {}
}
