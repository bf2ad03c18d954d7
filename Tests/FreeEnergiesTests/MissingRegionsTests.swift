import Basics
import Foundation
import Testing

@testable import FreeEnergies

@Suite struct VisitedShareTests {
  /// Quantiles of chi^2 as tables have them.
  @Test func gammaQuantilesAreThoseOfTables() {
    for (p, degrees, chi) in [
      (0.025, 2.0, 0.0506356), (0.025, 4, 0.484419), (0.025, 20, 9.59078), (0.975, 2, 7.37776), (0.975, 22, 36.7807),
      (0.5, 1, 0.454936), (0.025, 200, 162.728),
    ] { #expect(abs(2 * gammaQuantile(p, shape: degrees / 2) - chi) < 2e-5 * chi, "\(p) \(degrees)") }
    #expect(regularisedGamma(3, 0) == 0 && abs(regularisedGamma(1, 2) - (1 - exp(-2))) < 1e-14)
  }

  @Test func equalVisitsGiveThePoissonInterval() {
    let found = VisitedShare(lengths: [10, 0, 10, 10], of: 1000)
    #expect(abs(found.share - 0.03) < 1e-15 && abs(found.visits - 3) < 1e-12)
    // 3 events: 0.6187 to 8.7673
    #expect(abs(found.lower - 0.006187) < 1e-6 && abs(found.upper - 0.087673) < 1e-6)
    let none = VisitedShare(lengths: [0], of: 100)
    #expect(none.share == 0 && none.lower == 0 && none.upper == 1)
  }

  /// Jumps between two states with exponential stays, 400 series each: the lower bound lies above the true share in 2.5 % of all cases
  /// at most, but for chance, and is no idle one.
  @Test(arguments: [(0.02, 0.2), (0.1, 0.05), (0.005, 0.3)]) func lowerBoundsHold(share: Double, leave: Double) {
    var (above, tight) = (0, 0)
    for seed in 0..<400 {
      var random = RandomStream(seed: UInt64(seed), "jumps")
      var lengths: [Double] = [0]
      var inside = random.uniform() < share
      let total = 4000
      for _ in 0..<total {
        if inside { lengths[lengths.count - 1] += 1 }
        let rate = inside ? leave : leave * share / (1 - share)
        guard random.uniform() < rate else { continue }
        if inside { lengths.append(0) }
        inside.toggle()
      }
      let found = VisitedShare(lengths: lengths, of: Double(total))
      if found.lower > share { above += 1 }
      if found.lower > share / 4 { tight += 1 }
    }
    #expect(above <= 20, "\(above) of 400")
    #expect(tight > 150, "\(tight) of 400")
  }
}

/// Samples and dynamics of a torus whose law is known: four basins of two torsions, the last far from the others.
private struct Torus {
  static let centres = [(-1.4, 2.6), (-1.2, -0.6), (-2.6, 2.7), (0.95, 0.6)]
  var shares = [0.5, 0.3, 0.18, 0.02]
  let spread = 0.35
  /// Of the weight, evenly over the torus: barriers and rims.
  var background = 0.0

  private func point(_ shares: [Double], _ random: inout RandomStream) -> (Double, Double, Int) {
    let total = shares.reduce(0, +)
    var (basin, rest) = (0, random.uniform() * total)
    while basin < shares.count - 1, rest >= shares[basin] {
      rest -= shares[basin]
      basin += 1
    }
    let (x, y) = Self.centres[basin]
    return (x + spread * random.normal(), y + spread * random.normal(), basin)
  }

  /// An emulator that draws the basins by `drawn`, with noise of `noise` nat in its weights; `strays` of its samples lie anywhere, with next
  /// to no weight.
  func samples(_ count: Int, drawn: [Double], noise: Double = 0.6, strays: Int = 0, seed: UInt64) -> ExploredSamples {
    var random = RandomStream(seed: seed, "samples")
    var (x, y, weights): ([Double], [Double], [Double]) = ([], [], [])
    for n in 0..<count {
      if n < strays {
        x.append(2 * .pi * random.uniform() - .pi)
        y.append(2 * .pi * random.uniform() - .pi)
        weights.append(-15 - 5 * random.uniform())
        continue
      }
      // a tenth of the background is drawn, and counts ten times
      if random.uniform() < background / 10 {
        x.append(2 * .pi * random.uniform() - .pi)
        y.append(2 * .pi * random.uniform() - .pi)
        weights.append(log(10) + noise * random.normal())
        continue
      }
      let (a, b, basin) = point(drawn, &random)
      x.append(a)
      y.append(b)
      weights.append(log(shares[basin] / drawn[basin]) + noise * random.normal())
    }
    return ExploredSamples(columns: [x, y], logWeights: weights)
  }

