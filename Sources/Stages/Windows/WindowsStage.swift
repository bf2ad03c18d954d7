import Basics
import FreeEnergies
import Foundation
import Records
import Workflow

/// `windows`: umbrella windows that someone has run elsewhere, read and judged as `umbrella` judges its own.
enum WindowsStage: RecordedStage {
  static let version = 1
  static let summary =
    "umbrella windows that were run elsewhere (PLUMED, AMBER, columns, HDF5), with MBAR and its checks"
  static let reads: [SharedField] = [.temperature] + SharedField.stateFields
  static let output = Recorded.windows
  static let method: ((StageInput) throws -> String)? = { _ in "umbrella windows, MBAR" }
  static let columns = [BatchColumn(output.freeEnergy)]

  enum Format: String, CaseIterable, ParameterType { case columns, plumed, amber, hdf5, umbrella }

  enum Unit: String, CaseIterable, ParameterType {
    case rad, degrees, nm, angstrom

    var isTorsion: Bool { self == .rad || self == .degrees }
    /// In rad or nm.
    var factor: Double {
      switch self {
      case .rad, .nm: 1
      case .degrees: .pi / 180
      case .angstrom: 0.1
      }
    }
  }

  enum EnergyUnit: String, CaseIterable, ParameterType {
    case kJ = "kJ/mol"
    case kcal = "kcal/mol"

    var factor: Double { self == .kJ ? 1 : 4.184 }
  }

  enum ForceConstantUnit: String, CaseIterable, ParameterType {
    case kJRad = "kJ/mol/rad2"
    case kJDegree = "kJ/mol/degree2"
    case kJNm = "kJ/mol/nm2"
    case kJAngstrom = "kJ/mol/angstrom2"
    case kcalRad = "kcal/mol/rad2"
    case kcalDegree = "kcal/mol/degree2"
    case kcalNm = "kcal/mol/nm2"
    case kcalAngstrom = "kcal/mol/angstrom2"

    private var length: Unit {
      switch self {
      case .kJRad, .kcalRad: .rad
      case .kJDegree, .kcalDegree: .degrees
      case .kJNm, .kcalNm: .nm
      case .kJAngstrom, .kcalAngstrom: .angstrom
      }
    }

    var isTorsion: Bool { length.isTorsion }
    /// In kJ/mol/rad^2 or kJ/mol/nm^2.
    var factor: Double { (rawValue.hasPrefix("kcal") ? 4.184 : 1) / (length.factor * length.factor) }
  }

  /// A table of windows; the files that it names enter the key with it.
  struct Table: ParameterType {
    let url: URL

    static func kind(_ limits: ParameterLimits<Never>) -> ParameterKind {
      .fileOfFiles { try WindowMetadata.files($0) }
    }
    init?(_ value: ParameterValue) {
      guard case .string(let path) = value else { return nil }
      url = URL(fileURLWithPath: path)
    }
    var parameterValue: ParameterValue { .string(url.path) }
  }

  struct Parameters: ParameterGroup {
    @Parameter(
      "names of what the biases act on, one or two; those of the states among them, if dF is wanted", count: 1...2,
      single: true)
    var coordinates: [String]
    @Parameter(
      "of the files: columns (plain text, .xvg too), plumed (COLVAR), amber (DUMPAVE), hdf5 (a dataset for each coordinate), umbrella (the "
        + "artifact of an umbrella stage)")
    var format = Format.columns
    @Parameter("samples, one file for each window: paths, or patterns such as windows/w*.dat (w2 comes before w10)")
    var files: InputFiles?
    @Parameter(
      "a WHAM metadata file in place of files, centers and force_constants: lines of file, centre and force constant (two of each for two "
        + "coordinates), correlation time (not used), temperature")
    var table: Table?
    @Parameter("AMBER's restraint files (DISANG), one for each of files; centres and force constants come from there")
    var restraints: InputFiles?
    @Parameter(
      "which columns, for each coordinate: a number from 1, or a name of PLUMED's; with hdf5 the path of a dataset; with amber which of the "
        + "restraints. 2 (and 3), the coordinate's own name, and 1 (and 2) if left out", count: 1...2, single: true)
    var columns: [String]?
    @Parameter(
      "of files and centres, for each coordinate; amber has its own, plumed rad or nm if left out", count: 1...2,
      single: true)
    var units: [Unit]?
    @Parameter(
      "centres of the biases, one for each window: numbers, or pairs for two coordinates", count: 1...100_000,
      single: true)
    var centers: [[Double]]?
    @Parameter(
      "of the biases: one for all windows, or one for each; pairs for two coordinates; 0 for one without a bias",
      in: .atLeastZero,
      count: 1...100_000, single: true)
    var forceConstants: [[Double]]?
    @Parameter(
      "for each coordinate; amber has its own, plumed kJ/mol/rad2 or kJ/mol/nm2 if left out", count: 1...2, single: true
    )
    var forceConstantUnits: [ForceConstantUnit]?
    @Parameter("whether the bias is k/2 d^2 (PLUMED, GROMACS, WHAM) and not k d^2 (AMBER, CHARMM)") var halved = true
    @Parameter(
      "of the windows' dynamics, one for all or one for each; the pipeline's if left out. Others than the pipeline's need energies",
      unit: "K",
      in: .positive, count: 1...100_000, single: true)
    var temperatures: [Double]?
    @Parameter("column or dataset of potential energies without the bias, for windows of other temperatures")
    var energyColumn: String?
    @Parameter("of energy_column") var energyUnit = EnergyUnit.kJ
    @Parameter("samples left out at the beginning of each window", in: .zeroOrMore) var first = 0
    @Parameter("take every n-th sample", in: .count) var stride = 1
    @Parameter(
      "between samples in the files; only for correlation times in ps. PLUMED's own if left out", unit: "ps",
      in: .positive)
    var sampleInterval: Double?
    @Parameter(
      "column of plain text, from 1, that holds the time: then times that stand twice or go back are found", in: .count)
    var timeColumn: Int?
    @Parameter(
      "ends of an interval of a distance whose free energy against the rest is asked for", unit: "nm", in: .atLeastZero,
      count: 2...2)
    var interval: [Double]?
    @Parameter("coordinate of the profile; that of the state, or the first, if left out") var along: String?
    @Parameter("bins of the free-energy profile", in: 6...720) var profileBins = 60
    @Parameter("least link between windows in the overlap graph; below it the stage fails", in: 1e-6...1)
    var overlapThreshold = 0.03
    @Parameter("replicates of the block bootstrap", in: 10...10_000) var bootstrap = 100
  }

