import Workflow

/// The stage types that a pipeline file can use, in the order of help texts.
public enum StageCatalog {
  public static let all: [any StageType.Type] = [
    SimulateStage.self, IngestStage.self, EmulatorStage.self, ImportedEmulatorStage.self,
    TransferableEmulatorStage.self, TransferredEmulatorStage.self, RefinedEmulatorStage.self, PerturbStage.self,
    SampleStage.self,
    EnergyModelStage.self, AnnealStage.self,
    ReweightStage.self, CycleStage.self, AuditStage.self, ExploreStage.self, ToySamplesStage.self,
    ToyEnergyModelStage.self,
    UmbrellaStage.self, WindowsStage.self, CompareStage.self, ReportStage.self,
  ]

  /// Whether `report` sets answers of the type side by side.
  static func isCompared(_ type: any StageType.Type) -> Bool { (type as? any RecordedStage.Type)?.method != nil }

  /// What the table of a batch shows of results.
  public static func columns(_ types: [any StageType.Type] = all) -> [BatchColumn] {
    types.compactMap { $0 as? any RecordedStage.Type }.flatMap { $0.columns }
      .reduce(into: []) { columns, column in
        if !columns.contains(where: { $0.dataset == column.dataset }) { columns.append(column) }
      }
  }

  /// The stage types, with what stands around them in a pipeline file.
  public static var registry: StageRegistry { registry(of: all) }

  static func registry(of types: [any StageType.Type]) -> StageRegistry {
    StageRegistry(
      types,
      shared: [.temperature, .peptide, .topology, .atoms, .coordinates, .forcefield, .sampledBy, .sampledAt, .torsions]
        + SharedField.stateFields,
      settings: [DeviceChoice.setting])
  }
}
