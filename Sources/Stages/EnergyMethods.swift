import ForceFields
import Foundation
import OpenMM
import Workflow
import XTB

/// What `system.forcefield` may be beside a file.
enum EnergyMethods {
  static let all = [amber, xTB]

  static let amber = ForceFieldMethod(
    "amber", summary: "an AMBER parameter-topology file, with a choice of the implicit solvent",
    parameters: [
      ParameterField("file", .path, help: "prmtop or parm7"),
      ParameterField(
        "implicit_solvent", .choice(SystemTerms.ImplicitSolvent.allCases.map(\.rawValue)), default: "obc2",
        help: "generalised Born model, with the file's radii"),
    ])

  struct AMBERParameters: Decodable {
    var file: String
    var implicitSolvent: String
  }

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
    guard let choice = forcefieldMethod else { return forcefield.map(EnergySource.init(file:)) }
    if choice.method == EnergyMethods.amber.name {
      let parameters = try choice.parameters(EnergyMethods.AMBERParameters.self)
      return .amber(
        URL(fileURLWithPath: parameters.file),
        SystemTerms.ImplicitSolvent(rawValue: parameters.implicitSolvent) ?? .obc2)
    }
    let parameters = try choice.parameters(EnergyMethods.XTBParameters.self)
    return .xTB(
      .init(
        solvent: parameters.solvent == "none" ? nil : parameters.solvent, charge: parameters.charge,
        unpairedElectrons: parameters.unpairedElectrons))
  }
}
