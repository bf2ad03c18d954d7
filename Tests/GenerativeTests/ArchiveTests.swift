import Basics
import Foundation
import Molecules
import Testing
import Torch

@testable import Generative

/// Models as text and tensors: what comes back gives the same values bit for bit.
@Suite struct ArchiveTests {
  static let classes = [0, 1, 2, 0, 1]
  static let bonds = [[0, 1], [1, 2], [2, 3], [3, 4]]
  static let cartesian = Chart.cartesian(CartesianChart(atomClasses: classes, bonds: bonds))

  /// A short ensemble of alanine dipeptide about its reference, [frames, 22, 3].
  static func frames(_ topology: Topology, _ count: Int) throws -> NDArray<Double> {
    var stream = RandomStream(seed: 4, "frames")
    let values = (0..<count).flatMap { _ in topology.referenceCoordinates.map { $0 + 0.004 * stream.normal() } }
    return try NDArray(values, shape: [count, topology.atoms.count, 3])
  }

  static func internalChart() throws -> Chart {
    let topology = try Topology.read(pdb: InternalChartTests.pdb)
    let coordinates = try InternalCoordinates(topology: topology)
    let values = try coordinates.internalCoordinates(frames(topology, 150).values, frames: 150).0
    return .internal(try InternalChart(coordinates: coordinates, values: values, frames: 150))
  }

  /// Parameters away from their start, where heads are zero.
  private static func shaken<Net: Network>(_ network: Net) throws -> Net {
    let generator = try Generator(seed: 12)
    return network.replacing(parameters: try network.parameters.map { try $0 + generator.normal($0.shape) * 0.1 })
  }

  private static func shaken<Field: FlowModel>(_ field: Field) throws -> any FlowModel {
    field.replacing(network: try shaken(field.network))
  }

  private static func shaken<Model: EnergyModel>(_ model: Model) throws -> any EnergyModel {
    model.replacing(network: try shaken(model.network))
  }

  private static func emulators() throws -> [(Emulator.Header, Chart)] {
    let `internal` = try internalChart()
    let residual = ResidualConfiguration(width: 8, depth: 1, outputs: `internal`.space.dimension)
    let gvp = GVPConfiguration(layers: 1, scalars: 8, vectors: 4, atomClasses: 3)
    let egnn = EGNNConfiguration(layers: 1, width: 8, atomClasses: 3)
    return [
      (.init(architecture: .residual(residual), interpolant: .trigonometric), `internal`),
      (
        .init(
          architecture: .twoFlows(
            torsions: ResidualConfiguration(width: 8, depth: 1, outputs: `internal`.space.angles),
            rest: ResidualConfiguration(width: 8, depth: 1, outputs: `internal`.space.euclidean)), interpolant: .linear),
        `internal`
      ),
      (.init(architecture: .gvp(gvp, timeIsReversed: true), interpolant: .linear), cartesian),
      (.init(architecture: .egnn(egnn), interpolant: .linear, predictsEndpoint: true), cartesian),
      (
        .init(
          architecture: .gvp(gvp, timeIsReversed: true, readsPoint: true), interpolant: .linear, predictsEndpoint: true),
        cartesian
      ),
    ]
  }

  @Test func emulatorsComeBackBitForBit() throws {
    for (header, chart) in try Self.emulators() {
      let emulator = Emulator(
        header: header, chart: chart, field: try Self.shaken(header.field(chart, Generator(seed: 3))))
      let again = try Emulator(emulator.archive())
      #expect(again.chart == chart && again.header.architecture == header.architecture)
      let x = try chart.space.prior(6, Generator(seed: 5))
      let t = try Tensor([0.1, 0.3, 0.5, 0.7, 0.9, 0.95] as [Float])
      #expect(emulator.field.parts.count == again.field.parts.count)
      var moved = false
      for (part, same) in zip(emulator.field.parts, again.field.parts) {
        let value = try part(x, t).values(as: Float.self)
        moved = moved || value.contains { $0 != 0 }
        #expect(try same(x, t).values(as: Float.self) == value)
      }
      #expect(moved)
    }
  }

  /// What networks that give a velocity are written as has not changed, so that older archives are read and their digests stay.
  @Test func readingAPointIsWrittenOnlyWhereItIsSo() throws {
    let configuration = GVPConfiguration()
    func text(_ architecture: EmulatorArchitecture) throws -> String {
      String(decoding: try JSONEncoder().encode(architecture), as: UTF8.self)
    }
    let velocity = EmulatorArchitecture.gvp(configuration, timeIsReversed: true)
    #expect(try !text(velocity).contains("readsPoint"))
    #expect(try JSONDecoder().decode(EmulatorArchitecture.self, from: Data(text(velocity).utf8)) == velocity)
    let point = EmulatorArchitecture.gvp(configuration, timeIsReversed: true, readsPoint: true)
    #expect(try text(point).contains("\"readsPoint\":true"))
    #expect(try JSONDecoder().decode(EmulatorArchitecture.self, from: Data(text(point).utf8)) == point)
  }

