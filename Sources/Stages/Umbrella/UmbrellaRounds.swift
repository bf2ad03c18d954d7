import Basics
import ForceFields
import FreeEnergies
import Workflow

/// Sampling until an error is reached: a short first pass through all windows tells which of them lie below the
/// ceiling; these are then
/// sampled in rounds, in which each gets time by what it adds to the error.
///
/// What is planned follows from the samples alone: a run that was interrupted plans the same.
struct UmbrellaRounds {
  /// Of `production`: what the first pass through all windows takes, and what the first round gives each window that
  /// is kept.
  static let firstShare = 0.05
  private static let roundShare = 0.2
  /// kT above the ceiling up to which windows are kept after the first pass, whose free energies are rough; and what
  /// is added to that where those
  /// kept do not cover their region.
  private static let margin = 3.0
  /// More than a round is thought to need, since errors of so few samples are rough.
  private static let reserve = 1.1

  let context: StageContext
  let setup: UmbrellaSetup
  let sampler: UmbrellaSampler
  let target: Double
  /// Advances the sampler until it has nothing more to do.
  let sample: () throws -> Void

  private var windows: Int { setup.grid.windowCount }
  /// Samples of one direction in all windows.
  private var spent: Int { sampler.lengths.reduce(0, +) }
  /// What is left of the budget; 0 where it is not a sample for every window.
  private var left: Int { sampler.budget - spent < windows ? 0 : sampler.budget - spent }
  private var kept: [Int] { (0..<windows).filter { sampler.state.planned[$0] > 0 } }

  /// The result, in terms of all windows. Throws what the analysis throws where the budget is used up.
  func run() throws -> UmbrellaResult {
    while true {
      try sample()
      if sampler.isFinished { return try analyse(bootstrap: true) }
      if sampler.state.rounds == 0 {
        try keep(below: setup.parameters.ceiling.map { $0 + Self.margin })
        continue
      }
      do {
        var result = try analyse(bootstrap: false)
        if isEnough(result) {
          result = try analyse(bootstrap: true)
          if isEnough(result) {
            try sampler.finish()
            return result
          }
        }
        try plan(result)
      } catch let error as FreeEnergiesError {
        guard left > 0 else { throw error }
        switch error {
        case .coverageGap, .disconnected: try takeBack(error)
        case .emptyState: try spread(Array(0..<windows).filter(kept.contains), total: min(left, spent), error)
        default: throw error
        }
      }
    }
  }

  private func isEnough(_ result: UmbrellaResult) -> Bool { result.standardError <= target || left == 0 }

  private func analyse(bootstrap: Bool) throws -> UmbrellaResult {
    let kept = kept
    let analysis = try setup.analysis(sampler, seed: context.seed, windows: kept, bootstrap: bootstrap)
    return try analysis.run(progress: bootstrap ? context.progress : SilentProgress()).expanded(kept, of: windows)
  }

  /// The first round: of the windows that lie below a height, kT; nil: of all.
  private func keep(below height: Double?) throws {
    let chosen = try lying(below: height)
    context.log(
      chosen.count < windows
        ? "\(windows - chosen.count) of \(windows) windows lie above the ceiling by the first pass: they are not sampled further"
        : "all \(windows) windows are sampled")
    try extend(chosen, by: roundSamples)
  }

  private var roundSamples: Int { max(8, Int(Self.roundShare * Double(sampler.budget) / Double(windows))) }

  private func lying(below height: Double?) throws -> [Int] {
    guard let height else { return Array(0..<windows) }
    let data = try setup.data(sampler, firstPass: true)
    return try setup.analysis(sampler, seed: context.seed, data: data, bootstrap: false).windows(below: height)
  }

  /// Windows that were left out come back, the lowest first, where those kept do not hold together.
  private func takeBack(_ error: FreeEnergiesError) throws {
    guard let ceiling = setup.parameters.ceiling, kept.count < windows else {
      return try spread(kept, total: min(left, spent), error)
    }
    var (height, further) = (ceiling + Self.margin, [Int]())
    let old = Set(kept)
    while further.isEmpty {
      height += Self.margin
      // free energies of a first pass are finite: a height is reached at which all windows lie
      further = try lying(below: height < 1e4 ? height : nil).filter { !old.contains($0) }
    }
    context.log("\(error); \(further.count) of the windows left out are sampled after all")
    try extend(further, by: max(1, min(roundSamples, left / further.count)))
  }

  /// As much for each of some windows, where nothing is known of what they add to the error.
  private func spread(_ chosen: [Int], total: Int, _ error: FreeEnergiesError) throws {
    context.log("\(error); all windows kept are sampled further")
    try extend(chosen, by: max(1, total / max(1, chosen.count)))
  }

  private func extend(_ chosen: [Int], by samples: Int) throws {
    var further = [Int](repeating: 0, count: windows)
    for window in chosen { further[window] = samples }
    try sampler.extend(by: further)
  }

  /// A round that should reach the target; no longer than all so far, and no shorter than an eighth of that.
  private func plan(_ result: UmbrellaResult) throws {
    let lengths = sampler.lengths
    let allocation = UmbrellaAllocation(
      variances: result.windowVariances, samples: lengths, error: result.standardError)
    let used = lengths.indices.reduce(0) { $0 + (result.windowVariances[$1] > 0 ? lengths[$1] : 0) }
    let wanted = Double(allocation.needed(for: target)) * Self.reserve - Double(used)
    let total = min(left, max(used / 8, windows, Int(min(Double(used), max(0, wanted)))))
    var further = allocation.further(total)
    // what rounding left over, or all of it where no window adds to the error
    if further.allSatisfy({ $0 == 0 }) { for window in kept { further[window] = max(1, total / kept.count) } }
    context.log(
      String(
        format:
          "round %d: dF %.3f kT, standard error %.3f kT (%.3f from correlations alone) where %.3f are asked for; %.0f ps more",
        sampler.state.rounds, result.deltaF, result.standardError, result.correlatedStandardError, target,
        Double(UmbrellaSampler.directions * further.reduce(0, +)) * setup.parameters.sampleInterval))
    try sampler.extend(by: further)
  }
}
