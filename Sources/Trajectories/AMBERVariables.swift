import Foundation
import NetCDF

/// The variables of a file in AMBER's NetCDF convention: with their units, and frame by frame also where the library knows of no frames.
struct AMBERVariables {
  struct Scaled {
    let variable: NetCDFVariable
    let factor: Double
  }

  let file: NetCDFFile
  /// A restart is one frame, and its variables have no dimension of frames.
  let isRestart: Bool
  /// Where the header does not know the number of frames.
  let records: (reader: NetCDFClassicRecords, count: Int)?

  /// Larger ones are NetCDF's fill values (9.97e36), which stand where nothing was written.
  static let fill = 9.9e36

  private var path: String { file.url.path }

  func frameCount(_ coordinates: Scaled) -> Int {
    isRestart ? 1 : records?.count ?? coordinates.variable.shape[0]
  }

  /// As `scaled`; throws where there is no such variable.
  func required(
    _ name: String, _ dimensions: [String], units: [String], toProjectUnit factor: Double
  ) throws -> Scaled {
    guard let found = try scaled(name, dimensions, units: units, toProjectUnit: factor)
    else { throw TrajectoryError.missingVariable(file: path, variable: name) }
    return found
  }

  /// A variable with its dimensions besides that of frames, of which the last is 3; nil where there is none of that name.
  func scaled(
    _ name: String, _ dimensions: [String], units: [String], toProjectUnit factor: Double
  ) throws -> Scaled? {
    guard let variable = try file.variable(name) else { return nil }
    try checkShape(variable, dimensions)
    let found = try file.attribute("units", of: variable)?.description
    guard let found, units.contains(found.lowercased()) else {
      throw TrajectoryError.wrongUnits(file: path, variable: variable.name, found: found, expected: units[0])
    }
    return Scaled(variable: variable, factor: try factor * scaleFactor(variable))
  }

  private func checkShape(_ variable: NetCDFVariable, _ own: [String]) throws {
    let dimensions = (isRestart ? [] : ["frame"]) + own
    func wrongShape(_ found: String, _ expected: String) -> TrajectoryError {
      .wrongShape(file: path, variable: variable.name, found: found, expected: expected)
    }
    guard variable.dimensions == dimensions else {
      throw wrongShape("(\(variable.dimensions.joined(separator: ", ")))", "(\(dimensions.joined(separator: ", ")))")
    }
    guard own.isEmpty || variable.shape.last == 3 else {
      let expected = (isRestart ? [] : ["frames"]) + (own.count == 2 ? ["atoms", "3"] : ["3"])
      throw wrongShape("\(variable.shape)", "[\(expected.joined(separator: ", "))]")
    }
  }

  private func scaleFactor(_ variable: NetCDFVariable) throws -> Double {
    switch try file.attribute("scale_factor", of: variable) {
    case nil: return 1
    case .numbers(let values) where values.count == 1 && values[0].isFinite && values[0] > 0: return values[0]
    case .some(let other):
      throw TrajectoryError.badScaleFactor(file: path, variable: variable.name, found: other.description)
    }
  }

  /// Values of a range of frames.
  func read(_ scaled: Scaled, _ range: Range<Int>) throws -> [Double] {
    var values = try read(scaled.variable, range)
    if scaled.factor != 1 { for index in values.indices { values[index] *= scaled.factor } }
    return values
  }

  func read(_ variable: NetCDFVariable, _ range: Range<Int>) throws -> [Double] {
    if let records { return try records.reader.read(variable.name, range) }
    let shape = variable.shape
    if isRestart {
      guard !range.isEmpty else { return [] }
      return try file.read(variable, as: Double.self, start: shape.map { _ in 0 }, count: shape)
    }
    return try file.read(
      variable, as: Double.self, start: [range.lowerBound] + Array(repeating: 0, count: shape.count - 1),
      count: [range.count] + shape.dropFirst())
  }

  /// Runs over the values of all frames in pieces.
  func forEachPiece(_ variable: NetCDFVariable, frames: Int, _ body: (Range<Int>, [Double]) throws -> Void) throws {
    for start in stride(from: 0, to: frames, by: 65_536) {
      let range = start..<min(frames, start + 65_536)
      try body(range, read(variable, range))
    }
  }

