import Basics
import Foundation
import Torch

/// How the log-density of a sample is computed along its trajectory.
public enum LogDensityMethod: String, Codable, CaseIterable, Sendable {
  /// Not at all: samples only.
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
  /// Classical Runge-Kutta with `steps` equal steps in s, where t = 1 - (1 - s)^2: short steps near the data.
  case rungeKutta4(steps: Int)
  /// Classical Runge-Kutta with `steps` equal steps in t.
  case uniformRungeKutta4(steps: Int)
  /// Adaptive Dormand-Prince 5(4) in s; the error of every sample is held below absolute + relative |x|.
  case dormandPrince(absolute: Double, relative: Double)

  var isFixedStep: Bool { fixedSteps != nil }

  /// Nil for adaptive steps.
  var fixedSteps: Int? {
    switch self {
    case .rungeKutta4(let steps), .uniformRungeKutta4(let steps): return steps
    case .dormandPrince: return nil
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

  public var description: String {
    switch self {
    case .allLost(let samples, let first):
      return
        "none of \(samples) trajectories reached its end; \(first): the vector field is not smooth there; train the emulator "
        + "longer, or sample with looser tolerances or more fixed steps"
    case .stochasticTraceNeedsFixedSteps:
      return
        "stochastic-trace needs a fixed-step integrator (rk4): with adaptive steps the path would depend on the probes"
    case .noProbes(let count):
      return "a log-density by probes needs at least one of them, not \(count)"
    case .endTime(let time):
      return "trajectories run from t = 0 to an end in (0, 1], not to \(time)"
    case .scoresNeedFixedStepsAndFreshProbes:
      return "scores of samples need a fixed-step integrator (rk4) and a log-density by stochastic-trace or exact-trace"
    }
  }
}

/// Draws from an emulator in batches; each batch has a random stream of its own, so a batch can be drawn again alone.
public struct FlowSampler {
  public let field: any VectorField
  public let integrator: Integrator
  public let method: LogDensityMethod
  /// Probes of `stochasticTrace` and `hutchinson`, each an independent estimate; the other methods have no use for it.
  public let probes: Int
  /// Also transport the gradient of the log-density.
  public let scores: Bool
  /// Where trajectories end, in (0, 1]; samples and densities are those of this time.
  public let endTime: Double
  let clock: Clock

  /// `probes` is 2 for stochastic-trace and 1 for hutchinson, `endTime` the field's latest time, unless others are asked for.
  /// Throws `SamplingError` where method and integrator do not go together.
  public init(
    field: any VectorField, integrator: Integrator, method: LogDensityMethod, probes: Int? = nil,
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
    self.field = field
    self.integrator = integrator
    self.method = method
    self.probes = probes
    self.scores = scores
    self.endTime = end
    clock = Clock(integrator, endTime: end)
  }

  /// Independent log-density estimates per sample: as many as probes, 1 for exact-trace, 0 for none.
  public var estimates: Int {
    switch method {
    case .none: return 0
    case .exactTrace: return 1
    case .stochasticTrace, .hutchinson: return probes
    }
  }

  /// One batch of `count` samples from the stream (seed, "batch", index).
  public func batch(_ count: Int, seed: UInt64, index: Int) throws -> FlowSamples {
    let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["batch", String(index)]))
    return try withoutGradients {
      let start = try field.space.prior(count, generator, field.scalarType)
      return try integrate(from: start, generator)
    }
  }

  /// Transports prior points [n, d] to the end of time.
  public func integrate(from start: Tensor, _ generator: Generator) throws -> FlowSamples {
    if scores { return try withoutGradients { try integrateWithScores(from: start, generator) } }
    return try withoutGradients {
      let prior = try field.space.priorLogDensity(start.cast(.float64))
      var state = State(x: start, logDensity: nil)
      if estimates > 0 { state.logDensity = try prior.unsqueezed(0).expanded([estimates, start.shape[0]]) }
      var evaluations = 0
      let type = start.scalarType ?? .float32
      let shape = [estimates, start.shape[0], field.space.dimension]
      let source: Probes? =
        switch method {
        case .none, .exactTrace: nil
        case .stochasticTrace: Probes { try field.oriented(probes: generator.rademacher(shape, type), at: $0) }
        case .hutchinson: try Probes(generator.rademacher(shape, type))
        }
      var lost: [LostTrajectory] = []
      switch integrator {
      case .rungeKutta4(let steps), .uniformRungeKutta4(let steps):
        // where there is no density its place stays empty
        var parts = [state.x] + (state.logDensity.map { [$0] } ?? [])
        try integrateFixed(&parts, steps: steps) { parts, s in
          let (velocity, divergence) = try derivative(parts[0], s: s, source)
          return [velocity] + (try divergence.map { [try -$0] } ?? [])
        }
        state = State(x: parts[0], logDensity: parts.count > 1 ? parts[1] : nil)
        evaluations = 4 * steps
      case .dormandPrince(let absolute, let relative):
        lost = try integrateAdaptive(&state, absolute: absolute, relative: relative, source, &evaluations)
      }
      var samples = FlowSamples(
        latents: try field.space.wrapped(state.x), prior: start, logDensities: state.logDensity,
        functionEvaluations: evaluations)
      if let steps = integrator.fixedSteps {
        return try samples.losingWhatIsNotFinite(time: endTime, step: clock.end / Double(steps))
      }
      samples.lost = lost
      return try samples.withLostRowsBlank()
    }
  }

