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
  public let frameCount, atomCount: Int
  public let hasTimes: Bool
  /// Departures from the convention that do not change the meaning of the coordinates.
  public let warnings: [String]

  private let file: NetCDFFile
  private let coordinates: Scaled
  private let times, cellLengths, cellAngles: Scaled?

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
    guard names.contains("AMBER") else { throw TrajectoryError.wrongConvention(file: path, found: conventions) }
    let version = try file.attribute("ConventionVersion")?.description
    if version != "1.0" { warnings.append("\(path): ConventionVersion is \(version ?? "missing"), read as 1.0") }
    self.warnings = warnings

    let lengthUnits = ["angstrom", "angstroms"]
    coordinates = try Self.required(
      "coordinates", ["frame", "atom", "spatial"], of: file, units: lengthUnits, toProjectUnit: 0.1)
    (frameCount, atomCount) = (coordinates.variable.shape[0], coordinates.variable.shape[1])
    guard frameCount > 0 else { throw TrajectoryError.noFrames(file: path) }
    times = try Self.scaled("time", ["frame"], of: file, units: ["picosecond", "picoseconds", "ps"], toProjectUnit: 1)
    hasTimes = times != nil
    cellLengths = try Self.scaled(
      "cell_lengths", ["frame", "cell_spatial"], of: file, units: lengthUnits, toProjectUnit: 0.1)
    cellAngles =
      cellLengths == nil
      ? nil
      : try Self.required(
        "cell_angles", ["frame", "cell_angular"], of: file, units: ["degree", "degrees"], toProjectUnit: 1)
  }

  /// Reads a netCDF-4 file to its end where a crash does no harm. Throws `TrajectoryError.unreadable`.
  private static func tryReading(_ url: URL) throws {
    let fault = Sandbox.fault(reading: url, by: "the netCDF-4 library", lock: NativeLock.hdf5) {
      do {
        try AMBERTrajectory(url: url, wasTried: true).readEverything()
      } catch let error as TrajectoryError {
        // what is wrong with the content is found again, with its type, by whoever reads it now
        guard case .unreadable(_, let message) = error else { return }
        throw LibraryFailure(description: message)
      }
    }
    if let fault { throw TrajectoryError.unreadable(file: url.path, message: fault) }
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

  private static func required(
    _ name: String, _ dimensions: [String], of file: NetCDFFile, units: [String], toProjectUnit factor: Double
  ) throws -> Scaled {
    guard let found = try scaled(name, dimensions, of: file, units: units, toProjectUnit: factor)
    else { throw TrajectoryError.missingVariable(file: file.url.path, variable: name) }
    return found
  }

  /// A variable with its dimensions, of which the last is 3 where there are several; nil where there is none of that name.
  private static func scaled(
    _ name: String, _ dimensions: [String], of file: NetCDFFile, units: [String], toProjectUnit factor: Double
  ) throws -> Scaled? {
    guard let variable = try file.variable(name) else { return nil }
    func wrongShape(_ found: String, _ expected: String) -> TrajectoryError {
      .wrongShape(file: file.url.path, variable: name, found: found, expected: expected)
    }
    guard variable.dimensions == dimensions else {
      throw wrongShape("(\(variable.dimensions.joined(separator: ", ")))", "(\(dimensions.joined(separator: ", ")))")
    }
    guard dimensions.count == 1 || variable.shape.last == 3
    else { throw wrongShape("\(variable.shape)", dimensions.count == 3 ? "[frames, atoms, 3]" : "[frames, 3]") }
    let found = try file.attribute("units", of: variable)?.description
    guard let found, units.contains(found.lowercased()) else {
      throw TrajectoryError.wrongUnits(file: file.url.path, variable: variable.name, found: found, expected: units[0])
    }
    switch try file.attribute("scale_factor", of: variable) {
    case nil: return Scaled(variable: variable, factor: factor)
    case .numbers(let values) where values.count == 1 && values[0].isFinite && values[0] > 0:
      return Scaled(variable: variable, factor: factor * values[0])
    case .some(let other):
      throw TrajectoryError.badScaleFactor(file: file.url.path, variable: variable.name, found: other.description)
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
    guard range.lowerBound >= 0, range.upperBound <= frameCount
    else { throw TrajectoryError.frameRange(file: url.path, requested: range, available: frameCount) }
    let shape = scaled.variable.shape
    var values = try file.read(
      scaled.variable, as: Double.self, start: [range.lowerBound] + Array(repeating: 0, count: shape.count - 1),
      count: [range.count] + shape.dropFirst())
    if scaled.factor != 1 { for index in values.indices { values[index] *= scaled.factor } }
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
