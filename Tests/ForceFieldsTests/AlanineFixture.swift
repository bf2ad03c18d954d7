import Foundation

/// Energies and forces by OpenMM's Python layer (Fixtures/make_openmm_energies.py) and the System they belong to.
struct AlanineFixture: Decodable {
  let atoms: Int
  let coordinates: [Double]
  let energies: [Double]
  let forces: [Double]

  enum CodingKeys: String, CodingKey {
    case atoms
    case coordinates = "coordinates_nm"
    case energies = "energies_kj_mol"
    case forces = "forces_kj_mol_nm"
  }

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  static let systemXML = root.appendingPathComponent("datasets/alanine/system.xml")

  static func load() throws -> AlanineFixture {
    let url = root.appendingPathComponent("Tests/Fixtures/openmm_energies.json")
    return try JSONDecoder().decode(AlanineFixture.self, from: Data(contentsOf: url))
  }

  func frame(_ index: Int) -> [Double] { Array(coordinates[3 * atoms * index..<3 * atoms * (index + 1)]) }
}

/// |a - b| relative to max(1, |b|), the largest over all pairs.
func largestRelativeError(_ values: [Double], _ expected: [Double]) -> Double {
  guard values.count == expected.count else { return .infinity }
  return zip(values, expected).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? 0
}
