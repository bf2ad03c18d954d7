import Basics
import Foundation
import Torch

/// How the log-density of a sample is computed along its trajectory. On fixed steps a flow of the torsions alone has by all of them but `none` the
/// exact density of the map that its steps make.
public enum LogDensityMethod: String, Codable, CaseIterable, Sendable {
  /// Samples only.
  case none
  /// Hutchinson probes drawn afresh at every evaluation of a FIXED-step integrator: unbiased, because the path does not depend on
  /// them. One estimate per probe; from two on their noise is known.
  case stochasticTrace = "stochastic-trace"
  /// The divergence by all directions at once.
  case exactTrace = "exact-trace"
  /// Hutchinson probes drawn ONCE per trajectory: unbiased with adaptive steps too, but noisier than fresh probes. One estimate per
  /// probe. Source: Grathwohl et al., "FFJORD", ICLR 2019.
  case hutchinson
}

/// How the ODE dx/dt = v(t, x) is integrated from t = 0 to t = 1, or to where the field ends.
public enum Integrator: Codable, Equatable, Sendable {
  /// Classical Runge-Kutta with `steps` equal steps in s, where t = 1 - (1 - s)^2: short steps near the data. A nearly straight part of a model
  /// takes half as many, of equal length in t.
  case rungeKutta4(steps: Int)
  /// Classical Runge-Kutta with `steps` equal steps in t.
  case uniformRungeKutta4(steps: Int)
  /// Adaptive Dormand-Prince 5(4) in s; the error of every sample is held below absolute + relative |x|.
  case dormandPrince(absolute: Double, relative: Double)

  public var isFixedStep: Bool { steps != nil }

  /// How many, where they are fixed.
  var steps: Int? {
    switch self {
    case .rungeKutta4(let steps), .uniformRungeKutta4(let steps): steps
    case .dormandPrince: nil
    }
  }

  /// As it is for a part of a model.
  func fitted(to part: any VectorField) -> Integrator {
    guard part.isNearlyStraight, case .rungeKutta4(let steps) = self else { return self }
    return .uniformRungeKutta4(steps: (steps + 1) / 2)
  }

  var withTwiceTheSteps: Integrator {
    switch self {
    case .rungeKutta4(let steps): .rungeKutta4(steps: 2 * steps)
    case .uniformRungeKutta4(let steps): .uniformRungeKutta4(steps: 2 * steps)
    case .dormandPrince: self
    }
  }

  /// As an artifact keeps it: JSON, its keys in one order.
  public func text() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  /// Throws `DecodingError`.
  public init(text: String) throws { self = try JSONDecoder().decode(Self.self, from: Data(text.utf8)) }

  /// "8 steps of rk4"
  public var summary: String {
    switch self {
    case .rungeKutta4(let steps): "\(steps) steps of rk4"
    case .uniformRungeKutta4(let steps): "\(steps) steps of rk4-uniform"
    case .dormandPrince(let absolute, let relative): "dopri5 (\(absolute), \(relative))"
    }
  }
}

/// The variable s that steps are taken in: t = 1 - (1 - s)^2, or t itself.
struct Clock {
  let isUniform: Bool
  /// s at the end of the integration.
  let end: Double

  init(_ integrator: Integrator, endTime: Double) {
    if case .uniformRungeKutta4 = integrator { isUniform = true } else { isUniform = false }
    end = isUniform ? endTime : 1 - (1 - endTime).squareRoot()
  }

  func time(_ s: Double) -> Double { isUniform ? s : 1 - (1 - s) * (1 - s) }
  /// dt/ds
  func rate(_ s: Double) -> Double { isUniform ? 1 : 2 * (1 - s) }
}

public enum SamplingError: Error, CustomStringConvertible, Equatable {
  /// No trajectory of a batch reached its end; the first of them.
  case allLost(samples: Int, first: LostTrajectory)
  case stochasticTraceNeedsFixedSteps
  case noProbes(Int)
  case endTime(Double)
  case scoresNeedFixedStepsAndFreshProbes
  case inverseNeedsFixedSteps

