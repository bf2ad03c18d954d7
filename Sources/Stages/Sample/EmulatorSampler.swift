import Artifacts
import Basics
import Foundation
import Generative
import Molecules
import Records
import Torch
import Workflow

/// The emulator of a finished stage, for draws and densities outside of a pipeline; both are those of the `sample` stage, bit for bit.
public struct EmulatorSampler {
  public let atoms: Int
  /// Columns of a prior point.
  public let dimension: Int
  /// What there is to know of it: stage, atoms, units, temperature, options with their defaults.
  public let summary: ParameterValue
  private let flow: MolecularFlow

  private static let largestBatch = 1 << 15  // A batch is in memory as a whole, with all its directions

  public struct Draws {
    /// [n, atoms, 3], nm.
    public let coordinates: [Double]
    /// ln q over Cartesian coordinates, up to the rigid-body constant, [n], nat; nil with `log_density: none`.
    public let logDensity: [Double]?
    /// The points of the prior that they were transported from, [n, dimension].
    public let prior: [Double]
    /// Trajectories that gave no sample.
    public let lost: Int
  }

  /// Opens an artifact and gives LibTorch its threads, and a GPU if there is one. `structure`: a file of the molecule, which tells its hand; left out, the
  /// one that the run remembers. Throws `EmulatorSamplerError`, and what reading the artifact throws.
  public init(_ url: URL, structure: URL? = nil, threads: Int) throws {
    let artifact = try Artifact.open(url, verify: true)
    let record = artifact.provenance
    let isOfMany = artifact.has(Recorded.transferableEmulator.model.header)
    guard isOfMany || artifact.has(Recorded.emulator.model.header) else {
      throw EmulatorSamplerError.noEmulator(file: url.relativePath, type: record.stageType)
    }
    try Runtime.initialize(threads: threads, device: nil)
    let stages = structure == nil ? try Self.stages(beside: artifact) : []
    let own = stages.first { $0.name == record.stage }
    var shared = own?.shared ?? [:]
    if let structure { shared = [SharedField.topology.name: .string(structure.path)] }
    guard shared[SharedField.topology.name]?.string != nil else {
      throw EmulatorSamplerError.noStructure(
        file: url.relativePath,
        reason: isOfMany ? "it is one of many peptides" : "its run does not remember which file the molecule's is")
    }
    let topology: Topology
    do { topology = try Molecule(shared).topology } catch {
      throw EmulatorSamplerError.noStructure(file: url.relativePath, reason: "\(error)")
    }
    let emulator: Emulator
    if isOfMany {
      emulator = try artifact.model(Recorded.transferableEmulator.model) { try TransferableEmulator($0) }.emulator(
        for: topology)
    } else {
      emulator = try EmulatorArtifact.read(artifact).emulator
    }
    flow = try emulator.flow(for: topology)
    if !isOfMany { try Self.check(topology, artifact) }
    (atoms, dimension) = (flow.chart.atoms, flow.field.space.dimension)
    let temperature =
      isOfMany
      ? .number(try artifact.read(Recorded.transferableEmulator.temperature))
      : stages.lazy.filter { $0.cell == own?.cell }.compactMap { $0.shared[SharedField.temperature.name] }.first
    summary = [
      "stage": .string(record.stage), "type": .string(record.stageType), "digest": .string(record.contentDigest),
      "atoms": .integer(atoms), "dimension": .integer(dimension), "device": .string(Runtime.deviceName),
      "temperature": temperature ?? .null, "held_bonds": .integer(flow.heldBonds),
      "units": ["coordinates": "nm", "log_density": "nat", "temperature": "K"],
      "log_density": .string(Recorded.sample.logDensity.values.meaning),
      "options": SampleStage.Parameters().parameterValue,
    ]
  }

  /// Draws as a `sample` stage with these parameters (`count`, `log_density`, `ode_steps`, ...) and this seed. No more than `limit` numbers: throws
  /// `EmulatorSamplerError.tooMany` before it begins. `progress` hears now and then; what it throws ends the work. Throws `PipelineFileError`
  /// for parameters that are none, `SamplingError`.
  public func draw(
    _ values: [String: ParameterValue], seed: UInt64, limit: Int, progress: () throws -> Void = {}
  ) throws -> Draws {
    let (parameters, sampler) = try self.sampler(values)
    let most = limit / (3 * atoms + dimension + 1 + sampler.estimates)
    guard parameters.count <= most else { throw EmulatorSamplerError.tooMany(parameters.count, most: most) }
    var draws = FlowDraws(dimension: dimension, estimates: sampler.estimates)
    try sampler.draw(parameters.count, into: &draws, batch: parameters.batch, seed: seed) { _ in try progress() }
    var (coordinates, prior) = ([Double](), [Double]())
    var estimates = [[Double]](repeating: [], count: sampler.estimates)
    for rows in draws.rows(batch: parameters.batch) {
      var drawn = try draws.samples(rows)
      let samples = try flow.molecules(&drawn)
      coordinates += samples.coordinates
      prior += try drawn.prior.values(as: Double.self)
      for (k, estimate) in samples.logDensities.enumerated() { estimates[k] += estimate }
    }
    return Draws(
      coordinates: coordinates, logDensity: estimates.isEmpty ? nil : FlowDraws.mean(estimates), prior: prior,
      lost: draws.lost.count)
  }

