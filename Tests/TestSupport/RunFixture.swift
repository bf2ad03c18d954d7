import Artifacts
import Basics
import Foundation
import Records
import Reports

/// A run of the whole chain with invented numbers, in artifacts that are written as the stages write them.
public struct RunFixture {
  private let folder: URL
  private var stream = RandomStream(seed: 7)
  private let sampleCount = 5000
  private let windows = 40

  public init(_ folder: URL) { self.folder = folder }

  /// As the stages have them.
  public static let limits = Report.Limits(
    samplesForNumber: 10, samplesForInterval: 50, tailShape: 0.7, effectiveFraction: 0.01, largestWeight: 0.05,
    energyModelError: 1, auditBias: 3, contradiction: 3, overlap: 0.03, thermometer: 0.02,
    thermometerOfCoordinate: 0.15,
    thermometerOfTorsion: 0.1)

  /// - Parameter full: all that a stage may write; else only what it must.
  public mutating func compared(
    full: Bool = true, warnings: [String] = [], remarks: [Remark] = [], modelError: Double = 0.94
  ) throws -> [ReportedStage] {
    let frames = try stage("frames", "ingest") { writer, stream in
      if full { try Self.torsions(writer, &stream, count: 4000, share: 0.5) }
      try writer.write(Recorded.ingest.frames, 4000)
    }
    let emulator = try stage("emulator", "emulator", ["frames": frames]) { writer, stream in
      if full { try Self.losses(writer, &stream, ["train", "validation"]) }
      try writer.write(Recorded.emulator.parameters, 1000)
    }
    let proposals = try samples("proposals", emulator, full: full)
    let fresh = try samples("fresh", emulator, full: full)
    let ebm = try stage("ebm", "energy-model", ["samples": proposals]) { writer, stream in
      let record = Recorded.energyModel
      try writer.write(record.rmse, modelError)
      try writer.write(record.spearman, 0.985)
      guard full else { return }
      try Self.losses(writer, &stream, ["train", "score", "contrastive", "label"])
      let exact = (0..<2000).map { _ in 100 + 5.8 * stream.normal() }
      try writer.write(record.exactLogDensity, exact)
      try writer.write(record.modelLogDensity, exact.map { $0 + 0.94 * stream.normal() })
      try writer.write(record.secondsPerLikelihood, 2e-5)
      try writer.write(record.exactSecondsPerLikelihood, 5e-3)
    }
    let umbrella = try stage(
      "umbrella", "umbrella", method: "umbrella sampling, MBAR", warnings: warnings, remarks: remarks
    ) {
      [windows] writer, stream in
      let record = Recorded.umbrella
      try writer.write(record.freeEnergy.deltaF, 3.86)
      try writer.write(record.freeEnergy.standardError, 0.04)
      guard full else { return }
      try writer.write(record.slowestTorsion, (0..<windows).map { $0 % 2 == 0 ? "phi" : "psi" })
      try writer.write(record.halves.values, [3.87, 3.84])
      try writer.write(record.halves.names, "first half, second half")
      try Self.profile(writer)
      var overlap = [Double](repeating: 0, count: windows * windows)
      for row in 0..<windows {
        for column in max(0, row - 2)...min(windows - 1, row + 2) {
          overlap[row * windows + column] = 0.5 / Double(1 + abs(row - column))
        }
      }
      try writer.write(record.overlap, overlap, shape: [windows, windows])
      try writer.write(record.statisticalInefficiency, (0..<windows).map { _ in 1 + stream.uniform() })
    }
    let boltzmann = try reweighted(
      "boltzmann", "energy-model ebm", ["samples": fresh, "density": ebm], 3.81, 0.34, full: full)
    let traced = try reweighted("traced", "stochastic-trace", ["samples": fresh], 3.79, 0.19, full: full)
    return [boltzmann, traced, umbrella]
  }

  /// A prmtop, as keys have it.
  private static let forceField =
    #"{"method":"amber","parameters":{"file":"ab","implicit_solvent":"obc2","salt":0,"surface_term":"none"},"version":1}"#

