import Artifacts
import Basics
import Foundation
import Generative
import HDF5
import Molecules
import Records
import TestSupport
import Testing
import Trajectories
import Workflow

@testable import Stages

/// The three learning stages, cut short, on real frames of alanine dipeptide.
@Suite(.serialized) struct GenerativeStagesTests {
  static let dataset = Package.alanine

  let folder: URL
  let system = SystemFiles(topology: Self.dataset.appendingPathComponent("alanine.pdb"))

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("boltzmill-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  /// Runs a stage and commits its output, as the engine does.
  func run(
    _ type: any StageType.Type, _ name: String, _ values: [String: ParameterValue], _ inputs: [String: [StageInput]],
    in place: URL? = nil, on system: SystemFiles? = nil, interruption: @escaping () -> Bool = { false },
    checkpointInterval: Double = 60,
    warned: ([String]) -> Void = { _ in }
  ) throws -> StageInput {
    let place = place ?? folder
    let url = place.appendingPathComponent("\(name).h5")
    let checkpoints = CheckpointStore(folder: place, stage: name, key: "k")
    let context = StageContext(
      stage: name, seed: 11,
      values: try #require(
        type.resolvedParameters(values.merging(inputs.mapValues { .string($0[0].name) }) { $1 })), inputs: inputs,
      output: try ArtifactWriter(url: url),
      checkpoints: checkpoints, temperature: 300, system: system ?? self.system, threads: 1,
      checkpointInterval: checkpointInterval,
      interruption: interruption)
    let start = Date()
    try type.run(context)
    warned(context.warnings)
    try context.output.commit(
      provenance: Provenance(
        key: "k", canonical: "{}", stage: name, stageType: type.type, stageVersion: type.version, seed: 11,
        start: start,
        end: Date(), wallSeconds: 0))
    return StageInput(name: name, type: type.type, artifact: try Artifact.open(url, verify: true), inputs: inputs)
  }

  /// Every 40th frame of both trajectories as an ingest artifact would hold them.
  func frames() throws -> StageInput {
    let topology = try Topology.read(pdb: system.topology)
    var coordinates: [Double] = []
    for name in ["alanine-left.nc", "alanine-beta.nc"] {
      let trajectory = try TrajectoryFile.open(Self.dataset.appendingPathComponent(name), expectedAtoms: 22)
      for frame in stride(from: 0, to: trajectory.frameCount, by: 40) {
        coordinates += try trajectory.readFrames(frame..<frame + 1)
      }
    }
    let writer = try ArtifactWriter(url: folder.appendingPathComponent("frames.h5"))
    let count = coordinates.count / 66
    let record = Recorded.ingest.trajectory
    try writer.write(record.coordinates, coordinates.map(Float.init), shape: [count, 22, 3])
    try writer.write(record.topology, [topology.mdtrajJSON])
    try writer.commit(
      provenance: Provenance(
        key: "f", canonical: "{}", stage: "frames", stageType: "ingest", stageVersion: 1, seed: 1, start: Date(),
        end: Date(), wallSeconds: 0))
    return StageInput(
      name: "frames", type: "ingest",
      artifact: try Artifact.open(folder.appendingPathComponent("frames.h5"), verify: true))
  }

  static let smallTraining: ParameterValue = ["steps": 60, "batch": 64]
  static let smallNetwork: ParameterValue = ["width": 32, "depth": 1]

