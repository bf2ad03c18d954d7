import Foundation
import Molecules

/// A file format of trajectories: how it is known, read and written.
///
/// A further format is a value like this beside its reader, and one entry in `all`.
public struct TrajectoryFormat: Sendable {
  /// "AMBER NetCDF", for messages.
  public let name: String
  /// Whether a file that begins with these bytes (`startLength` of them, or fewer where the file is shorter) is of this format.
  public let matches: @Sendable (_ start: [UInt8]) -> Bool
  /// Tells formats apart whose files begin alike, by a look into the file; nil where the beginning is enough.
  public let recognises: (@Sendable (URL) -> Bool)?
  /// Opens a file and checks it. The number of atoms that are expected, if known, is for formats that do not tell it.
  public let open: @Sendable (URL, _ expectedAtoms: Int?) throws -> any TrajectoryReader
  /// Creates a file, replacing one that exists; nil for a format that is only read.
  public let create: Create?

  public typealias Create =
    @Sendable (_ url: URL, _ atomCount: Int, _ hasCell: Bool, _ title: String) throws -> any TrajectoryWriter

  public init(
    name: String, matches: @escaping @Sendable ([UInt8]) -> Bool, recognises: (@Sendable (URL) -> Bool)? = nil,
    open: @escaping @Sendable (URL) throws -> any TrajectoryReader, create: Create? = nil
  ) {
    self.init(
      name: name, matches: matches, recognises: recognises, openKnowing: { url, _ in try open(url) }, create: create)
  }

  public init(
    name: String, matches: @escaping @Sendable ([UInt8]) -> Bool, recognises: (@Sendable (URL) -> Bool)? = nil,
    openKnowing open: @escaping @Sendable (URL, _ expectedAtoms: Int?) throws -> any TrajectoryReader,
    create: Create? = nil
  ) {
    (self.name, self.matches, self.recognises, self.open, self.create) = (name, matches, recognises, open, create)
  }

  /// The formats this package has. The first that matches reads a file.
  public static let all: [TrajectoryFormat] = [
    .mdtrajHDF5, .amberNetCDF, .dcd, .xtc, .trr, .amberText, .amberRestart, .pdb,
  ]

  /// How many bytes of a file's start tell its format.
  public static let startLength = 2048

  /// What a file is that no format here matches, in a few words, from its start.
  static func description(of start: [UInt8]) -> String {
    if start.isEmpty { return "empty" }
    let known: [(offset: Int, bytes: [UInt8], name: String)] = [
      (4, Array("VELD".utf8), "a DCD file of velocities"),
      (8, Array("CORD".utf8), "a DCD trajectory with records of 64 bits"),
      (0, [0x1f, 0x8b], "compressed (gzip)"), (0, Array("BZh".utf8), "compressed (bzip2)"),
      (0, Array("PK\u{3}\u{4}".utf8), "a ZIP archive"), (0, [0x28, 0xb5, 0x2f, 0xfd], "compressed (Zstandard)"),
    ]
    if let found = known.first(where: { start.dropFirst($0.offset).starts(with: $0.bytes) }) { return found.name }
    if start.allSatisfy({ $0 >= 0x20 || [0x09, 0x0a, 0x0d].contains($0) }) {
      let line = String(decoding: start.prefix { $0 != 0x0a && $0 != 0x0d }.prefix(40), as: UTF8.self)
      return "text that begins with \"\(line)\""
    }
    return "binary data that begins with the bytes "
      + start.prefix(8).map { String(format: "%02x", $0) }.joined(separator: " ")
  }
}
