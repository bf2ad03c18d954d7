import Basics
import Foundation
import HDF5
import Molecules

/// A trajectory in MDTraj's HDF5 convention ("Pande"), opened and checked; frames are read by range. The artifacts of this package
/// follow it too.
///
/// Source: "MDTraj HDF5 format specification", version 1.1: `coordinates` [frames, atoms, 3], `time`, `cell_lengths` and `cell_angles`,
/// each with its units.
public final class MDTrajTrajectory: TrajectoryReader {
  public let url: URL
  public let frameCount, atomCount: Int
  public let hasTimes: Bool
  private let file: HDF5File
  private let coordinates: Scaled
  private let times, lengths, angles: Scaled?

  private struct Scaled {
    let dataset: HDF5Dataset
    let factor: Double
  }

  /// Opens a file and checks its convention, units and shapes. It is read once to its end in a process of its own first, because
  /// the library may crash on a damaged one. Throws `TrajectoryError`.
  public convenience init(url: URL) throws {
    let fault = Sandbox.fault(reading: url, by: "the HDF5 library", lock: NativeLock.hdf5) {
      do {
        try MDTrajTrajectory(trusted: url).readEverything()
      } catch let error as TrajectoryError {
        // what is wrong with the content is found again, with its type, by whoever reads it now
        guard case .unreadable = error else { return }
        throw error
      }
    }
    if let fault { throw TrajectoryError.unreadable(file: url.path, message: fault) }
    try self.init(trusted: url)
  }

  private init(trusted url: URL) throws {
    self.url = url
    let path = url.path
    do {
      let file = try HDF5File.open(url)
      self.file = file
      func scaled(_ name: String, units: [String: Double], shape: [Int?]) throws -> Scaled? {
        guard file.exists(name) else { return nil }
        let dataset = try file.dataset(name)
        let isFitting =
          dataset.shape.count == shape.count
          && zip(dataset.shape, shape).allSatisfy { (found: Int, wanted: Int?) -> Bool in wanted ?? found == found }
        guard isFitting, dataset.type.isNumeric else {
          let expected = shape.map { $0.map(String.init) ?? "any" }.joined(separator: ", ")
          throw TrajectoryError.wrongShape(
            file: path, variable: name, found: "\(dataset.shape) of \(dataset.type)", expected: "[\(expected)]")
        }
        let found = try file.attribute(name, "units")?.description
        guard let factor = found.flatMap({ units[$0.lowercased()] }) else {
          throw TrajectoryError.wrongUnits(
            file: path, variable: name, found: found, expected: units.keys.sorted().joined(separator: ", "))
        }
        return Scaled(dataset: dataset, factor: factor)
      }
      let length: [String: Double] = ["nanometers": 1, "nanometer": 1, "nm": 1, "angstroms": 0.1, "angstrom": 0.1]
      guard let coordinates = try scaled("coordinates", units: length, shape: [nil, nil, 3])
      else { throw TrajectoryError.missingVariable(file: path, variable: "coordinates") }
      let (frames, atoms) = (coordinates.dataset.shape[0], coordinates.dataset.shape[1])
      guard frames > 0, atoms > 0 else { throw TrajectoryError.noFrames(file: path) }
      let time: [String: Double] = [
        "picoseconds": 1, "picosecond": 1, "ps": 1, "femtoseconds": 0.001, "nanoseconds": 1000,
      ]
      let times = try scaled("time", units: time, shape: [frames])
      let lengths = try scaled("cell_lengths", units: length, shape: [frames, 3])
      let angles = try scaled("cell_angles", units: ["degrees": 1, "degree": 1], shape: [frames, 3])
      if lengths != nil, angles == nil { throw TrajectoryError.missingVariable(file: path, variable: "cell_angles") }
      (self.coordinates, self.times, self.lengths, self.angles) = (coordinates, times, lengths, angles)
      (frameCount, atomCount, hasTimes) = (frames, atoms, times != nil)
    } catch let error as HDF5Error {
      throw TrajectoryError.unreadable(file: path, message: "\(error)")
    }
  }

  /// Whether an HDF5 file says that it follows MDTraj's convention. Looked up where a crash of the library does no harm.
  static func isOfConvention(_ url: URL) -> Bool {
    struct Other: Error {}
    let outcome = Sandbox.run(seconds: 2, bytes: 256 << 20, lock: NativeLock.hdf5) {
      guard let said = try HDF5File.open(url).attribute("", "conventions"), said.description.contains("Pande")
      else { throw Other() }
    }
    return outcome == .passed
  }

  private func read(_ scaled: Scaled, _ range: Range<Int>) throws -> [Double] {
    try check(range)
    do {
      let values = try scaled.dataset.read(as: Double.self, rows: range)
      return scaled.factor == 1 ? values : values.map { $0 * scaled.factor }
    } catch let error as HDF5Error {
      throw TrajectoryError.unreadable(file: url.path, message: "\(error)")
    }
  }

  public func readFrames(_ range: Range<Int>) throws -> [Double] { try read(coordinates, range) }
  public func readTimes(_ range: Range<Int>) throws -> [Double]? { try times.map { try read($0, range) } }

  public func readCells(_ range: Range<Int>) throws -> [UnitCell]? {
    guard let lengths, let angles else { return nil }
    let (edges, corners) = (try read(lengths, range), try read(angles, range))
    return (0..<range.count).map { index in
      UnitCell(
        lengths: Array(edges[(3 * index)..<(3 * index + 3)]), angles: Array(corners[(3 * index)..<(3 * index + 3)]))
    }
  }
}

extension TrajectoryFormat {
  /// MDTraj's HDF5 files, and artifacts of this package.
  public static let mdtrajHDF5 = TrajectoryFormat(
    name: "MDTraj HDF5",
    // HDF5 looks for its signature there too, behind a block of the user's
    matches: { start in
      [0, 512, 1024].contains { start.dropFirst($0).starts(with: [0x89] + Array("HDF\r\n\u{1a}\n".utf8)) }
    },
    recognises: { MDTrajTrajectory.isOfConvention($0) },
    open: { try MDTrajTrajectory(url: $0) })
}
