import Torch

/// A network that passes messages between atoms, in place of a perceptron over all features.
public struct PairMessages: Codable, Equatable, Sendable {
  /// egnn: features without direction. gvp: and vectors, which turn with the molecule.
  public enum Kind: String, Codable, Sendable { case egnn, gvp }
  public var kind: Kind
  /// Rounds of messages in both stages together; the first has one more where they are odd.
  public var layers: Int
  /// Features of an atom and of a pair, and vectors of an atom (gvp).
  public var scalars, vectors: Int

  public init(kind: Kind, layers: Int = 5, scalars: Int = 64, vectors: Int = 16) {
    (self.kind, self.layers, self.scalars, self.vectors) = (kind, layers, scalars, vectors)
  }
}

/// Messages between the atoms of each pair, read out as one coefficient for each distance and volume.
///
/// An atom has features h, a pair has e, from its own standardised distances. Every round a pair sends both of its atoms
/// m = MLP[h_i, h_j, e] and keeps it, e += m; atoms take in what they are sent, h += MLP[h, sum m]. Signed volumes enter the features of atoms
/// first of all; time scales and shifts these features in each round; a linear map whose outputs time gates runs beside
/// everything. `egnn` weighs messages by an attention, as Satorras, Hoogeboom, Welling, ICML 2021, do. `gvp` has besides vectors v of atoms,
/// which a pair mixes with the unit vector along it; messages see their lengths, and gate vectors: Jing and others, "Learning from
/// protein structure with geometric vector perceptrons", ICLR 2021. Both have one message for a pair where those have two, distances standardised by time
/// where those have none or Gaussians of them, and each atom is itself.
struct PairMessageTrunk: PairCoefficients {
  struct Shape {
    let geometry: PairGeometry
    let messages: PairMessages
    let rounds, clock: Int
    /// How many sets of features come in.
    let sets: Int

    func parameters(_ name: String) -> [ParameterShape] {
      func layer(_ part: String, _ inputs: Int, _ outputs: Int, weight: Double = 1) -> [ParameterShape] {
        ParameterShape.layer("\(name).\(part)", inputs, outputs, weight: weight)
      }
      func matrix(_ part: String, _ shape: [Int], _ start: ParameterShape.Start) -> ParameterShape {
        ParameterShape(name: "\(name).\(part)", shape: shape, start: start)
      }
      let (width, vectors) = (messages.scalars, messages.vectors)
      let (atoms, pairs, volumes) = (geometry.atoms, geometry.pairs.count, geometry.volumes.count)
      var list = [
        matrix("atoms", [atoms, width], .within(1)),
        matrix("pairs", [pairs, width], .within(1)),
        matrix("distances", [sets, pairs, width], .within(1)),
      ]
      if volumes > 0 { list += [matrix("volumes", [atoms * width, sets * volumes], .uniform(inputs: sets * volumes))] }
      for round in (0..<self.rounds).map({ "round\($0)." }) {
        list += layer(round + "time", clock, 2 * width, weight: 0)
        list += ["pair", "first", "second", "message"].flatMap { layer(round + $0, width, width) }
        if messages.kind == .egnn { list += layer(round + "attention", width, 1) }
        if messages.kind == .gvp {
          list += [
            matrix(round + "along", [vectors], .within(1)),
            matrix(round + "mix", [vectors, 2 * vectors], .uniform(inputs: vectors)),
            matrix(round + "lengths", [width, vectors], .uniform(inputs: vectors)),
          ]
          list += layer(round + "sent", width, vectors)
          list += [matrix(round + "own", [vectors, vectors], .uniform(inputs: vectors))]
          list += layer(round + "turned", width, vectors)
        }
        list += layer(round + "node", 2 * width + (messages.kind == .gvp ? vectors : 0), width)
        list += layer(round + "update", width, width, weight: 0.3)
      }
      list += [matrix("pairs.out", [pairs, width], .constant(0)), matrix("pairs.bias", [pairs], .constant(0))]
      if volumes > 0 {
        list += [
          matrix("volumes.out", [4, volumes, width], .constant(0)), matrix("volumes.bias", [volumes], .constant(0)),
        ]
      }
      if messages.kind == .gvp { list += [matrix("vectors.out", [atoms, vectors], .constant(0))] }
      let features = geometry.features
      return list + ParameterShape.gatedSkip(name, inputs: sets * features, outputs: features, clock: clock)
    }
  }

