import Artifacts
import HDF5
import Basics

/// A dataset or an attribute of artifacts, declared once: every stage that writes it, and everything that reads it, goes through the
/// declaration. docs/artifacts.md is made from these.
public protocol Field: Sendable {
  /// "results/delta_f".
  var path: String { get }
  /// As it is stored: "float64".
  var typeName: String { get }
  var unit: String? { get }
  /// Names of the axes; empty for a single value.
  var axes: [String] { get }
  /// In a few words.
  var meaning: String { get }
}

/// One number.
public struct Number<Value: ArtifactScalar>: Field {
  public let path: String
  public let unit: String?
  public let meaning: String
  public let axes: [String] = []
  public var typeName: String { Value.hdf5Type.description }

  public init(_ path: String, unit: String? = nil, _ meaning: String) {
    self.path = path
    self.unit = unit
    self.meaning = meaning
  }
}

/// Numbers along one axis or several, written at once or row by row.
public struct Numbers<Value: ArtifactScalar>: Field {
  public let path: String
  public let unit: String?
  public let axes: [String]
  public let meaning: String
  let compression: Compression
  /// Whether the file holds the names of the axes: what only a stage itself reads again does without.
  let namesAxes: Bool
  public var typeName: String { Value.hdf5Type.description }

  public init(
    _ path: String, unit: String? = nil, axes: [String], _ meaning: String, namesAxes: Bool = true,
    compression: Compression = .automatic
  ) {
    self.path = path
    self.unit = unit
    self.axes = axes
    self.meaning = meaning
    self.namesAxes = namesAxes
    self.compression = compression
  }

  var dims: [String]? { namesAxes ? axes : nil }
}

/// One text.
public struct Text: Field {
  public let path: String
  public let meaning: String
  public let unit: String? = nil
  public let axes: [String] = []
  public let typeName = "text"

  public init(_ path: String, _ meaning: String) {
    self.path = path
    self.meaning = meaning
  }
}

/// A list of texts.
public struct Texts: Field {
  public let path: String
  public let axes: [String]
  public let meaning: String
  public let unit: String? = nil
  public let typeName = "text"

  public init(_ path: String, axes: [String], _ meaning: String) {
    self.path = path
    self.axes = axes
    self.meaning = meaning
  }
}

/// A number that a clock gave. It is no part of the content digest: equal runs have equal digests.
public struct Measured: Field {
  public let path: String
  public let unit: String? = "s"
  public let meaning: String
  public let axes: [String] = []
  public let typeName = "float64, measured"

  public init(_ path: String, _ meaning: String) {
    self.path = path
    self.meaning = meaning
  }
}

/// A text attribute of a dataset, or of the file itself.
public struct Attribute: Field {
  /// Of the dataset; "" for the file.
  public let owner: String
  public let name: String
  public let meaning: String
  public let unit: String? = nil
  public let axes: [String] = []
  public let typeName = "attribute"
  public var path: String { "\(owner)@\(name)" }

  public init(of owner: some Field, _ name: String, _ meaning: String) {
    self.owner = owner.path
    self.name = name
    self.meaning = meaning
  }

  /// Of the file.
  public init(_ name: String, _ meaning: String) {
    owner = ""
    self.name = name
    self.meaning = meaning
  }
}

/// Fields or records below one group, by names that only the run knows: results/torsions/NAME.
public struct Named<Member: Sendable>: Sendable {
  /// Path of the group.
  public let group: String
  private let make: @Sendable (String) -> Member

  /// `make` is given the member's path.
  public init(under group: String, _ make: @escaping @Sendable (String) -> Member) {
    self.group = group
    self.make = make
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
  public static let sample = SampleRecord()
  public static let energyModel = EnergyModelRecord()
  public static let reweight = ReweightRecord()
  public static let audit = AuditRecord()
  public static let umbrella = UmbrellaRecord()
  public static let compare = CompareRecord()
  public static let report = ReportRecord()
  public static let toySamples = ToySamplesRecord()
  public static let toyEnergyModel = ToyEnergyModelRecord()

  /// What checkpoints of a stage type hold beside the fields of its artifact.
  public static let checkpoints: [RecordDocument.Section] = [
    (SimulateRecord.stageType, SimulateCheckpointRecord()), (IngestRecord.stageType, IngestPartRecord()),
    (SampleRecord.stageType, DrawsRecord()), (EnergyModelRecord.stageType, PoolRecord()),
    (ReweightRecord.stageType, ReweightCheckpointRecord()), (UmbrellaRecord.stageType, UmbrellaCheckpointRecord()),
  ]
}

/// The group of a stage's answers, under fixed names, for scripts and reports.
public let resultsGroup = "results"