  /// ln q of conformations [n, atoms, 3], nm, as `Draws.logDensity` has it, [n]; see `MolecularFlow.logDensities`, whose errors it throws.
  /// `prior` [n, dimension]: as it was drawn with them. Throws also as `draw`.
  public func logDensity(
    of coordinates: [Double], from prior: [Double]?, _ values: [String: ParameterValue], seed: UInt64,
    progress: () throws -> Void = {}
  ) throws -> [Double] {
    let (parameters, sampler) = try self.sampler(values)
    guard sampler.estimates > 0 else { throw EmulatorSamplerError.noDensity }
    let points = try prior.map { try Tensor($0, shape: [$0.count / max(1, dimension), dimension]) }
    return FlowDraws.mean(
      try flow.logDensities(
        of: coordinates, from: points, by: sampler, seed: seed, batch: parameters.batch, progress: progress))
  }

  private func sampler(_ values: [String: ParameterValue]) throws -> (SampleStage.Parameters, FlowSampler) {
    let parameters = try SampleStage.Parameters(checking: values, of: "options")
    guard !parameters.scores else { throw EmulatorSamplerError.noScores }
    guard parameters.batch <= Self.largestBatch else {
      throw EmulatorSamplerError.batch(parameters.batch, most: Self.largestBatch)
    }
    return (parameters, try withAdvice { try parameters.sampler(flow.field) })
  }

  /// The stages of the run that an artifact lies in, as it remembers them; none where it does not.
  private static func stages(beside artifact: Artifact) throws -> [StageDefinition] {
    guard let origin = RunOrigin.read(artifact.url.deletingLastPathComponent())?.pipeline else { return [] }
    return try PipelineLoader(registry: StageCatalog.registry, toleratesMissingFiles: true).load(origin).stages
  }

  /// Throws `EmulatorSamplerError.otherMolecule` where the elements are not those of the emulator's molecule, in its order.
  private static func check(_ topology: Topology, _ artifact: Artifact) throws {
    let text = try artifact.read(Recorded.emulator.topology).first ?? ""
    let own = try Topology(mdtrajJSON: text, coordinates: topology.referenceCoordinates)
    let elements = (topology.atoms.map(\.element), own.atoms.map(\.element))
    guard elements.0 != elements.1 else { return }
    let place = zip(elements.0, elements.1).enumerated().first { $1.0 != $1.1 }?.offset ?? 0
    throw EmulatorSamplerError.otherMolecule(
      atom: place, found: topology.label(of: place), expected: own.label(of: place))
  }
}

public enum EmulatorSamplerError: Error, CustomStringConvertible, Equatable {
  case noEmulator(file: String, type: String)
  case noStructure(file: String, reason: String)
  case otherMolecule(atom: Int, found: String, expected: String)
  case tooMany(Int, most: Int)
  case batch(Int, most: Int)
  case noDensity
  case noScores

  public var description: String {
    switch self {
    case .noEmulator(let file, let type):
      "\(file), of a stage of type \(type), holds no emulator: give what emulator, imported-emulator, transferred-emulator, "
        + "refined-emulator, perturb or transferable-emulator wrote"
    case .noStructure(let file, let reason):
      "\(file): the molecule's structure is not known (\(reason)); name a file of it by --structure (structure= in Python)"
    case .otherMolecule(let atom, let found, let expected):
      "atom \(atom) (from 0) of the structure is \(found), and of the emulator \(expected): they are of different molecules, or their atoms "
        + "stand in another order"
    case .tooMany(let count, let most):
      "count is \(count), and one answer holds at most \(most) samples: ask several times, with other seeds"
    case .batch(let size, let most): "batch is \(size), and \(most) are transported at a time at most: give fewer"
    case .noDensity: "log_density: none gives no log-density; leave it out, or take another"
    case .noScores: "scores are written by a stage of type sample alone: leave them out"
    }
  }
}
