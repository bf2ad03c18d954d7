import Artifacts
import Foundation
import Records
import Trajectories

/// The frames or samples of an artifact as an AMBER NetCDF trajectory, for other programs.
public enum TrajectoryExport {
  /// Returns how many frames were written. Samples have no times: frame k gets k ps.
  /// Throws `ExportError`, `TrajectoryError`, `NetCDFError`, `ArtifactError`.
  public static func write(_ artifact: Artifact, to url: URL) throws -> Int {
    // read as Double: samples are stored so, frames as Float
    let record = Recorded.ingest.trajectory
    let shape = artifact.has(record.coordinates) ? try artifact.shape(record.coordinates) : []
    guard shape.count == 3, shape[2] == 3, shape[0] > 0 else {
      throw ExportError.noFrames(stage: artifact.provenance.stage)
    }
    guard url.standardizedFileURL != artifact.url.standardizedFileURL else {
      throw ExportError.overItself(file: url.path)
    }
    let hasTimes = artifact.has(record.time)
    try TrajectoryFile.write(to: url, atoms: shape[1], title: artifact.provenance.stage, frames: shape[0]) { range in
      let times =
        hasTimes ? try artifact.read(record.time, as: Double.self, rows: range).values : range.map(Double.init)
      return (try artifact.read(record.coordinates, as: Double.self, rows: range).values, times)
    }
    return shape[0]
  }
}

/// What cannot be exported.
public enum ExportError: Error, Equatable, CustomStringConvertible {
  case noFrames(stage: String)
  case overItself(file: String)

  public var description: String {
    switch self {
    case .noFrames(let stage): "stage '\(stage)' holds no frames of a molecule; simulate, ingest and sample stages do"
    case .overItself(let file): "\(file) is the artifact that is to be exported; name another file"
    }
  }
}