  private struct State {
    var x: Tensor
    var logDensity: Tensor?
  }

  /// Probes [estimates, n, d] for one evaluation of the field.
  private struct Probes {
    /// The argument is where the field is evaluated, [n, d].
    let next: (Tensor) throws -> Tensor

    init(_ next: @escaping (Tensor) throws -> Tensor) { self.next = next }

    /// The same at every evaluation.
    init(_ fixed: Tensor) { next = { _ in fixed } }
  }

  /// dx/ds and -d ln q/ds [estimates, n].
  private func derivative(_ x: Tensor, s: Double, _ probes: Probes?) throws -> (Tensor, Tensor?) {
    let rate = clock.rate(s)
    let t = try Tensor.full([x.shape[0]], clock.time(s), x.scalarType ?? .float32)
    if let probes {
      let (v, forms) = try field.withQuadraticForms(x, t, directions: probes.next(x))
      return (try v * rate, try forms.cast(.float64) * rate)
    }
    if method == .exactTrace {
      let (v, divergence) = try field.withDivergence(x, t)
      return (try v * rate, try divergence.cast(.float64).unsqueezed(0) * rate)
    }
    return (try field(x, t) * rate, nil)
  }

  /// Classical Runge-Kutta from s = 0 to the end, on all parts of `state` together: rates of them at a state and s.
  func integrateFixed(
    _ state: inout [Tensor], steps: Int, _ rates: (_ state: [Tensor], _ s: Double) throws -> [Tensor]
  ) throws {
    let h = clock.end / Double(steps)
    func moved(_ slopes: [Tensor], _ step: Double) throws -> [Tensor] {
      try zip(state, slopes).map { try $0 + $1 * step }
    }
    for step in 0..<steps {
      let s = Double(step) * h
      let k1 = try rates(state, s)
      let k2 = try rates(moved(k1, h / 2), s + h / 2)
      let k3 = try rates(moved(k2, h / 2), s + h / 2)
      let k4 = try rates(moved(k3, h), s + h)
      state = try moved(state.indices.map { try k1[$0] + (k2[$0] + k3[$0]) * 2 + k4[$0] }, h / 6)
    }
  }

  /// One step size for all; a trajectory for which it would have to fall to nothing is lost, and the others go on without it.
  private func integrateAdaptive(
    _ state: inout State, absolute: Double, relative: Double, _ probes: Probes?, _ evaluations: inout Int
  ) throws -> [LostTrajectory] {
    let tableau = DormandPrince.self
    let firstStep = 0.05
    var s = 0.0
    var h = firstStep
    var (first, firstTrace) = try derivative(state.x, s: 0, probes)
    evaluations += 1
    let end = clock.end
    var isLost = [Bool](repeating: false, count: state.x.shape[0])
    var lost: [LostTrajectory] = []
    while s < end, lost.count < isLost.count {
      h = min(h, end - s)
      var slopes = [first]
      var traces = firstTrace.map { [$0] } ?? []
      for stage in 1..<7 {
        let move = try tableau.combination(slopes, tableau.a[stage])
        let (k, d) = try derivative(state.x + move * h, s: s + tableau.c[stage] * h, probes)
        slopes.append(k)
        if let d { traces.append(d) }
      }
      evaluations += 6
      let next = try state.x + tableau.combination(slopes, tableau.b) * h
      let scale = try state.x.abs().maximum(next.abs()) * relative + absolute
      let errors = try ((tableau.combination(slopes, tableau.error) * h) / scale).square().mean(-1).sqrt().values(
        as: Double.self)
      let going = errors.indices.filter { !isLost[$0] }
      // NaN counts as the largest
      let norm = going.reduce(0.0) { $0.isNaN || errors[$1].isNaN ? .nan : max($0, errors[$1]) }
      if norm <= 1 {
        s = end - s - h < 1e-12 ? end : s + h
        state.x = next
        if !traces.isEmpty, let logDensity = state.logDensity {
          state.logDensity = try logDensity - tableau.combination(traces, tableau.b) * h
          firstTrace = traces[6]
        }
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
    return lost.sorted { $0.sample < $1.sample }
  }

  /// In s, of the interval from 0 to 1.
  private static let smallestStep = 1e-9
}