  private mutating func stage(
    _ name: String, _ type: String, _ inputs: [String: ReportedStage] = [:], method: String? = nil,
    warnings: [String] = [], remarks: [Remark] = [], parameters: String = "{}",
    _ fill: (ArtifactWriter, inout RandomStream) throws -> Void
  ) throws -> ReportedStage {
    let writer = try ArtifactWriter(url: folder.appendingPathComponent("\(name).h5"))
    try fill(writer, &stream)
    let start = Date(timeIntervalSince1970: 1_790_000_000)
    var provenance = Provenance(
      key: String(repeating: "ab", count: 32),
      canonical:
        "{\"stage\":\"\(type)\",\"note\":\"<&>\",\"parameters\":\(parameters),\"system\":{\"forcefield\":\(Self.forceField)}}",
      stage: name,
      stageType: type, stageVersion: 1, seed: 2026, versions: ["OpenMM": "8.6.1"], start: start,
      end: start.addingTimeInterval(75), wallSeconds: 75, warnings: warnings + remarks.map(\.message))
    provenance.remarks = remarks.isEmpty ? nil : remarks
    provenance.pipelineFile = "../pipelines/own.yaml"
    _ = try writer.commit(provenance: provenance)
    return ReportedStage(
      name: name, type: type, method: method, artifact: try Artifact.open(writer.url, verify: false), inputs: inputs)
  }

  /// A cycle beside `reweighted`, whose forward works give `forward` kT; pairs only where states are named.
  public mutating func cycle(
    beside reweighted: ReportedStage, forward: Double, tail: Double = 0.4, names: [String]? = nil
  ) throws -> ReportedStage {
    try stage("cycle", "cycle", ["reweight": reweighted], method: "cycle from system.sampled_by") { writer, _ in
      let record = Recorded.cycle
      let states = names ?? ["0 < phi < 2 rad", "elsewhere"]
      try writer.write((record.freeEnergy.deltaF, 3.8), (record.freeEnergy.standardError, 0.05))
      try writer.write(record.freeEnergy.interval, [3.7, 3.9])
      try writer.write((record.stateNames, states), (record.from, [states[0]]), (record.to, [states[1]]))
      if names != nil {
        try writer.write((record.pairs.from, [states[0]]), (record.pairs.to, [states[1]]))
        try writer.write((record.pairs.deltaF, [3.8]), (record.pairs.standardError, [0.05]))
        try writer.write(record.pairs.interval, [3.7, 3.9], shape: [1, 2])
      }
      for (answers, value) in [
        (record.reference, 4.2), (record.before, 4.2), (record.bothSides, 3.8), (record.forwardAlone, forward),
        (record.target, 3.79),
      ] { try writer.write((answers.values, [value]), (answers.errors, [0.05])) }
      try writer.write(record.offset, -20000.0)
      for (gains, values) in [
        (record.bennett, [0.0, 0.4]), (record.forward, [0.02, 0.41]), (record.backward, [.nan, 0.4]),
      ] {
        try writer.write((gains.values, values), (gains.errors, [0.03, .nan]))
      }
      try writer.write(record.forwardTail, [0.3, tail])
      try writer.write(
        (record.forwardEffective, [120.0, 300]), (record.backwardEffective, [4.0, 80]), (record.shared, [90.0, 200]))
    }
  }

  /// An audit of `reweighted`.
  public mutating func audit(of reweighted: ReportedStage) throws -> ReportedStage {
    try stage("audit", "audit", ["reweight": reweighted], method: "audit of \(reweighted.name)") { writer, _ in
      let record = Recorded.audit
      for (field, value) in [
        (record.freeEnergy.deltaF, 3.84), (record.freeEnergy.standardError, 0.025), (record.correction, 0.031),
        (record.correctionError, 0.02), (record.rmse, 0.28), (record.spearman, 0.9985),
        (record.effectiveFraction, 0.3), (record.effectiveFractionUsed, 0.28),
      ] { try writer.write(field, value) }
      try writer.write(record.auditedSamples, 2000)
      try writer.write(record.freeEnergy.interval, [3.79, 3.89])
      try writer.write(record.stateBias, [-0.03, 0.001])
      try writer.write(record.stateBiasError, [0.02, 0.002])
      try writer.write(record.methodOrder, ["exact-trace", "energy-model"])
      for (name, error) in [("exact-trace", 0.0), ("energy-model", .nan)] {
        let method = record.methods[name]
        for (field, value) in [
          (method.rmse, 0.28), (method.meanError, error), (method.spearman, 0.99), (method.effectiveFraction, 0.3),
          (method.deltaF, 3.9), (method.deltaFError, 0.06),
        ] { try writer.write(field, value) }
        try writer.write(method.seconds, 0.02)
      }
    }
  }

