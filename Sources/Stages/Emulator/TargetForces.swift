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
      help: "the force field of the dynamics that an emulator's frames come from; left out: system.forcefield"),
    standIn: { surroundings in
      TargetForces.areWanted(surroundings) ? surroundings.values[forcefield.name] ?? .null : .null
    })

  static let sampledAt = SharedField(
    in: "system",
    ParameterField(
      "sampled_at", .number(1e-3...1e5), optional: true, unit: "K",
      help: "temperature of the dynamics that an emulator's frames come from; left out: temperature"),
    standIn: { surroundings in
      TargetForces.areWanted(surroundings) ? surroundings.values[temperature.name] ?? .null : .null
    })
}

/// Forces for the targets of an emulator.
enum TargetForces {
  /// Whether an emulator of the file may use forces: only then do its results depend on a force field.
  static func areWanted(_ surroundings: SharedField.Surroundings) -> Bool {
    guard let forcefield = surroundings.values[SharedField.forcefield.name], forcefield != .null else { return false }
    return surroundings.stages.contains { stage in
      guard stage.type == EmulatorStage.self else { return false }
      func says(_ name: String, _ words: [String]) -> Bool {
        stage.parameters[name]?.string.map(words.contains) ?? true
      }
      return says("coordinates", ["internal"]) && says("targets", ["auto", "forces"])
        && says("objective", ["velocity"]) && says("coupling", ["independent"])
    }
  }

  /// Nil where they are not wanted, or there is no force field; where `targets` is auto, also where it gives no energies, with a warning.
  static func engine(_ context: StageContext, _ parameters: EmulatorStage.Parameters) throws -> BoltzmannForces? {
    guard parameters.coordinates == .internal, parameters.targets != .plain, context.forcefield != .null,
      context.temperature.isFinite
    else { return nil }
    do {
      let engine = try withAdvice {
        try MolecularSystem(context).engine(for: "forces in the targets", threads: context.threads)
      }
      return BoltzmannForces(temperature: context.temperature, framesPerCall: engine.framesPerCall) {
        try engine.energiesAndForces($0)
      }
    } catch {
      if parameters.targets == .forces { throw error }
      context.warn("targets are plain: \(error)")
      return nil
    }
  }
}

/// How often frames are drawn, so that states have the shares that a file asks for.
enum StateShares {
  private static let chunk = 2000

  /// Empty where nothing is asked for. Throws `StateSharesError`.
  static func weights(
    _ context: StageContext, _ parameters: EmulatorStage.Parameters, _ frames: NDArray<Double>
  ) throws -> [Double] {
    guard parameters.stateShare != nil || parameters.stateShares != nil else { return [] }
    let states = try MolecularSystem(context).states()
    var shares = parameters.stateShares ?? [:]
    if let share = parameters.stateShare { shares[states.set.names[states.set.first.from]] = share }
    if let unknown = shares.keys.sorted().first(where: { !states.set.names.contains($0) }) {
      throw StateSharesError.unknown(unknown, known: states.set.names)
    }
    let size = frames.values.count / max(1, frames.shape.first ?? 1)
    var found: [Int] = []
    for first in stride(from: 0, to: frames.values.count, by: size * chunk) {
      let part = Array(frames.values[first..<min(first + size * chunk, frames.values.count)])
      found += states.assignment(of: part).place
    }
    return try weights(of: found, names: states.set.names, shares: shares)
  }

  /// `found`: the state of each frame, the last of `names` being the rest.
  static func weights(of found: [Int], names: [String], shares: [String: Double]) throws -> [Double] {
    var counts = names.map { _ in 0.0 }
    for state in found { counts[state] += 1 }
    let asked = names.map { shares[$0] }
    let told = asked.reduce(0) { $0 + ($1 ?? 0) }
    let free = zip(asked, counts).reduce(0) { $0 + ($1.0 == nil ? $1.1 : 0) }
    guard told <= 1 + 1e-9, told >= 1 - 1e-9 || free > 0 else { throw StateSharesError.sum(told) }
    for (name, (share, count)) in zip(names, zip(asked, counts)) where count == 0 && (share ?? 0) > 0 {
      throw StateSharesError.empty(name)
    }
    let factors = zip(asked, counts).map { share, count in
      share.map { count > 0 ? $0 / count : 0 } ?? (free > 0 ? max(0, 1 - told) / free : 0)
    }
    return found.map { factors[$0] * Double(found.count) }
  }
}

public enum StateSharesError: Error, Equatable, CustomStringConvertible {
  case unknown(String, known: [String])
  case sum(Double)
  case empty(String)

  public var description: String {
    switch self {
    case .unknown(let name, let known):
      "state_shares: there is no state '\(name)'; there are \(known.joined(separator: ", "))"
    case .sum(let sum):
      "state_shares: the shares add up to \(sum); they and what is left to the other states' frames must make 1"
    case .empty(let name): "state_share: no frame lies in state '\(name)': it cannot have a share"
    }
  }
}
