import Foundation
import Molecules

/// An XTC trajectory (GROMACS); frames are found once by their headers and read by range.
///
/// Source: the layout of GROMACS's compressed coordinate files, big-endian: 1995, atoms, step, time (ps, float32), three box vectors
/// (nm), and coordinates in whole numbers of 1/precision nm (`XTCDecoder`), or as float32 where there are at most nine atoms.
public final class XTCTrajectory: TrajectoryReader {
  public let url: URL
  public let atomCount: Int
  public let hasTimes = true
  public let warnings: [String]
  public var frameCount: Int { frames.count }

  private struct Frame {
    var offset, bytes: Int
    var time: Float
  }

  private let file: FileBytes
  private let frames: [Frame]

  /// Frames of so few atoms are not compressed.
  static let plainAtMost = 9
  private static let headerBytes = 56  // as far as the second number of atoms
  private static let compressedHeaderBytes = 92  // as far as the count of bytes

  /// Opens a file and finds its frames. Throws `TrajectoryError`.
  public init(url: URL) throws {
    self.url = url
    let file = try FileBytes(url)
    self.file = file
    var frames: [Frame] = []
    var atoms = 0
    var isCut = false
    var coarsest = Double.infinity
    var offset = 0
    while offset < file.size {
      let decoder = ByteDecoder(try file.readAtMost(offset, Self.compressedHeaderBytes), bigEndian: true)
      func damaged(_ message: String) -> TrajectoryError {
        .damagedFrame(file: url.path, frame: frames.count, message: message)
      }
      guard decoder.bytes.count >= Self.headerBytes else {
        isCut = true
        break
      }
      guard decoder.int32(0) == 1995 else {
        throw damaged(
          decoder.int32(0) == 2023
            ? "it is of the layout for more than 298 million atoms, which is not read here"
            : "it does not begin as a frame of an XTC file does (byte \(offset))")
      }
      let count = decoder.int32(4)
      if frames.isEmpty { atoms = count }
      guard count > 0, count == atoms, decoder.int32(52) == atoms
      else { throw damaged("it tells of \(count) and \(decoder.int32(52)) atoms, the first one of \(atoms)") }
      var length = Self.headerBytes + 12 * atoms
      if atoms > Self.plainAtMost {
        guard decoder.bytes.count == Self.compressedHeaderBytes else {
          isCut = true
          break
        }
        let (precision, packed) = (decoder.float32(56), decoder.int32(88))
        // two bits are the least that an atom takes
        guard packed > 0, atoms <= 4 * packed, precision > 0, precision.isFinite
        else { throw damaged("its header holds what cannot be: precision \(precision), \(packed) bytes") }
        coarsest = min(coarsest, precision)
        length = Self.compressedHeaderBytes + (packed + 3) / 4 * 4
      }
      guard offset + length <= file.size else {
        isCut = true
        break
      }
      frames.append(Frame(offset: offset, bytes: length, time: Float(decoder.float32(12))))
      offset += length
    }
    guard !frames.isEmpty else { throw TrajectoryError.noFrames(file: url.path) }
    var warnings: [String] = []
    if isCut {
      warnings.append("\(url.path): the last frame is not whole and is left out: the file is cut off, or being written")
    }
    if coarsest < 999 {
      warnings.append("\(url.path): positions are rounded to \(1 / coarsest) nm; bonds are blurred by as much")
    }
    (self.frames, self.warnings, atomCount) = (frames, warnings, atoms)
  }

  public func readFrames(_ range: Range<Int>) throws -> [Double] {
    try check(range)
    var coordinates: [Double] = []
    coordinates.reserveCapacity(range.count * atomCount * 3)
    for index in range {
      let decoder = ByteDecoder(try file.read(frames[index].offset, frames[index].bytes), bigEndian: true)
      if atomCount <= Self.plainAtMost {
        for number in 0..<(3 * atomCount) { coordinates.append(decoder.float32(Self.headerBytes + 4 * number)) }
        continue
      }
      do {
        coordinates += try XTCDecoder(decoder, at: Self.headerBytes, atoms: atomCount).coordinates()
      } catch let error as XTCDecoder.Damage {
        throw TrajectoryError.damagedFrame(file: url.path, frame: index, message: error.message)
      }
    }
    return coordinates
  }

  public func readTimes(_ range: Range<Int>) throws -> [Double]? {
    try check(range)
    return frames[range].map { Double($0.time) }
  }

  public func readCells(_ range: Range<Int>) throws -> [UnitCell]? {
    try check(range)
    return try frames[range].map { frame in
      let decoder = ByteDecoder(try file.read(frame.offset + 16, 36), bigEndian: true)
      return UnitCell(vectors: (0..<9).map { decoder.float32(4 * $0) })
    }
  }
}

extension TrajectoryFormat {
  /// GROMACS's compressed trajectories.
  public static let xtc = TrajectoryFormat(
    name: "XTC", matches: { $0.starts(with: [0, 0, 0x07, 0xcb]) }, open: { try XTCTrajectory(url: $0) })
}
