import Foundation

/// Samples of an emulator as they lie in some torsions, with the weights that are to make a Boltzmann distribution of them.
public struct ExploredSamples: Sendable {
  /// rad, [torsions][samples].
  public let columns: [[Double]]
  /// Up to a constant, [samples]; -infinity without weight.
  public let logWeights: [Double]

  /// - Precondition: as many weights as samples in every column.
  public init(columns: [[Double]], logWeights: [Double]) { (self.columns, self.logWeights) = (columns, logWeights) }
}

/// Dynamics that began at such samples: records of several walks, each in its order of time.
public struct ExploringRecords: Sendable {
  /// rad, [torsions][records].
  public let columns: [[Double]]
  /// Which walk a record is of, and which independent set of walks, [records].
  public let walk, set: [Int]
  /// Whether it is of the Boltzmann distribution that the weights are for, and not of a higher temperature, [records].
  public let isCold: [Bool]

  /// - Precondition: all lists are of one length.
  public init(columns: [[Double]], walk: [Int], set: [Int], isCold: [Bool]) {
    (self.columns, self.walk, self.set, self.isCold) = (columns, walk, set, isCold)
  }
}

/// Regions of one torsion or two that dynamics reaches and an emulator practically never draws.
///
/// An emulator that was trained on frames of one basin draws that basin alone. Weights do not show it: where no sample lies no weight is
/// missed. Dynamics that begins at the samples by their weights and leaves them shows it. The share of the dynamics that a region holds
/// is, in the mean, no more than its Boltzmann weight: all walks began elsewhere. So its lower bound is one of the weight.
public struct MissingRegions: Sendable {
  public struct Options: Sendable {
    /// Boxes of a full turn.
    public var boxes = 24
    /// Boxes to either side within which a sample speaks for a box.
    public var reach = 2
    /// A region is missing where less than this share of the samples is there that the dynamics asks for, or of the effective samples ...
    public var share = 0.02
    /// ... if at least so many of these were to be expected.
    public var expected = 10.0
    /// Records that a walk must have been elsewhere for its next visit to count as another one.
    public var pause = 10

    public init() {}
  }

  /// A region that dynamics visits, of boxes that hang together and hardly a sample speaks for.
  public struct Region: Sendable, Equatable {
    /// Places of its torsions in the list: one or two.
    public let torsions: [Int]
    /// The smallest arcs that hold it, rad, [torsions]; of a torsion with `fold` equal places that of the first of them.
    public let arcs: [TorsionState]
    /// Its share of the cold records. The lower bound is also that of what either half of the sets has of where the other half was.
    public let visited: VisitedShare
    /// Independent sets of walks that came to it.
    public let sets: Int
    /// The cold records in it.
    public let rows: [Int]
    /// Samples in it and in the boxes next to it: how many, the share of all weight, and Kish's effective number.
    public let drawn: Int
    /// Whether that is enough samples, whatever their weights.
    public let isDrawn: Bool
    public let weight, effective: Double
    /// How many effective samples there should be by the dynamics, and by its lower bound.
    public let expected, expectedAtLeast: Double
    /// Whether that is so little that the weights do not stand for it.
    public let isMissing: Bool
  }

  /// Those that are missing first; of several that describe the same records the simplest and largest one alone.
  public let regions: [Region]
  /// Of all samples, Kish's.
  public let effectiveSamples: Double

  public var missing: [Region] { regions.filter(\.isMissing) }

  /// Where so many samples are due, an emulator that draws a region by a tenth of its weight, which weights mend, still draws some of it in 19
  /// of 20 cases: that there are none is a sign of a region that it misses.
  static let fewestDue = 30.0

