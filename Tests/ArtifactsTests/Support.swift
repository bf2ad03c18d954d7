import Artifacts
import Foundation

func provenance(key: String = "k", warnings: [String] = []) -> Provenance {
  Provenance(
    key: key, canonical: "{\"stage\":\"ingest\"}", stage: "frames", stageType: "ingest", stageVersion: 3,
    seed: .max - 1, versions: ["HDF5": "1.10.8", "NetCDF": "4.9.0"], device: "cpu",
    start: Date(timeIntervalSince1970: 1_790_000_000.123), end: Date(timeIntervalSince1970: 1_790_000_001.999_6),
    wallSeconds: 1.8765, warnings: warnings)
}

/// An artifact with a dataset of each kind.
@discardableResult
func writeSample(_ url: URL, compression: Compression = .automatic) throws -> String {
  let writer = try ArtifactWriter(url: url)
  try writer.write(
    "coordinates", (0..<600).map { Float($0) * 0.1 }, shape: [10, 20, 3], units: "nanometers",
    dims: ["frame", "atom", "axis"], compression: compression)
  try writer.write("energies", (0..<10).map { -Double($0).squareRoot() }, shape: [10], units: "kJ/mol")
  try writer.write("results/counts", [Int64](repeating: 7, count: 500), shape: [500], compression: compression)
  try writer.writeScalar("results/delta_f", 3.86, units: "kT")
  try writer.write("results/names", strings: ["phi", "ψ"])
  try writer.write("topology", string: "{\"atoms\":[]}")
  try writer.setAttribute("", "conventions", "Pande")
  try writer.setAttribute("results", "states", value: .integer(2))
  return try writer.commit(provenance: provenance(warnings: ["one"]))
}
