import Foundation

/// Trajectory files that are there whole or not at all.
public enum TrajectoryFile {
  private static let chunk = 1000

  /// Writes frames as AMBER NetCDF, in pieces: `read` gives the coordinates ([frames, atoms, 3], nm) and the times (ps) of a range.
  /// The file takes its name when it is complete; one of that name is replaced.
  ///
  /// Throws `TrajectoryError` and `NetCDFError`, and what `read` throws.
  public static func write(
    to url: URL, atoms: Int, title: String = "", frames: Int,
    read: (Range<Int>) throws -> (coordinates: [Double], times: [Double])
  ) throws {
    let folder = url.deletingLastPathComponent()
    let prefix = ".\(url.lastPathComponent).tmp-"
    // what a process left behind that was killed while it wrote
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] where name.hasPrefix(prefix) {
      guard let process = Int32(name.dropFirst(prefix.count)), kill(process, 0) != 0, errno == ESRCH else { continue }
      unlink(folder.appendingPathComponent(name).path)
    }
    let temporary = folder.appendingPathComponent("\(prefix)\(getpid())")
    do {
      let writer = try AMBERTrajectoryWriter(url: temporary, atomCount: atoms, title: title)
      for start in stride(from: 0, to: frames, by: chunk) {
        let part = try read(start..<min(start + chunk, frames))
        try writer.append(part.coordinates, times: part.times)
      }
      try writer.close()
      guard rename(temporary.path, url.path) == 0 else {
        throw TrajectoryError.unwritable(file: url.path, reason: String(cString: strerror(errno)))
      }
    } catch {
      unlink(temporary.path)
      throw error
    }
  }
}
