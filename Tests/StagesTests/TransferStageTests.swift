import Artifacts
import ForceFields
import Foundation
import FreeEnergies
import Generative
import HDF5
import Molecules
import Records
import TestSupport
import Testing
import Workflow

@testable import Stages

/// One emulator of two dipeptides from their dynamics, and the emulators of each taken from it.
@Suite(.serialized) struct TransferStageTests {
  let chain: GenerativeStagesTests

  init() throws { chain = try GenerativeStagesTests() }

  static let dynamics: [String: ParameterValue] = [
    "runs": 2, "length": .number(30), "save_interval": .number(0.05), "equilibration": .number(1),
    "steering_time": .number(20), "hydrogen_mass": .number(3), "timestep": .number(0.002),
  ]
  static let training: [String: ParameterValue] = [
    "steps": 150, "width": 48, "depth": 1, "torsion_width": 32, "torsion_depth": 1, "molecules_per_step": 2,
    "record_every": 50, "arc_share": .number(0.3),
    "training": ["batch": 64, "learning_rate": .number(3e-3), "warm_up": 10, "average_decay": .number(0.9)],
  ]

  private func frames(_ name: String, as title: String? = nil, forces: Bool = true) throws -> StageInput {
    let title = title ?? name
    let simulated = try chain.run(SimulateStage.self, "md-\(title)", Self.dynamics, [:], on: .dipeptide(name))
    return try chain.run(
      IngestStage.self, "frames-\(title)", forces ? ["forces": "keep"] : [:], ["simulation": [simulated]],
      on: .dipeptide(name))
  }

  @Test func oneEmulatorOfTwoDipeptides() throws {
    let frames = try ["AC", "NF"].map { try self.frames($0) }
    // forces stand beside the frames, and are those of the stored positions
    let (artifact, record) = (frames[0].artifact, Recorded.ingest)
    let forces = try artifact.read(record.forces, as: Double.self)
    let positions = try artifact.read(record.trajectory.coordinates, as: Double.self)
    #expect(forces.shape == positions.shape && positions.shape[0] == 2400)
    let engine = try OpenMMEngine(systemXML: MoleculeFiles.dipeptide("AC").forcefieldFile, threads: 1)
    let size = positions.shape[1] * 3
    let own = try engine.energiesAndForces(Array(positions.values.prefix(size))).forces
    #expect(zip(own, forces.values).allSatisfy { abs($0 - $1) < 1e-3 * max(1, abs($0)) })

    let shared = try chain.run(
      TransferableEmulatorStage.self, "shared", Self.training,
      ["frames": frames, "held_out": [self.frames("NF", as: "judge")]])
    let many = Recorded.transferableEmulator
    #expect(try shared.artifact.read(many.known) == ["ALA first", "ASN first", "CYS last", "PHE last", "link link"])
    #expect(try shared.artifact.read(many.trainingFrames) == 4800)
    let thermometers = try shared.artifact.read(many.thermometers).values
    #expect(thermometers.count == 2 && thermometers.allSatisfy { abs($0 - 1) < 0.03 })
    let losses = try shared.artifact.read(many.loss.columns["validation"]).values
    #expect(losses.count == 3 && losses[2] < losses[0])

    // by the stage, and by its file: the same emulator
    let nf = MoleculeFiles.dipeptide("NF")
    let emulator = try chain.run(TransferredEmulatorStage.self, "of-nf", [:], ["model": [shared]], on: nf)
    let again = try chain.run(
      TransferredEmulatorStage.self, "of-file", ["file": .string(shared.artifact.url.path)], [:], on: nf)
    let tensors = Recorded.emulator.training.tensors
    for name in try emulator.artifact.list("\(tensors.group)/average") {
      let field = tensors["average/\(name)"]
      #expect(try emulator.artifact.read(field) == again.artifact.read(field), "\(name)")
    }
    // as a file by itself, without what a training goes on from; and rounded
    let (whole, half) = (
      chain.folder.appendingPathComponent("whole.h5"), chain.folder.appendingPathComponent("half.h5")
    )
    try ModelExport.write(shared.artifact, to: whole, isRounded: false)
    try ModelExport.write(shared.artifact, to: half, isRounded: true)
    for file in [whole, half] {
      let record = try Artifact.open(file, verify: true).provenance
      #expect(record.key == shared.artifact.provenance.key)
    }
    #expect(ModelExport.withoutFolder("/usr/lib/libhdf5.so.1 (build-id 5f/6)") == "libhdf5.so.1 (build-id 5f/6)")
    #expect(ModelExport.withoutFolder("libhdf5.so.1") == "libhdf5.so.1")
    func bytes(of url: URL) throws -> Int { try url.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0 }
    #expect(try bytes(of: whole) < bytes(of: shared.artifact.url) && bytes(of: half) < bytes(of: whole))
    let kept = try [whole, half].map { file in
      try chain.run(
        TransferredEmulatorStage.self, "of-\(file.lastPathComponent)", ["file": .string(file.path)], [:], on: nf)
    }
    for name in try emulator.artifact.list("\(tensors.group)/average") {
      let field = tensors["average/\(name)"]
      let own = try emulator.artifact.read(field)
      #expect(try own == kept[0].artifact.read(field), "\(name)")
      let rounded = try kept[1].artifact.read(field)
      // rows are sums of three, each rounded
      let largest = own.values.map(abs).max() ?? 0
      #expect(zip(own.values, rounded.values).allSatisfy { abs($0 - $1) <= 3e-3 * max(largest, 1e-3) }, "\(name)")
    }
    #expect(ModelExport.rounded(1 + 0x1p-11) == 1 && ModelExport.rounded(1 + 0x1.8p-10) == 1 + 0x1p-9)
    #expect(throws: ExportError.overItself(file: shared.artifact.url.path)) {
      try ModelExport.write(shared.artifact, to: shared.artifact.url, isRounded: false)
    }
    let samples = try chain.run(
      SampleStage.self, "fresh", ["count": 500, "ode_steps": 4], ["emulator": [emulator]], on: nf)
    #expect(try samples.artifact.read(Recorded.sample.inverted) == 0)
    let weighed = try chain.run(
      ReweightStage.self, "weighed", ["density": "stochastic-trace"], ["samples": [samples]], on: nf)
    let weights = try weighed.artifact.read(Recorded.reweight.logWeights).values.filter(\.isFinite)
    #expect(weights.count > 400 && Set(weights).count > 300)