  /// Walks that stay in a basin for `stay` records on the average, in sets of which one walk in `rungs` is cold at a time.
  func records(sets: Int = 4, rounds: Int = 400, rungs: Int = 5, stay: Double = 8, seed: UInt64) -> ExploringRecords {
    var random = RandomStream(seed: seed, "records")
    var (x, y): ([Double], [Double]) = ([], [])
    var (walks, list, isCold): ([Int], [Int], [Bool]) = ([], [], [])
    var basins = (0..<sets * rungs).map { _ in point(shares, &random).2 }
    var places = Array(0..<sets * rungs)
    for round in 0..<rounds {
      for slot in places.indices {
        let walk = places[slot]
        if random.uniform() < 1 / stay { basins[walk] = point(shares, &random).2 }
        if random.uniform() < background {
          x.append(2 * .pi * random.uniform() - .pi)
          y.append(2 * .pi * random.uniform() - .pi)
        } else {
          x.append(Self.centres[basins[walk]].0 + spread * random.normal())
          y.append(Self.centres[basins[walk]].1 + spread * random.normal())
        }
        walks.append(walk)
        list.append(slot / rungs)
        isCold.append(slot % rungs == 0)
      }
      for set in 0..<sets {
        for rung in stride(from: round % 2, to: rungs - 1, by: 2) where random.uniform() < 0.5 {
          places.swapAt(set * rungs + rung, set * rungs + rung + 1)
        }
      }
    }
    return ExploringRecords(columns: [x, y], walk: walks, set: list, isCold: isCold)
  }
}

@Suite struct MissingRegionsTests {
  private func found(
    _ torus: Torus, _ samples: ExploredSamples, seed: UInt64, folds: [Int] = [1, 1], rounds: Int = 400
  ) throws -> MissingRegions {
    try MissingRegions(samples: samples, records: torus.records(rounds: rounds, seed: seed), folds: folds)
  }

  /// A basin of 2 % that is never drawn is found in each of 20 seeds, once, where it lies; also among strays of no weight.
  @Test func aBasinThatIsNeverDrawnIsFound() throws {
    let torus = Torus()
    for seed in 0..<20 as Range<UInt64> {
      let samples = torus.samples(20_000, drawn: [0.5, 0.3, 0.2, 0], strays: seed % 2 == 0 ? 0 : 400, seed: seed)
      let all = try found(torus, samples, seed: seed, rounds: 1000)
      let missing = all.missing
      let region = try #require(missing.first, "seed \(seed): \(all.regions)")
      #expect(missing.count == 1, "seed \(seed): \(missing)")
      #expect(region.visited.lower < 0.03 && region.visited.lower > 0.002)
      #expect(region.sets >= 2 && region.expectedAtLeast > 10 && region.isDrawn == (seed % 2 == 1 && region.drawn > 8))
      let phi = try #require(region.torsions.firstIndex(of: 0).map { region.arcs[$0] })
      #expect(phi.contains(0.95) && phi.from > -0.3 && phi.to < 2.6, "\(phi)")
    }
  }

  /// Samples of broad weights, worth one in fifty, still tell that none of them lies in the basin.
  @Test func poorWeightsHideNothing() throws {
    let torus = Torus()
    let samples = torus.samples(20_000, drawn: [0.5, 0.3, 0.2, 0], noise: 2, seed: 3)
    let all = try found(torus, samples, seed: 3, rounds: 1000)
    #expect(all.effectiveSamples < 1000 && all.missing.count == 1, "\(all.effectiveSamples)")
    #expect(all.missing.first.map { !$0.isDrawn && $0.torsions.contains(0) } == true)
  }