  public var description: String {
    switch self {
    case .allLost(let samples, let first):
      "none of \(samples) trajectories reached its end; \(first): the vector field is not smooth there; train the emulator "
        + "longer, or sample with looser tolerances or more fixed steps (with too few the torsions' map folds over)"
    case .stochasticTraceNeedsFixedSteps:
      "stochastic-trace needs a fixed-step integrator (rk4): with adaptive steps the path would depend on the probes"
    case .noProbes(let count): "a log-density by probes needs at least one of them, not \(count)"
    case .endTime(let time): "trajectories run from t = 0 to an end in (0, 1], not to \(time)"
    case .scoresNeedFixedStepsAndFreshProbes:
      "scores of samples need a fixed-step integrator (rk4) and a log-density by stochastic-trace or exact-trace"
    case .inverseNeedsFixedSteps:
      "the way back from a conformation needs a fixed-step integrator (rk4): adaptive steps are chosen on the way there"
    }
  }
}

/// Draws from an emulator in batches; each batch has a random stream of its own, so a batch can be drawn again alone.
public struct FlowSampler {
  public let field: any FlowModel
  public let integrator: Integrator
  public let method: LogDensityMethod
  /// Probes of `stochasticTrace` and `hutchinson`, each an independent estimate; the other methods have no use for it.
  public let probes: Int
  /// Also transport the gradient of the log-density.
  public let scores: Bool
  /// Where trajectories end, in (0, 1]; samples and densities are those of this time.
  public let endTime: Double
  /// Twice the steps for parts whose density is an integral of the divergence.
  private var isRefined = false

  /// `probes` is 2 for stochastic-trace and 1 for hutchinson, `endTime` the field's latest time, unless others are asked for.
  /// Throws `SamplingError` where method and integrator do not go together.
  public init(
    field: any FlowModel, integrator: Integrator, method: LogDensityMethod, probes: Int? = nil,
    endTime: Double? = nil, scores: Bool = false
  ) throws {
    let probes = probes ?? (method == .stochasticTrace ? 2 : 1)
    if method == .stochasticTrace, !integrator.isFixedStep { throw SamplingError.stochasticTraceNeedsFixedSteps }
    if scores, !integrator.isFixedStep || method == .none || method == .hutchinson {
      throw SamplingError.scoresNeedFixedStepsAndFreshProbes
    }
    if probes < 1 { throw SamplingError.noProbes(probes) }
    let end = endTime ?? field.latestTime
    guard end > 0, end <= 1 else { throw SamplingError.endTime(end) }
    (self.field, self.integrator, self.method, self.probes, self.scores) = (field, integrator, method, probes, scores)
    self.endTime = end
  }

  /// Independent log-density estimates per sample: as many as probes, 1 for exact-trace, 0 for none.
  public var estimates: Int {
    switch method {
    case .none: return 0
    case .exactTrace: return 1
    case .stochasticTrace, .hutchinson: return probes
    }
  }

  /// What twice the steps change of ln q, root mean square over these prior points [n, d] less the mean, nat: the solver's error in the densities,
  /// estimated by two probes that are kept along a trajectory. 0 where the density is that of the steps; nil with adaptive steps.
  public func solverError(at start: Tensor, seed: UInt64) throws -> Double? {
    guard integrator.isFixedStep, start.shape[0] > 1 else { return nil }
    let own = try FlowSampler(field: field, integrator: integrator, method: .hutchinson, probes: 2, endTime: endTime)
    var refined = own
    refined.isRefined = true
    let values = try [own, refined].map { sampler in
      try sampler.integrate(from: start, Generator(seed: RandomStream.derivedSeed(seed, ["solver"]))).logDensities?
        .mean(0)
        .values(as: Double.self) ?? []
    }
    let changes = zip(values[0], values[1]).map { $1 - $0 }.filter(\.isFinite)
    guard changes.count > 1 else { return nil }
    let mean = changes.reduce(0, +) / Double(changes.count)
    return (changes.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(changes.count - 1)).squareRoot()
  }

