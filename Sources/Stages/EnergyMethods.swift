import ForceFields
import Foundation
import OpenMM
import Workflow
import XTB

/// What `system.forcefield` may be: a method by its name, or a file by its ending.
enum EnergyMethods {
  /// A method that a pipeline file can name: its parameters, and what is made of them.
  struct Entry: Sendable {
    let variant: ParameterVariant
    let make: @Sendable (ParameterValue) throws -> any EnergyMethod

    init<Parameters: ParameterGroup>(
      _ name: String, _ summary: String, make: @escaping @Sendable (Parameters) -> any EnergyMethod
    ) {
      variant = ParameterVariant(name, summary: summary, parameters: Parameters.fields)
      self.make = { make(try Parameters(resolved: $0)) }
    }
  }

  static let table = [amber, xTB]
  static var all: [ParameterVariant] { table.map(\.variant) }

  static let amber = Entry("amber", "an AMBER parameter-topology file, with a choice of the implicit solvent") {
    (parameters: AMBERParameters) in
    AMBERForceField(file: parameters.file.url, implicitSolvent: parameters.implicitSolvent)
  }

  struct AMBERParameters: ParameterGroup {
    @Parameter("prmtop or parm7") var file: InputFile
    @Parameter("generalised Born model, with the file's radii") var implicitSolvent = SystemTerms.ImplicitSolvent.obc2
  }

  static let xTB = Entry("gfn2-xtb", "the GFN2-xTB tight-binding method, through libxtb") {
    (parameters: XTBParameters) in
    GFN2xTB(
      .init(
        solvent: parameters.solvent == "none" ? nil : parameters.solvent, charge: parameters.charge,
        unpairedElectrons: parameters.unpairedElectrons))
  }

  struct XTBParameters: ParameterGroup {
    @Parameter("implicit solvent, by libxtb's GBSA model", words: XTBCalculator.solvents + ["none"]) var solvent =
      "water"
    @Parameter("of the whole molecule", unit: "e", in: -20...20) var charge = 0
    @Parameter("of the whole molecule", in: 0...20) var unpairedElectrons = 0
  }

  /// A file by its ending: .prmtop and .parm7 are AMBER's, all others are OpenMM's.
  static func method(file: URL) -> any EnergyMethod {
    switch file.pathExtension.lowercased() {
    case "prmtop", "parm7": AMBERForceField(file: file)
    default: SerializedSystem(file: file)
    }
  }
}

extension SystemTerms.ImplicitSolvent: ParameterType {}

/// A pipeline file names a method that this program does not have.
struct UnknownEnergyMethod: Error, Equatable, CustomStringConvertible {
  let name: String
  let known: [String]

  var description: String {
    "system.forcefield: there is no method \"\(name)\"; there are \(known.joined(separator: ", ")), or give a file"
  }
}

extension ParameterValue {
  /// The method that a force field's value names. Nil where the pipeline file names no force field. Throws `UnknownEnergyMethod`.
  func energyMethod() throws -> (any EnergyMethod)? {
    guard let (name, parameters) = variant else {
      return string.map { EnergyMethods.method(file: URL(fileURLWithPath: $0)) }
    }
    guard let entry = EnergyMethods.table.first(where: { $0.variant.name == name }) else {
      throw UnknownEnergyMethod(name: name, known: EnergyMethods.all.map(\.name))
    }
    return try entry.make(parameters)
  }

  /// What messages call the force field.
  var forcefieldName: String {
    string.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "the force field"
  }
}

extension EnergyMethodError: AdvisableError {
  var advice: String? {
    switch self {
    case .noSystem: ": give system.forcefield a serialised OpenMM System or an AMBER prmtop"
    }
  }
}

extension XTBError: AdvisableError {
  var advice: String? {
    if case .oddElectrons = self { " (forcefield: { method: gfn2-xtb, charge: ... })" } else { nil }
  }
}

extension AMBERForceFieldError: AdvisableError {
  var advice: String? {
    switch self {
    case .otherMolecule: nil
    case .noBornRadii(let file): ", or write forcefield: { method: amber, file: \(file), implicit_solvent: none }"
    }
  }
}
