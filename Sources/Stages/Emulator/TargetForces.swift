import Basics
import ForceFields
import FreeEnergies
import Generative
import Molecules
import Workflow

/// What a pipeline file says of the force field whose dynamics an emulator's frames come from.
extension SharedField {
  static let sampledBy = SharedField(
    in: "system",
    ParameterField(
      "sampled_by", .fileOrVariant(EnergyMethods.all), optional: true,
      help:
        "the force field of the dynamics that an emulator's frames come from, and of simulate; left out: system.forcefield"
    ),
    standIn: { surroundings in
      TargetForces.areWanted(surroundings.asking) ? surroundings.values[forcefield.name] ?? .null : .null
    }, standsFor: { TargetForces.areWanted($0) ? [forcefield] : [] })

  /// The same, for a stage that makes dynamics: by this force field where the file names it, by `system.forcefield` where not.
  static let simulatedBy = SharedField(in: "system", sampledBy.field)
  static let simulatedInstead = SharedField(
    in: "system", forcefield.field, isNeeded: true, yieldsTo: simulatedBy.name)

  static let sampledAt = SharedField(
    in: "system",
    ParameterField(
      "sampled_at", .number(1e-3...1e5), optional: true, unit: "K",
      help: "temperature of the dynamics that an emulator's frames come from; left out: temperature"),
    standIn: { surroundings in
      let isNamed = [sampledBy, forcefield].contains { (surroundings.values[$0.name] ?? .null) != .null }
      return isNamed && TargetForces.areWanted(surroundings.asking)
        ? surroundings.values[temperature.name] ?? .null : .null
    }, standsFor: { TargetForces.areWanted($0) ? [temperature] : [] })
}

/// Forces for the targets of an emulator.
enum TargetForces {
  /// Force field and temperature of dynamics, for a stage that always asks for its forces.
  static let fields: [SharedField] = [
    SharedField(
      in: "system", SharedField.sampledBy.field,
      standIn: { $0.values[SharedField.forcefield.name] ?? .null }, standsFor: { _ in [.forcefield] }),
    SharedField(
      in: "system", SharedField.sampledAt.field,
      standIn: { $0.values[SharedField.temperature.name] ?? .null }, standsFor: { _ in [.temperature] }),
  ]

  /// Of the force field of the dynamics, at their temperature, for a stage that reads `fields`. Throws `MolecularSystemError`, and the
  /// force field's own errors.
  static func ofDynamics(_ context: StageContext, rigid: RigidBonds?) throws -> BoltzmannForces {
    let temperature = context.shared[SharedField.sampledAt.name].flatMap(Double.init(_:)) ?? context.temperature
    let isNamed = (context.shared[SharedField.sampledBy.name] ?? .null) != .null
    let system = try MolecularSystem(context, forcefield: isNamed ? .sampledBy : nil).at(temperature)
    return try BoltzmannForces.of(system, rigid: rigid, for: "forces of the frames", threads: context.threads).forces
  }

  /// Whether an emulator with these parameters may use forces: only then do its results depend on a force field.
  static func areWanted(_ text: (String) -> String?) -> Bool {
    func says(_ name: String, _ words: [String]) -> Bool { text(name).map(words.contains) ?? true }
    let hasUse = says("coordinates", ["internal", "heavy"]) || text("network.type") == "pairs"
    return hasUse && says("targets", ["auto", "forces"]) && says("objective", ["velocity"])
      && says("coupling", ["independent"])
  }

  static func areWanted(_ stage: StageDefinition?) -> Bool {
    stage.map { stage in
      areWanted { name in
        let keys = name.split(separator: ".").map(String.init)
        return keys.dropFirst().reduce(stage.parameters[keys[0]]) { $0?[$1] }?.string
      }
    } ?? false
  }

  private static let pairsSay = [
    "objective": "the objective is the velocity", "coupling": "noise and frames are paired as drawn",
    "interpolant": "paths are linear", "prior": "noise has no centre of mass", "atom_classes": "each atom is itself",
    "length_scale": "positions have unit variance", "rotors": "positions of all atoms have no torsions to fold",
  ]

