import Dynamics

/// Rounds: windows are given further samples, as many as whoever runs the sampler asks for, until it calls the run
/// finished.
extension UmbrellaSampler {
  /// Whether all that was planned is there: the next step is `extend` or `finish`.
  public var awaitsPlan: Bool {
    state.phase == .rounds && state.further.indices.allSatisfy { missing($0) == 0 }
  }

  /// Samples of every window in each direction, [windows].
  public var lengths: [Int] {
    (0..<grid.windowCount).map { samples + (state.further.isEmpty ? 0 : state.further[$0].count / torsionCount) }
  }

  /// Recorded torsions, rad, direction by direction, window by window: [2, windows, samples, torsions] where windows
  /// have one length.
  public var records: [Double] {
    if state.further.isEmpty { return state.records }
    let width = samples * torsionCount
    return state.further.enumerated().flatMap { visit, further in
      state.records[visit * width..<(visit + 1) * width] + further
    }
  }

  /// The first pass alone, as `records`.
  public var firstRecords: [Double] { state.records }

  /// Plans a round: so many samples more for every window in each direction, [windows].
  ///
  /// Throws `UmbrellaSamplerError.settings` where a round is under way or cannot be.
  public func extend(by samples: [Int]) throws {
    guard awaitsPlan, samples.count == grid.windowCount, samples.allSatisfy({ $0 >= 0 }) else {
      throw UmbrellaSamplerError.settings("a round of \(samples.count) windows cannot be planned now")
    }
    for window in samples.indices { state.planned[window] += samples[window] }
    state.rounds += 1
  }

  /// Ends the rounds.
  public func finish() throws { try begin(.finished, walks: []) }

  func beginRounds() throws {
    let ends = state.endPositions
    try begin(.rounds, walks: (0..<Self.directions * grid.windowCount).map { frame(ends, $0) })
    state.further = state.done.map { _ in [] }
    state.planned = [Int](repeating: 0, count: grid.windowCount)
  }

  private func missing(_ walk: Int) -> Int {
    state.planned[walk % grid.windowCount] - state.further[walk].count / torsionCount
  }

  /// Some of the windows go on by one piece. Returns those that have what was planned.
  func advanceRounds() throws -> [Visit] {
    let time = Double(samplesPerPiece) * settings.sampleInterval
    let count = max(1, settings.dynamics.threads) * max(1, Int(settings.callLength / max(1, time)))
    let walks = Array(state.done.indices.lazy.filter { self.missing($0) > 0 }.prefix(count))
    guard !walks.isEmpty else { return [] }
    let segments = walks.map { walk in
      let (direction, window) = walk.quotientAndRemainder(dividingBy: grid.windowCount)
      return LangevinDynamics.Segment(
        centers: grid.center(of: window), equilibrationSteps: 0,
        productionSteps: min(samplesPerPiece, missing(walk)) * interval,
        seed: seed("round", direction, window, state.done[walk]))
    }
    for (walk, record) in zip(walks, try run(walks, segments)) {
      state.further[walk] += record.torsions
      state.endPositions.replaceSubrange(walk * size..<(walk + 1) * size, with: record.endPositions)
    }
    return walks.filter { missing($0) == 0 }.map { walk in
      Visit(direction: walk / grid.windowCount, window: walk % grid.windowCount)
    }
  }
}
