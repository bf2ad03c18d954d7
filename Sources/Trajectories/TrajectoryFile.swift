import Basics
import Foundation

/// Opens trajectory files of whatever format, and writes files that are there whole or not at all.
public enum TrajectoryFile {
  /// Opens a trajectory by its content, whatever it is called; with `expectedAtoms` also checks its atom count.
  /// `atomsIfUntold` is the number of atoms for a format that does not tell it, where nothing is to be checked.
  ///
  /// Throws `TrajectoryError.noSuchFile`, `.unknownFormat`, `.atomCount`, and what the format's reader throws.
  public static func open(
    _ url: URL, expectedAtoms: Int? = nil, atomsIfUntold: Int? = nil,
    formats: [TrajectoryFormat] = TrajectoryFormat.all
  ) throws -> any TrajectoryReader {
    let start = try start(of: url)
    guard let format = formats.first(where: { $0.matches(start) && ($0.recognises?(url) ?? true) }) else {
      throw TrajectoryError.unknownFormat(
        file: url.path, found: TrajectoryFormat.description(of: start), readable: formats.map(\.name))
    }
    let reader = try format.open(url, expectedAtoms ?? atomsIfUntold)
    if let expectedAtoms, expectedAtoms != reader.atomCount {
      throw TrajectoryError.atomCount(file: url.path, found: reader.atomCount, expected: expectedAtoms)
    }
    return reader
  }

  private static func start(of url: URL) throws -> [UInt8] {
    do {
      let handle = try FileHandle(forReadingFrom: url)
      defer { try? handle.close() }
      return [UInt8](try handle.read(upToCount: TrajectoryFormat.startLength) ?? Data())
    } catch {
      guard FileManager.default.fileExists(atPath: url.path) else { throw TrajectoryError.noSuchFile(file: url.path) }
      throw TrajectoryError.unreadable(file: url.path, message: error.localizedDescription)
    }
  }

  private static let chunk = 1000

  /// Where a file of that name is written: what a link leads to. Throws `TrajectoryError.unwritable` for what is no regular file.
  private static func place(_ url: URL) throws -> URL {
    switch FileCalls.outputPlace(url.path) {
    case .file(let path): return URL(fileURLWithPath: path)
    case .notRegular(let what):
      throw TrajectoryError.unwritable(file: url.path, reason: "\(what), not a regular file")
    case .failed(let code): throw TrajectoryError.unwritable(file: url.path, reason: FileCalls.text(code))
    }
  }

  /// Writes frames in pieces: `read` gives the coordinates ([frames, atoms, 3], nm) and the times (ps) of a range. The file takes
  /// its name when it is complete; one of that name is replaced, a link is followed, and what is no regular file is left alone.
  ///
  /// Throws `TrajectoryError.unwritable`, what the format's writer throws, and what `read` throws.
  public static func write(
    to url: URL, format: TrajectoryFormat = .amberNetCDF, atoms: Int, title: String = "", frames: Int,
    read: (Range<Int>) throws -> (coordinates: [Double], times: [Double])
  ) throws {
    guard let create = format.create
    else { throw TrajectoryError.unwritable(file: url.path, reason: "\(format.name) is only read here") }
    let url = try place(url)
    let folder = url.deletingLastPathComponent()
    let prefix = ".\(url.lastPathComponent).tmp-"
    // what a process left behind that was killed while it wrote
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] where name.hasPrefix(prefix) {
      guard let process = Int32(name.dropFirst(prefix.count)), kill(process, 0) != 0, errno == ESRCH else { continue }
      unlink(folder.appendingPathComponent(name).path)
    }
    let temporary = folder.appendingPathComponent("\(prefix)\(getpid())")
    do {
      let writer = try create(temporary, atoms, false, title)
      for start in stride(from: 0, to: frames, by: chunk) {
        let part = try read(start..<min(start + chunk, frames))
        try writer.append(part.coordinates, times: part.times, cells: nil)
      }
      try writer.close()
      guard rename(temporary.path, url.path) == 0
      else { throw TrajectoryError.unwritable(file: url.path, reason: String(cString: strerror(errno))) }
    } catch {
      unlink(temporary.path)
      throw error
    }
  }
}
