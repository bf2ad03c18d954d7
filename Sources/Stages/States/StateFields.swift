import Workflow

/// What a pipeline file says of the states whose populations and free energies are asked for.
extension SharedField {
  public static let state = SharedField(
    in: system,
    ParameterField(
      "state", .object(StateDefinition.fields), optional: true,
      help: "the two states: a torsion inside [from, to] against outside; short for states of one torsion"),
    // what is asked for where nobody says what
    standIn: { surroundings in
      (surroundings.values[states.name] ?? .null) == .null ? StateDefinition().parameterValue : .null
    })

  public static let states = SharedField(
    in: system,
    ParameterField(
      "states",
      .entries(
        .textOr(
          .list(
            .map(.list(.number(-6.2832...1000), count: 2...2), example: "{ phi: [0, 2], psi: [-1, 1] }"),
            acceptsSingle: true, count: 1...1000)),
        example: "{ alpha: { phi: [-2, -1], psi: [-1, 0] }, left: { phi: [0, 2] } }"),
      optional: true,
      help:
        "states by name, in place of state: each a box in torsions (rad; from 2.5 to -2.5 runs across the turn) and distances (nm), or a "
        + "list of boxes, which is their union. 'rest: NAME' names what lies in none of them; 'rest' if left out"))

  public static let pairs = SharedField(
    in: system,
    ParameterField(
      "pairs", .list(.list(.string, count: 2...2), count: 1...10_000), optional: true,
      help:
        "pairs of states [a, b] whose free energy -ln(P(a) / P(b)) is asked for, the first one being that of single answers; left out: the "
        + "one state against the rest, or of several each further one against the first"))

  /// Empty where the file names none.
  public static let distances = SharedField(
    in: system,
    ParameterField(
      "distances",
      .map(
        .checked(.list(.integer(0...10_000_000), count: 2...2), expected: "two different atom indices") { value in
          value[0] != value[1]
        }, example: "{ end: [1, 18] }"), optional: true,
      help: "distances by name, two atom indices each, from 0: coordinates of states, besides torsions"))

  /// All that tells the states.
  static let stateFields: [SharedField] = [state, states, pairs, distances]

  private static let system = "system"
}

/// The two-state division of a torsion whose free-energy difference is asked for: inside [from, to] against outside.
public struct StateDefinition: ParameterGroup {
  @Parameter("name of a torsion") public var torsion = "phi"
  @Parameter("lower end", unit: "rad", in: -6.2832...6.2832) public var from = 0.0
  @Parameter("upper end", unit: "rad", in: -6.2832...6.2832) public var to = 2.0

  public init() {}

  init(torsion: String = "phi", from: Double = 0, to: Double = 2) {
    _torsion.takeDefault(torsion)
    _from.takeDefault(from)
    _to.takeDefault(to)
  }
}