  @Test func energyModelsComeBackBitForBit() throws {
    let `internal` = try Self.internalChart()
    let residual = ResidualConfiguration(
      width: 8, depth: 1, outputs: ResidualEnergyModel.outputs(space: `internal`.space, harmonics: 3))
    let graph = BondGraph(classes: Self.classes, bonds: Self.bonds)
    let kinds: [(EnergyArchitecture, Chart)] =
      [(.residual(residual), `internal`)]
      + [CartesianEnergyConfiguration.Architecture.graphormer, .egnn].map {
        let configuration = CartesianEnergyConfiguration(
          architecture: $0, width: 8, feedForward: 8, heads: 2, layers: 1, kernels: 4)
        return (.cartesian(configuration, graph), Self.cartesian)
      }
    for (architecture, chart) in kinds {
      let data = try chart.space.prior(40, Generator(seed: 6)) * 2
      let model = MolecularEnergyModel(
        header: .init(architecture: architecture, interpolant: .trigonometric, emulator: "digest"),
        chart: EnergyModelChart(chart: chart, isEmulators: true),
        model: try Self.shaken(architecture.model(chart, .trigonometric, data: data, Generator(seed: 7))))
      let again = try MolecularEnergyModel(model.archive())
      #expect(again.header.emulator == "digest" && again.chart.isEmulators)
      let zeros = [Double](repeating: 0, count: 40)
      let values = try model.logDensity(data, zeros)
      #expect(values.allSatisfy(\.isFinite) && Set(values).count == 40)
      // also what the data told the network before its training, which no parameter holds
      #expect(try again.logDensity(data, zeros) == values)
    }
  }

  @Test func anArchiveThatLacksSomethingIsRefused() throws {
    let (header, chart) = try Self.emulators()[1]
    let archive = try Emulator(header: header, chart: chart, field: header.field(chart, Generator(seed: 3))).archive()
    let name = try #require(archive.tensors.keys.filter { $0.hasPrefix("average/") }.min())
    var missing = archive
    missing.tensors[name] = nil
    #expect(throws: TrainingError.badState("no \(name)")) { try Emulator(missing) }
    var other = archive
    other.tensors[name] = NDArray([1, 2, 3, 4, 5, 6, 7])
    let error = #expect(throws: TrainingError.self) { try Emulator(other) }
    #expect("\(try #require(error))".contains("\(name) has shape [7], not"))
    #expect(throws: DecodingError.self) { try Emulator(ModelArchive(header: "{}", chart: "{}", tensors: [:])) }
  }
}

