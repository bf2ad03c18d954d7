import ForceFields
import Foundation
import OpenMM
import Workflow
import XTB

/// What `system.forcefield` may be: a method by its name, or a file by its ending.
enum EnergyMethods {
  /// A method that a pipeline file can name, and what makes it of its parameters.
  struct Entry: Sendable {
    let declaration: ForceFieldMethod
    let make: @Sendable (ForceFieldChoice) throws -> any EnergyMethod

    init<P: Decodable & Sendable>(
      _ declaration: ForceFieldMethod, make: @escaping @Sendable (P) -> any EnergyMethod
    ) {
      self.declaration = declaration
      self.make = { make(try $0.parameters(P.self)) }
    }
  }

  static let table = [amber, xTB]
  static var all: [ForceFieldMethod] { table.map(\.declaration) }

  static let amber = Entry(
    ForceFieldMethod(
      "amber", summary: "an AMBER parameter-topology file, with a choice of the implicit solvent",
      parameters: [
        ParameterField("file", .path, help: "prmtop or parm7"),
        ParameterField(
          "implicit_solvent", .choice(SystemTerms.ImplicitSolvent.allCases.map(\.rawValue)), default: "obc2",
          help: "generalised Born model, with the file's radii"),
      ])
  ) { (parameters: AMBERParameters) in
    AMBERForceField(file: URL(fileURLWithPath: parameters.file), implicitSolvent: parameters.implicitSolvent)
  }

  struct AMBERParameters: Decodable {
    var file: String
    var implicitSolvent: SystemTerms.ImplicitSolvent
  }

  static let xTB = Entry(
    ForceFieldMethod(
      "gfn2-xtb", summary: "the GFN2-xTB tight-binding method, through libxtb",
      parameters: [
        ParameterField(
          "solvent", .choice(XTBCalculator.solvents + ["none"]), default: "water",
          help: "implicit solvent, by libxtb's GBSA model"),
        ParameterField("charge", .integer(-20...20), default: 0, unit: "e", help: "of the whole molecule"),
        ParameterField("unpaired_electrons", .integer(0...20), default: 0, help: "of the whole molecule"),
      ])
  ) { (parameters: XTBParameters) in
    GFN2xTB(
      .init(
        solvent: parameters.solvent == "none" ? nil : parameters.solvent, charge: parameters.charge,
        unpairedElectrons: parameters.unpairedElectrons))
  }

  struct XTBParameters: Decodable {
    var solvent: String
    var charge: Int
    var unpairedElectrons: Int
  }

  /// A file by its ending: .prmtop and .parm7 are AMBER's, all others are OpenMM's.
  static func method(file: URL) -> any EnergyMethod {
    switch file.pathExtension.lowercased() {
    case "prmtop", "parm7": AMBERForceField(file: file)
    default: SerializedSystem(file: file)
    }
  }

  /// Throws `UnknownEnergyMethod`.
  static func method(_ choice: ForceFieldChoice) throws -> any EnergyMethod {
    guard let entry = table.first(where: { $0.declaration.name == choice.method }) else {
      throw UnknownEnergyMethod(name: choice.method, known: all.map(\.name))
    }
    return try entry.make(choice)
  }
}

/// A pipeline file names a method that this program does not have.
struct UnknownEnergyMethod: Error, Equatable, CustomStringConvertible {
  let name: String
  let known: [String]

  var description: String {
    "system.forcefield: there is no method \"\(name)\"; there are \(known.joined(separator: ", ")), or give a file"
  }
}

extension SystemFiles {
  /// Nil where the pipeline file names no force field.
  func energyMethod() throws -> (any EnergyMethod)? {
    try forcefieldMethod.map(EnergyMethods.method(_:)) ?? forcefield.map(EnergyMethods.method(file:))
  }
}

extension EnergyMethodError: AdvisableError {
  var advice: String? {
    switch self {
    case .noSystem: ": give system.forcefield a serialised OpenMM System or an AMBER prmtop"
    }
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