  /// What may be wrong with a run.
  public enum Fault {
    /// Bonds of its frames were held, and stay so: what `ingest` said of it.
    case held(Remark)
    /// Its emulator was hardly trained.
    case untrained
  }

  /// A reweighting by itself, of a run with a fault.
  public mutating func weighted(_ fault: Fault) throws -> [ReportedStage] {
    var remarks: [Remark] = []
    if case .held(let remark) = fault { remarks = [remark] }
    let isTrained = !remarks.isEmpty
    let frames = try stage("frames", "ingest", remarks: remarks) { writer, _ in
      try writer.write(Recorded.ingest.frames, 4000)
    }
    let emulator = try stage(
      "emulator", "emulator", ["frames": frames], parameters: "{\"training\":{\"steps\":200}}"
    ) { writer, _ in try writer.write(Recorded.emulator.parameters, 1000) }
    let fresh = try samples("fresh", emulator, full: false)
    return [
      try stage("traced", "reweight", ["samples": fresh], method: "stochastic-trace") { [sampleCount] writer, stream in
        let record = Recorded.reweight
        try writer.write(record.freeEnergy.deltaF, isTrained ? 2.1 : .nan)
        try writer.write(record.freeEnergy.interval, isTrained ? [1.9, 2.3] : [.nan, .nan])
        try writer.write(record.effectiveFraction, isTrained ? 0.06 : 0.003)
        try writer.write(record.largestWeight, isTrained ? 0.03 : 0.21)
        try writer.write(record.stateEffective, isTrained ? [110, 230] : [2.3, 12.1])
        try writer.write(record.stateNames, ["phi in (0, 2)", "elsewhere"])
        try writer.write(record.tailShape, [.nan, .nan])
        try writer.write(record.logWeights, (0..<sampleCount).map { _ in stream.normal() })
      }
    ]
  }

  /// Umbrella windows whose weakest overlap is given.
  public mutating func windows(
    weakestLink: Double, deltaF: Double, error: Double = 0.04, directions: [Double] = []
  ) throws -> ReportedStage {
    try stage("gapped", "umbrella", method: "umbrella sampling, MBAR") { writer, _ in
      let record = Recorded.umbrella
      try writer.write(record.freeEnergy.deltaF, deltaF)
      try writer.write(record.freeEnergy.standardError, error)
      try writer.write(record.weakestLink, weakestLink)
      guard !directions.isEmpty else { return }
      try writer.write(record.directions.values, directions)
      try writer.write(record.directions.names, "up, down")
    }
  }

  /// Two weightings of the same samples and windows of their own, of the pairs B against A and C against A.
  public mutating func pairs() throws -> [ReportedStage] {
    let fresh = try stage("fresh", "sample") { writer, _ in try writer.write(Recorded.sample.samples, 5000) }
    func write(_ values: [Double], _ writer: ArtifactWriter) throws {
      let pairs = Recorded.reweight.states.pairs
      try writer.write(pairs.from, ["B", "C"])
      try writer.write(pairs.to, ["A", "A"])
      try writer.write(pairs.deltaF, values)
      try writer.write(pairs.standardError, [0.045, 0.045])
      try writer.write(pairs.interval, values.flatMap { [$0 - 0.09, $0 + 0.09] }, shape: [2, 2])
    }
    return [
      try stage("boltzmann", "reweight", ["samples": fresh]) { writer, _ in try write([-0.33, 0], writer) },
      try stage("traced", "reweight", ["samples": fresh]) { writer, _ in try write([-0.32, 0], writer) },
      try stage("umbrella", "umbrella") { writer, _ in try write([-0.31, 0.07], writer) },
    ]
  }