  /// Draws that are off by up to a factor ten either way, broad weights, strays: what is drawn is not missing. 100 seeds of each.
  @Test(arguments: [
    [0.5, 0.3, 0.18, 0.02], [0.2, 0.3, 0.25, 0.25], [0.9, 0.08, 0.018, 0.002], [0.05, 0.03, 0.02, 0.9],
  ]) func soundSamplesRaiseNoAlarm(drawn: [Double]) throws {
    let torus = Torus()
    for seed in 0..<100 as Range<UInt64> {
      let samples = torus.samples(
        5_000, drawn: drawn, noise: seed % 2 == 0 ? 0.6 : 1.5, strays: seed % 3 == 0 ? 100 : 0, seed: seed)
      let missing = try found(torus, samples, seed: seed + 1000).missing
      #expect(missing.isEmpty, "seed \(seed): \(missing)")
    }
  }

  /// Barriers and rims, which walks pass now and then and of which the samples hold a tenth of what they should: no alarm in 100 seeds.
  @Test(arguments: [0.002, 0.01]) func barriersRaiseNoAlarm(background: Double) throws {
    var torus = Torus()
    torus.background = background
    for seed in 0..<100 as Range<UInt64> {
      let samples = torus.samples(20_000, drawn: torus.shares, seed: seed)
      let missing = try found(torus, samples, seed: seed + 2000).missing
      #expect(missing.isEmpty, "seed \(seed): \(missing)")
    }
  }

  /// What hot walks alone reach, and what one set alone reaches, is no alarm.
  @Test func hotWalksAndSingleSetsProveNothing() throws {
    let torus = Torus()
    let samples = torus.samples(20_000, drawn: [0.5, 0.3, 0.2, 0], seed: 1)
    let records = torus.records(seed: 1)
    let inside = records.columns[0].map { $0 > 0 && $0 < 2 }
    func run(_ keep: (Int) -> Bool) throws -> [MissingRegions.Region] {
      let rows = inside.indices.filter { !inside[$0] || keep($0) }
      return try MissingRegions(
        samples: samples,
        records: ExploringRecords(
          columns: records.columns.map { c in rows.map { c[$0] } }, walk: rows.map { records.walk[$0] },
          set: rows.map { records.set[$0] }, isCold: rows.map { records.isCold[$0] }), folds: [1, 1]
      ).missing
    }
    #expect(try !run { _ in true }.isEmpty)
    #expect(try run { !records.isCold[$0] }.isEmpty)
    #expect(try run { records.set[$0] == 2 }.isEmpty)
  }

  /// A ring that lies turned over is where it was; without its fold it would be missed.
  @Test func equalPlacesAreOne() throws {
    let torus = Torus()
    let drawn = torus.samples(20_000, drawn: [1, 1, 1, 1], seed: 2)
    var random = RandomStream(seed: 5, "ring")
    let samples = ExploredSamples(
      columns: [drawn.columns[0], drawn.columns[0].map { _ in 1.5 + 0.2 * random.normal() }],
      logWeights: drawn.logWeights)
    var records = torus.records(seed: 2)
    records = ExploringRecords(
      columns: [
        records.columns[0],
        records.walk.map { 1.5 + 0.2 * random.normal() - ($0 % 2 == 0 ? 0 : .pi) },
      ], walk: records.walk, set: records.set, isCold: records.isCold)
    let folded = try MissingRegions(samples: samples, records: records, folds: [1, 2])
    #expect(folded.missing.isEmpty, "\(folded.missing)")
    let named = try MissingRegions(samples: samples, records: records, folds: [1, 1])
    #expect(named.missing.count == 1 && named.missing[0].torsions == [1])
    #expect(named.missing[0].arcs[0].contains(1.5 - .pi))
  }

