import ForceFields
import Foundation
import OpenMM
import Workflow
import XTB

/// A way to energies that `system.forcefield` may name instead of a file.
struct EnergyMethodType {
  let variant: ParameterVariant
  /// From the method's resolved parameters.
  let source: (ParameterValue) throws -> EnergySource
}

/// What `system.forcefield` may be beside a file.
enum EnergyMethods {
  static let table = [amber, xTB]
  static var all: [ParameterVariant] { table.map(\.variant) }

  struct AMBERParameters: ParameterGroup {
    @Parameter("prmtop or parm7") var file: InputFile
    @Parameter("generalised Born model, with the file's radii") var implicitSolvent = SystemTerms.ImplicitSolvent.obc2
    init() {}
  }

  static let amber = EnergyMethodType(
    variant: ParameterVariant(
      "amber", summary: "an AMBER parameter-topology file, with a choice of the implicit solvent",
      parameters: AMBERParameters.fields)
  ) {
    let parameters = try AMBERParameters(resolved: $0)
    return .amber(parameters.file.url, parameters.implicitSolvent)
  }

  struct XTBParameters: ParameterGroup {
    @Parameter("implicit solvent, by libxtb's GBSA model", words: XTBCalculator.solvents + ["none"]) var solvent =
      "water"
    @Parameter("of the whole molecule", unit: "e", in: -20...20) var charge = 0
    @Parameter("of the whole molecule", in: 0...20) var unpairedElectrons = 0
    init() {}
  }

  static let xTB = EnergyMethodType(
    variant: ParameterVariant(
      "gfn2-xtb", summary: "the GFN2-xTB tight-binding method, through libxtb", parameters: XTBParameters.fields)
  ) {
    let parameters = try XTBParameters(resolved: $0)
    return .xTB(
      .init(
        solvent: parameters.solvent == "none" ? nil : parameters.solvent, charge: parameters.charge,
        unpairedElectrons: parameters.unpairedElectrons))
  }
}

extension SystemTerms.ImplicitSolvent: ParameterType {}

/// A force-field method that is in no table.
struct UnknownEnergyMethod: Error, CustomStringConvertible {
  let name: String
  var description: String {
    "there is no force-field method '\(name)' (known: \(EnergyMethods.all.map(\.name).joined(separator: ", ")))"
  }
}

extension SystemFiles {
  /// Nil where the pipeline file names no force field. Throws `UnknownEnergyMethod`.
  func energySource() throws -> EnergySource? {
    guard let (name, parameters) = forcefield.variant else {
      return forcefield.string.map { EnergySource(file: URL(fileURLWithPath: $0)) }
    }
    guard let method = EnergyMethods.table.first(where: { $0.variant.name == name }) else {
      throw UnknownEnergyMethod(name: name)
    }
    return try method.source(parameters)
  }

  /// What messages call the force field.
  var forcefieldName: String {
    forcefield.string.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "the force field"
  }
}
