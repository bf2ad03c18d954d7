import Basics
import Foundation
import Molecules
import NetCDF

/// A trajectory in AMBER's NetCDF convention, opened and checked; frames are read by range, so memory does not depend on
/// its length.
///
/// Source: "AMBER NetCDF Trajectory/Restart Convention", version 1.0, revision C. Values are converted to the project's
/// units: nm and ps.
public final class AMBERTrajectory: TrajectoryReader {
  public let url: URL
  public let frameCount: Int
  public let atomCount: Int
  public let hasTimes: Bool
  /// Departures from the convention that do not change the meaning of the coordinates.
  public let warnings: [String]

  private let file: NetCDFFile
  private let coordinates: Scaled
  private let times: Scaled?
  private let cellLengths: Scaled?
  private let cellAngles: Scaled?

  private struct Scaled {
    let variable: NetCDFVariable
    let factor: Double
  }

  /// Opens a trajectory and checks its convention, units, shapes and length.
  ///
  /// The header of a classic file is checked before the library sees it. A netCDF-4 file is read once to its end in a process
  /// of its own first, because the libraries may crash on damaged ones. Throws `TrajectoryError`.
  public convenience init(url: URL) throws { try self.init(url: url, wasTried: false) }

  private init(url: URL, wasTried: Bool) throws {
    self.url = url
    let path = url.path
    do {
      // before the library, which may refuse a cut-off file without saying why
      let header = try NetCDFClassicHeader.read(url)
      if let header, header.isTruncated {
        throw TrajectoryError.truncated(
          file: path, promised: header.promisedRecords ?? 0, present: header.presentRecords)
      }
      if header == nil, !wasTried { try Self.tryReading(url) }
      file = try NetCDFFile.open(url)
    } catch NetCDFError.noSuchFile {
      throw TrajectoryError.noSuchFile(file: path)
    } catch NetCDFError.notNetCDF(_, let message) {
      throw TrajectoryError.unreadable(file: path, message: message)
    }

    var warnings: [String] = []
    let conventions = try file.attribute("Conventions")?.description
    let names = conventions?.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "\0" }).map(String.init) ?? []
    guard names.contains("AMBER") else {
      throw TrajectoryError.wrongConvention(file: path, found: conventions)
    }
    let version = try file.attribute("ConventionVersion")?.description
    if version != "1.0" {
      warnings.append("\(path): ConventionVersion is \(version ?? "missing"), read as 1.0")
    }
    self.warnings = warnings

    guard let variable = try file.variable("coordinates") else {
      throw TrajectoryError.missingVariable(file: path, variable: "coordinates")
    }
    try Self.check(variable, dimensions: ["frame", "atom", "spatial"], in: path)
    guard variable.shape[2] == 3 else {
      throw TrajectoryError.wrongShape(
        file: path, variable: "coordinates", found: "\(variable.shape)", expected: "[frames, atoms, 3]")
    }
    frameCount = variable.shape[0]
    atomCount = variable.shape[1]
    guard frameCount > 0 else { throw TrajectoryError.noFrames(file: path) }
    coordinates = try Self.scaled(variable, in: file, units: ["angstrom", "angstroms"], toProjectUnit: 0.1)

    if let time = try file.variable("time") {
      try Self.check(time, dimensions: ["frame"], in: path)
      times = try Self.scaled(time, in: file, units: ["picosecond", "picoseconds", "ps"], toProjectUnit: 1)
    } else {
      times = nil
    }
    hasTimes = times != nil

    let lengths = try file.variable("cell_lengths")
    let angles = try file.variable("cell_angles")
    if let lengths {
      guard let angles else { throw TrajectoryError.missingVariable(file: path, variable: "cell_angles") }
      try Self.check(lengths, dimensions: ["frame", "cell_spatial"], in: path)
      try Self.check(angles, dimensions: ["frame", "cell_angular"], in: path)
      for variable in [lengths, angles] where variable.shape[1] != 3 {
        throw TrajectoryError.wrongShape(
          file: path, variable: variable.name, found: "\(variable.shape)", expected: "[frames, 3]")
      }
      cellLengths = try Self.scaled(lengths, in: file, units: ["angstrom", "angstroms"], toProjectUnit: 0.1)
      cellAngles = try Self.scaled(angles, in: file, units: ["degree", "degrees"], toProjectUnit: 1)
    } else {
      cellLengths = nil
      cellAngles = nil
    }
  }

  /// Reads a netCDF-4 file to its end where a crash does no harm. Throws `TrajectoryError.unreadable`.
  private static func tryReading(_ url: URL) throws {
    let size = (try? FileManager.default.attributesOfItem(atPath: url.path)[.size] as? Int) ?? 0
    func failure(_ message: String) -> TrajectoryError { .unreadable(file: url.path, message: message) }
    let outcome = Sandbox.run(seconds: 1 + size >> 23, bytes: (256 << 20) + 4 * size, lock: NativeLock.hdf5) {
      do {
        try AMBERTrajectory(url: url, wasTried: true).readEverything()
      } catch let error as TrajectoryError {
        // what is wrong with the content is found again, with its type, by whoever reads it now
        guard case .unreadable(_, let message) = error else { return }
        throw LibraryFailure(description: message)
      }
    }
    switch outcome {
    case .passed: return
    // not tried again here, where memory is not limited
    case .failed(let message): throw failure(message)
    case .crashed: throw failure("the netCDF-4 library crashes on it: the file is damaged")
    case .tooLong(let seconds): throw failure("the netCDF-4 library does not come to an end with it in \(seconds) s")
    }
  }

  private struct LibraryFailure: Error, CustomStringConvertible { let description: String }

  private func readEverything() throws {
    let step = max(1, (4 << 20) / max(1, 24 * atomCount))
    for start in stride(from: 0, to: frameCount, by: step) {
      let frames = start..<min(frameCount, start + step)
      _ = try readFrames(frames)
      _ = try readTimes(frames)
      _ = try readCells(frames)
    }
  }

  private static func check(_ variable: NetCDFVariable, dimensions: [String], in path: String) throws {
    guard variable.dimensions == dimensions else {
      throw TrajectoryError.wrongShape(
        file: path, variable: variable.name, found: "(\(variable.dimensions.joined(separator: ", ")))",
        expected: "(\(dimensions.joined(separator: ", ")))")
    }
  }

  private static func scaled(
    _ variable: NetCDFVariable, in file: NetCDFFile, units: [String], toProjectUnit factor: Double
  ) throws -> Scaled {
    let found = try file.attribute("units", of: variable)?.description
    guard let found, units.contains(found.lowercased()) else {
      throw TrajectoryError.wrongUnits(
        file: file.url.path, variable: variable.name, found: found, expected: units[0])
    }
    switch try file.attribute("scale_factor", of: variable) {
    case nil: return Scaled(variable: variable, factor: factor)
    case .numbers(let values) where values.count == 1 && values[0].isFinite && values[0] > 0:
      return Scaled(variable: variable, factor: factor * values[0])
    case .some(let other):
      throw TrajectoryError.badScaleFactor(
        file: file.url.path, variable: variable.name, found: other.description)
    }
  }

  // MARK: Frames

  /// Coordinates of a range of frames, [frames, atoms, 3], nm. Throws `TrajectoryError.frameRange`.
  public func readFrames(_ range: Range<Int>) throws -> [Double] { try read(coordinates, range) }

  /// Times of a range of frames, ps; nil when the file has none.
  public func readTimes(_ range: Range<Int>) throws -> [Double]? { try times.map { try read($0, range) } }

  /// Boxes of a range of frames; nil when the file has none.
  public func readCells(_ range: Range<Int>) throws -> [UnitCell]? {
    guard let cellLengths, let cellAngles else { return nil }
    let lengths = try read(cellLengths, range)
    let angles = try read(cellAngles, range)
    return range.indices.map { index in
      let first = 3 * (index - range.lowerBound)
      return UnitCell(lengths: Array(lengths[first..<(first + 3)]), angles: Array(angles[first..<(first + 3)]))
    }
  }

  private func read(_ scaled: Scaled, _ range: Range<Int>) throws -> [Double] {
    guard range.lowerBound >= 0, range.upperBound <= frameCount else {
      throw TrajectoryError.frameRange(file: url.path, requested: range, available: frameCount)
    }
    let shape = scaled.variable.shape
    var values = try file.read(
      scaled.variable, as: Double.self, start: [range.lowerBound] + Array(repeating: 0, count: shape.count - 1),
      count: [range.count] + shape.dropFirst())
    if scaled.factor != 1 {
      for index in values.indices { values[index] *= scaled.factor }
    }
    return values
  }
}

extension TrajectoryFormat {
  /// AMBER's NetCDF convention: classic files of all three kinds and netCDF-4 ones.
  public static let amberNetCDF = TrajectoryFormat(
    name: "AMBER NetCDF",
    matches: { start in
      // HDF5 looks for its signature there too, behind a block of the user's
      [1, 2, 5].contains { start.starts(with: Array("CDF".utf8) + [$0]) }
        || [0, 512, 1024].contains { start.dropFirst($0).starts(with: [0x89] + Array("HDF\r\n\u{1a}\n".utf8)) }
    },
    open: { try AMBERTrajectory(url: $0) },
    create: { try AMBERTrajectoryWriter(url: $0, atomCount: $1, hasCell: $2, title: $3) })
}