  @Test func endToEndChainGivesMoleculesWithLogDensities() throws {
    let emulator = try run(
      EmulatorStage.self, "emulator", ["training": Self.smallTraining, "network": Self.smallNetwork],
      ["frames": [frames()]])
    #expect(try emulator.artifact.shape(Recorded.emulator.loss.columns["train"]) == [2])
    let samples = try run(
      SampleStage.self, "samples", ["count": 150, "batch": 64, "ode_steps": 4], ["emulator": [emulator]])
    let (artifact, record) = (samples.artifact, Recorded.sample)
    #expect(try artifact.shape(record.trajectory.coordinates) == [150, 22, 3])
    #expect(try artifact.shape(record.probes) == [2, 150])
    #expect(try artifact.read(record.mirroredFraction) == 0)
    // phi as the stage wrote it is the angle of the coordinates it wrote, and the mean of the probes is the density
    let coordinates = try artifact.read(record.trajectory.coordinates).values
    let phi = try artifact.read(record.trajectory.torsions.angles["phi"]).values
    let expected = torsionAngles(coordinates, atoms: 22, torsions: [[4, 6, 8, 14]])
    #expect(zip(phi, expected).allSatisfy { abs(wrappedAngle($0 - $1)) < 1e-9 })
    let probes = try artifact.read(record.probes).values
    let density = try artifact.read(record.logDensity.values).values
    let means: [Double] = (0..<150).map { (probes[$0] + probes[150 + $0]) / 2 }
    #expect(zip(means, density).allSatisfy { abs($0 - $1) < 1e-9 } && density.count == 150)

    let model = try run(
      EnergyModelStage.self, "ebm",
      [
        "training": Self.smallTraining, "network": Self.smallNetwork, "fresh_samples": 100, "refresh_every": 20,
        "evaluation_samples": 40, "ode_steps": 4,
      ], ["samples": [samples]])
    #expect(try model.artifact.shape(Recorded.energyModel.exactLogDensity) == [40])
    #expect(try model.artifact.read(Recorded.energyModel.rmse).isFinite)
    let values = try EnergyModelArtifact.read(model).logDensity(of: samples)
    #expect(values.count == 150 && values.allSatisfy(\.isFinite))

    // an energy model of another emulator is refused
    let other = try run(
      EmulatorStage.self, "other", ["training": ["steps": 5, "batch": 64], "network": Self.smallNetwork],
      ["frames": [frames()]])
    let foreign = try run(
      SampleStage.self, "foreign", ["count": 10, "ode_steps": 2, "log_density": "none"], ["emulator": [other]])
    #expect(throws: EnergyModelArtifactError.self) { try EnergyModelArtifact.read(model).logDensity(of: foreign) }
  }

  /// What is left out follows from whether the energy model learns from scores.
  @Test(arguments: [(true, nil), (true, 0.5), (true, 0.0), (false, nil)] as [(Bool, Double?)])
  func defaultsFollowTheScores(carried: Bool, weight: Double?) throws {
    let losses: [String: ParameterValue] = weight.map { ["losses": ["score_label": .number($0)]] } ?? [:]
    func settings(_ integrator: Integrator, _ more: [String: ParameterValue] = [:]) throws -> EnergyModelSettings {
      let values = losses.merging(["samples": "samples"].merging(more) { $1 }) { $1 }
      return try AlanineStages().context(EnergyModelStage.self, "ebm", values, inputs: [:])
        .parameters(EnergyModelStage.Parameters.self).settings(seed: 1, scored: carried, integrator: integrator)
    }
    let (learns, own) = (carried && weight != 0, Integrator.uniformRungeKutta4(steps: 3))
    let found = try settings(own)
    #expect(found.optimization.steps == (learns ? 1500 : 3000) && found.freshSamples == (learns ? 0 : 100_000))
    #expect(found.objective.scoreLabel == (learns ? weight ?? 6 : 0))
    #expect(found.objective.pathShare == (learns ? 0.125 : 1))
    // samples are drawn as those to begin with were, where that can be
    #expect(found.integrator == own)
    #expect(try settings(.dormandPrince(absolute: 1e-5, relative: 1e-5)).integrator == .rungeKutta4(steps: 8))
    #expect(try settings(own, ["ode_steps": 5]).integrator == .rungeKutta4(steps: 5))
  }

