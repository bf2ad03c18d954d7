import Basics
import Foundation
import Molecules
import Torch

/// Frames as an emulator learns from them: a chart, latents, and where forces can be used, the gradients of the log-density.
struct EmulatorData {
  let chart: Chart
  let count: Int
  /// Latents [frames, d], or with forces latents and gradients [frames, 2 d], in Float32.
  let rows: Tensor
  /// Nil where targets are plain, and of a network over pairs of all atoms.
  let targets: ForceTargets?
  /// Of positions that a network over pairs moves; nil where targets are plain.
  let pairs: PairForceTargets?
  var usesForces: Bool { targets != nil || pairs != nil }
  let timeWeights: TimeWeights
  /// Torsions first, then the rest.
  let isInTwo: Bool
  let check: SteinCheck?
  /// How often each frame counts: 1 for those that are trained on, or as their states' shares say, 0 for those held out. [frames]
  let weights: [Double]
  /// How often a frame of each state is drawn, relative to 1; empty where all are alike.
  let factors: [Double]
  private let places: [Int]

  init(
    _ frames: NDArray<Double>, _ topology: Topology, _ split: FrameSplit, _ settings: EmulatorSettings,
    _ host: any TrainingHost
  ) throws {
    count = frames.shape.first ?? 0
    factors = try settings.shares?.factors(of: split.training) ?? []
    places = settings.shares?.places ?? []
    var weights = [Double](repeating: 0, count: count)
    for frame in split.training { weights[frame] = factors.isEmpty ? 1 : factors[places[frame]] }
    self.weights = weights
    if settings.coordinates != .internal, let rigid = settings.rigid {
      throw EmulatorError.heldNeedsInternal(bonds: rigid.bonds.count)
    }
    if settings.coordinates == .heavy || settings.coordinates == .pairs {
      let data = try PositionData(frames, topology, weights, settings, host)
      (chart, rows, targets, pairs, check) = (data.chart, data.rows, data.targets, data.pairs, data.check)
      (timeWeights, isInTwo) = (settings.levers.timeWeights ?? .likelihood, false)
      return
    }
    if case .cartesian(let given, let scale, let meanFree) = settings.coordinates {
      let classes = given ?? topology.symmetryClasses
      chart = .cartesian(
        try CartesianChart(topology: topology, atomClasses: classes, scale: scale, meanFree: meanFree))
      host.log("\(count) frames of \(classes.count) atoms in \(Set(classes).count) classes")
      rows = try chart.latents(frames.values, frames: count).cast(.float32)
      (targets, pairs, check, timeWeights, isInTwo) = (nil, nil, nil, .uniform, false)
      return
    }
    pairs = nil
    guard settings.coupling != .kabsch else { throw EmulatorError.couplingNeedsPositions(settings.coupling) }
    let coordinates = try InternalCoordinates(topology: topology)
    let (values, _) = try coordinates.internalCoordinates(frames.values, frames: count)
    var options = InternalChart.Options(rigid: settings.rigid)
    if !factors.isEmpty { options.weights = weights }
    let plain = try InternalChart(coordinates: coordinates, values: values, frames: count, options)
    let found = try FrameForces(
      InternalFrames(values: values, count: count, chart: plain, topology: topology), settings, host)
    let levers = settings.levers
    check = found.check
    options.hasConditionalMean = levers.conditionalMean ?? (found.gradients != nil)
    options.rotors = found.rotors
    // what is fitted beyond means and covariances is not fitted to frames held out
    if options.hasConditionalMean { options.weights = weights }
    let chart =
      options.hasConditionalMean || !options.rotors.isEmpty
      ? try InternalChart(coordinates: coordinates, values: values, frames: count, options) : plain
    host.log(
      "\(count) frames; \(chart.held.map { "\($0.count) bonds at their lengths, " } ?? "")\(chart.space.euclidean) narrow and \(chart.space.angles) broad coordinates: "
        + chart.broad.map { index in
          coordinates.title(of: index, in: topology)
            + (options.rotors.contains { $0.torsion == index } ? " (three equal ends)" : "")
        }.joined(separator: ", "))
    self.chart = .internal(chart)
    guard let gradients = found.gradients else {
      rows = try chart.latents(internal: values, frames: count).cast(.float32)
      (targets, timeWeights, isInTwo) = (nil, levers.timeWeights ?? .uniform, false)
      return
    }
    let (latents, slopes) = try chart.latents(internal: values, gradient: gradients, frames: count)
    rows = try Tensor.concatenated([latents, slopes], axis: 1).cast(.float32)
    targets = try ForceTargets(
      slopes, weights: weights, space: chart.space, interpolant: settings.interpolant)
    timeWeights = levers.timeWeights ?? .likelihood
    let hasBoth = chart.space.angles > 0 && chart.space.euclidean > 0
    if levers.twoFlows == true, !hasBoth { throw EmulatorError.noBroadTorsions }
    isInTwo = (levers.twoFlows ?? true) && hasBoth
  }

