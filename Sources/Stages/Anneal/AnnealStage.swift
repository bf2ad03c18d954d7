import Artifacts
import Basics
import FreeEnergies
import Generative
import Molecules
import Records
import Workflow

/// `anneal`: carries an emulator's samples from an energy model's law to the Boltzmann distribution, by annealed importance sampling in the
/// model's latents. A `reweight` stage that takes it as `samples` makes free energies of its weights.
enum AnnealStage: RecordedStage {
  static let version = 1
  static let summary =
    "carry an emulator's samples to the Boltzmann distribution, by annealed importance sampling from an energy model's law"
  static let reads: [SharedField] =
    SharedField.molecule + [.forcefield, .temperature, .torsions] + SharedField.stateFields
  static let indirectInputs = [InputPath(\Inputs.samples, \SampleStage.Inputs.emulator, \EmulatorStage.Inputs.frames)]
  static let output = Recorded.anneal

  struct Inputs: StageInputs {
    let samples = Input("what to carry", of: SampleStage.self)
    let density = Input("whose log-density the way begins at", of: EnergyModelStage.self)
  }

  struct Parameters: ParameterGroup {
    @Parameter(
      "from the energy model's density to Boltzmann's; each but the last is an evaluation of energy and forces for every sample and move",
      in: 2...10_000) var steps = 30
    @Parameter("Langevin moves after each step but the last", in: 1...1000) var moves = 1
    @Parameter(
      "adapted: by the pilot, so that steps keep about the same effective share of the samples; even: of one length")
    var spacing = Spacing.adapted
    @Parameter("share of the moves to be accepted, to which the pilot adapts their lengths", in: 0.05...0.95)
    var acceptance = 0.65
    @Parameter(
      "samples of the pilot, spread evenly over all; its lengths of steps and moves are then kept", in: 20...100_000)
    var pilot = 200
    @Parameter("samples carried together", in: .count) var batch = 500
  }

  enum Spacing: String, CaseIterable, ParameterType {
    case adapted, even
  }

  static let columns = [BatchColumn("ESS", output.effectiveFraction, scale: 100, unit: "%", decimals: 1)]

  static func check(_ stage: PlannedStage) throws {
    let drawn = stage.inputs(\Inputs.samples)
    let learnt = drawn.flatMap { $0.inputs(\SampleStage.Inputs.emulator) }
      .flatMap { $0.inputs(\EmulatorStage.Inputs.frames) }
    let molecule = MoleculeCheck.run(
      stage, needs: learnt.contains { IngestStage.mayKeepBonds($0) } ? .rigidEnergies : .energies)
    for model in stage.inputs(\Inputs.density) where try isCartesian(model) {
      stage.refuse(AnnealError.cartesian(energyModel: model.name).description, at: .parameter("density"))
    }
    guard let atoms = molecule?.topology.atoms.count, let sample = drawn.first else { return }
    // positions and latents, and the work of each step
    let count = Double(try sample.parameters(SampleStage.Parameters.self).count)
    let work = 8 * Double(try stage.parameters(Parameters.self).steps) / Double(3 * max(1, atoms))
    stage.writes(frames: count, atoms: atoms, bytesPerNumber: 16 + work)
  }

  /// Whether an energy model works on positions: on its emulator's own coordinates, where these are positions.
  private static func isCartesian(_ model: PlannedStage) throws -> Bool {
    guard try model.parameters(EnergyModelStage.Parameters.self).coordinates == "emulator" else { return false }
    return try model.inputs(\EnergyModelStage.Inputs.samples).flatMap { $0.inputs(\SampleStage.Inputs.emulator) }
      .contains { emulator in
        // what is carried to another potential, or taken from an emulator of many molecules, is of internal coordinates
        guard emulator.type != PerturbStage.self, emulator.type != TransferredEmulatorStage.self,
          emulator.type != RefinedEmulatorStage.self
        else { return false }
        return try emulator.type != EmulatorStage.self
          || emulator.parameters(EmulatorStage.Parameters.self).coordinates == .cartesian
      }
  }