  /// A Cartesian emulator, its samples all of one hand, and an energy model on internal coordinates of them.
  @Test(arguments: ["gvp", "egnn"]) func endToEndCartesianChain(network: String) throws {
    let emulator = try run(
      EmulatorStage.self, "emulator",
      [
        "coordinates": "cartesian", "coupling": "optimal-transport", "training": ["steps": 10, "batch": 32],
        "network": ["type": .string(network), "layers": 1, "scalars": 8, "vectors": 4],
      ], ["frames": [frames()]])
    let samples = try run(
      SampleStage.self, "samples", ["count": 120, "batch": 120, "ode_steps": 2], ["emulator": [emulator]])
    let (artifact, record) = (samples.artifact, Recorded.sample)
    // a network that commutes with reflections, hardly trained: about half of what it draws is of the other hand
    let mirrored = try artifact.read(record.mirroredFraction)
    #expect(mirrored > 0.2 && mirrored < 0.8)
    let coordinates = try artifact.read(record.trajectory.coordinates).values
    let topology = try Topology.read(pdb: system.topology)
    #expect(try Chirality(topology: topology).invertedFrames(in: coordinates).isEmpty)
    // centred, and the latents are the coordinates in angstrom
    let latents = try artifact.read(record.latents, as: Double.self).values
    #expect(zip(coordinates, latents).allSatisfy { abs($0 * 10 - $1) < 1e-5 })
    for axis in 0..<3 {
      let sum: Double = (0..<22).map { latents[3 * $0 + axis] }.reduce(0, +)
      #expect(abs(sum) < 1e-3)
    }

    let model = try run(
      EnergyModelStage.self, "ebm",
      [
        "coordinates": "internal", "training": Self.smallTraining, "network": Self.smallNetwork, "fresh_samples": 10,
        "refresh_every": 30, "evaluation_samples": 10, "ode_steps": 1,
      ], ["samples": [samples]])
    let density = try EnergyModelArtifact.read(model).logDensity(of: samples)
    #expect(density.count == 120 && density.allSatisfy(\.isFinite))

    // and one on the positions themselves
    let direct = try run(
      EnergyModelStage.self, "direct",
      [
        "training": ["steps": 8, "batch": 32], "fresh_samples": 0, "evaluation_samples": 10, "ode_steps": 1,
        "network": [
          "type": .string(network == "gvp" ? "graphormer" : "egnn"), "layers": 1, "scalars": 8, "heads": 2,
          "feed_forward": 8, "kernels": 8,
        ],
      ], ["samples": [samples]])
    let values = try EnergyModelArtifact.read(direct).logDensity(of: samples)
    #expect(values.count == 120 && values.allSatisfy(\.isFinite))
  }

