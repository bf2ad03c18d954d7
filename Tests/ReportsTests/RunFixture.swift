import Artifacts
import Basics
import Foundation
import Reports

/// A folder that is removed with the test.
final class Scratch {
  let url: URL
  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("reports-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(at: url) }
}

/// A run of the whole chain with invented numbers, in artifacts laid out as the stages lay them out.
struct RunFixture {
  let folder: URL
  var stream = RandomStream(seed: 7)
  let sampleCount = 5000
  let windows = 40

  init(_ folder: URL) { self.folder = folder }

  /// - Parameter full: all that a stage may write; else only what it must.
  mutating func compared(full: Bool = true, warnings: [String] = []) throws -> [ReportedStage] {
    let frames = try stage("frames", "ingest") { writer, stream in
      if full { try Self.torsions(writer, &stream, count: 4000, share: 0.5) }
      try writer.writeScalar("results/frames", Int64(4000))
    }
    let emulator = try stage("emulator", "emulator", ["frames": frames]) { writer, stream in
      if full { try Self.losses(writer, &stream, ["train", "validation"]) }
      try writer.writeScalar("results/parameters", Int64(1000))
    }
    let proposals = try samples("proposals", emulator, full: full)
    let fresh = try samples("fresh", emulator, full: full)
    let ebm = try stage("ebm", "energy-model", ["samples": proposals]) { writer, stream in
      try writer.writeScalar("results/rmse_log_density", 0.94, units: "nat")
      try writer.writeScalar("results/spearman", 0.985)
      guard full else { return }
      try Self.losses(writer, &stream, ["train", "score", "contrastive", "label"])
      let exact = (0..<2000).map { _ in 100 + 5.8 * stream.normal() }
      try writer.write("results/exact_log_density", exact, shape: [2000], units: "nat")
      try writer.write(
        "results/model_log_density", exact.map { $0 + 0.94 * stream.normal() }, shape: [2000], units: "nat")
      try writer.writeMeasurement("results/seconds_per_likelihood", 2e-5)
      try writer.writeMeasurement("results/exact_seconds_per_likelihood", 5e-3)
    }
    let umbrella = try stage("umbrella", "umbrella", warnings: warnings) { [windows] writer, stream in
      try writer.writeScalar("results/delta_f", 3.86, units: "kT")
      try writer.writeScalar("results/delta_f_standard_error", 0.04, units: "kT")
      guard full else { return }
      try writer.write("results/slowest_torsion", strings: (0..<windows).map { $0 % 2 == 0 ? "phi" : "psi" })
      try writer.write("results/delta_f_halves", [3.87, 3.84], shape: [2], units: "kT")
      try writer.setAttribute("results/delta_f_halves", "parts", "first half, second half")
      try Self.profile(writer)
      var overlap = [Double](repeating: 0, count: windows * windows)
      for row in 0..<windows {
        for column in max(0, row - 2)...min(windows - 1, row + 2) {
          overlap[row * windows + column] = 0.5 / Double(1 + abs(row - column))
        }
      }
      try writer.write("results/overlap", overlap, shape: [windows, windows])
      try writer.write(
        "results/statistical_inefficiency", (0..<windows).map { _ in 1 + stream.uniform() }, shape: [windows])
    }
    let boltzmann = try reweighted("boltzmann", ["samples": fresh, "density": ebm], 3.81, 0.34, full: full)
    let traced = try reweighted("traced", ["samples": fresh], 3.79, 0.19, full: full)
    return [boltzmann, traced, umbrella]
  }

  private mutating func stage(
    _ name: String, _ type: String, _ inputs: [String: ReportedStage] = [:], warnings: [String] = [],
    _ fill: (ArtifactWriter, inout RandomStream) throws -> Void
  ) throws -> ReportedStage {
    let writer = try ArtifactWriter(url: folder.appendingPathComponent("\(name).h5"))
    try fill(writer, &stream)
    let start = Date(timeIntervalSince1970: 1_790_000_000)
    _ = try writer.commit(
      provenance: Provenance(
        key: String(repeating: "ab", count: 32), canonical: "{\"stage\":\"\(type)\",\"note\":\"<&>\"}", stage: name,
        stageType: type, stageVersion: 1, seed: 2026, versions: ["OpenMM": "8.6.1"], start: start,
        end: start.addingTimeInterval(75), wallSeconds: 75, warnings: warnings))
    return ReportedStage(
      name: name, type: type, artifact: try Artifact.open(writer.url, verify: false), inputs: inputs)
  }