  /// An exploration of `reweighted`, with one region that is missing and one that is not certain.
  public mutating func exploration(of reweighted: ReportedStage) throws -> ReportedStage {
    try stage("explored", "explore", ["reweight": reweighted], method: "exploration of \(reweighted.name)") {
      writer, _ in
      let (record, regions) = (Recorded.explore, Recorded.explore.regions)
      try writer.write(
        (record.verdict, "missing"), (record.missing, 1), (record.missingWeight, 0.0062), (record.arrivals, 57),
        (record.smallestWeight, 0.105), (record.effectiveSamples, 8383.2), (record.simulatedTime, 10_000))
      try writer.write(
        (regions.names, ["phi from 0.52 to 1.31 rad", "psi from -1.83 to -1.57 rad"]), (regions.isMissing, [1, 0]),
        (regions.weight, [0.021, 0.001]), (regions.visits, [10.7, 2]), (regions.sets, [4, 2]), (regions.drawn, [0, 3]),
        (regions.samplesWeight, [0, 1e-6]), (regions.effective, [0, 1.2]), (regions.shift, [-0.31, .nan]))
      try writer.write(regions.bounds, [0.0062, 0.04, 0.0001, 0.005], shape: [2, 2])
      try writer.write(regions.expected, [52, 176, 1.2, 8.4], shape: [2, 2])
    }
  }

  private mutating func samples(_ name: String, _ emulator: ReportedStage, full: Bool) throws -> ReportedStage {
    try stage(name, "sample", ["emulator": emulator]) { [sampleCount] writer, stream in
      if full { try Self.torsions(writer, &stream, count: sampleCount, share: 0.5) }
      try writer.write(Recorded.sample.samples, sampleCount)
      try writer.write(Recorded.sample.seconds, 12)
    }
  }

  private mutating func reweighted(
    _ name: String, _ method: String, _ inputs: [String: ReportedStage], _ deltaF: Double, _ fraction: Double,
    full: Bool
  ) throws -> ReportedStage {
    try stage(name, "reweight", inputs, method: method) { [sampleCount] writer, stream in
      let record = Recorded.reweight
      try writer.write(record.freeEnergy.deltaF, deltaF)
      try writer.write(record.freeEnergy.interval, [deltaF - 0.07, deltaF + 0.07])
      try writer.write(record.effectiveFraction, fraction)
      guard full else { return }
      try writer.write(record.effectiveFractionTruncated, fraction + 0.02)
      try writer.write(record.dropped, 3)
      try writer.write(record.tailShape, [.nan, 0.37])
      try writer.write(record.energyEvaluations, sampleCount)
      try writer.write(record.statePopulations, [0.0216, 0.9784])
      try writer.write(record.stateIntervals, [0.02, 0.0232, 0.9768, 0.98], shape: [2, 2])
      try Self.profile(writer)
      try writer.write(record.stateNames, ["phi in (0, 2)", "elsewhere"])
      try writer.write(record.statePopulationsUnweighted, [0.49, 0.51])
      try writer.write(record.statePopulationsTrajectory, [0.3, 0.7])
      try writer.write(record.logDensity.values, [Double](repeating: 100, count: sampleCount))
      try writer.write(record.logDensity.method, "stochastic-trace")
      var logWeights = (0..<sampleCount).map { _ in 1.2 * stream.normal() }
      logWeights[17] = -.infinity
      try writer.write(record.logWeights, logWeights)
      try writer.write(record.energies, (0..<sampleCount).map { _ in -60 + 12 * stream.normal() })
    }
  }

  private static func profile(_ writer: ArtifactWriter) throws {
    let record = Recorded.reweight.profile
    let phi: [Double] = (0..<60).map { (bin: Int) -> Double in -Double.pi + (Double(bin) + 0.5) * Double.pi / 30 }
    try writer.write(record.angles["phi"], phi)
    try writer.write(record.freeEnergy, phi.map { $0 > 2.3 && $0 < 2.4 ? Double.nan : 8 * (1 - cos($0 + 1.4)) })
    try writer.write(record.standardError, [Double](repeating: 0.1, count: 60))
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
    try writer.write(Recorded.reweight.torsions.angles["phi"], phi.map(wrapped))
    try writer.write(Recorded.reweight.torsions.angles["psi"], psi.map(wrapped))
  }

  private static func losses(_ writer: ArtifactWriter, _ stream: inout RandomStream, _ names: [String]) throws {
    try writer.write(Recorded.emulator.loss.step, (0..<300).map { 50 * $0 })
    for (place, name) in names.enumerated() {
      let values = (0..<300).map { Double(place + 1) * (0.2 + exp(-Double($0) / 60)) + 0.02 * stream.normal() }
      try writer.write(Recorded.emulator.loss.columns[name], values)
    }
  }
}
