import Workflow

/// The stage types that a pipeline file can use, in the order of help texts.
public enum StageCatalog {
  public static let all: [any StageType.Type] = [
    SimulateStage.self, IngestStage.self, EmulatorStage.self, ImportedEmulatorStage.self, SampleStage.self,
    EnergyModelStage.self,
    ReweightStage.self, AuditStage.self, ToySamplesStage.self, ToyEnergyModelStage.self,
    UmbrellaStage.self, CompareStage.self, ReportStage.self,
  ]

  /// The stage types, with what stands around them in a pipeline file.
  public static var registry: StageRegistry {
    StageRegistry(
      all, shared: [.temperature, .topology, .state, .forcefield, .torsions], settings: [DeviceChoice.setting])
  }
}