  /// The variable of times, nil where there is none or they were not written; and a warning.
  func times(frames: Int) throws -> (times: Scaled?, warning: String?) {
    guard let variable = try file.variable("time") else { return (nil, nil) }
    // writers differ on the shape of a restart's one time
    if !isRestart || variable.shape.reduce(1, *) != 1 { try checkShape(variable, []) }
    let units = try file.attribute("units", of: variable)?.description
    if let units, !["picosecond", "picoseconds", "ps"].contains(units.lowercased()) {
      throw TrajectoryError.wrongUnits(file: path, variable: "time", found: units, expected: "picosecond")
    }
    let scaled = Scaled(variable: variable, factor: try scaleFactor(variable))
    var (missing, first): (Int, Int?) = (0, nil)
    try forEachPiece(variable, frames: frames) { range, values in
      for (frame, value) in zip(range, values) where !(abs(value) < Self.fill) {
        missing += 1
        first = first ?? frame
      }
    }
    if let first {
      let which =
        missing == frames ? "the times were" : "the times of \(missing) frames, the first of frame \(first), were"
      return (nil, "\(path): \(which) never written: the frames have no times")
    }
    return (scaled, units == nil ? "\(path): the times have no unit; taken as ps" : nil)
  }
}

/// Temperatures of the frames of a replica exchange, as AMBER writes them: `temp0` for each frame, or, of exchanges in several dimensions,
/// `remd_values` with the kind of each dimension in `remd_dimtype`.
struct AMBERTemperatures {
  private let source: AMBERVariables
  private let variable: NetCDFVariable
  private let columns, column: Int

  /// What `remd_dimtype` says: 1 temperature, 2 partial, 3 Hamiltonian, 4 pH, 5 redox potential.
  private static let kinds = [2: "parts of the system", 3: "Hamiltonians", 4: "pH", 5: "redox potentials"]

  /// Nil where the file tells no temperature for each frame. Throws `TrajectoryError.severalStates` where frames differ by what is no
  /// temperature.
  init?(_ source: AMBERVariables, frames: Int) throws {
    guard !source.isRestart else { return nil }
    self.source = source
    let path = source.file.url.path
    func perFrame(_ name: String) throws -> NetCDFVariable? {
      guard let variable = try source.file.variable(name), variable.dimensions.first == "frame" else { return nil }
      return variable
    }
    let values = try perFrame("remd_values").flatMap { $0.shape.count == 2 ? $0 : nil }
    let indices = try perFrame("remd_indices").flatMap { $0.shape.count == 2 ? $0 : nil }
    let single = try perFrame("temp0").flatMap { $0.shape.count == 1 ? $0 : nil }
    let width = (values ?? indices)?.shape.last ?? 0
    var types = [Int](repeating: 0, count: width)
    if let kinds = try source.file.variable("remd_dimtype"), kinds.shape == [width], width > 0 {
      types = try source.file.read(kinds, as: Double.self, start: [0], count: [width]).map {
        Int(exactly: $0) ?? 0
      }
    }
    // without its values a dimension of temperatures is told by temp0
    let explained = types.indices.filter { types[$0] == 1 && (values != nil || single != nil) }
    if let several = values ?? indices, width > 0 {
      var first: [Double]?
      try source.forEachPiece(several, frames: frames) { range, numbers in
        let reference = first ?? Array(numbers.prefix(width))
        first = reference
        for (offset, number) in numbers.enumerated()
        where number != reference[offset % width] && !explained.contains(offset % width) {
          let kind = Self.kinds[types[offset % width]] ?? "states that the file does not name"
          throw TrajectoryError.severalStates(
            file: path, message: "\(kind), which change at frame \(range.lowerBound + offset / width)")
        }
      }
    }
    if let values, let found = explained.first {
      (variable, columns, column) = (values, width, found)
    } else if let single {
      (variable, columns, column) = (single, 1, 0)
    } else {
      return nil
    }
  }

  /// K, [frames].
  func read(_ range: Range<Int>) throws -> [Double] {
    let values = try source.read(variable, range)
    return range.indices.map { values[($0 - range.lowerBound) * columns + column] }
  }
}
