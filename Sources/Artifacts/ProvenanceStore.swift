import Basics
import Foundation
import HDF5

/// /provenance in the file: the whole record as JSON, its parts once more as datasets that h5py and h5dump show at a
/// glance, and a checksum over all of it.
enum ProvenanceStore {
  static let group = "/provenance"
  private static let record = "/provenance/record"
  private static let checksum = "/provenance/checksum"

  static func write(_ provenance: Provenance, to file: HDF5File) throws {
    func store(_ path: String, _ texts: [String], shape: [Int]) throws {
      let (bytes, size) = fixedLengthBytes(texts)
      try file.createDataset(path, type: .string(bytes: size), shape: shape).write(bytes: bytes)
    }
    func number<T: HDF5Scalar>(_ name: String, _ value: T) throws {
      try file.createDataset("\(group)/\(name)", type: T.hdf5Type, shape: []).write([value])
    }
    try store(record, [provenance.json()], shape: [])
    let texts = [
      "key": provenance.key, "canonical": provenance.canonical, "stage": provenance.stage,
      "stage_type": provenance.stageType, "content_digest": provenance.contentDigest, "device": provenance.device,
      "start": Provenance.text(provenance.start), "end": Provenance.text(provenance.end),
    ]
    for (name, text) in texts.sorted(by: { $0.key < $1.key }) { try store("\(group)/\(name)", [text], shape: []) }
    try number("stage_version", provenance.stageVersion)
    try number("seed", provenance.seed)
    try number("wall_seconds", provenance.wallSeconds)
    try file.setAttribute("\(group)/wall_seconds", "units", .string("s"))
    try file.createGroup("\(group)/versions")
    for (name, version) in provenance.versions.sorted(by: { $0.key < $1.key }) {
      try file.setAttribute("\(group)/versions", name, .string(version))
    }
    if !provenance.warnings.isEmpty {
      try store("\(group)/warnings", provenance.warnings, shape: [provenance.warnings.count])
    }
    try store(checksum, [sum(file)], shape: [])
  }

  /// Reads the record and checks it against its checksum.
  static func read(from file: HDF5File) throws -> Provenance {
    for path in [record, checksum] where !file.exists(path) {
      throw ArtifactError.incomplete(file: file.url.path, missing: path)
    }
    let (stored, found, json): (String, String, String)
    do {
      stored = try file.dataset(checksum).readStrings().first ?? ""
      found = try sum(file)
      json = try file.dataset(record).readStrings().first ?? ""
    } catch { throw ArtifactError.provenanceDamaged(file: file.url.path, reason: "\(error)") }
    guard stored == found else {
      throw ArtifactError.provenanceDamaged(file: file.url.path, reason: "its checksum does not match")
    }
    do { return try Provenance.decode(json) } catch {
      throw ArtifactError.provenanceDamaged(file: file.url.path, reason: "unreadable record: \(error)")
    }
  }

  /// Where the record lies in an artifact's file.
  static func place(in file: HDF5File) -> Range<Int>? { try? file.dataset(record).place }

  /// The record at a place that `place` has given for the file as it is now; nil where there is none. Nothing vouches for it but the caller.
  static func read(_ url: URL, at place: Range<Int>) -> Provenance? {
    let descriptor = FileCalls.open(url.path, O_RDONLY)
    guard descriptor >= 0, place.count <= 16 << 20 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: place.count)
    guard pread(descriptor, &buffer, buffer.count, off_t(place.lowerBound)) == buffer.count else { return nil }
    return try? Provenance.decode(String(decoding: buffer, as: UTF8.self))
  }

  private static func sum(_ file: HDF5File) throws -> String {
    try Content.read(file, group: group, excluding: [checksum]).digest
  }
}