    // a second training goes on from the first, on its chart, with frames drawn as these weights want; and so does an adaptation
    let more = Self.training.merging(["steps": 20]) { $1 }
    let weighings: [[String: [StageInput]]] = [[:], ["weights": [weighed]]]
    let second = try weighings.map { inputs in
      try chain.run(
        TransferableEmulatorStage.self, "second-\(inputs.count)", more,
        ["frames": frames, "start": [shared]].merging(inputs) { $1 })
    }
    for stage in second {
      #expect(try stage.artifact.read(many.model.header) == shared.artifact.read(many.model.header))
      #expect(try stage.artifact.read(many.model.chart) == shared.artifact.read(many.model.chart))
    }
    let some = tensors["average/torsions.out"]
    let trained = try ([shared] + second).map { try $0.artifact.read(some).values }
    #expect(trained[0] != trained[1] && trained[1] != trained[2])
    // it is nearer to the first than as long a training from nothing
    let fresh = try chain.run(TransferableEmulatorStage.self, "from-nothing", more, ["frames": frames])
    func distance(_ values: [Float]) -> Double {
      zip(trained[0], values).reduce(0) { $0 + pow(Double($1.0 - $1.1), 2) }
    }
    #expect(try 2 * distance(trained[2]) < distance(fresh.artifact.read(some).values))
    let tilted = try weighings.map { inputs in
      try chain.run(
        TransferredEmulatorStage.self, "tilted-\(inputs.count)", ["steps": 10, "training": ["batch": 64]],
        ["model": [shared], "frames": [frames[1]]].merging(inputs) { $1 }, on: nf)
    }
    let last = tensors["average/torsions.output.weight"]
    #expect(try tilted[0].artifact.read(last) != tilted[1].artifact.read(last))
    do {
      _ = try chain.run(
        TransferableEmulatorStage.self, "without", more, ["frames": [frames[0]], "weights": [weighed]])
      Issue.record("weights of a molecule without frames are taken")
    } catch let error as TransferStageError {
      #expect(error == .noFrames("weighed"))
    }
    do {
      _ = try chain.run(
        TransferableEmulatorStage.self, "twice", more, ["frames": frames, "weights": [weighed, weighed]])
      Issue.record("two weights of one molecule are taken")
    } catch let error as TransferStageError {
      #expect(error == .twoWeights("weighed", "weighed"))
    }

