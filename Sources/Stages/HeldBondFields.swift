import Foundation
import Molecules
import Trajectories
import Workflow

/// What a pipeline file says of bonds that constraints held, where its ingest stage is told nothing about them.
extension SharedField {
  /// The force field, where a trajectory of the file holds bonds: it tells what becomes of them. No key of the file.
  static let heldForcefield = SharedField(
    in: "system",
    ParameterField(
      "held_bonds", .fileOrVariant(EnergyMethods.all), optional: true,
      help: "the force field that tells what becomes of held bonds; left out: system.forcefield"),
    standIn: { surroundings in
      HeldBonds.areUntold(surroundings) ? surroundings.values[forcefield.name] ?? .null : .null
    })

  /// K, of released lengths; there where `heldForcefield` is. No key of the file.
  static let heldTemperature = SharedField(
    in: "system",
    ParameterField(
      "held_bonds_temperature", .number(1e-3...1e5), optional: true, unit: "K",
      help: "at which the lengths of held bonds are drawn; left out: temperature"),
    standIn: { surroundings in
      HeldBonds.areUntold(surroundings) ? surroundings.values[temperature.name] ?? .null : .null
    })
}

/// Whether frames that a pipeline is to read have held bonds, found before anything runs.
private enum HeldBonds {
  private static let framesLookedAt = 40

  /// Whether an ingest stage that is not told what to make of held bonds will find some. False where files cannot be read: whoever reads
  /// them says why.
  static func areUntold(_ surroundings: SharedField.Surroundings) -> Bool {
    guard let forcefield = surroundings.values[SharedField.forcefield.name], forcefield != .null else { return false }
    // a file may leave the topology to the force field's, and the structure to the trajectory
    var values = surroundings.values
    for field in SharedField.molecule where (values[field.name] ?? .null) == .null {
      values[field.name] = field.standIn?(surroundings)
    }
    return surroundings.stages.contains { stage in
      guard stage.type == IngestStage.self, (stage.parameters["constraints"] ?? .null) == .null else { return false }
      guard let files = stage.parameters["trajectory"].flatMap([String].init(_:)), !files.isEmpty else {
        return hasConstraints(values)
      }
      return files.contains { areHeld(in: URL(fileURLWithPath: $0), stage.parameters, values) }
    }
  }

  /// Of the force field that frames are to be simulated by: a System's text names them.
  private static func hasConstraints(_ values: [String: ParameterValue]) -> Bool {
    guard let file = MoleculeFile.forceField(values), !MoleculeFile.isPrmtop(file) else { return false }
    return FileAnswers.shared.value(file, of: "constraints") {
      guard let text = try? Data(contentsOf: file) else { return false }
      return text.range(of: Data("<Constraint ".utf8)) != nil
    }
  }

  /// Of the frames that the stage takes, `parameters` being its own.
  private static func areHeld(
    in trajectory: URL, _ parameters: ParameterValue, _ values: [String: ParameterValue]
  ) -> Bool {
    func number(_ name: String) -> Int? {
      guard let value = parameters[name] else { return nil }
      return Int(value)
    }
    let (first, last, stride) = (number("first") ?? 0, number("last"), max(1, number("stride") ?? 1))
    let fields =
      SharedField.molecule.map { values[$0.name]?.canonicalJSON ?? "" }.joined(separator: " ")
      + " \(first) \(last.map(String.init) ?? "") \(stride)"
    return FileAnswers.shared.value(trajectory, of: "held bonds \(fields)") {
      guard let molecule = try? Molecule(values),
        let preparation = try? FramePreparation(topology: molecule.topology),
        let reader = try? IngestSource.open(trajectory, molecule, preparation),
        let frames = try? reader.selection(first: first, last: last, stride: stride),
        let held = try? IngestConstraints.held(
          in: reader, frames, preparation, molecule.topology, framesLookedAt: framesLookedAt)
      else { return false }
      return !held.isEmpty
    }
  }
}