  /// Reads everything and holds it against everything else: only the equations of MBAR are left for the run. Throws as `run` does.
  static func check(_ stage: PlannedStage) throws {
    try withAdvice {
      let setup = try WindowsSetup(stage.parameters(Parameters.self), shared: stage.shared)
      try WindowsAnalysis(data: setup.read(), options: setup.options(seed: 0)).check()
    }
  }

  /// Throws `WindowsStageError`, `WindowFileError`, `HDF5Error`, with advice where there is some; `WindowsError`, `FreeEnergiesError` where
  /// the windows do not fit what is said of them, or do not cover their path.
  static func run(_ context: StageContext) throws {
    try withAdvice {
      let setup = try WindowsSetup(context.parameters(Parameters.self), shared: context.shared)
      let data = try setup.read()
      for warning in setup.warnings { context.warn(warning) }
      let outcome = try WindowsAnalysis(data: data, options: setup.options(seed: context.seed)).run(
        progress: context.progress)
      for warning in outcome.result.warnings { context.warn(warning) }
      try setup.write(data, outcome, to: context.output)
    }
  }
}

/// What a pipeline file says of windows, and cannot mean.
public enum WindowsStageError: Error, Equatable, CustomStringConvertible {
  case needs(String)
  case count(parameter: String, found: Int, windows: Int)
  case width(parameter: String, found: Int, coordinates: [String])
  case excluded(parameter: String, by: String)
  case kind(coordinate: String, parameter: String, isTorsion: Bool)
  case unit(file: String, coordinate: String, value: Double, unit: String, advice: String)
  case unknown(parameter: String, name: String, known: [String])
  case content(file: String, String)

  public var description: String {
    switch self {
    case .needs(let text): return text
    case .count(let parameter, let found, let windows):
      return "\(parameter) has \(found) entries for \(windows) windows: give one for each"
        + (parameter == "centers" ? "" : ", or one for all")
    case .width(let parameter, let found, let coordinates):
      return
        "\(parameter) has \(found) values for \(coordinates.count) coordinates (\(coordinates.joined(separator: ", ")))"
        + ": give one for each"
    case .excluded(let parameter, let other):
      return "\(parameter) has no meaning beside \(other): leave one of them out"
    case .kind(let coordinate, let parameter, let isTorsion):
      return "\(parameter): \(coordinate) is a \(isTorsion ? "torsion" : "distance"), and this is of the other kind"
    case .unit(let file, let coordinate, let value, let unit, let advice):
      return "\(file): \(coordinate) is \(value), which is no angle in \(unit); say units: \(advice)"
    case .unknown(let parameter, let name, let known):
      return "\(parameter) '\(name)' is none of \(known.joined(separator: ", "))"
    case .content(let file, let text): return "\(file): \(text)"
    }
  }
}

extension WindowsError: AdvisableError {
  var advice: String? {
    switch self {
    case .spread: "; see units, force_constant_units and halved"
    case .misplaced:
      "; files and centers must be in the same order and of one unit; leave out their beginnings with first"
    case .temperature: "; see energy_column, or set temperature to that of the windows"
    default: nil
    }
  }
}