    // adapted by its own frames: rows change, the trunk stands
    let adapted = try chain.run(
      TransferredEmulatorStage.self, "adapted",
      ["adapts": "rows", "steps": 20, "training": ["batch": 64, "learning_rate": .number(1e-3), "warm_up": 2]],
      ["model": [shared], "frames": [frames[1]]], on: nf)
    for name in try emulator.artifact.list("\(tensors.group)/average") {
      let field = tensors["average/\(name)"]
      let isRow = name.contains(".input.") || name.contains(".output.")
      #expect(try (emulator.artifact.read(field) == adapted.artifact.read(field)) != isRow, "\(name)")
    }
    #expect(try adapted.artifact.read(Recorded.emulator.trainingFrames) == 2400)
    // all of it, and the frames drawn by their arc: nothing stands, and the draw matters
    let retrained = try [0.1, 0.9].map { share in
      try chain.run(
        TransferredEmulatorStage.self, "retrained-\(share)",
        ["steps": 20, "arc_share": .number(share), "training": ["batch": 64, "warm_up": 2]],
        ["model": [shared], "frames": [frames[1]]], on: nf)
    }
    for name in try emulator.artifact.list("\(tensors.group)/average") {
      let field = tensors["average/\(name)"]
      let found = try ([emulator] + retrained).map { try $0.artifact.read(field) }
      #expect(found[0] != found[1] && found[1] != found[2], "\(name)")
    }
    let after = try chain.run(
      SampleStage.self, "after", ["count": 50, "ode_steps": 4], ["emulator": [adapted]], on: nf)
    #expect(try after.artifact.read(Recorded.sample.inverted) == 0)

    // frames of another molecule, with as many atoms or not
    do {
      _ = try chain.run(
        TransferredEmulatorStage.self, "of-others", [:], ["model": [shared], "frames": [frames[0]]], on: nf)
      Issue.record("frames of AC adapt an emulator of NF")
    } catch let error as TransferError {
      guard case .otherAtom(let molecule, 0..., _, _) = error else { throw error }
      #expect(molecule == "frames-AC")
    }

    // a residue that it has not seen
    do {
      _ = try chain.run(TransferredEmulatorStage.self, "of-ny", [:], ["model": [shared]], on: .dipeptide("NY"))
      Issue.record("an emulator of PHE draws TYR")
    } catch let error as TransferError {
      #expect(error == .unseen(block: "TYR 2", key: "TYR last", known: ["CYS last", "PHE last"]))
    }
    do {
      _ = try chain.run(
        TransferredEmulatorStage.self, "of-frames", ["file": .string(frames[0].artifact.url.path)], [:], on: nf)
      Issue.record("frames are taken for an emulator")
    } catch let error as TransferStageError {
      #expect(error == .otherFile(frames[0].artifact.url.path))
    }
  }

  /// A training that was stopped goes on bit for bit.
  @Test func goesOnWhereItStopped() throws {
    let frames = try frames("AC")
    let inputs = ["frames": [frames], "held_out": [try self.frames("AC", as: "judge")]]
    let whole = try chain.run(TransferableEmulatorStage.self, "whole", Self.training, inputs)
    var calls = 0
    let place = chain.folder.appendingPathComponent("stopped")
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    #expect(throws: WorkflowInterruption.self) {
      _ = try chain.run(
        TransferableEmulatorStage.self, "whole", Self.training, inputs, in: place,
        interruption: {
          calls += 1
          return calls > 70
        }, checkpointInterval: 0)
    }
    // it had begun to train, and what it saved is taken up
    let saved = try #require(try CheckpointStore(folder: place, stage: "whole", key: "k").latest()).artifact
    let step = try saved.read(Recorded.trainingCheckpoint.training.step)
    #expect(step > 50 && step < 150)
    let resumed = try chain.run(TransferableEmulatorStage.self, "whole", Self.training, inputs, in: place)
    let tensors = Recorded.emulator.training.tensors
    for name in try whole.artifact.list("\(tensors.group)/average") {
      let field = tensors["average/\(name)"]
      #expect(try whole.artifact.read(field) == resumed.artifact.read(field), "\(name)")
    }
  }

  /// Frames in the arc are drawn as often as asked for, all others alike.
  @Test func framesAreDrawnByTheirArc() throws {
    func weights(_ angles: [[Double]]) -> [Double] {
      ArcParameters.weights(
        ArcParameters.isInside(angles, TorsionState(from: 0, to: 2)), share: 0.25)
    }
    let found = weights([[1, -1, -2, -1.5, 1.2], [-1, -1, 0.5, -3, -1]])
    #expect(abs(found[0] + found[2] + found[4] - 0.25) < 1e-12)
    #expect(abs(found.reduce(0, +) - 1) < 1e-12 && found[1] == found[3])
    // a molecule without the torsion, or always or never there
    #expect(weights([]).isEmpty && weights([[-1, -1]]).isEmpty && weights([[1, 1]]).isEmpty)
  }

  @Test func framesWithoutForcesAreRefused() throws {
    let frames = try frames("AC", forces: false)
    do {
      _ = try chain.run(TransferableEmulatorStage.self, "plain", Self.training, ["frames": [frames]])
      Issue.record("frames without forces are taken")
    } catch let error as TransferStageError {
      #expect(error == .noForces("frames-AC"))
    }
  }
}
