import Basics
import Foundation
import Testing
import Torch

@testable import Generative

@Suite struct EnergyModelTests {
  let space = LatentSpace(euclidean: 3, angles: 2)

  func model(_ head: EnergyHead, seed: UInt64) throws -> ResidualEnergyModel {
    ResidualEnergyModel(
      network: try roughNetwork(
        space, outputs: ResidualEnergyModel.outputs(space: space, harmonics: 2, head: head), seed: seed),
      interpolant: .trigonometric)
  }

  @Test(arguments: EnergyHead.allCases) func gradientsEqualFiniteDifferences(head: EnergyHead) throws {
    let model = try model(head, seed: 1)
    let generator = try Generator(seed: 2)
    let x = try generator.normal([6, 5], .float64)
    let t = try generator.uniform([6], .float64)
    let score = try model.score(x, t, createGraph: false)
    let h = 1e-5
    for k in 0..<5 {
      var unit = [Double](repeating: 0, count: 5)
      unit[k] = h
      let slope = try (model(x + Tensor(unit), t) - model(x - Tensor(unit), t)) / (2 * h)
      #expect(try largestDifference(slope, score.slice(k..<(k + 1), axis: 1).reshaped(-1)) < 1e-8)
    }
  }

  /// Every loss differentiated by parameters (score losses by double back-propagation) against differences of the loss itself.
  @Test(arguments: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]])
  func lossGradientsEqualFiniteDifferences(weights: [Double]) throws {
    let base = try model(.linear, seed: 3)
    let data = try Generator(seed: 4).normal([8, 5], .float64)
    let labels = EnergyModelObjective.Labels(
      logDensity: try Generator(seed: 5).normal([8], .float64),
      score: try Generator(seed: 6).normal([8, 5], .float64) * 20)
    let objective = EnergyModelObjective(
      score: weights[0], contrastive: weights[1], label: weights[2], scoreLabel: weights[3])
    func loss(_ parameters: [Tensor]) throws -> Tensor {
      try objective(
        base.replacing(network: base.network.replacing(parameters: parameters)), data: data, labels: labels, step: 1,
        Generator(seed: 7)
      ).total
    }
    try expectGradientsEqualFiniteDifferences(of: loss, at: base.network.parameters)
  }

  @Test func aFreshModelIsThePriorAtEveryTime() throws {
    let network = try ResidualNetwork(
      space: space,
      configuration: ResidualConfiguration(
        width: 8, depth: 1, outputs: ResidualEnergyModel.outputs(space: space, harmonics: 3)),
      generator: Generator(seed: 1)
    ).cast(.float64)
    let model = ResidualEnergyModel(network: network, interpolant: .trigonometric)
    let x = try space.prior(20, Generator(seed: 2), .float64)
    for time in [0, 0.4, 1] {
      #expect(try largestDifference(model.values(x, at: time), space.priorLogDensity(x)) < 1e-12)
    }
    let offset = try model.priorOffset(samples: 100, seed: 1)
    #expect(abs(offset.value) < 1e-12 && offset.standardError < 1e-12)
  }

  /// With their scores, Gaussian data leave no noise in score matching: the residual of the true score is zero. Where a score is not known
  /// the loss is the published one.
  @Test(arguments: Interpolant.allCases) func scoresTakeTheNoiseOutOfScoreMatching(_ interpolant: Interpolant) throws {
    let space = LatentSpace(euclidean: 3, angles: 1)
    let n = 400
    let generator = try Generator(seed: 8)
    let widths = try Tensor([0.4, 1, 2, 0.3])
    let data = try generator.normal([n, 4], .float64) * widths
    let scores = try -(data / widths.square())
    // late times, where an angle's path does not come round
    let t = try generator.uniform([n], .float64) * 0.3 + 0.7
    let path = try PathPoint(data: data, t: t, space: space, interpolant: interpolant, generator)
    let parts = try space.split(widths)
    let sigma = try TorusPath.sigma(t.unsqueezed(-1))
    let variance = try space.joined(
      path.alpha.square() + path.beta.square() * parts.euclidean.square(), sigma.square() + parts.angles.square())
    let gradient = try -(path.point / variance)
    let plain = try path.squaredScoreResidual(gradient, space: space)
    let control = try PathPoint.Control(scores, precision: 1 / widths.square(), space: space)
    let cleaned = try path.squaredScoreResidual(gradient, space: space, control)
    #expect(try plain.mean().item() > 0.5)
    #expect(try cleaned.values(as: Double.self).max() ?? 1 < 1e-3, "but for the torus' other images")
    let unknown = try PathPoint.Control(
      Tensor.full([n, 4], .nan, .float64), precision: 1 / widths.square(), space: space)
    #expect(try largestDifference(path.squaredScoreResidual(gradient, space: space, unknown), plain) == 0)
  }

  /// Score matching and InfoNCE take their share of a batch, labels all of it.
  @Test func lossesAlongThePathTakeTheirShareOfTheRows() throws {
    let model = try model(.linear, seed: 9)
    let data = try Generator(seed: 10).normal([8, 5], .float64)
    let labels = EnergyModelObjective.Labels(logDensity: try Generator(seed: 5).normal([8], .float64))
    func terms(_ rows: Range<Int>, share: Double) throws -> EnergyModelObjective.Terms {
      let own = EnergyModelObjective.Labels(logDensity: try labels.logDensity?.slice(rows))
      return try EnergyModelObjective(pathShare: share)(
        model, data: data.slice(rows), labels: own, step: 0, Generator(seed: 1))
    }
    let (shared, few, all) = (try terms(0..<8, share: 0.3), try terms(0..<3, share: 1), try terms(0..<8, share: 1))
    #expect(try shared.score?.item() == few.score?.item() && shared.contrastive?.item() == few.contrastive?.item())
    #expect(try shared.label?.item() == all.label?.item())
    #expect(try shared.label?.item() != few.label?.item() && shared.score?.item() != all.score?.item())
  }

  @Test func unknownScoreLabelsCountAsNoError() throws {
    let model = try model(.scalar, seed: 9)
    let data = try Generator(seed: 10).normal([4, 5], .float64)
    let known = try model.score(data, Tensor.ones([4], .float64), createGraph: false) + 1
    let unknown = try Tensor.concatenated([known.slice(0..<2), Tensor.full([2, 5], .nan, .float64)], axis: 0)
    let objective = EnergyModelObjective(score: 0, contrastive: 0, label: 0, scoreLabel: 1)
    let all = try objective(model, data: data, labels: .init(score: known), step: 0, Generator(seed: 1)).total.item()
    let half = try objective(model, data: data, labels: .init(score: unknown), step: 0, Generator(seed: 1)).total.item()
    // three columns off by 1 and two by 0.2
    #expect(abs(all - (3 + 2 * 0.04) / 6) < 1e-9)
    #expect(abs(half - all / 2) < 1e-9)
    #expect(throws: TrainingError.self) {
      try objective(model, data: data, step: 0, Generator(seed: 1))
    }
  }

  /// A likelihood label that is not finite, as of a sample that is no molecule, counts as no error and leaves the loss and its slope finite.
  @Test(arguments: [Double.nan, .infinity, -.infinity]) func unknownLabelsCountAsNoError(_ absent: Double) throws {
    let base = try model(.linear, seed: 9)
    let data = try Generator(seed: 10).normal([4, 5], .float64)
    let known = try base(data, Tensor.ones([4], .float64)) + 1
    let unknown = try Tensor.concatenated([known.slice(0..<2), Tensor.full([2], absent, .float64)], axis: 0)
    let objective = EnergyModelObjective(score: 0, contrastive: 0, label: 1)
    let all = try objective(base, data: data, labels: .init(logDensity: known), step: 0, Generator(seed: 1)).total
      .item()
    #expect(abs(all - 0.5) < 1e-9)
    let parameters = try base.network.parameters.map { try $0.requiringGradient() }
    let half = try objective(
      base.replacing(network: base.network.replacing(parameters: parameters)), data: data,
      labels: .init(logDensity: unknown), step: 0, Generator(seed: 1)
    ).total
    #expect(try abs(half.item() - all / 2) < 1e-9)
    let slopes = try half.gradients(of: parameters).map { try $0.square().sum().item() }
    #expect(slopes.allSatisfy(\.isFinite) && slopes.contains { $0 > 0 })
  }

  @Test func bennettShiftFindsTheRatioOfTwoNormalisers() throws {
    // p = N(0, 1), p' = N(1, 1) and U' - U = ln p' - ln p + 2.5
    var random = RandomStream(seed: 3, "bennett")
    let n = 40_000
    let lower = (0..<n).map { _ in random.normal() - 0.5 + 2.5 }
    let upper = (0..<n).map { _ in random.normal() + 0.5 + 2.5 }
    #expect(abs(bennettShift(lower, upper) - 2.5) < 5 * 1.1 / Double(n).squareRoot())
  }

  /// x ~ N(0.7, 0.5^2) and theta a wrapped normal (1.2, 0.6): p_t is known in closed form along both paths, to its constant.
  @Test func endToEndScoreAndInfoNCEFindTheLogDensityOfAGaussianToItsConstant() throws {
    try Runtime.initialize(threads: 1)
    let small = LatentSpace(euclidean: 1, angles: 1)
    let (m, s, centre, width) = (0.7, 0.5, 1.2, 0.6)
    func logNormal(_ x: Double, _ v: Double) -> Double { -0.5 * x * x / v - 0.5 * log(2 * .pi * v) }
    func truth(_ x: Double, _ theta: Double, _ t: Double) -> Double {
      let (a, b) = (cos(.pi * t / 2), sin(.pi * t / 2))
      let sigma = Double.pi * pow(1 - t, 1.5)
      let images = (-8...8).map { logNormal(theta - centre + 2 * .pi * Double($0), width * width + sigma * sigma) }
      let top = images.max() ?? 0
      return logNormal(x - b * m, a * a + b * b * s * s) + top + log(images.reduce(0) { $0 + exp($1 - top) })
    }
    var random = RandomStream(seed: 12, "gaussian")
    let rows = try Tensor(
      (0..<8000).flatMap { _ in [Float(m + s * random.normal()), Float(centre + width * random.normal())] },
      shape: [8000, 2])
    let generator = try Generator(seed: 13)
    let trainer = try Trainer(
      network: ResidualNetwork(
        space: small,
        configuration: ResidualConfiguration(
          width: 48, depth: 2, timeFrequencies: 8, outputs: ResidualEnergyModel.outputs(space: small, harmonics: 3)),
        generator: generator),
      settings: OptimizationSettings(steps: 2000, batch: 256, learningRate: 3e-3, warmUp: 50, averageDecay: 0.995),
      generator: generator, columns: [])
    // the published objective, without labels
    let objective = EnergyModelObjective(label: 0)
    var sampler = try EpochSampler(count: 8000, batch: 256, seed: 6)
    while !trainer.isFinished {
      let model = ResidualEnergyModel(network: trainer.network, interpolant: .trigonometric)
      let data = try small.wrapped(rows.selected(sampler.indices(step: trainer.step)))
      _ = try trainer.update(objective(model, data: data, step: trainer.step, generator).total)
    }
    let model = ResidualEnergyModel(network: trainer.average, interpolant: .trigonometric)
    let offset = try model.priorOffset(samples: 4000, seed: 1)
    #expect(offset.standardError < 0.01)
    for time in [0.0, 0.3, 0.6, 0.9, 1] {
      let points = try PathPoint(
        data: rows.slice(0..<2000), t: Tensor.full([2000], time), space: small, interpolant: .trigonometric,
        Generator(seed: 14)
      ).point
      let values = try points.values(as: Double.self)
      let found = try model.values(points, at: time).values(as: Double.self)
      let errors = (0..<2000).map { found[$0] - offset.value - truth(values[2 * $0], values[2 * $0 + 1], time) }
      let mean = errors.reduce(0, +) / 2000
      let spread = (errors.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 2000).squareRoot()
      #expect(abs(mean) < 0.06, "constant at t = \(time)")
      #expect(spread < 0.1, "shape at t = \(time)")
    }
    let profile = try model.normalizationProfile(data: small.wrapped(rows), intervals: 20, seed: 2)
    #expect(profile.times.count == 21 && profile.offsets.count == 21)
    #expect(abs(profile.dataEnd.value - offset.value) < 0.06)
    #expect(profile.dataEnd.standardError < 0.02)
  }
}