  /// Heavy atoms by pairs or messages, and hydrogens given them: molecules of one hand with finite densities and scores, and an energy model on
  /// internal coordinates of these, whatever its file says, which learns from the scores.
  @Test(arguments: [("auto", 200), ("egnn", 150), ("gvp", 150)])
  func endToEndChainOfHeavyAtoms(_ network: String, _ asked: Int) throws {
    let emulator = try run(
      EmulatorStage.self, "emulator",
      [
        "coordinates": "heavy", "training": ["steps": 200, "batch": 64],
        "network": [
          "type": .string(network), "pair_width": 32, "pair_depth": 1, "width": 32, "depth": 1, "layers": 3,
          "scalars": 8, "vectors": 2,
        ],
      ], ["frames": [frames()]], on: .alanine)
    #expect(try emulator.artifact.read(Recorded.emulator.targets) == "forces")
    let samples = try run(
      SampleStage.self, "samples", ["count": .integer(asked), "batch": 100, "ode_steps": 8, "scores": true],
      ["emulator": [emulator]])
    let (artifact, record) = (samples.artifact, Recorded.sample)
    // hardly trained, some fold over
    let count = try artifact.read(record.samples)
    #expect(try Double(count) > 0.4 * Double(asked) && artifact.shape(record.latents) == [count, 66])
    try #require(try artifact.shape(record.trajectory.coordinates) == [count, 22, 3])
    #expect(!artifact.has(record.internalCoordinates))
    #expect(try artifact.read(record.mirroredFraction) < 0.3)
    #expect(try artifact.read(record.logDensity.values).values.allSatisfy { $0.isFinite })
    let scores = try #require(try artifact.readIfThere(record.scores))
    #expect(scores.shape == [count, 66] && scores.values.contains { abs($0) > 0.1 })
    // hydrogens sit on their carbons from the first step on: their bonds are coordinates
    let positions = try artifact.read(record.trajectory.coordinates).values
    let topology = try Topology.read(pdb: system.topology)
    let bonds = topology.bonds.filter { bond in
      [bond.first, bond.second].contains { topology.atoms[$0].element == "H" }
    }
    for frame in 0..<count {
      for bond in bonds {
        let d = (0..<3).map {
          positions[66 * frame + 3 * bond.first + $0] - positions[66 * frame + 3 * bond.second + $0]
        }
        let length = d.reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(length > 0.08 && length < 0.13, "\(bond)")
      }
    }
    let model = try run(
      EnergyModelStage.self, "ebm",
      [
        "training": Self.smallTraining, "network": Self.smallNetwork, "evaluation_samples": 10, "ode_steps": 2,
      ], ["samples": [samples]])
    let density = try EnergyModelArtifact.read(model).logDensity(of: samples)
    #expect(density.count == count && density.allSatisfy(\.isFinite))
    // it learns from the scores
    let curve = try model.artifact.read(Recorded.energyModel.loss.columns["score_label"]).values
    #expect(!curve.isEmpty && curve.allSatisfy { $0.isFinite && $0 > 0 })
    #expect(
      throws: EmulatorStageError.networkAndCoordinates(
        network: "mlp", coordinates: "heavy", fitting: "pairs, egnn or gvp")
    ) {
      _ = try run(
        EmulatorStage.self, "other", ["coordinates": "heavy", "network": ["type": "mlp"]], ["frames": [frames()]],
        on: .alanine)
    }
  }

  /// A network over pairs of all atoms draws one hand, and mirrors nothing.
  @Test func pairsOfAllAtoms() throws {
    let emulator = try run(
      EmulatorStage.self, "emulator",
      [
        "coordinates": "cartesian", "training": ["steps": 60, "batch": 64],
        "network": ["type": "pairs", "pair_width": 16, "pair_depth": 1],
      ], ["frames": [frames()]], on: .alanine)
    #expect(try emulator.artifact.read(Recorded.emulator.targets) == "forces")
    let samples = try run(
      SampleStage.self, "samples", ["count": 20, "ode_steps": 8, "log_density": "exact-trace"],
      ["emulator": [emulator]])
    #expect(try samples.artifact.read(Recorded.sample.logDensity.values).values.allSatisfy { $0.isFinite })
    // hardly trained, about half is of the other hand, and stays so
    #expect(try samples.artifact.read(Recorded.sample.inverted) > 0)
  }

  /// What says how a network is meant is 0 or 1: any other number is refused by its name, and never guessed at.
  @Test(arguments: [("noise_at_one", 2.0), ("predicts_endpoint", 0.5), ("predicts_endpoint", .nan)])
  func flagsOfImportedWeightsAreZeroOrOne(_ name: String, _ value: Double) throws {
    let original = try HDF5File.open(Package.datasets.appendingPathComponent("alanine-xtb/gvp-endpoint.h5"))
    let url = folder.appendingPathComponent("flags-\(name)-\(value).h5")
    let file = try HDF5File.create(url)
    try file.createGroup("configuration")
    for each in try original.list("configuration") {
      let own = try original.dataset("configuration/\(each)").read(as: Double.self)
      try file.createDataset("configuration/\(each)", type: .float64, shape: [1]).write(each == name ? [value] : own)
    }
    let classes = try original.dataset("atom_class").read(as: Int64.self)
    try file.createDataset("atom_class", type: .int64, shape: [classes.count]).write(classes)
    try file.createGroup("weights")
    try file.close()
    do {
      _ = try run(ImportedEmulatorStage.self, "flags", ["weights": .string(url.path)], [:])
      Issue.record("\(name) = \(value) is accepted")
    } catch let error as EmulatorStageError {
      #expect("\(error)".contains("/configuration/\(name)") && "\(error)".contains(url.path), "\(error)")
    }
  }

  /// A network that gives the velocity, and one that gives the data point.
  @Test(arguments: ["biased", "endpoint"]) func importedWeightsGiveMolecules(_ network: String) throws {
    let weights = Package.datasets.appendingPathComponent("alanine-xtb/gvp-\(network).h5")
    let emulator = try run(ImportedEmulatorStage.self, "imported", ["weights": .string(weights.path)], [:])
    #expect(try emulator.artifact.read(Recorded.emulator.parameters) == 108_933)
    let header = try EmulatorArtifact.read(emulator).emulator.header
    #expect(header.predictsEndpoint == (network == "endpoint"))
    #expect(
      header.architecture
        == .gvp(GVPConfiguration(), timeIsReversed: true, readsPoint: network == "endpoint" ? true : nil))
    let samples = try run(
      SampleStage.self, "samples", ["count": 24, "batch": 24, "ode_steps": 6, "log_density": "none"],
      ["emulator": [emulator]])
    let mirrored = try samples.artifact.read(Recorded.sample.mirroredFraction)
    #expect(mirrored > 0.1 && mirrored < 0.9)
    let positions = try samples.artifact.read(Recorded.sample.trajectory.coordinates).values
    let topology = try Topology.read(pdb: system.topology)
    // the bonds of a molecule, in nm
    for frame in 0..<24 {
      for bond in topology.bonds {
        let d = (0..<3).map {
          positions[66 * frame + 3 * bond.first + $0] - positions[66 * frame + 3 * bond.second + $0]
        }
        let length = d.reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(length > 0.085 && length < 0.17, "\(bond)")
      }
    }
  }

  @Test func networkAndCoordinatesMustFit() throws {
    let input = try frames()
    func message(_ type: any StageType.Type, _ values: [String: ParameterValue]) -> String {
      do {
        _ = try run(type, "e", values, type == EmulatorStage.self ? ["frames": [input]] : [:])
        return "no error"
      } catch {
        return "\(error)"
      }
    }
    #expect(
      message(EmulatorStage.self, ["network": ["type": "gvp"]])
        == "network.type gvp does not work on internal coordinates; use mlp")
    #expect(
      message(EmulatorStage.self, ["coupling": "kabsch"])
        == "coupling: kabsch is for coordinates: cartesian; internal ones have no orientation to align")
    #expect(
      message(EmulatorStage.self, ["coordinates": "cartesian", "atom_classes": [1, 2]])
        == "atom_classes has 2 entries for 22 atoms; give one class per atom, from 0")
    #expect(
      message(EmulatorStage.self, ["training": ["batch": 100_000]])
        .hasSuffix("training samples are fewer than one batch of 100000; lower training.batch or give more data"))
    let notWeights = folder.appendingPathComponent("frames.h5")
    #expect(throws: EmulatorStageError.self) {
      _ = try run(ImportedEmulatorStage.self, "i", ["weights": .string(notWeights.path)], [:])
    }
  }

  /// An emulator asked for another molecule says so, and speaks of no force field.
  @Test func samplesOfAnotherMoleculeAreRefused() throws {
    let emulator = try run(
      EmulatorStage.self, "emulator", ["training": ["steps": 2, "batch": 64], "network": Self.smallNetwork],
      ["frames": [frames()]])
    let other = SystemFiles(
      topology: Self.dataset.deletingLastPathComponent().appendingPathComponent("dipeptides/AC/topology.pdb"))
    #expect(throws: EmulatorError.otherMolecule(atoms: 24, expected: 22)) {
      _ = try run(SampleStage.self, "samples", ["count": 4], ["emulator": [emulator]], on: other)
    }
  }

  /// Interrupted twice, resumed twice: the artifact's content is bit for bit that of the run nobody touched.
  @Test(arguments: ["internal", "heavy"]) func endToEndInterruptedTrainingsResumeBitForBit(_ coordinates: String) throws
  {
    let input = try frames()
    let on: SystemFiles = coordinates == "heavy" ? .alanine : system
    let values: [String: ParameterValue] = [
      "training": Self.smallTraining, "coordinates": .string(coordinates),
      "network": ["width": 32, "depth": 1, "pair_width": 16, "pair_depth": 1],
    ]
    let straight = try run(EmulatorStage.self, "emulator", values, ["frames": [input]], on: on)
    let elsewhere = folder.appendingPathComponent("interrupted")
    func interrupted(
      _ type: any StageType.Type, _ values: [String: ParameterValue], _ inputs: [String: [StageInput]],
      after limits: [Int] = [13, 31]
    ) throws -> StageInput {
      for limit in limits {
        var asked = 0
        #expect(throws: WorkflowInterruption.self) {
          _ = try run(
            type, "twice", values, inputs, in: elsewhere, on: on,
            interruption: {
              asked += 1
              return asked > limit
            })
        }
      }
      let result = try run(type, "twice", values, inputs, in: elsewhere, on: on)
      try CheckpointStore(folder: elsewhere, stage: "twice", key: "k").removeAll()
      return result
    }
    let resumed = try interrupted(EmulatorStage.self, values, ["frames": [input]])
    #expect(resumed.artifact.provenance.contentDigest == straight.artifact.provenance.contentDigest)

    // hardly trained, a flow of positions loses some
    let draw: [String: ParameterValue] =
      coordinates == "heavy"
      ? ["count": 200, "ode_steps": 8, "batch": 30] : ["count": 128, "ode_steps": 3, "batch": 20]
    let samples = try run(SampleStage.self, "samples", draw, ["emulator": [straight]], on: on)
    let drawnAgain = try interrupted(SampleStage.self, draw, ["emulator": [straight]], after: [0, 2])
    #expect(drawnAgain.artifact.provenance.contentDigest == samples.artifact.provenance.contentDigest)
    let fit: [String: ParameterValue] = [
      "training": Self.smallTraining, "network": Self.smallNetwork, "fresh_samples": 60, "refresh_every": 7,
      "evaluation_samples": 10, "ode_steps": 3,
    ]
    let model = try run(EnergyModelStage.self, "ebm", fit, ["samples": [samples]], on: on)
    let again = try interrupted(EnergyModelStage.self, fit, ["samples": [samples]])
    #expect(again.artifact.provenance.contentDigest == model.artifact.provenance.contentDigest)
  }
}