/// Trainings from frames to a model, as a program without a workflow runs them.
@Suite struct WholeTrainingTests {
  @Test func aTrainingThatWasStoppedEndsAsOneThatNobodyTouched() throws {
    try Runtime.initialize(threads: 1)
    let topology = try Topology.read(pdb: InternalChartTests.pdb)
    let frames = try ArchiveTests.frames(topology, 200)
    var settings = EmulatorSettings()
    settings.architecture = { chart, _ in .residual(.init(width: 8, depth: 1, outputs: chart.space.dimension)) }
    settings.optimization = { _ in OptimizationSettings(steps: 12, batch: 32, warmUp: 2) }
    settings.recordEvery = 5
    settings.validationFraction = 0.2
    let straight = try Emulator.train(on: frames, topology: topology, settings: settings)
    #expect(straight.trainingFrames == 160 && straight.state.curve.steps == [5, 10, 12])
    let host = MemoryHost()
    for calls in [3, 4] {
      var left = calls
      host.stop = {
        left -= 1
        return left == 0
      }
      #expect(throws: MemoryHost.Stopped.self) {
        try Emulator.train(on: frames, topology: topology, settings: settings, host: host)
      }
    }
    host.stop = { false }
    let resumed = try Emulator.train(on: frames, topology: topology, settings: settings, host: host)
    #expect(host.logged.contains("going on from step 7 of 12"))
    #expect(resumed.state == straight.state)
    #expect(try resumed.emulator.archive() == straight.emulator.archive())
  }

  /// Of 160 frames, fewer than a batch: the held-out loss falls and rises again, the network of its lowest place is taken, training ends
  /// early, and where it was stopped on the way it ends with the same bits.
  @Test func aTrainingOfFewFramesTakesTheNetworkThatHeldOutFramesLikeBest() throws {
    try Runtime.initialize(threads: 1)
    let topology = try Topology.read(pdb: InternalChartTests.pdb)
    let frames = try ArchiveTests.frames(topology, 160)
    var settings = EmulatorSettings()
    settings.architecture = { chart, _ in .residual(.init(width: 64, depth: 2, outputs: chart.space.dimension)) }
    settings.optimization = { _ in
      OptimizationSettings(steps: 2000, batch: 256, learningRate: 5e-3, warmUp: 10, averageDecay: 0.9)
    }
    settings.recordEvery = 10
    settings.validationFraction = 0.2
    let straight = try Emulator.train(on: frames, topology: topology, settings: settings)
    let found = try #require(OverFitting(straight.state.curve))
    #expect(!found.keepsLast && found.isBeyondReturn && straight.state.step < 2000)
    #expect(found.last.step == straight.state.step && found.taken.step < found.last.step / 2)
    #expect(!straight.state.tensors.keys.contains { $0.hasPrefix("kept/") })
    let host = MemoryHost()
    var left = found.taken.step
    host.stop = {
      left -= 1
      return left == 0
    }
    #expect(throws: MemoryHost.Stopped.self) {
      try Emulator.train(on: frames, topology: topology, settings: settings, host: host)
    }
    let there = try #require(host.newestState()).training
    #expect(there.step == found.taken.step)
    for (name, tensor) in straight.state.tensors where name.hasPrefix("average/") {
      #expect(there.tensors[name] == tensor)
    }
    left = 15
    #expect(throws: MemoryHost.Stopped.self) {
      try Emulator.train(on: frames, topology: topology, settings: settings, host: host)
    }
    host.stop = { false }
    let resumed = try Emulator.train(on: frames, topology: topology, settings: settings, host: host)
    #expect(resumed.state == straight.state)
    #expect(try resumed.emulator.archive() == straight.emulator.archive())
    let warning = found.remark(frames: 128, steps: 2000).message
    #expect(warning.contains("lowest after \(found.lowest.step) steps"))
    #expect(host.warnings == [warning])
  }

  @Test func ofNetworksThatHeldOutFramesHoldForEqualTheLatestIsTaken() throws {
    func curve(_ losses: [Double]) -> LossCurve {
      var curve = LossCurve(columns: ["train", "validation"])
      for (row, loss) in losses.enumerated() { curve.record(step: 10 * (row + 1), [0, loss]) }
      return curve
    }
    let rising = try #require(OverFitting(curve([2, 1.5, 1.51, 1.6, 1.52, 1.512, 1.7])))
    #expect(rising.lowest == (20, 1.5) && rising.taken == (60, 1.512) && !rising.keepsLast && !rising.isBeyondReturn)
    let falling = try #require(OverFitting(curve([2, 1.5, 1.55, 1.49, 1.5])))
    #expect(falling.lowest == (40, 1.49) && falling.keepsLast)
    // a loss may be negative, and held-out frames may be missing
    let negative = try #require(OverFitting(curve([-1, -2, -1.99, -1.7, -1.7, -1.7, -1.7, -1.7, -1.7])))
    #expect(negative.taken == (30, -1.99) && negative.isBeyondReturn)
    #expect(OverFitting(curve([.nan, .nan])) == nil)
  }

  @Test func heldOutFramesAreBlocksSpreadEvenly() {
    let split = FrameSplit(frames: 1000, fraction: 0.05)
    let blocks: [Int] = stride(from: 100, to: 1000, by: 200).flatMap { Array($0..<$0 + 10) }
    // so few rows are taken several times
    #expect(split.validation.count == 550 && split.validation == (0..<11).flatMap { _ in blocks })
    #expect(Set(split.training).isDisjoint(with: Set(split.validation)) && split.training.count == 950)
    // no more rows than a validation needs, all over the frames that are held out
    let long = FrameSplit(frames: 100_000, fraction: 0.05)
    #expect(long.training.count == 95_000)
    #expect(long.validation.count <= FrameSplit.validationRows && long.validation.count > 1500)
    #expect(long.validation.last ?? 0 > 90_000)
    #expect(FrameSplit(frames: 1000, fraction: 0).training.count == 1000)
    #expect(FrameSplit(frames: 5, fraction: 0.05).validation.isEmpty)
  }

  /// Samples come back from their prior points with the densities they were drawn with; one that does not is named.
  @Test func retransportedSamplesAreThoseThatWereDrawn() throws {
    let topology = try Topology.read(pdb: InternalChartTests.pdb)
    let chart = try ArchiveTests.internalChart()
    let network = try roughNetwork(chart.space, outputs: chart.space.dimension, seed: 2, scale: 0.05)
    let flow = MolecularFlow(
      chart: chart, field: ResidualVectorField(network: network, interpolant: .linear),
      chirality: try Chirality(topology: topology))
    let sampler = try FlowSampler(field: flow.field, integrator: .rungeKutta4(steps: 3), method: .exactTrace)
    var drawn = try sampler.batch(7, seed: 5, index: 0)
    let samples = try flow.molecules(&drawn)
    var heard: [Int] = []
    func again(_ latents: Tensor) throws -> RetransportedDensities {
      try flow.retransported(
        prior: drawn.prior, latents: latents, logJacobian: samples.logJacobian, by: sampler, Generator(seed: 1),
        batch: 3
      ) { heard.append($0) }
    }
    let found = try again(drawn.latents)
    #expect(heard == [3, 6, 7])
    #expect(found.reproductionError < 1e-12)
    #expect(zip(found.logDensities[0], samples.logDensities[0]).allSatisfy { abs($0 - $1) < 1e-9 })
    // one coordinate of sample 4, off by a twentieth
    var values = try drawn.latents.values(as: Double.self)
    values[4 * chart.space.dimension + 1] += 0.05
    let error = #expect(throws: ReproductionError.self) {
      try again(Tensor(values, shape: drawn.latents.shape))
    }
    #expect(error?.sample == 4 && abs((error?.difference ?? 0) - 0.05) < 1e-9)
  }
}