  /// Throws `AnnealError`, `EnergyModelArtifactError`, `MolecularSystemError`, and the force field's own errors.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let samples = try context.input(\Inputs.samples)
    let held = try HeldEnsemble(samples)
    let system = try MolecularSystem(context)
    let states = try system.states()
    let model = try EnergyModelArtifact.read(context.input(\Inputs.density))
    if let warning = try model.warning(for: context.input(\Inputs.samples)) { context.warn(warning) }
    let (latents, logJacobian) = try model.latents(of: samples)
    guard case .internal = model.energyModel.chart.chart else { throw AnnealError.cartesian(energyModel: model.name) }
    let shape = try samples.artifact.shape(Recorded.sample.trajectory.coordinates)
    try system.expect(shape.count == 3 ? shape[1] : 0, atomsIn: "samples of '\(samples.name)'")
    let (forces, method) = try BoltzmannForces.of(
      system, rigid: held.rigid, for: "annealing", threads: context.threads)
    let bridge = try BoltzmannBridge(model.energyModel, forces, topology: system.topology)
    let points = try latents.cast(.float64).values(as: Double.self)
    let (count, dimension) = (logJacobian.count, bridge.chart.space.dimension)
    let own = try samples.artifact.logDensityEstimates()
    guard dimension > 0, points.count == count * dimension, shape[0] == count, own.allSatisfy({ $0.count == count })
    else { throw AnnealError.shapes(samples: samples.name) }
    let begun = try bridge.values(points).boltzmann
    guard count == 0 || begun.contains(where: \.isFinite) else {
      throw AnnealError.noWeight(samples: samples.name, count: count)
    }
    let run = try AnnealRun(context, parameters, bridge, points: points)
    let result = try AnnealResult(
      run, bridge, states, began: points, logJacobian: logJacobian, own: own)
    try result.write(system, states, batch: parameters.batch, to: context.output)
    try context.output.write((output.energyMethod, method), (output.seconds, run.seconds))
    if let ensemble = held.ensemble { try context.output.write(output.ensemble, ensemble.summary) }
    result.tell(context)
  }
}

extension StageInput {
  /// The samples as an emulator drew them: this stage, or the one that an `anneal` stage carried the samples of.
  var asDrawn: StageInput { optionalInput(\AnnealStage.Inputs.samples) ?? self }
}

extension Artifact {
  /// Independent estimates of ln q over Cartesian coordinates that a `sample` artifact carries, [estimates][samples]; empty without.
  func logDensityEstimates() throws -> [[Double]] {
    let record = Recorded.sample
    if let probes = try readIfThere(record.probes) { return estimates(probes) }
    return try readIfThere(record.logDensity.values).map { [$0.values] } ?? []
  }

  /// The rows of [estimates, samples].
  func estimates(_ array: NDArray<Double>) -> [[Double]] {
    let count = array.shape[1]
    return (0..<array.shape[0]).map { Array(array.values[($0 * count)..<(($0 + 1) * count)]) }
  }
}

public enum AnnealError: Error, CustomStringConvertible, Equatable {
  /// Its latents are positions, in which no move knows of bonds.
  case cartesian(energyModel: String)
  /// Lists of different lengths in an artifact.
  case shapes(samples: String)
  /// No sample may carry weight: of the other hand, torn, or without a finite energy.
  case noWeight(samples: String, count: Int)
  /// Saved batches are not those of these samples.
  case savedSamples(found: Int, samples: Int)

  public var description: String {
    switch self {
    case .cartesian(let model):
      "annealing needs internal coordinates, and the energy model '\(model)' works on Cartesian ones; write coordinates: internal at that "
        + "stage"
    case .shapes(let samples):
      "the samples of '\(samples)' have latents, positions and log-densities of different numbers; run that stage again"
    case .noWeight(let samples, let count):
      "none of the \(count) samples of '\(samples)' can carry weight: each is of the other hand, torn, or without a finite energy; look at "
        + "them, and at the force field"
    case .savedSamples(let found, let samples):
      "the checkpoint (\(found) of \(samples) samples) does not fit these samples and steps; delete the stage's checkpoints to start again"
    }
  }
}