  /// `folds`: equal places of a full turn of each torsion, 1 for most.
  ///
  /// Throws `FreeEnergiesError.shape`, and `.invalidValue` where no sample has weight.
  public init(
    samples: ExploredSamples, records: ExploringRecords, folds: [Int], options: Options = Options()
  ) throws {
    guard samples.columns.count == folds.count, records.columns.count == folds.count,
      samples.columns.allSatisfy({ $0.count == samples.logWeights.count }),
      (records.columns.map(\.count) + [records.set.count, records.isCold.count]).allSatisfy({
        $0 == records.walk.count
      })
    else {
      throw FreeEnergiesError.shape(
        "\(samples.columns.count) torsions of samples and \(records.columns.count) of records for \(folds.count) folds, or lists of "
          + "different lengths")
    }
    let search = Search(samples: samples, records: records, folds: folds, options: options)
    guard search.effective > 0 else {
      throw FreeEnergiesError.invalidValue("no sample has a weight: there is nothing to explore from")
    }
    effectiveSamples = search.effective
    let singles = folds.indices.map { [$0] }
    let pairs = folds.indices.flatMap { first in folds.indices.dropFirst(first + 1).map { [first, $0] } }
    let found = (singles + pairs).flatMap { search.regions(TorsionBoxes(torsions: $0, perTurn: options.boxes)) }
    // one torsion says it more plainly than two that hold a few records more
    func rank(_ region: Region) -> Double { Double(region.rows.count) * (region.torsions.count == 1 ? 1.25 : 1) }
    let ordered = found.enumerated().sorted { a, b in
      if a.element.isMissing != b.element.isMissing { return a.element.isMissing }
      let ranks = (rank(a.element), rank(b.element))
      return ranks.0 != ranks.1 ? ranks.0 > ranks.1 : a.offset < b.offset
    }.map(\.element)
    var told: Set<Int> = []
    var kept: [Region] = []
    for region in ordered where 2 * region.rows.filter(told.contains).count <= region.rows.count {
      kept.append(region)
      told.formUnion(region.rows)
    }
    regions = kept
  }

  /// What the free-energy difference -ln(P(from) / P(to)) of two states moves by where a region of the given weight joins the samples.
  /// `populations`: the states' shares by the samples' weights; `region`: the states' shares of the region, [states] both.
  public static func shift(
    of pair: StateSet.Pair, populations: [Double], region: [Double], weight: Double
  ) -> Double {
    func joined(_ state: Int) -> Double { (1 - weight) * populations[state] + weight * region[state] }
    return log(populations[pair.from] / populations[pair.to]) - log(joined(pair.from) / joined(pair.to))
  }
}

/// Samples and records, folded, with what all grids share.
private struct Search {
  let samples, records: [[Double]]
  let weights: [Double]  // Sum 1
  let effective: Double
  let folds: [Int]
  let options: MissingRegions.Options
  let set: [Int]
  let isCold: [Bool]
  let cold: [Int]  // Rows of the cold records
  let walks: [[Int]]  // Rows of each walk

  init(samples: ExploredSamples, records: ExploringRecords, folds: [Int], options: MissingRegions.Options) {
    func folded(_ columns: [[Double]]) -> [[Double]] {
      zip(columns, folds).map { column, fold in fold == 1 ? column : column.map { $0 * Double(fold) } }
    }
    (self.samples, self.records) = (folded(samples.columns), folded(records.columns))
    weights = normalisedWeights(logWeights: samples.logWeights)
    effective = kishEffectiveSampleSize(logWeights: samples.logWeights.map { $0.isFinite ? $0 : -.infinity })
    (self.folds, self.options, set, isCold) = (folds, options, records.set, records.isCold)
    cold = isCold.indices.filter { records.isCold[$0] }
    let last = records.walk.max() ?? -1
    var walks = [[Int]](repeating: [], count: last + 1)
    for (row, walk) in records.walk.enumerated() { walks[walk].append(row) }
    self.walks = walks
  }

  /// What lies in each box.
  private struct Content {
    var count = 0
    var weight = 0.0, squares = 0.0

    mutating func add(_ other: Content) {
      count += other.count
      weight += other.weight
      squares += other.squares
    }

    var kish: Double { squares > 0 ? weight * weight / squares : 0 }
  }

  /// Fewer effective samples than both ways to count them say: by the samples themselves, of which one that weighs as much as a thousand
  /// is one; and by their weight, which strays of an impossible shape do not have.
  private func found(_ content: Content) -> Double { min(content.kish, effective * content.weight) }