  private let shape: Shape
  private let incidence: PairIncidence
  private let atoms, pairs, distances: Tensor
  /// Nil without volumes.
  private let volumes: Tensor?
  private let rounds: [Round]
  private let read: ReadOut

  init(_ shape: Shape, _ incidence: PairIncidence, _ next: inout ParameterReader) {
    (self.shape, self.incidence) = (shape, incidence)
    (atoms, pairs, distances) = (next.tensor(), next.tensor(), next.tensor())
    let hasVolumes = !shape.geometry.volumes.isEmpty
    volumes = hasVolumes ? next.tensor() : nil
    rounds = (0..<shape.rounds).map { _ in Round(shape.messages.kind, &next) }
    read = ReadOut(shape.messages.kind, hasVolumes: hasVolumes, &next)
  }

  func callAsFunction(_ features: Dual, _ clock: Tensor, along: Dual) throws -> Dual {
    let ends = try incidence.ends()
    var (h, e) = try start(features)
    var v: Dual?
    for round in rounds {
      let (scale, shift) = try round.time.film(clock)
      let seen = try h.layerNorm() * scale.unsqueezed(1) + shift.unsqueezed(1)
      var inner = try e.layerNorm().linear(round.pair) + seen.linear(round.first).gathered(ends.first)
      inner = try inner + seen.linear(round.second).gathered(ends.second)
      let mixed = try round.vectors.map { try $0.mixed(along, v, ends) }
      if let vectors = round.vectors, let mixed {
        inner = try inner + mixed.lengths().linear(vectors.lengths, nil)
      }
      var message = try inner.silu().linear(round.message).silu()
      if let attention = round.attention { message = try message * message.linear(attention).sigmoid() }
      e = try e + message
      let both = try (ends.first + ends.second).transposed() / Double(shape.geometry.atoms).squareRoot()
      var inputs = [seen, try message.gathered(both)]
      var turning: (all: Dual, own: Dual)?
      if let vectors = round.vectors, let mixed {
        let sent = try (mixed * message.linear(vectors.sent).sigmoid().unsqueezed(-3)).gathered(both)
        let all = try (v.map { try $0 + sent } ?? sent).ofUnitScale()
        turning = (all, try all.map { try $0.matmul(vectors.own) })
      }
      if let turning { inputs.append(try turning.own.lengths()) }
      let node = try Dual.concatenated(inputs).linear(round.node).silu()
      h = try h + node.linear(round.update)
      if let vectors = round.vectors, let turning {
        v = try turning.all + turning.own * node.linear(vectors.turned).sigmoid().unsqueezed(-3)
      }
    }
    return try coefficients(h, e, v, along) + features.linear(read.skip, nil) * read.gate(clock)
  }

  /// Features of atoms [n, atoms, width] and of pairs [n, pairs, width].
  private func start(_ features: Dual) throws -> (Dual, Dual) {
    let (all, count) = (shape.geometry.features, shape.geometry.pairs.count)
    var e: Dual?
    var own: [Dual] = []
    for set in 0..<shape.sets {
      let lower = set * all
      let distance = try features.slice(lower..<(lower + count)).unsqueezed(-1)
      let part = try distance * distances.slice(set..<(set + 1)).reshaped(count, -1)
      e = try e.map { try $0 + part } ?? part
      own.append(try features.slice((lower + count)..<(lower + all)))
    }
    let still = try Tensor.zeros([features.value.shape[0], 1, 1], features.value.scalarType ?? .float32)
    let h: Dual
    if let volumes {
      let inputs = try Dual.concatenated(own).linear(volumes, nil)
      h = try inputs.reshaped([shape.geometry.atoms, shape.messages.scalars]) + atoms
    } else {
      h = Dual(try still + atoms)
    }
    return (h, try e.map { try $0 + pairs } ?? Dual(still + pairs))
  }