  /// One batch of `count` samples from the stream (seed, "batch", index).
  public func batch(_ count: Int, seed: UInt64, index: Int) throws -> FlowSamples {
    let (start, generator) = try beginning(count, seed: seed, index: index)
    return try integrate(from: start, generator)
  }

  /// The prior points of a batch [count, d], and its stream after them.
  func beginning(_ count: Int, seed: UInt64, index: Int) throws -> (prior: Tensor, generator: Generator) {
    let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["batch", String(index)]))
    return (try withoutGradients { try field.space.prior(count, generator, field.scalarType) }, generator)
  }

  /// Transports prior points [n, d] to the end of time.
  public func integrate(from start: Tensor, _ generator: Generator) throws -> FlowSamples {
    try withoutGradients {
      let n = start.shape[0]
      var state = [start]
      if estimates > 0 {
        state.append(try field.space.priorLogDensity(start.cast(.float64)).unsqueezed(0).expanded([estimates, n]))
      }
      if scores { state.append(try field.space.priorScore(start)) }
      func samples(_ evaluations: Int) throws -> FlowSamples {
        FlowSamples(
          latents: try field.space.wrapped(state[0]), prior: start, logDensities: estimates > 0 ? state[1] : nil,
          scores: scores ? state[2] : nil, functionEvaluations: evaluations)
      }
      var (evaluations, lost) = (0, [LostTrajectory]())
      for part in field.parts {
        var integrator = integrator.fitted(to: part)
        if isRefined, !(part is any JacobianField) { integrator = integrator.withTwiceTheSteps }
        let clock = Clock(integrator, endTime: endTime)
        func rates() throws -> Rates {
          try scores
            ? scoreRates(of: part, clock, like: start, generator) : self.rates(of: part, clock, like: start, generator)
        }
        switch integrator {
        case .rungeKutta4(let steps), .uniformRungeKutta4(let steps):
          if let part = part as? any JacobianField, estimates > 0 {
            try integrateWithJacobian(&state, part, clock, steps: steps)
          } else {
            try integrateFixed(&state, clock, steps: steps, rates())
          }
          evaluations += 4 * steps
        case .dormandPrince(let absolute, let relative):
          let found = try integrateAdaptive(
            &state, absolute: absolute, relative: relative, clock, rates(), part, lost: lost)
          evaluations += found.evaluations
          lost = found.lost
        }
      }
      var result = try samples(evaluations)
      switch integrator {
      case .rungeKutta4(let steps), .uniformRungeKutta4(let steps):
        return try result.losingWhatIsNotFinite(
          time: endTime, step: Clock(integrator, endTime: endTime).end / Double(steps))
      case .dormandPrince:
        result.lost = lost
        return try result.withLostRowsBlank()
      }
    }
  }

  /// Derivatives by s of a state at s: of points [n, d]; then, where they are asked for, of ln q [estimates, n] and its gradient [n, d].
  typealias Rates = (_ state: [Tensor], _ s: Double) throws -> [Tensor]

  func rates(
    of field: any VectorField, _ clock: Clock, like start: Tensor, _ generator: Generator
  ) throws -> Rates {
    let type = start.scalarType ?? .float32
    let shape = [estimates, start.shape[0], field.space.dimension]
    let fixed = try method == .hutchinson ? field.confined(generator.rademacher(shape, type)) : nil
    return { state, s in
      let (x, rate) = (state[0], clock.rate(s))
      let t = try Tensor.full([x.shape[0]], clock.time(s), type)
      switch method {
      case .none: return [try field(x, t) * rate]
      case .exactTrace:
        let (v, divergence) = try field.withDivergence(x, t)
        return [try v * rate, try divergence.cast(.float64).unsqueezed(0) * -rate]
      case .stochasticTrace, .hutchinson:
        if field is any JacobianField {
          let (v, divergence) = try field.withDivergence(x, t)
          return [
            try v * rate, try divergence.cast(.float64).unsqueezed(0).expanded([estimates, x.shape[0]]) * -rate,
          ]
        }
        let probes = try fixed ?? field.oriented(probes: field.confined(generator.rademacher(shape, type)), at: x)
        let (v, forms) = try field.withQuadraticForms(x, t, directions: probes)
        return [try v * rate, try forms.cast(.float64) * -rate]
      }
    }
  }

  /// ln q by the determinant of the map that the steps make: along with the points goes M = dx/dx(0), dM/dt = J M, whose steps are the exact
  /// derivatives of the points' steps. Where the determinant is not positive the map folds over and ln q is NaN.
  private func integrateWithJacobian(
    _ state: inout [Tensor], _ part: any JacobianField, _ clock: Clock, steps: Int
  ) throws {
    let (n, columns, type) = (state[0].shape[0], part.movedColumns.count, state[0].scalarType ?? .float32)
    let still = try Tensor.zeros([estimates, n], .float64)
    state.append(try Tensor.identity(columns, type).expanded([n, columns, columns]))
    try integrateFixed(&state, clock, steps: steps) { state, s in
      let rate = clock.rate(s)
      let t = try Tensor.full([n], clock.time(s), type)
      let turned = state[state.count - 1]
      guard scores else {
        let (velocity, jacobian) = try part.withJacobian(state[0], t)
        return [try velocity * rate, still, try jacobian.matmul(turned) * rate]
      }
      let (velocity, jacobian, pull) = try part.withJacobian(state[0], t, score: state[2])
      return [try velocity * rate, still, try pull * -rate, try jacobian.matmul(turned) * rate]
    }
    let (sign, logAbsolute) = try state.removeLast().cast(.float64).signLogDeterminant()
    let nowhere = try Tensor.full([n], .nan, .float64)
    state[1] = try state[1] - sign.less(0.5).select(nowhere, else: logAbsolute)
  }

  private func integrateFixed(_ state: inout [Tensor], _ clock: Clock, steps: Int, _ rates: Rates) throws {
    let h = clock.end / Double(steps)
    for step in 0..<steps { state = try stepped(state, from: Double(step) * h, by: h, rates) }
  }

  /// One step of classical Runge-Kutta in s; a negative `h` leads back.
  func stepped(_ state: [Tensor], from s: Double, by h: Double, _ rates: Rates) throws -> [Tensor] {
    func moved(_ slopes: [Tensor], _ ds: Double) throws -> [Tensor] { try zip(state, slopes).map { try $0 + $1 * ds } }
    let k1 = try rates(state, s)
    let k2 = try rates(moved(k1, h / 2), s + h / 2)
    let k3 = try rates(moved(k2, h / 2), s + h / 2)
    let k4 = try rates(moved(k3, h), s + h)
    return try moved(state.indices.map { try k1[$0] + (k2[$0] + k3[$0]) * 2 + k4[$0] }, h / 6)
  }

  /// One step size for all; a trajectory for which it would have to fall to nothing is lost, and the others go on without it.
  private func integrateAdaptive(
    _ state: inout [Tensor], absolute: Double, relative: Double, _ clock: Clock, _ rates: Rates,
    _ part: any VectorField, lost before: [LostTrajectory]
  ) throws -> (evaluations: Int, lost: [LostTrajectory]) {
    let (tableau, firstStep, end) = (DormandPrince.self, 0.05, clock.end)
    var (s, h, evaluations) = (0.0, firstStep, 1)
    var first = try rates(state, 0)
    var isLost = [Bool](repeating: false, count: state[0].shape[0])
    var lost = before
    for trajectory in before { isLost[trajectory.sample] = true }
    while s < end, lost.count < isLost.count {
      h = min(h, end - s)
      var slopes = [first]
      func change(_ part: Int, _ weights: [Double]) throws -> Tensor {
        try tableau.combination(slopes.map { $0[part] }, weights) * h
      }
      for k in 1..<7 { slopes.append(try rates([state[0] + change(0, tableau.a[k])], s + tableau.c[k] * h)) }
      evaluations += 6
      let next = try state[0] + change(0, tableau.b)
      let scale = try state[0].abs().maximum(next.abs()) * relative + absolute
      let squares = try (change(0, tableau.error) / scale).square().sum(-1) / Double(max(1, part.movedColumns.count))
      let errors = try squares.sqrt().values(as: Double.self)
      let going = errors.indices.filter { !isLost[$0] }
      // NaN counts as the largest
      let norm = going.reduce(0.0) { $0.isNaN || errors[$1].isNaN ? .nan : max($0, errors[$1]) }
      if norm <= 1 {
        s = end - s - h < 1e-12 ? end : s + h
        state = try [next] + state.indices.dropFirst().map { try state[$0] + change($0, tableau.b) }
        first = slopes[6]
      }
      h *= norm.isFinite ? min(5, max(0.2, 0.9 * pow(max(norm, 1e-10), -0.2))) : 0.2
      if h < Self.smallestStep, s < end {
        for row in going where !(errors[row] <= 1) {
          isLost[row] = true
          lost.append(LostTrajectory(sample: row, time: clock.time(s), step: h))
        }
        h = firstStep
      }
    }
    return (evaluations, lost.sorted { $0.sample < $1.sample })
  }

  /// In s, of the interval from 0 to 1.
  private static let smallestStep = 1e-9

  /// Of points, densities and scores g = grad ln q along a fixed-step trajectory.
  ///
  /// From d ln q/dt = -div v along dx/dt = v follows dg/dt = -J^T g - grad(div v), with J = dv/dx and g(0) the prior's score. Both
  /// terms are one reverse pass over the scalar v . g + div v, and with e . J e for div v the pass is unbiased too: on fixed
  /// steps the path does not depend on the probes, and everything is linear in them.
  func scoreRates(
    of field: any VectorField, _ clock: Clock, like start: Tensor, _ generator: Generator
  ) throws -> Rates {
    let (n, type) = (start.shape[0], start.scalarType ?? .float32)
    // the unit vectors, so long that their mean form is the exact divergence
    var basis = try method == .exactTrace ? field.basis(n, type) : nil
    basis = try basis.map { try $0 * Double($0.shape[0]).squareRoot() }
    return { state, s in
      let rate = clock.rate(s)
      let t = try Tensor.full([n], clock.time(s), type)
      let directions =
        try basis ?? field.confined(generator.rademacher([probes, n, field.space.dimension], type))
      let (velocity, forms, pull) = try field.withScoreTransport(state[0], t, score: state[2], directions: directions)
      let divergence =
        try basis == nil ? forms : forms.mean(0, keepingDimensions: true).expanded([estimates, n])
      return [try velocity * rate, try divergence.cast(.float64) * -rate, try pull * -rate]
    }
  }
}