  /// An audit of `reweighted`.
  mutating func audit(of reweighted: ReportedStage) throws -> ReportedStage {
    try stage("audit", "audit", ["reweight": reweighted]) { writer, _ in
      for (name, value) in [
        ("delta_f", 3.84), ("delta_f_standard_error", 0.025), ("correction", 0.031),
        ("correction_standard_error", 0.02),
        ("rmse_log_density", 0.28), ("spearman", 0.9985), ("ess_fraction", 0.3), ("ess_fraction_used", 0.28),
      ] { try writer.writeScalar("results/\(name)", value) }
      try writer.writeScalar("results/audited_samples", Int64(2000))
      try writer.write("results/delta_f_interval", [3.79, 3.89], shape: [2], units: "kT")
      try writer.write("results/state_bias", [-0.03, 0.001], shape: [2], units: "nat")
      try writer.write("results/state_bias_standard_error", [0.02, 0.002], shape: [2], units: "nat")
      try writer.write("results/methods/order", strings: ["exact-trace", "energy-model"])
      for (method, error) in [("exact-trace", 0.0), ("energy-model", .nan)] {
        for (name, value) in [
          ("rmse_log_density", 0.28), ("mean_error", error), ("spearman", 0.99), ("ess_fraction", 0.3),
          ("delta_f", 3.9),
          ("delta_f_standard_error", 0.06),
        ] { try writer.writeScalar("results/methods/\(method)/\(name)", value) }
        try writer.writeMeasurement("results/methods/\(method)/seconds_per_likelihood", 0.02)
      }
    }
  }

  private mutating func samples(_ name: String, _ emulator: ReportedStage, full: Bool) throws -> ReportedStage {
    try stage(name, "sample", ["emulator": emulator]) { [sampleCount] writer, stream in
      if full { try Self.torsions(writer, &stream, count: sampleCount, share: 0.5) }
      try writer.writeScalar("results/samples", Int64(sampleCount))
      try writer.writeMeasurement("results/seconds", 12)
    }
  }

  private mutating func reweighted(
    _ name: String, _ inputs: [String: ReportedStage], _ deltaF: Double, _ fraction: Double, full: Bool
  ) throws -> ReportedStage {
    try stage(name, "reweight", inputs) { [sampleCount] writer, stream in
      try writer.writeScalar("results/delta_f", deltaF, units: "kT")
      try writer.write("results/delta_f_interval", [deltaF - 0.07, deltaF + 0.07], shape: [2], units: "kT")
      try writer.writeScalar("results/ess_fraction", fraction)
      guard full else { return }
      try writer.writeScalar("results/ess_fraction_truncated", fraction + 0.02)
      try writer.writeScalar("results/dropped", Int64(3))
      try writer.write("results/tail_shape", [.nan, 0.37], shape: [2])
      try writer.writeScalar("results/energy_evaluations", Int64(sampleCount))
      try writer.write("results/state_populations", [0.0216, 0.9784], shape: [2])
      try writer.write("results/state_intervals", [0.02, 0.0232, 0.9768, 0.98], shape: [2, 2])
      try Self.profile(writer)
      try writer.write("results/state_names", strings: ["phi in (0, 2)", "elsewhere"])
      try writer.write("results/state_populations_unweighted", [0.49, 0.51], shape: [2])
      try writer.write("log_density", [Double](repeating: 100, count: sampleCount), shape: [sampleCount])
      try writer.setAttribute("log_density", "method", "stochastic-trace")
      var logWeights = (0..<sampleCount).map { _ in 1.2 * stream.normal() }
      logWeights[17] = -.infinity
      try writer.write("log_weights", logWeights, shape: [sampleCount])
      try writer.write(
        "energies", (0..<sampleCount).map { _ in -60 + 12 * stream.normal() }, shape: [sampleCount], units: "kJ/mol")
    }
  }

  private static func profile(_ writer: ArtifactWriter) throws {
    let phi = (0..<60).map { -Double.pi + (Double($0) + 0.5) * Double.pi / 30 }
    try writer.write("results/profile/phi", phi, shape: [60], units: "rad")
    let energy = phi.map { $0 > 2.3 && $0 < 2.4 ? Double.nan : 8 * (1 - cos($0 + 1.4)) }
    try writer.write("results/profile/free_energy", energy, shape: [60], units: "kT")
    try writer.write("results/profile/standard_error", [Double](repeating: 0.1, count: 60), shape: [60], units: "kT")
  }

  private static func torsions(_ writer: ArtifactWriter, _ stream: inout RandomStream, count: Int, share: Double) throws
  {
    var (phi, psi): ([Double], [Double]) = ([], [])
    for _ in 0..<count {
      let left = stream.uniform() < share
      phi.append((left ? 1 : -1.4) + 0.3 * stream.normal())
      psi.append((left ? 0.7 : 2.6) + 0.3 * stream.normal())
    }
    func wrapped(_ angle: Double) -> Double { angle - 2 * Double.pi * (angle / (2 * Double.pi)).rounded() }
    try writer.write("results/torsions/phi", phi.map(wrapped), shape: [count], units: "rad")
    try writer.write("results/torsions/psi", psi.map(wrapped), shape: [count], units: "rad")
  }

  private static func losses(_ writer: ArtifactWriter, _ stream: inout RandomStream, _ names: [String]) throws {
    try writer.write("results/loss/step", (0..<300).map { Int64(50 * $0) }, shape: [300])
    for (place, name) in names.enumerated() {
      let values = (0..<300).map { Double(place + 1) * (0.2 + exp(-Double($0) / 60)) + 0.02 * stream.normal() }
      try writer.write("results/loss/\(name)", values, shape: [300])
    }
  }
}
