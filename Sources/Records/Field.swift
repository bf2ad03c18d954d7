import Artifacts
import HDF5

/// A dataset or an attribute of artifacts, declared once: every stage that writes it, and everything that reads it, goes through the
/// declaration. docs/artifacts.md is made from these.
public protocol Field: Sendable {
  /// "results/delta_f".
  var path: String { get }
  /// As it is stored: "float64".
  var typeName: String { get }
  /// Which of the declarations below it is.
  var kind: FieldKind { get }
  var unit: String? { get }
  /// Names of the axes; empty for a single value.
  var axes: [String] { get }
  /// In a few words.
  var meaning: String { get }
}

/// What a program finds where a field is: one value, an array, or an attribute. Other languages make their readers of it.
public enum FieldKind: String, Sendable {
  case number, numbers, text, texts, measured, attribute
}

extension Field {
  public var unit: String? { nil }
  public var axes: [String] { [] }
}

/// A field that one call writes.
public protocol WrittenField: Field {
  associatedtype Written
  func write(_ value: Written, to writer: ArtifactWriter) throws
}

public typealias Real = Number<Double>
public typealias Reals = Numbers<Double>
public typealias Integer = Number<Int>
public typealias Integers = Numbers<Int>

/// One number.
public struct Number<Value: ArtifactScalar>: WrittenField {
  public let path, meaning: String
  public let unit: String?
  public var kind: FieldKind { .number }
  public var typeName: String { Value.hdf5Type.description }

  public init(_ path: String, unit: String? = nil, _ meaning: String) {
    (self.path, self.unit, self.meaning) = (path, unit, meaning)
  }

  public func write(_ value: Value, to writer: ArtifactWriter) throws { try writer.write(self, value) }
}

/// Numbers along one axis or several, written at once or row by row.
public struct Numbers<Value: ArtifactScalar>: WrittenField {
  public let path, meaning: String
  public let unit: String?
  public let axes: [String]
  let compression: Compression
  /// Whether the file holds the names of the axes: what only a stage itself reads again does without.
  let namesAxes: Bool
  public var kind: FieldKind { .numbers }
  public var typeName: String { Value.hdf5Type.description }

  public init(
    _ path: String, unit: String? = nil, axes: [String], _ meaning: String, namesAxes: Bool = true,
    compression: Compression = .automatic
  ) {
    (self.path, self.unit, self.axes, self.meaning) = (path, unit, axes, meaning)
    (self.namesAxes, self.compression) = (namesAxes, compression)
  }

  public func write(_ values: [Value], to writer: ArtifactWriter) throws { try writer.write(self, values) }

  var dims: [String]? { namesAxes ? axes : nil }
}

/// One text.
public struct Text: WrittenField {
  public let path, meaning: String
  public let typeName = "text"
  public let kind = FieldKind.text

  public init(_ path: String, _ meaning: String) { (self.path, self.meaning) = (path, meaning) }

  public func write(_ text: String, to writer: ArtifactWriter) throws { try writer.write(self, text) }
}

/// A list of texts.
public struct Texts: WrittenField {
  public let path, meaning: String
  public let axes: [String]
  public let typeName = "text"
  public let kind = FieldKind.texts

  public init(_ path: String, axes: [String], _ meaning: String) {
    (self.path, self.axes, self.meaning) = (path, axes, meaning)
  }

  public func write(_ texts: [String], to writer: ArtifactWriter) throws { try writer.write(self, texts) }
}

/// A number that a clock gave. It is no part of the content digest: equal runs have equal digests.
public struct Measured: WrittenField {
  public let path, meaning: String
  public let unit: String?
  public let typeName = "float64, measured"
  public let kind = FieldKind.measured

  public init(_ path: String, unit: String? = "s", _ meaning: String) {
    (self.path, self.unit, self.meaning) = (path, unit, meaning)
  }

  public func write(_ value: Double, to writer: ArtifactWriter) throws { try writer.write(self, value) }
}

/// A text attribute of a dataset, or of the file itself.
public struct Attribute: WrittenField {
  /// Of the dataset; "" for the file.
  public let owner: String
  public let name, meaning: String
  public let typeName = "attribute"
  public let kind = FieldKind.attribute
  public var path: String { "\(owner)@\(name)" }

