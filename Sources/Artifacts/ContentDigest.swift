import Crypto
import Foundation
import HDF5

/// What an artifact says, apart from how its file is laid out: for every group and dataset its path, type, shape,
/// bytes and attributes. Two artifacts with the same content have the same digest, whatever the chunks, the compression
/// or the order of writing.
struct Content: Equatable {
  struct Entry: Equatable {
    var type: HDF5Type?  // nil for a group
    var shape: [Int] = []
    var payload: [UInt8] = []  // SHA-256 of the elements, little-endian
    var attributes: [String: HDF5AttributeValue] = [:]
  }

  /// Attribute of a dataset whose value a clock gave: it is left out here and stands in the provenance.
  static let measuredMark = "measured"

  var entries: [String: Entry] = ["/": Entry()]  // By absolute path; "/" is the root

  /// SHA-256 of the whole, hex.
  var digest: String {
    var hash = SHA256()
    func add(_ text: String) {
      // the length first: no two different lists of texts give the same bytes
      withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { hash.update(bufferPointer: $0) }
      hash.update(data: Data(text.utf8))
    }
    for (path, entry) in entries.sorted(by: { $0.key < $1.key }) {
      add(path)
      add(entry.type?.description ?? "group")
      add(entry.shape.map(String.init).joined(separator: ","))
      add(hex(entry.payload))
      add(String(entry.attributes.count))
      for (name, value) in entry.attributes.sorted(by: { $0.key < $1.key }) {
        add(name)
        add(value.canonical)
      }
    }
    return hex(hash.finalize())
  }

  /// Reads everything below `group`, in slabs of bounded size; `excluded` are absolute paths left out.
  static func read(_ file: HDF5File, group: String = "/", excluding excluded: Set<String>) throws -> Content {
    var content = Content()
    content.entries = [:]
    func visit(_ path: String) throws {
      guard !excluded.contains(path) else { return }
      let kind = try file.kind(path)
      var entry = Entry(attributes: try file.attributes(path))
      if kind == .dataset {
        let dataset = try file.dataset(path)
        entry.type = dataset.type
        entry.shape = dataset.shape
        if entry.attributes[measuredMark] == nil { entry.payload = try payload(of: dataset) }
      }
      content.entries[path] = entry
      if kind == .group {
        for name in try file.list(path) { try visit(path == "/" ? "/" + name : path + "/" + name) }
      }
    }
    try visit(group)
    return content
  }

  private static func payload(of dataset: HDF5Dataset) throws -> [UInt8] {
    var hash = SHA256()
    if let rows = dataset.shape.first, dataset.count > 0 {
      let perRow = max(1, dataset.count / rows * dataset.type.size)
      let step = max(1, (4 << 20) / perRow)
      for start in stride(from: 0, to: rows, by: step) {
        hash.update(data: try dataset.readBytes(rows: start..<min(rows, start + step)))
      }
    } else if dataset.count > 0 {
      hash.update(data: try dataset.readBytes())
    }
    return Array(hash.finalize())
  }
}

extension HDF5AttributeValue {
  /// Type and value as text; a number by its bits, so that no rounding hides a change.
  fileprivate var canonical: String {
    func bits(_ values: [Double]) -> String { values.map { String($0.bitPattern, radix: 16) }.joined(separator: ",") }
    switch self {
    case .string(let value): return "string \(value)"
    case .integer(let value): return "integer \(value)"
    case .number(let value): return "number \(bits([value]))"
    case .integers(let values): return "integers \(values.map(String.init).joined(separator: ","))"
    case .numbers(let values): return "numbers \(bits(values))"
    case .strings(let values): return "strings \(values.map { "\($0.utf8.count):\($0)" }.joined(separator: ","))"
    }
  }
}

package func hex(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
