import Basics
import Foundation
import Molecules
import NetCDF

/// A trajectory, or the one frame of a restart, in AMBER's NetCDF convention, opened and checked; frames are read by range, so memory
/// does not depend on its length.
///
/// Source: "AMBER NetCDF Trajectory/Restart Convention", version 1.0, revision C. Values are converted to the project's
/// units: nm and ps. Times that were never written (NetCDF's fill values) are no times. Where the writer of a classic file left the
/// number of frames 0 or unknown, it follows from the file's length.
public final class AMBERTrajectory: TrajectoryReader {
  public let url: URL
  public let frameCount, atomCount: Int
  public let hasTimes: Bool
  /// Departures from the convention that do not change the meaning of the coordinates.
  public let warnings: [String]

  private let source: AMBERVariables
  private let coordinates: AMBERVariables.Scaled
  private let times, cellLengths, cellAngles: AMBERVariables.Scaled?
  private let temperatures: AMBERTemperatures?

  /// Opens a trajectory and checks its convention, units, shapes and length.
  ///
  /// The header of a classic file is checked before the library sees it. A netCDF-4 file is read once to its end in a process
  /// of its own first, because the libraries may crash on damaged ones. Throws `TrajectoryError`.
  public convenience init(url: URL) throws { try self.init(url: url, wasTried: false) }

  private init(url: URL, wasTried: Bool) throws {
    self.url = url
    let path = url.path
    var warnings: [String] = []
    let file: NetCDFFile
    var records: (reader: NetCDFClassicRecords, count: Int)?
    do {
      // before the library, which may refuse a cut-off file without saying why
      let header = try NetCDFClassicHeader.read(url)
      if let header {
        if header.isTruncated {
          throw TrajectoryError.truncated(
            file: path, promised: header.promisedRecords ?? 0, present: header.presentRecords)
        }
        let (promised, present) = (header.promisedRecords ?? 0, header.presentRecords)
        if promised == 0, present > 0 {
          records = (try NetCDFClassicRecords(url, header: header), present)
          warnings.append(
            "\(path): its writer left the number of frames open: \(present) by the file's length; "
              + "the last ones may not have been finished")
        } else if promised < present {
          warnings.append(
            "\(path): its header tells of \(promised) frames, its length of \(present): \(promised) are read")
        }
      }
      if header == nil, !wasTried { try Self.tryReading(url) }
      file = try NetCDFFile.open(url)
    } catch NetCDFError.noSuchFile {
      throw TrajectoryError.noSuchFile(file: path)
    } catch NetCDFError.notNetCDF(_, let message) {
      throw TrajectoryError.unreadable(file: path, message: message)
    }

    let conventions = try file.attribute("Conventions")?.description
    let names = conventions?.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "\0" }).map(String.init) ?? []
    let isRestart = names.contains("AMBERRESTART")
    guard names.contains("AMBER") || isRestart
    else { throw TrajectoryError.wrongConvention(file: path, found: conventions) }
    let version = try file.attribute("ConventionVersion")?.description
    if version != "1.0" { warnings.append("\(path): ConventionVersion is \(version ?? "missing"), read as 1.0") }

    let source = AMBERVariables(file: file, isRestart: isRestart, records: records)
    self.source = source
    let lengthUnits = ["angstrom", "angstroms"]
    coordinates = try source.required("coordinates", ["atom", "spatial"], units: lengthUnits, toProjectUnit: 0.1)
    frameCount = source.frameCount(coordinates)
    atomCount = coordinates.variable.shape[isRestart ? 0 : 1]
    guard frameCount > 0 else { throw TrajectoryError.noFrames(file: path) }
    cellLengths = try source.scaled("cell_lengths", ["cell_spatial"], units: lengthUnits, toProjectUnit: 0.1)
    cellAngles =
      cellLengths == nil
      ? nil
      : try source.required("cell_angles", ["cell_angular"], units: ["degree", "degrees"], toProjectUnit: 1)
    let time = try source.times(frames: frameCount)
    if let warning = time.warning { warnings.append(warning) }
    (times, hasTimes) = (time.times, time.times != nil)
    temperatures = try AMBERTemperatures(source, frames: frameCount)
    self.warnings = warnings
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

  // MARK: Frames

  /// Coordinates of a range of frames, [frames, atoms, 3], nm. Throws `TrajectoryError.frameRange`.
  public func readFrames(_ range: Range<Int>) throws -> [Double] {
    try check(range)
    return try source.read(coordinates, range)
  }

  /// Times of a range of frames, ps; nil when the file has none.
  public func readTimes(_ range: Range<Int>) throws -> [Double]? {
    try check(range)
    return try times.map { try source.read($0, range) }
  }

  /// Boxes of a range of frames; nil when the file has none.
  public func readCells(_ range: Range<Int>) throws -> [UnitCell]? {
    try check(range)
    guard let cellLengths, let cellAngles else { return nil }
    let lengths = try source.read(cellLengths, range)
    let angles = try source.read(cellAngles, range)
    return range.indices.map { index in
      let first = 3 * (index - range.lowerBound)
      return UnitCell(lengths: Array(lengths[first..<(first + 3)]), angles: Array(angles[first..<(first + 3)]))
    }
  }

  /// Temperatures of a range of frames, K; nil when the file tells none for each frame.
  public func readTemperatures(_ range: Range<Int>) throws -> [Double]? {
    try check(range)
    return try temperatures?.read(range)
  }
}

extension TrajectoryFormat {
  /// AMBER's NetCDF convention, of trajectories and restarts: classic files of all three kinds and netCDF-4 ones.
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