  public init(of owner: some Field, _ name: String, _ meaning: String) {
    (self.owner, self.name, self.meaning) = (owner.path, name, meaning)
  }

  /// Of the file.
  public init(_ name: String, _ meaning: String) { (owner, self.name, self.meaning) = ("", name, meaning) }

  public func write(_ text: String, to writer: ArtifactWriter) throws { try writer.write(self, text) }
}

/// Fields or records below one group, by names that only the run knows: results/torsions/NAME.
public struct Named<Member: Sendable>: Sendable {
  /// Path of the group.
  public let group: String
  private let make: @Sendable (String) -> Member

  /// `make` is given the member's path.
  public init(under group: String, _ make: @escaping @Sendable (String) -> Member) {
    (self.group, self.make) = (group, make)
  }

  public subscript(name: String) -> Member { make("\(group)/\(name)") }

  /// What stands in documents for a name.
  var example: Member { self["NAME"] }
}

/// What belongs together in an artifact: a struct whose stored properties are fields, further records, or families of them (`Named`).
public protocol Record: Sendable {}

extension Record {
  /// All fields, those of inner records in their place.
  public var fields: [any Field] { Self.fields(of: self) }

  private static func fields(of record: any Record) -> [any Field] {
    Mirror(reflecting: record).children.flatMap { child -> [any Field] in
      switch child.value {
      case let field as any Field: [field]
      case let record as any Record: fields(of: record)
      case let family as any FamilyOfFields: family.exampleFields
      default: []
      }
    }
  }
}

private protocol FamilyOfFields {
  var exampleFields: [any Field] { get }
}

extension Named: FamilyOfFields {
  fileprivate var exampleFields: [any Field] {
    switch example {
    case let field as any Field: [field]
    case let record as any Record: record.fields
    default: []
    }
  }
}

/// What the artifact of one stage type holds.
public protocol StageRecord: Record {
  /// The word after `uses:`.
  static var stageType: String { get }
}

/// The records of the stage types.
public enum Recorded {
  public static let simulate = SimulateRecord()
  public static let ingest = IngestRecord()
  public static let emulator = EmulatorRecord()
  public static let transferableEmulator = TransferableEmulatorRecord()
  public static let perturb = PerturbRecord()
  public static let sample = SampleRecord()
  public static let energyModel = EnergyModelRecord()
  public static let anneal = AnnealRecord()
  public static let reweight = ReweightRecord()
  public static let cycle = CycleRecord()
  public static let audit = AuditRecord()
  public static let explore = ExploreRecord()
  public static let umbrella = UmbrellaRecord()
  public static let windows = WindowsRecord()
  public static let compare = CompareRecord()
  public static let report = ReportRecord()
  public static let toySamples = ToySamplesRecord()
  public static let toyEnergyModel = ToyEnergyModelRecord()

  public static let simulateCheckpoint = SimulateCheckpointRecord()
  public static let ingestPart = IngestPartRecord()
  public static let draws = DrawsRecord()
  public static let trainingCheckpoint = TrainingCheckpointRecord()
  public static let perturbCheckpoint = PerturbCheckpointRecord()
  public static let annealCheckpoint = AnnealCheckpointRecord()
  public static let reweightCheckpoint = EnergiesCheckpointRecord(group: ReweightRecord.stageType)
  public static let cycleCheckpoint = EnergiesCheckpointRecord(group: CycleRecord.stageType)
  public static let umbrellaCheckpoint = UmbrellaCheckpointRecord()
  public static let exploreCheckpoint = ExploreCheckpointRecord()

  /// What checkpoints of a stage type hold beside the fields of its artifact.
  public static let checkpoints: [RecordDocument.Section] = [
    (SimulateRecord.stageType, simulateCheckpoint), (IngestRecord.stageType, ingestPart),
    (PerturbRecord.stageType, perturbCheckpoint),
    (SampleRecord.stageType, draws), (EnergyModelRecord.stageType, trainingCheckpoint.pool),
    (AnnealRecord.stageType, annealCheckpoint), (ReweightRecord.stageType, reweightCheckpoint),
    (CycleRecord.stageType, cycleCheckpoint),
    (UmbrellaRecord.stageType, umbrellaCheckpoint),
    (ExploreRecord.stageType, exploreCheckpoint),
  ]
}

/// The group of a stage's answers, under fixed names, for scripts and reports.
public let resultsGroup = "results"
