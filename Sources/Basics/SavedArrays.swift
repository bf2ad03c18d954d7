/// What a long computation keeps to go on from: arrays by name, in groups "like/this".
///
/// A plain value, so that whoever runs the computation decides where it is kept: in memory, in a file.
public struct SavedArrays: Equatable, Sendable {
  public enum Value: Equatable, Sendable {
    case floats(NDArray<Float>)
    case doubles(NDArray<Double>)
    case integers(NDArray<Int64>)
    case bytes(NDArray<UInt8>)
    case strings([String])
  }

  public private(set) var values: [String: Value]

  public init(_ values: [String: Value] = [:]) { self.values = values }

  public subscript(name: String) -> Value? {
    get { values[name] }
    set { values[name] = newValue }
  }

  /// Adds `others` under names of their own, or of a group.
  public mutating func add(_ others: SavedArrays, to group: String? = nil) {
    for (name, value) in others.values { values[group.map { "\($0)/\(name)" } ?? name] = value }
  }

  /// The arrays of a group, by their names within it.
  public func group(_ name: String) -> SavedArrays {
    let prefix = name + "/"
    var found = SavedArrays()
    for (path, value) in values where path.hasPrefix(prefix) {
      found.values[String(path.dropFirst(prefix.count))] = value
    }
    return found
  }

  public func contains(_ name: String) -> Bool { values[name] != nil }

  /// These throw `SavedArraysError` where there is no array of that name and type.
  public func floats(_ name: String) throws -> NDArray<Float> {
    guard case .floats(let array)? = values[name] else { throw SavedArraysError.missing(name, type: "Float") }
    return array
  }

  public func doubles(_ name: String) throws -> NDArray<Double> {
    guard case .doubles(let array)? = values[name] else { throw SavedArraysError.missing(name, type: "Double") }
    return array
  }

  public func integers(_ name: String) throws -> NDArray<Int64> {
    guard case .integers(let array)? = values[name] else { throw SavedArraysError.missing(name, type: "Int64") }
    return array
  }

  public func bytes(_ name: String) throws -> [UInt8] {
    guard case .bytes(let array)? = values[name] else { throw SavedArraysError.missing(name, type: "UInt8") }
    return array.values
  }

  public func strings(_ name: String) throws -> [String] {
    guard case .strings(let list)? = values[name] else { throw SavedArraysError.missing(name, type: "String") }
    return list
  }

  /// A single number.
  public func integer(_ name: String) throws -> Int {
    guard let value = try integers(name).values.first else { throw SavedArraysError.missing(name, type: "Int64") }
    return Int(value)
  }

  public func number(_ name: String) throws -> Double {
    guard let value = try doubles(name).values.first else { throw SavedArraysError.missing(name, type: "Double") }
    return value
  }

  public mutating func set(_ name: String, _ value: Int) throws {
    values[name] = .integers(try NDArray([Int64(value)], shape: []))
  }

  public mutating func set(_ name: String, _ value: Double) throws {
    values[name] = .doubles(try NDArray([value], shape: []))
  }
}

public enum SavedArraysError: Error, CustomStringConvertible, Equatable {
  case missing(String, type: String)

  public var description: String {
    switch self {
    case .missing(let name, let type):
      return "a saved state has no array '\(name)' of \(type): it belongs to another computation"
    }
  }
}
