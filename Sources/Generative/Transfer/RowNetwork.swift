import Molecules
import Torch

/// Names of the rows that a molecule's coordinates take from tables: three for each, which are added.
///
/// A coordinate is known by its place and name (all residues there share it), by its kind and name (that residue at all places), and by all
/// three.
struct RowVocabulary: Codable, Equatable {
  /// Row names of narrow coordinates, of broad torsions, and of blocks, each in the order of its table.
  let narrow, broad, blocks: [String]

  init(_ molecules: [PeptideCoordinates]) {
    func sorted(_ names: [String]) -> [String] { Set(names).sorted() }
    let all = molecules.flatMap(\.blocks)
    narrow = sorted(all.flatMap { block in block.narrowNames.flatMap { Self.rows(block, $0) } })
    broad = sorted(all.flatMap { block in block.broadNames.flatMap { Self.rows(block, $0) } })
    blocks = sorted(all.flatMap(Self.rows))
  }

  /// Whether names stand once each, and are as many as a network's rows.
  func isSound(_ c: RowConfiguration) -> Bool {
    [(narrow, c.narrow), (broad, c.broad), (blocks, c.blocks)].allSatisfy { names, count in
      names.count == count && Set(names).count == count
    }
  }

  private static func rows(_ block: PeptideCoordinates.Block, _ name: String) -> [String] {
    ["\(block.place)|\(name)", "\(block.kind)||\(name)", "\(block.key)|||\(name)"]
  }

  private static func rows(_ block: PeptideCoordinates.Block) -> [String] { [block.key] }

  /// Rows of a molecule in the order of its chart's columns. Throws `TransferError.unseen`.
  func places(_ molecule: PeptideCoordinates) throws -> RowPlaces {
    func index(_ names: [String]) -> [String: Int] {
      Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    }
    let (narrowRows, broadRows, blockRows) = (index(narrow), index(broad), index(blocks))
    func found(_ names: [String], _ table: [String: Int], _ block: PeptideCoordinates.Block) throws -> [Int64] {
      try names.map { name in
        guard let row = table[name] else {
          throw TransferError.unseen(block: block.title, key: block.key, known: blocks)
        }
        return Int64(row)
      }
    }
    func all(
      _ columns: KeyPath<PeptideCoordinates.Block, [Int]>, _ names: KeyPath<PeptideCoordinates.Block, [String]>,
      _ table: [String: Int]
    ) throws -> [Int64] {
      let rows = try molecule.blocks.flatMap { block in
        try zip(block[keyPath: columns], block[keyPath: names]).map { column, name in
          (column, try found(Self.rows(block, name), table, block))
        }
      }
      return rows.sorted { $0.0 < $1.0 }.flatMap(\.1)
    }
    return try RowPlaces(
      narrow: all(\.narrow, \.narrowNames, narrowRows), broad: all(\.broad, \.broadNames, broadRows),
      blocks: molecule.blocks.flatMap { try found(Self.rows($0), blockRows, $0) })
  }
}

/// Where a molecule's rows stand in the tables: three for each column, and one for each block.
struct RowPlaces {
  let narrow, broad, blocks: Tensor
  let narrowCount, broadCount: Int

  init(narrow: [Int64], broad: [Int64], blocks: [Int64]) throws {
    (narrowCount, broadCount) = (narrow.count / 3, broad.count / 3)
    (self.narrow, self.broad, self.blocks) = (try Tensor(narrow), try Tensor(broad), try Tensor(blocks))
  }
}

/// Shape of a residual network whose first and last layers are rows of tables.
struct RowConfiguration: Codable, Equatable, Sendable {
  /// Of the trunk, whose input and outputs are the molecule's.
  var width, depth, harmonics, timeFrequencies: Int
  /// Rows of the tables.
  var narrow, broad, blocks: Int
  /// Narrow coordinates go in and come out, beside the torsions that go in; else torsions go in and come out.
  var movesNarrow: Bool

  /// For one molecule.
  func bound(_ places: RowPlaces) -> ResidualConfiguration {
    ResidualConfiguration(
      width: width, depth: depth, harmonics: harmonics, timeFrequencies: timeFrequencies,
      outputs: movesNarrow ? places.narrowCount : places.broadCount)
  }
}

/// The residual network of a molecule, for any molecule: what a coordinate adds to the first layer, and what it takes from the last, are
/// rows that belong to its residue, place and name; blocks add to the first layer's bias. All else is shared. Gathered for one molecule it
/// is a `ResidualNetwork`.
struct RowNetwork: Network {
  let configuration: RowConfiguration
  /// In the order of `parameterNames`.
  let parameters: [Tensor]
  /// Of the time features, as in `ResidualNetwork`.
  let frequencies: Tensor
  var parameterNames: [String] { Self.shapes(configuration).map(\.name) }
  var constants: [(name: String, tensor: Tensor)] { [(name: "frequencies", tensor: frequencies)] }

  private init(configuration: RowConfiguration, parameters: [Tensor], frequencies: Tensor) {
    (self.configuration, self.parameters, self.frequencies) = (configuration, parameters, frequencies)
  }

  init(configuration: RowConfiguration, generator: Generator) throws {
    self.init(
      configuration: configuration, parameters: try Self.shapes(configuration).map { try $0.fresh(generator) },
      frequencies: try generator.normal([configuration.timeFrequencies]) * (2 * Double.pi))
  }

  func replacing(parameters: [Tensor], constants: [Tensor]) -> Self {
    Self(configuration: configuration, parameters: parameters, frequencies: constants.first ?? frequencies)
  }

  /// Of the three rows that are added and some hundred inputs.
  private static let rowStart = 0.06

