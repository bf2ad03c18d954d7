import Workflow

/// The stage types that a pipeline file can use, in the order of help texts.
public enum StageCatalog {
  public static let all: [any StageType.Type] = [
    SimulateStage.self, IngestStage.self, EmulatorStage.self, ImportedEmulatorStage.self, SampleStage.self,
    EnergyModelStage.self,
    ReweightStage.self, AuditStage.self, ToySamplesStage.self, ToyEnergyModelStage.self,
    UmbrellaStage.self, CompareStage.self, ReportStage.self,
  ]

  public static var registry: StageRegistry { StageRegistry(all, forceFieldMethods: EnergyMethods.all) }
}