  /// Refuses what forces alone can carry where there can be none.
  static func check(_ stage: PlannedStage, _ parameters: EmulatorStage.Parameters) {
    let needing: [(name: String, isAsked: Bool)] = [
      ("targets", parameters.targets == .forces), ("flows", parameters.flows == .two),
      ("rotors", parameters.rotors == .folded), ("time_weights", parameters.timeWeights == .likelihood),
    ]
    var reason: String?
    if parameters.coordinates != .internal {
      if parameters.conditionalMean == true {
        stage.refuse("conditional_mean needs coordinates: internal", at: .parameter("conditional_mean"))
      }
      if parameters.flows == .two { stage.refuse("flows: two needs coordinates: internal", at: .parameter("flows")) }
    }
    if parameters.coordinates == .heavy || (parameters.coordinates == .cartesian && parameters.network.type == .pairs) {
      let plain: [(name: String, isPlain: Bool)] = [
        ("objective", parameters.objective == .velocity), ("coupling", parameters.coupling == .independent),
        ("interpolant", parameters.interpolant == .linear), ("prior", parameters.prior == .meanFree),
        ("atom_classes", parameters.atomClasses == nil), ("length_scale", parameters.lengthScale == 10),
        ("rotors", parameters.coordinates == .heavy || parameters.rotors != .folded),
      ]
      for (name, isPlain) in plain where !isPlain {
        stage.refuse(
          "\(name) does not go with a network over pairs, for which \(pairsSay[name] ?? ""): leave it out",
          at: .parameter(name))
      }
    }
    if parameters.coordinates == .heavy, parameters.targets == .plain || stage.forcefield == .null {
      stage.refuse(
        "coordinates: heavy learns hydrogens given heavy atoms, which needs forces: "
          + (parameters.targets == .plain
            ? "targets: forces or auto"
            : "system.forcefield (or system.sampled_by, where the frames come from another one)"),
        at: .parameter("coordinates"))
    }
    if !parameters.mayUseForces {
      reason = "coordinates: internal or heavy, or network.type: pairs"
    } else if parameters.objective != .velocity || parameters.coupling != .independent {
      reason = "objective: velocity and coupling: independent"
    } else if parameters.targets == .plain {
      reason = "targets: forces or auto"
    } else if stage.forcefield == .null {
      reason = "system.forcefield (or system.sampled_by, where the frames come from another one)"
    }
    guard let reason else { return }
    for (name, isAsked) in needing where isAsked {
      stage.refuse("\(name): \(stage.values[name]?.string ?? "") needs \(reason)", at: .parameter(name))
    }
  }

  /// Nil where they are not wanted, or there is no force field; where `targets` is auto, also where it gives no energies, with a warning.
  /// Where bonds are held, forces on the surface: their volume's gradient is among them.
  static func engine(
    _ context: StageContext, _ parameters: EmulatorStage.Parameters, rigid: RigidBonds?
  ) throws -> BoltzmannForces? {
    guard parameters.mayUseForces, parameters.targets != .plain, context.forcefield != .null,
      context.temperature.isFinite
    else {
      if parameters.mayUseForces, parameters.targets == .auto {
        context.log("targets are plain: there is no force field")
      }
      return nil
    }
    do {
      return try BoltzmannForces.of(
        MolecularSystem(context), rigid: rigid, for: "forces in the targets", threads: context.threads
      ).forces
    } catch {
      if parameters.targets == .forces || parameters.coordinates == .heavy { throw error }
      context.warn("targets are plain: \(error)")
      return nil
    }
  }
}

extension StateShares {
  /// Nil where nothing is asked for. Throws `StateSharesError`, `StateShareNames`.
  init?(_ context: StageContext, _ parameters: EmulatorStage.Parameters, _ frames: NDArray<Double>) throws {
    guard parameters.stateShare != nil || parameters.stateShares != nil else { return nil }
    let states = try MolecularSystem(context).states()
    let shares = try Self.asked(parameters, states)
    try self.init(names: states.set.names, places: states.places(of: frames), shares: shares)
  }

  /// The shares that a file asks for, of each state. Throws as above.
  static func asked(_ parameters: EmulatorStage.Parameters, _ states: MolecularStates) throws -> [Double?] {
    guard parameters.stateShare == nil || parameters.stateShares == nil else { throw StateShareNames.both }
    let names = states.set.names
    var shares = parameters.stateShares ?? [:]
    if let share = parameters.stateShare { shares[names[states.set.first.from]] = share }
    if let unknown = shares.keys.sorted().first(where: { !names.contains($0) }) {
      throw StateShareNames.unknown(unknown, known: names)
    }
    return try StateShares(names: names, places: [], shares: names.map { shares[$0] }).shares
  }
}

/// What a pipeline file says of shares and cannot mean.
enum StateShareNames: Error, Equatable, CustomStringConvertible {
  case both
  case unknown(String, known: [String])

  var description: String {
    switch self {
    case .both: "state_share and state_shares say the same twice; give one of them"
    case .unknown(let name, let known):
      "state_shares: there is no state '\(name)'; there are \(known.joined(separator: ", "))"
    }
  }
}