  /// Frames to test on, drawn as those of the training are; nil without.
  func validation(_ split: FrameSplit) -> [Int]? {
    guard !split.validation.isEmpty else { return nil }
    let weights = factors.isEmpty ? [] : split.validation.map { factors[places[$0]] }
    guard weights.contains(where: { $0 > 0 }) else { return split.validation }
    return systematicDraw(weights, count: split.validation.count, start: 0.5).map { split.validation[$0] }
  }
}

/// Frames as a network over pairs learns from them: positions of unit variance of the heavy atoms, and the hydrogens' internal coordinates given
/// these; or positions of all atoms.
private struct PositionData {
  let chart: Chart
  let rows: Tensor
  let targets: ForceTargets?
  let pairs: PairForceTargets?
  let check: SteinCheck?

  init(
    _ data: NDArray<Double>, _ topology: Topology, _ weights: [Double], _ settings: EmulatorSettings,
    _ host: any TrainingHost
  ) throws {
    guard settings.objective == .velocity, settings.coupling == .independent, settings.interpolant == .linear else {
      throw EmulatorError.pairsNeedLinearPaths
    }
    let (count, positions) = (data.shape.first ?? 0, data.values)
    let isHeavy = settings.coordinates == .heavy
    let frames = try PositionFrames(
      positions: positions, count: count, topology: topology,
      carried: isHeavy ? CarriedHydrogens(topology: topology) : nil)
    var found = FrameForces()
    if isHeavy || (settings.forces != nil && settings.levers.forces != false) {
      var asked = settings
      // hydrogens given heavy atoms would be learnt by heart
      if isHeavy { asked.levers.forces = true }
      do {
        found = try FrameForces(frames, asked, host)
      } catch EmulatorError.forcesNeeded(_, let reason) where isHeavy {
        throw EmulatorError.forcesNeeded(.hydrogens, reason: reason)
      }
    }
    check = found.check
    let forces = found.gradients
    guard let carried = frames.carried else {
      let scale = try Self.unitScale(positions, atoms: topology.atoms.count, weights)
      let chart = try CartesianChart(topology: topology, atomClasses: topology.symmetryClasses, scale: scale)
      self.chart = .cartesian(chart)
      host.log(
        "\(count) frames of \(chart.atoms) atoms; \(chart.geometry.pairs.count) distances, \(chart.geometry.volumes.count) volumes"
      )
      let latents = try chart.latents(positions, frames: count)
      let slopes = try forces.map { try chart.space.projected(Tensor($0, shape: latents.shape) / scale) }
      rows = try (slopes.map { try Tensor.concatenated([latents, $0], axis: 1) } ?? latents).cast(.float32)
      pairs = try slopes.map { try PairForceTargets($0, weights: weights) }
      targets = nil
      return
    }
    guard let forces else { throw EmulatorError.forcesNeeded(.hydrogens, reason: "there are none") }
    var options = InternalChart.Options()
    options.rotors = found.rotors
    options.weights = weights
    let chart = try HeavyChart(
      carried, topology, positions: positions, values: frames.values, frames: count, options)
    self.chart = .heavy(chart)
    host.log(
      "\(count) frames; \(carried.heavy.count) heavy atoms with \(chart.geometry.pairs.count) distances and \(chart.geometry.volumes.count) volumes, "
        + "\(chart.hydrogens?.narrow.count ?? 0) narrow and \(chart.space.angles) broad coordinates of hydrogens")
    let (latents, slopes) = try chart.latents(positions, internal: frames.values, forces: forces, frames: count)
    rows = try Tensor.concatenated([latents, slopes], axis: 1).cast(.float32)
    targets = try ForceTargets(slopes, weights: weights, space: chart.space, interpolant: .linear)
    pairs = try PairForceTargets(slopes.slice(0..<chart.positionColumns, axis: 1), weights: weights)
  }

  /// 1/nm, by which centred positions have unit variance per dimension, frames weighing `weights`.
  private static func unitScale(_ positions: [Double], atoms: Int, _ weights: [Double]) throws -> Double {
    let x = try Tensor(positions, shape: [weights.count, atoms, 3])
    let squares = try (x - x.mean(1, keepingDimensions: true)).square().sum(1, 2) * Tensor(weights)
    return (Double(3 * (atoms - 1)) * weights.reduce(0, +) / (try squares.sum().item())).squareRoot()
  }
}