  /// A missing region of a torsion with two equal places that lies over the folded turn's seam has the arc of one of them.
  @Test func aRegionOverTheSeamOfAFoldedTurnIsNarrow() throws {
    let torus = Torus()
    let drawn = torus.samples(20_000, drawn: [1, 1, 1, 1], seed: 2)
    var random = RandomStream(seed: 5, "ring")
    let samples = ExploredSamples(
      columns: [drawn.columns[0], drawn.columns[0].map { _ in 0.1 * random.normal() }], logWeights: drawn.logWeights)
    let plain = torus.records(seed: 2)
    // one walk in two is a quarter of a turn away, where twice the torsion is half a turn
    let records = ExploringRecords(
      columns: [
        plain.columns[0], plain.walk.map { 0.1 * random.normal() + ($0 % 2 == 0 ? 0 : .pi / 2) },
      ], walk: plain.walk, set: plain.set, isCold: plain.isCold)
    let found = try MissingRegions(samples: samples, records: records, folds: [1, 2])
    let region = try #require(found.missing.first)
    #expect(region.torsions == [1] && region.arcs[0].contains(.pi / 2) && !region.arcs[0].contains(0.5))
    #expect(region.arcs[0].to - region.arcs[0].from < 1.5)
  }

  @Test func arcsAndGroupsCloseAroundTheTurn() {
    let circle = TorsionBoxes(torsions: [0], perTurn: 12)
    #expect(circle.groups([11, 0, 5], reach: 1) == [[0, 11], [5]])
    let arc = circle.arcs([0, 11])[0]
    #expect(abs(arc.from - 5 * .pi / 6) < 1e-12 && abs(arc.to + 5 * .pi / 6) < 1e-12 && arc.contains(.pi))
    #expect(circle.arcs(Array(0..<12)) == [TorsionState(from: -.pi, to: .pi)])
    let torus = TorsionBoxes(torsions: [0, 1], perTurn: 6)
    #expect(torus.block(0, reach: 1).sorted() == [0, 1, 5, 6, 7, 11, 30, 31, 35])
    #expect(torus.groups([0, 35, 14], reach: 1) == [[0, 35], [14]])
    #expect(torus.boxes([[-.pi + 0.01, 3], [0.01, -3]]) == [3, 30])
  }

  @Test func theShiftIsThatOfThePopulations() {
    // 2 % of the rarer state join 1 % and 99 %
    let shift = MissingRegions.shift(
      of: .init(0, 1), populations: [0.01, 0.99], region: [1, 0], weight: 0.02)
    let expected = -log((0.98 * 0.01 + 0.02) / (0.98 * 0.99)) + log(0.01 / 0.99)
    #expect(abs(shift - expected) < 1e-12 && shift < -1)
    #expect(
      abs(MissingRegions.shift(of: .init(0, 1), populations: [0.3, 0.7], region: [0.3, 0.7], weight: 0.5)) < 1e-12)
  }

  @Test func listsThatDoNotFitAreErrors() throws {
    let torus = Torus()
    #expect(throws: FreeEnergiesError.self) {
      try found(torus, torus.samples(100, drawn: [1, 1, 1, 1], seed: 1), seed: 1, folds: [1])
    }
    #expect(throws: FreeEnergiesError.invalidValue("no sample has a weight: there is nothing to explore from")) {
      let samples = ExploredSamples(columns: [[0], [0]], logWeights: [-.infinity])
      _ = try found(torus, samples, seed: 1)
    }
  }

  /// The weight that would not be overlooked: of arrivals and samples the scarcer decides.
  @Test func reachFollowsTheScarcest() {
    // either half of the sets sees one of the visits that are due in 19 of 20 cases
    #expect(abs(ExplorationReach.visits(sets: 4) + 2 * log(1 - 0.95.squareRoot())) < 1e-9)
    let uneven = ExplorationReach.visits(sets: 3)
    #expect(abs((1 - exp(-uneven * 2 / 3)) * (1 - exp(-uneven / 3)) - 0.95) < 1e-9 && uneven > 7.4)
    let few = ExplorationReach(arrivals: 12, sets: 4, samples: 100_000)
    #expect(!few.tells && abs(few.smallestWeight - 7.3523 / 12) < 1e-4 && few.limit == .arrivals)
    let small = ExplorationReach(arrivals: 6000, sets: 4, samples: 3000)
    #expect(small.tells && small.limit == .samples && abs(small.smallestWeight - 0.01 * 7.3523 / 3.0368) < 1e-4)
    #expect(ExplorationReach(arrivals: 0, sets: 4, samples: 1).smallestWeight == 1)
  }
}