  private static func shapes(_ c: RowConfiguration) -> [ParameterShape] {
    func table(_ name: String, _ rows: Int, _ width: Int, _ start: Double) -> ParameterShape {
      ParameterShape(name: name, shape: [rows, width], start: start == 0 ? .constant(0) : .within(start))
    }
    var list = c.movesNarrow ? [table("narrow_in", c.narrow, c.width, rowStart)] : []
    list += [
      table("broad_in", c.broad, 2 * c.harmonics * c.width, rowStart), table("block", c.blocks, c.width, rowStart),
    ]
    list += ParameterShape.linear("time", 1 + 2 * c.timeFrequencies, c.width)
    for block in (0..<c.depth).map({ "block\($0)." }) {
      list += ParameterShape.norm(block + "norm", c.width)
      list += ParameterShape.linear(block + "first", c.width, c.width)
      list += ParameterShape.layer(block + "second", c.width, c.width, weight: 0.3)
    }
    list += ParameterShape.norm("norm", c.width)
    let outputs = c.movesNarrow ? c.narrow : c.broad
    return list + [table("out", outputs, c.width, 0), table("out_bias", outputs, 1, 0)]
  }

  /// Of one molecule. Back-propagation reaches the tables.
  func gathered(_ places: RowPlaces) throws -> ResidualNetwork { try gathered([places])[0] }

  /// Of several molecules, by one look into each table.
  func gathered(_ molecules: [RowPlaces]) throws -> [ResidualNetwork] {
    var next = ParameterReader(parameters)
    let (c, width) = (configuration, configuration.width)
    let narrow = try Tensor.concatenated(molecules.map(\.narrow), axis: 0)
    let broad = try Tensor.concatenated(molecules.map(\.broad), axis: 0)
    /// The sum of three rows for each column, [columns, width of the table], molecule by molecule.
    func rows(_ table: Tensor, _ index: Tensor, _ counts: [Int]) throws -> [Tensor] {
      let sums = try table.selected(index).reshaped(counts.reduce(0, +), 3, table.shape[1]).sum(1)
      var first = 0
      return try counts.map { count in
        defer { first += count }
        return try sums.slice(first..<first + count)
      }
    }
    let (narrowCounts, broadCounts) = (molecules.map(\.narrowCount), molecules.map(\.broadCount))
    let entries = c.movesNarrow ? try rows(next.tensor(), narrow, narrowCounts) : []
    let waves = try rows(next.tensor(), broad, broadCounts)
    let blocks = next.tensor()
    let (clock, bias) = (try next.tensor().transposed(), next.tensor())
    let trunk = (0..<6 * c.depth + 2).map { _ in next.tensor() }
    let (index, counts) = c.movesNarrow ? (narrow, narrowCounts) : (broad, broadCounts)
    let (out, outBias) = (try rows(next.tensor(), index, counts), try rows(next.tensor(), index, counts))
    return try molecules.enumerated().map { number, places in
      let wave = try waves[number].reshaped(places.broadCount, 2, c.harmonics, width)
      let columns =
        (c.movesNarrow ? [entries[number]] : [])
        + (try (0..<2).map {
          try wave.slice($0..<$0 + 1, axis: 1).reshaped(places.broadCount * c.harmonics, width)
        }) + [clock]
      let block = try blocks.selected(places.blocks).sum(0)
      return ResidualNetwork(
        space: LatentSpace(euclidean: c.movesNarrow ? places.narrowCount : 0, angles: places.broadCount),
        configuration: c.bound(places),
        parameters: [try Tensor.concatenated(columns, axis: 0).transposed(), try bias + block] + trunk
          + [out[number], try outBias[number].reshaped(counts[number])],
        frequencies: frequencies)
    }
  }

  /// Outputs of several molecules, each by its own network, as `gathered` gives them: their rows go through the trunk together.
  static func outputs(
    _ networks: [ResidualNetwork], _ points: [(x: Tensor, t: Tensor)]
  ) throws -> [Tensor] {
    let entered = try zip(networks, points).map { try $0.entered($1.x, $1.t) }
    let through = try networks[0].trunk(Tensor.concatenated(entered, axis: 0))
    var first = 0
    return try zip(networks, entered).map { network, rows in
      let count = rows.shape[0]
      defer { first += count }
      return try network.left(through.slice(first..<first + count))
    }
  }
}

/// Both flows' networks, for any molecule.
typealias TwoRowNetworks = TwoNetworks<RowNetwork>

extension TwoNetworks<RowNetwork> {
  func gathered(_ places: RowPlaces) throws -> TwoFlowNetwork {
    try TwoFlowNetwork(torsions: torsions.gathered(places), rest: rest.gathered(places))
  }

  /// The loss of several molecules, each a mean over its own rows and dimensions, averaged.
  func loss(
    _ molecules: [(loss: EmulatorLoss, places: RowPlaces, rows: Tensor)], _ generator: Generator
  ) throws -> Tensor {
    let paths = try molecules.map { try $0.loss.paths($0.rows, generator) }
    let places = molecules.map(\.places)
    let f = try RowNetwork.outputs(torsions.gathered(places), paths.map { ($0.turning.angles, $0.turning.t) })
    let v = try RowNetwork.outputs(
      rest.gathered(places),
      paths.map { (try Tensor.concatenated([$0.point.euclidean, $0.theta], axis: -1), $0.point.t) })
    let losses = try zip(paths, zip(f, v)).map { path, outputs in
      let (c, s) = try Interpolant.linear.velocityPreconditioning(path.point.t.unsqueezed(-1))
      return try path.loss(turn: outputs.0, velocity: c * path.point.euclidean + s * outputs.1)
    }
    return try Tensor.stacked(losses, axis: 0).mean(0)
  }
}
