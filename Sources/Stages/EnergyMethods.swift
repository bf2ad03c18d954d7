import ForceFields
import Molecules
import Workflow
import XTB

/// What `system.forcefield` may be beside a file.
enum EnergyMethods {
  static let all: [ForceFieldMethod] = [xTB]

  static let xTB = ForceFieldMethod(
    "gfn2-xtb", summary: "the GFN2-xTB tight-binding method, through libxtb",
    parameters: [
      ParameterField(
        "solvent", .choice(XTBCalculator.solvents + ["none"]), default: "water",
        help: "implicit solvent, by libxtb's GBSA model"),
      ParameterField("charge", .integer(-20...20), default: 0, unit: "e", help: "of the whole molecule"),
      ParameterField("unpaired_electrons", .integer(0...20), default: 0, help: "of the whole molecule"),
    ])

  struct XTBParameters: Decodable {
    var solvent: String
    var charge: Int
    var unpairedElectrons: Int
  }
}

extension SystemFiles {
  /// Nil where the pipeline file names no force field.
  func energySource() throws -> EnergySource? {
    guard let choice = forcefieldMethod else { return forcefield.map { .openMMSystem($0) } }
    let parameters = try choice.parameters(EnergyMethods.XTBParameters.self)
    return .xTB(
      .init(
        solvent: parameters.solvent == "none" ? nil : parameters.solvent, charge: parameters.charge,
        unpairedElectrons: parameters.unpairedElectrons))
  }
}

extension Topology {
  /// Atomic numbers, [atoms]; 0 for an element that is not in the table.
  var atomicNumbers: [Int] { atoms.map { Element(symbol: $0.element)?.number ?? 0 } }
}