  func regions(_ grid: TorsionBoxes) -> [MissingRegions.Region] {
    var contents = [Content](repeating: Content(), count: grid.count)
    for (row, box) in grid.boxes(samples).enumerated() {
      contents[box].add(Content(count: 1, weight: weights[row], squares: weights[row] * weights[row]))
    }
    let boxes = grid.boxes(records)
    var visits = [Int](repeating: 0, count: grid.count)
    for row in cold { visits[boxes[row]] += 1 }
    func sum(_ block: some Sequence<Int>) -> Content { block.reduce(into: Content()) { $0.add(contents[$1]) } }
    let total = Double(max(1, cold.count))
    let unspoken = visits.indices.filter { box in
      guard visits[box] > 0 else { return false }
      let block = grid.block(box, reach: options.reach)
      let due = effective * Double(block.reduce(0) { $0 + visits[$1] }) / total
      // gathered with a wider measure than the one that a region is judged by
      return found(sum(block)) < 5 * options.share * due
    }
    return grid.groups(unspoken, reach: options.reach).compactMap { group in
      let own = Set(group)
      let (lengths, sets) = self.visits(boxes, own)
      let visited = VisitedShare(lengths: lengths, of: total).bounded(
        by: VisitedShare(lengths: crossed(grid, boxes, own), of: total))
      let count = Double(weights.count)
      let (expected, least) = (effective * visited.share, effective * visited.lower)
      guard sets >= 2, count * visited.lower >= 1 else { return nil }
      let content = sum(Set(group.flatMap { grid.block($0, reach: 1) }).sorted())
      let isDrawn = Double(content.count) >= options.share * count * visited.share
      let isCarried = least < options.expected || found(content) >= options.share * expected
      let isMissing = count * visited.lower >= MissingRegions.fewestDue && !(isDrawn && isCarried)
      let arcs = zip(grid.torsions, grid.arcs(group)).map { torsion, arc in
        // an arc that runs over the seam is one piece of the folded turn
        let end = arc.to < arc.from ? arc.to + 2 * .pi : arc.to
        return TorsionState(from: arc.from / Double(folds[torsion]), to: wrapped(end / Double(folds[torsion])))
      }
      return MissingRegions.Region(
        torsions: grid.torsions, arcs: arcs, visited: visited, sets: sets,
        rows: cold.filter { own.contains(boxes[$0]) },
        drawn: content.count, isDrawn: isDrawn, weight: content.weight, effective: content.kish, expected: expected,
        expectedAtLeast: least, isMissing: isMissing)
    }
  }

  /// Cold records of each visit of one half of the sets to where the other half was, of the region's boxes and those beside them, either way. A
  /// region is where walks happened to come: only others can say how often one comes there.
  private func crossed(_ grid: TorsionBoxes, _ boxes: [Int], _ own: Set<Int>) -> [Double] {
    [0, 1].flatMap { half -> [Double] in
      let seen = Set(cold.filter { set[$0] % 2 == half && own.contains(boxes[$0]) }.map { boxes[$0] })
      return visits(boxes, Set(seen.flatMap { grid.block($0, reach: 1) }), half: 1 - half).lengths
    }
  }

  /// Cold records of each visit of some boxes, and how many sets came there. `half`: of the sets with even or odd numbers alone.
  private func visits(_ boxes: [Int], _ own: Set<Int>, half: Int? = nil) -> (lengths: [Double], sets: Int) {
    var lengths: [Double] = []
    var sets: Set<Int> = []
    for rows in walks where half == nil || rows.first.map({ set[$0] % 2 }) == half {
      var (last, length) = (-options.pause - 1, 0.0)
      for (time, row) in rows.enumerated() where own.contains(boxes[row]) {
        if time - last > options.pause {
          lengths.append(length)
          length = 0
        }
        last = time
        guard isCold[row] else { continue }
        length += 1
        sets.insert(set[row])
      }
      lengths.append(length)
    }
    return (lengths, sets.count)
  }
}