  /// One for each distance and volume, [n, features].
  private func coefficients(_ h: Dual, _ e: Dual, _ v: Dual?, _ along: Dual) throws -> Dual {
    var distances = try (e.layerNorm() * read.pairs).sum(-1) + read.pairsBias
    if let v, let vectors = read.vectors {
      // how much the vectors of a pair's atoms point apart
      let heads = try (v * vectors).sum(-1)
      distances = try distances + (heads.linear(incidence.pairs, nil) * along).sum(-2)
    }
    guard let rows = read.volumes, let bias = read.volumesBias else { return distances }
    let normed = try h.layerNorm()
    var volumes: Dual?
    for (corner, atom) in try incidence.corners().enumerated() {
      let part = try (normed.gathered(atom) * rows.slice(corner..<(corner + 1)).reshaped(bias.count, -1)).sum(-1)
      volumes = try volumes.map { try $0 + part } ?? part
    }
    guard let volumes else { return distances }
    return try Dual.concatenated([distances, volumes + bias])
  }

  private struct Round {
    let time, pair, first, second, message: LinearLayer
    /// egnn.
    let attention: LinearLayer?
    /// gvp.
    let vectors: VectorRound?
    let node, update: LinearLayer

    init(_ kind: PairMessages.Kind, _ next: inout ParameterReader) {
      (time, pair, first, second) = (next.linear(), next.linear(), next.linear(), next.linear())
      message = next.linear()
      attention = kind == .egnn ? next.linear() : nil
      vectors = kind == .gvp ? VectorRound(&next) : nil
      (node, update) = (next.linear(), next.linear())
    }
  }

  private struct VectorRound {
    /// [vectors], and [vectors, 2 vectors]: for the first and the second atom of a pair.
    let along, mix: Tensor
    let lengths: Tensor
    let sent: LinearLayer
    let own: Tensor
    let turned: LinearLayer

    init(_ next: inout ParameterReader) {
      (along, mix, lengths) = (next.tensor(), next.tensor(), next.tensor())
      (sent, own, turned) = (next.linear(), next.tensor(), next.linear())
    }

    /// Vectors of pairs, [n, 3, pairs, vectors], of unit vectors [n, 3, pairs] and vectors of atoms [n, 3, atoms, vectors].
    func mixed(_ unit: Dual, _ v: Dual?, _ ends: (first: Tensor, second: Tensor)) throws -> Dual {
      let straight = try unit.unsqueezed(-1) * along
      guard let v else { return straight }
      let (own, width) = (try v.map { try $0.matmul(mix) }, along.count)
      return try straight + own.slice(0..<width).gathered(ends.first)
        + own.slice(width..<(2 * width)).gathered(ends.second)
    }
  }

  private struct ReadOut {
    /// Rows [pairs, width], and a bias [pairs].
    let pairs, pairsBias: Tensor
    /// Rows [4, volumes, width], one for each corner; nil without volumes.
    let volumes, volumesBias: Tensor?
    /// [atoms, vectors]; gvp.
    let vectors: Tensor?
    let gate: LinearLayer
    let skip: Tensor

    init(_ kind: PairMessages.Kind, hasVolumes: Bool, _ next: inout ParameterReader) {
      (pairs, pairsBias) = (next.tensor(), next.tensor())
      (volumes, volumesBias) = hasVolumes ? (next.tensor(), next.tensor()) : (nil, nil)
      vectors = kind == .gvp ? next.tensor() : nil
      (gate, skip) = (next.linear(), next.tensor())
    }
  }
}

extension Dual {
  /// Rows of a matrix over the last axis but one.
  fileprivate func gathered(_ matrix: Tensor) throws -> Dual { try map { try matrix.matmul($0) } }

  /// Of vectors [n, 3, m, channels], [n, m, channels]; smooth at zero.
  fileprivate func lengths() throws -> Dual { try square().sum(-3).root(1e-4) }

  /// Vectors [n, 3, m, channels] over the root mean square of their lengths, over channels.
  fileprivate func ofUnitScale() throws -> Dual {
    let squares = try square().sum(-3).map { try $0.mean(-1, keepingDimensions: true) }
    return try self * squares.inverseRoot(1e-2).unsqueezed(-3)
  }
}
