import Basics
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

    /// `files`: whether a file that stands by itself means this method, with the file as its parameter `file`.
    init<Parameters: ParameterGroup>(
      _ name: String, _ summary: String, files: (@Sendable (URL) -> Bool)? = nil,
      make: @escaping @Sendable (Parameters) -> any EnergyMethod
    ) {
      variant = ParameterVariant(
        name, summary: summary, parameters: Parameters.fields,
        file: files.map { ParameterVariant.BareFile(parameter: fileKey, isMeant: $0) })
      self.make = { make(try Parameters(resolved: $0)) }
    }
  }

  private static let fileKey = "file"
  static let table = [amber, xTB]
  static var all: [ParameterVariant] { table.map(\.variant) }

  static let amber = Entry(
    "amber", "an AMBER parameter-topology file, with a choice of implicit solvents; what a .prmtop by itself is",
    files: isAMBER
  ) { (parameters: AMBERParameters) in
    AMBERForceField(
      file: parameters.file.url, implicitSolvent: parameters.implicitSolvent,
      hasSurfaceTerm: parameters.surfaceTerm == .ace, saltConcentration: parameters.salt ?? 0)
  }

  struct AMBERParameters: ParameterGroup {
    @Parameter("prmtop or parm7") var file: InputFile
    @Parameter("generalised Born model, by the file's radii; igb = 1, 2, 5, 7, 8 are hct, obc1, obc2, gbn, gbn2")
    var implicitSolvent = SystemTerms.ImplicitSolvent.obc2
    @Parameter(
      "nonpolar energy of the solvent by the molecule's surface; AMBER has none but with gbsa, OpenMM's createSystem has ace by default. It "
        + "can move free energies by tenths of kT") var surfaceTerm = SurfaceTerm.none
    @Parameter("concentration of salt (AMBER's saltcon); none if left out", unit: "mol/L", in: 0...5) var salt: Double?
  }

  enum SurfaceTerm: String, CaseIterable, ParameterType {
    case none, ace
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

  @Sendable private static func isAMBER(_ file: URL) -> Bool {
    ["prmtop", "parm7"].contains(file.pathExtension.lowercased()) || MoleculeFile.isPrmtop(file)
  }

  /// A file that stands by itself.
  static func method(file: URL) -> any EnergyMethod {
    isAMBER(file) ? AMBERForceField(file: file) : SerializedSystem(file: file)
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
    let file = string ?? variant?.parameters["file"]?.string
    return file.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "the force field"
  }
}

extension ParameterValue {
  /// What a force field, as keys have it, puts around the molecule; nil for a file that tells it in its terms alone.
  var surroundings: String? {
    guard let (name, parameters) = variant else { return nil }
    if name == EnergyMethods.amber.variant.name {
      guard let word = parameters["implicit_solvent"]?.string,
        let solvent = SystemTerms.ImplicitSolvent(rawValue: word)
      else { return nil }
      let salt = parameters["salt"].flatMap(Double.init(_:)).flatMap { $0 > 0 ? $0 : nil }
      return EnergyMethods.surroundings(
        solvent, hasSurfaceTerm: parameters["surface_term"]?.string == EnergyMethods.SurfaceTerm.ace.rawValue,
        salt: salt)
    }
    guard name == EnergyMethods.xTB.variant.name, let solvent = parameters["solvent"]?.string else { return nil }
    return solvent == "none" ? "in vacuum" : "in implicit \(solvent) (GBSA)"
  }
}

extension EnergyMethods {
  /// "in OBC2 water without a surface term".
  static func surroundings(
    _ solvent: SystemTerms.ImplicitSolvent, hasSurfaceTerm: Bool, salt: Double? = nil
  ) -> String {
    guard solvent != .none else { return "in vacuum" }
    return
      "in \(solvent.rawValue.uppercased()) implicit water \(hasSurfaceTerm ? "with the ACE" : "without a") surface term"
      + (salt.map { " and \(NumberText.significant($0)) mol/L of salt" } ?? "")
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
    case .otherMolecule, .noElements, .radius: nil
    case .noBornRadii(let file): ", or write forcefield: { method: amber, file: \(file), implicit_solvent: none }"
    }
  }
}