/// Coefficients of the Dormand-Prince 5(4) pair. Source: J. R. Dormand and P. J. Prince, J. Comput. Appl. Math. 6 (1980) 19.
enum DormandPrince {
  static let c: [Double] = [0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1]
  private static let a1: [Double] = [1.0 / 5]
  private static let a2: [Double] = [3.0 / 40, 9.0 / 40]
  private static let a3: [Double] = [44.0 / 45, -56.0 / 15, 32.0 / 9]
  private static let a4: [Double] = [19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729]
  private static let a5: [Double] = [9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656]
  private static let a6: [Double] = [35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84]
  static let a: [[Double]] = [[], a1, a2, a3, a4, a5, a6]
  static let b: [Double] = a6 + [0]
  static let fourth: [Double] = [
    5179.0 / 57600, 0, 7571.0 / 16695, 393.0 / 640, -92097.0 / 339200, 187.0 / 2100, 1.0 / 40,
  ]
  static let error = zip(b, fourth).map { $0 - $1 }

  static func combination(_ slopes: [Tensor], _ weights: [Double]) throws -> Tensor {
    // every row of the tableau has a first weight
    var sum = try slopes[0] * weights[0]
    for (slope, weight) in zip(slopes, weights).dropFirst() where weight != 0 { sum = try sum + slope * weight }
    return sum
  }
}
