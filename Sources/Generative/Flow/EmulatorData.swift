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
  /// Nil where targets are plain.
  let targets: ForceTargets?
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
    if case .cartesian(let given, let scale, let meanFree) = settings.coordinates {
      if let rigid = settings.rigid { throw EmulatorError.heldNeedsInternal(bonds: rigid.bonds.count) }
      let classes = given ?? topology.symmetryClasses
      chart = .cartesian(
        try CartesianChart(topology: topology, atomClasses: classes, scale: scale, meanFree: meanFree))
      host.log("\(count) frames of \(classes.count) atoms in \(Set(classes).count) classes")
      rows = try chart.latents(frames.values, frames: count).cast(.float32)
      (targets, check, timeWeights, isInTwo) = (nil, nil, .uniform, false)
      return
    }
    guard settings.coupling != .kabsch else { throw EmulatorError.couplingNeedsPositions(settings.coupling) }
    let coordinates = try InternalCoordinates(topology: topology)
    let (values, _) = try coordinates.internalCoordinates(frames.values, frames: count)
    var options = InternalChart.Options(rigid: settings.rigid)
    if !factors.isEmpty { options.weights = weights }
    let plain = try InternalChart(coordinates: coordinates, values: values, frames: count, options)
    let found = try FrameForces(coordinates, values, count, plain, topology, settings, host)
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

/// What forces say of frames: whether they are theirs, gradients where they are, and which rotors have equal ends.
struct FrameForces {
  var check: SteinCheck?
  /// Over internal coordinates, [frames, dimension]; nil where targets are to be plain.
  var gradients: [Double]?
  var rotors: [Rotor] = []
  /// Energies of ends that are named otherwise are equal to this, kT.
  static let equalEnergies = 1e-2

  init(
    _ coordinates: InternalCoordinates, _ values: [Double], _ count: Int, _ chart: InternalChart,
    _ topology: Topology, _ settings: EmulatorSettings, _ host: any TrainingHost
  ) throws {
    let levers = settings.levers
    if let reason = try plainBecause(coordinates, values, count, chart, topology, settings, host) {
      gradients = nil
      if levers.forces == true { throw EmulatorError.forcesNeeded(.targets, reason: reason) }
      if levers.twoFlows == true { throw EmulatorError.forcesNeeded(.flows, reason: reason) }
      if levers.foldsRotors == true { throw EmulatorError.forcesNeeded(.rotors, reason: reason) }
      if levers.timeWeights == .likelihood {
        throw EmulatorError.forcesNeeded(.times, reason: reason)
      }
      return
    }
    guard levers.foldsRotors ?? true, let forces = settings.forces else { return }
    let constants = Set((chart.held ?? []).map(\.coordinate))
    let dimension = coordinates.dimension
    for rotor in coordinates.rotors(topology: topology, values: values.prefix(dimension), constants: constants) {
      let difference = try forces.difference(turning: rotor, coordinates, values, frames: count)
      if difference < Self.equalEnergies {
        rotors.append(rotor)
      } else {
        host.warn(
          "the ends of \(coordinates.title(of: rotor.torsion, in: topology)) look alike, but the force field tells them apart by "
            + String(format: "%.2g kT", difference) + ": its turns are not folded", .note)
      }
    }
  }

  /// Takes check and gradients; nil where forces can be used, else why not.
  private mutating func plainBecause(
    _ coordinates: InternalCoordinates, _ values: [Double], _ count: Int, _ chart: InternalChart,
    _ topology: Topology, _ settings: EmulatorSettings, _ host: any TrainingHost
  ) throws -> String? {
    guard settings.levers.forces != false else { return "plain targets are asked for" }
    guard settings.objective == .velocity, settings.coupling == .independent else {
      return "forces go with the velocity as objective and with independent pairs alone"
    }
    guard let forces = settings.forces else { return "there is no force field" }
    if forces.areDear, count > Self.fewFrames, settings.levers.forces != true {
      let reason = "\(count) frames are many for so dear a force field; forces are used where they are asked for"
      host.log("targets are plain: " + reason)
      return reason
    }
    if forces.areDear {
      host.log(
        "a dear force field is asked for the forces of \(count) frames; stopped before training begins, they are lost")
    }
    // some frames first: a dear force field need not see all of those that are not its own
    for sample in count > Self.firstLook ? [Self.firstLook, count] : [count] {
      let rows = (0..<sample).map { $0 * count / sample }
      let dimension = coordinates.dimension
      let some = sample == count ? values : rows.flatMap { values[$0 * dimension..<($0 + 1) * dimension] }
      let found = try forces.gradients(coordinates, some, frames: sample, host)
      if let bad = found.firstIndex(where: { !$0.isFinite }) {
        return refused(
          "frame \(rows[bad / dimension]) has no finite force in the force field", .warning, settings, host)
      }
      let check = SteinCheck(
        values: some, gradients: found, frames: sample, coordinates.kinds, narrow: chart.narrow,
        centres: chart.centres, broad: chart.broad)
      self.check = check
      guard check.isSound else {
        return refused(
          check.verdict(coordinates, topology, temperature: forces.temperature), .grave, settings, host)
      }
      if sample == count { gradients = found }
    }
    host.log("forces and frames: " + (check?.summary(coordinates, topology) ?? ""))
    return nil
  }

  private static let firstLook = 1000
  /// So many frames even a dear force field is asked about.
  private static let fewFrames = 3000

  private func refused(
    _ reason: String, _ gravity: Remark.Gravity, _ settings: EmulatorSettings, _ host: any TrainingHost
  ) -> String {
    if settings.levers.forces != true { host.warn("targets are plain: " + reason, gravity) }
    return reason
  }
}
