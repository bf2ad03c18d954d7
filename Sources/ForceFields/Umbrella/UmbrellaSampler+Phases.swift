import Basics
import Dynamics
import Foundation

extension UmbrellaSampler {
  /// Both spines go on by one row.
  func advanceSpine() throws {
    guard let walks = nextWalks(pieces: rows, timePerPiece: settings.equilibration) else {
      let starts = state.rowStarts
      return try begin(.ribs, walks: (0..<Self.directions * rows).map { frame(starts, $0) })
    }
    let targets = walks.map { window(direction: $0, row: row(direction: $0, step: state.done[$0]), step: 0) }
    let segments = zip(walks, targets).map { direction, window in
      LangevinDynamics.Segment(
        centers: grid.center(of: window), equilibrationSteps: equilibrationSteps, productionSteps: 0,
        seed: seed("spine", direction, window, 0))
    }
    let records = try run(walks, segments)
    for (index, direction) in walks.enumerated() {
      let start = (direction * rows + targets[index] / columns) * size
      state.rowStarts.replaceSubrange(start..<start + size, with: records[index].endPositions)
    }
  }

  /// Of the sampling of a window.
  private var samplingPieces: Int { (samples + samplesPerPiece - 1) / samplesPerPiece }

  /// Some of the ribs go on by one piece of a visit. With exchange, a visit is its equilibration alone.
  func advanceRibs() throws -> [Visit] {
    let sampling = settings.exchangeInterval == nil
    let pieces = sampling ? samplingPieces : 1
    let time = settings.equilibration + (sampling ? Double(samplesPerPiece) * settings.sampleInterval : 0)
    guard let walks = nextWalks(pieces: columns * pieces, timePerPiece: time) else {
      guard sampling else {
        let ends = state.endPositions
        try begin(.exchange, walks: (0..<Self.directions * grid.windowCount).map { frame(ends, $0) })
        return []
      }
      if settings.firstPass == nil { try begin(.finished, walks: []) } else { try beginRounds() }
      return []
    }
    var places: [(visit: Visit, piece: Int, firstSample: Int)] = []
    var segments: [LangevinDynamics.Segment] = []
    for walk in walks {
      let direction = walk / rows
      let (step, piece) = state.done[walk].quotientAndRemainder(dividingBy: pieces)
      let window = window(direction: direction, row: walk % rows, step: step)
      let first = piece * samplesPerPiece
      places.append((Visit(direction: direction, window: window), piece, first))
      segments.append(
        .init(
          centers: grid.center(of: window), equilibrationSteps: piece == 0 ? equilibrationSteps : 0,
          productionSteps: sampling ? min(samplesPerPiece, samples - first) * interval : 0,
          seed: seed("rib", direction, window, piece)))
    }
    let records = try run(walks, segments)
    for (place, record) in zip(places, records) {
      keep(record, direction: place.visit.direction, window: place.visit.window, firstSample: place.firstSample)
    }
    return sampling ? places.filter { $0.piece == pieces - 1 }.map(\.visit) : []
  }

  /// Some of the windows go on by one piece; when all have, neighbours exchange.
  func advanceExchange() throws -> [Visit] {
    let (pieces, time) = (samplingPieces, Double(samplesPerPiece) * settings.sampleInterval)
    guard let walks = nextWalks(pieces: pieces, timePerPiece: time) else {
      try begin(.finished, walks: [])
      return []
    }
    let piece = state.done[walks[0]]
    let first = piece * samplesPerPiece
    let segments = walks.map { walk in
      let (direction, window) = walk.quotientAndRemainder(dividingBy: grid.windowCount)
      return LangevinDynamics.Segment(
        centers: grid.center(of: window), equilibrationSteps: 0,
        productionSteps: min(samplesPerPiece, samples - first) * interval,
        seed: seed("window", direction, window, piece))
    }
    let records = try run(walks, segments)
    for (walk, record) in zip(walks, records) {
      let (direction, window) = walk.quotientAndRemainder(dividingBy: grid.windowCount)
      keep(record, direction: direction, window: window, firstSample: first)
    }
    let round = piece + 1
    if state.done.allSatisfy({ $0 == round }) && round < pieces { try exchange(round: round) }
    guard round == pieces else { return [] }
    return walks.map { Visit(direction: $0 / grid.windowCount, window: $0 % grid.windowCount) }
  }

  /// Neighbours along one axis, every other pair, swap their frames by Metropolis' rule on the bias energies; axis and parity
  /// take turns. Source: Sugita, Kitao and Okamoto, J. Chem. Phys. 113, 6042 (2000).
  private func exchange(round: Int) throws {
    let axes = grid.counts.indices.filter { grid.counts[$0] > 1 }
    guard !axes.isEmpty else { return }
    let (axis, parity) = (axes[round % axes.count], round / axes.count % 2)
    let count = grid.counts[axis]
    let torsions = try dynamics.torsions(state.positions)
    let kT = PhysicalConstants.thermalEnergy(temperature: settings.dynamics.temperature)
    func bias(_ window: Int, _ walk: Int) -> Double {
      let center = grid.center(of: window)
      return center.indices.reduce(0) { energy, k in
        let d = (torsions[walk * torsionCount + k] - center[k]).remainder(dividingBy: 2 * .pi)
        return energy + 0.5 * dynamics.forceConstants[k] * d * d
      }
    }
    for direction in 0..<Self.directions {
      var random = RandomStream(seed: settings.dynamics.seed, "exchange", "direction \(direction)", "round \(round)")
      for (a, b) in grid.neighbourPairs(axis: axis) {
        let place = grid.indices(of: a)[axis]
        // an odd number of windows leaves the pair across the period out, in which a window would come twice
        guard place % 2 == parity, count % 2 == 0 || place < count - 1 else { continue }
        let (walkA, walkB) = (direction * grid.windowCount + a, direction * grid.windowCount + b)
        let change = (bias(a, walkB) + bias(b, walkA) - bias(a, walkA) - bias(b, walkB)) / kT
        state.attempts[axis] += 1
        guard random.uniform() < exp(-change) else { continue }
        state.acceptances[axis] += 1
        swap(&state.positions, walkA, walkB)
        swap(&state.velocities, walkA, walkB)
      }
    }
  }

  private func swap(_ list: inout [Double], _ a: Int, _ b: Int) {
    for k in 0..<size { list.swapAt(a * size + k, b * size + k) }
  }
}
