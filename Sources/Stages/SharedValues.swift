import Foundation
import Torch
import Workflow

/// What a pipeline file says around its stages: the molecule, the temperature, and where networks run.
extension SharedField {
  public static let temperature = SharedField(
    ParameterField("temperature", .number(1e-3...1e5), default: 300, unit: "K", help: "of the ensemble"))

  public static let forcefield = SharedField(
    in: system,
    ParameterField(
      "forcefield", .fileOrVariant(EnergyMethods.all), optional: true,
      help: "a force field's file, or a method: \(EnergyMethods.all.map(\.name).joined(separator: ", "))"),
    isNeeded: true, made: .init(from: peptide) { .string(try PreparedPeptide($0).system.path) })

  /// The same, for a stage that can do without.
  static let optionalForcefield = SharedField(in: system, forcefield.field, made: forcefield.made)

  /// Empty where the file names none.
  public static let torsions = SharedField(
    in: system,
    ParameterField(
      "torsions",
      .map(
        .checked(.list(.integer(0...10_000_000), count: 4...4), expected: "four different atom indices") { value in
          guard case .list(let atoms) = value else { return false }
          return Set(atoms.map(\.canonicalJSON)).count == atoms.count
        }, example: "{ phi: [4, 6, 8, 14] }"),
      default: .object([:]), help: "torsions by name, four atom indices each, from 0"))

  private static let system = "system"
}

/// Where networks are trained and evaluated. No key depends on it.
enum DeviceChoice: String, CaseIterable, ParameterType {
  /// On a GPU if there is one.
  case auto
  case cpu, cuda

  static let setting = ParameterField(
    "device", kind(ParameterLimits()), default: auto.parameterValue,
    help: "where networks are trained and evaluated; auto: on a GPU if there is one")
}

/// Whoever is handed what stands around the stages: a stage that runs, or one that is looked at before.
protocol SharedValueHolder {
  var shared: [String: ParameterValue] { get }
}

extension StageContext: SharedValueHolder {}
extension PlannedStage: SharedValueHolder {}

extension SharedValueHolder {
  /// K. NaN for a stage that does not declare that it reads it.
  var temperature: Double {
    [SharedField.temperature, .heldTemperature, .sampledAt].lazy.compactMap {
      self.shared[$0.name].flatMap(Double.init(_:))
    }.first
      ?? .nan
  }

  /// Torsions that the file names, four atom indices each, from 0.
  var torsions: [String: [Int]] {
    guard case .object(let named)? = shared[SharedField.torsions.name] else { return [:] }
    return named.compactMapValues([Int].init(_:))
  }

  /// A force field's file, or a method with its parameters; null where the file names none. For a stage that reads both, which makes
  /// dynamics, that of the dynamics.
  var forcefield: ParameterValue {
    [SharedField.sampledBy, .forcefield, .heldForcefield].lazy.compactMap { self.shared[$0.name] }.first { $0 != .null }
      ?? .null
  }
}

extension StageContext {
  /// Gives LibTorch the stage's threads and the pipeline's device; to be called before the first tensor. Throws `NoGPUError` where
  /// the pipeline asks for a GPU and none is there.
  func prepareTorch() throws {
    let choice = settings[DeviceChoice.setting.name].flatMap(DeviceChoice.init(_:))
    try Runtime.initialize(threads: threads, device: choice == .cpu ? .cpu : choice == .cuda ? .cuda : nil)
    usesDevice(Runtime.deviceName)
  }
}
