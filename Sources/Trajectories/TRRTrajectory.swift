import Foundation
import Molecules

/// A TRR trajectory (GROMACS), of single or double precision; frames are found once by their headers and read by range.
///
/// Frames without positions (of velocities or forces alone) are no frames here and are counted in a warning.
/// Source: the layout of GROMACS's full-precision trajectories, big-endian: 1993, a name, the sizes of ten blocks, atoms, step, time
/// (ps), lambda, and the blocks: box vectors, virial, pressure, positions (nm), velocities, forces.
public final class TRRTrajectory: TrajectoryReader {
  public let url: URL
  public let atomCount: Int
  public let hasTimes = true
  public let warnings: [String]
  public var frameCount: Int { frames.count }

  private struct Frame {
    var box: Int?
    var positions: Int
    /// Bytes of a number.
    var width: Int
    var time: Double
  }

  private let file: FileBytes
  private let frames: [Frame]
  private static let headerBytes = 76  // as far as the time

  /// Opens a file and finds its frames. Throws `TrajectoryError`.
  public init(url: URL) throws {
    self.url = url
    let file = try FileBytes(url)
    self.file = file
    var frames: [Frame] = []
    var (atoms, number, without) = (0, 0, 0)
    var isCut = false
    var offset = 0
    while offset < file.size {
      func damaged(_ message: String) -> TrajectoryError {
        .damagedFrame(file: url.path, frame: number, message: message)
      }
      let decoder = ByteDecoder(try file.readAtMost(offset, Self.headerBytes + 16), bigEndian: true)
      guard decoder.bytes.count >= Self.headerBytes + 8 else {
        isCut = true
        break
      }
      guard decoder.int32(0) == 1993, decoder.int32(8) == 12, decoder.bytes[12..<24].elementsEqual("GMX_trn_file".utf8)
      else { throw damaged("it does not begin as a frame of a TRR file does (byte \(offset))") }
      let sizes = (0..<10).map { decoder.int32(24 + 4 * $0) }
      let count = decoder.int32(64)
      guard count > 0, sizes.allSatisfy({ $0 >= 0 }) else { throw damaged("its header holds what cannot be") }
      if number == 0 { atoms = count }
      guard count == atoms else { throw damaged("it tells of \(count) atoms, the first one of \(atoms)") }
      let (box, positions) = (sizes[2], sizes[7])
      let vectors = sizes[7...].first { $0 > 0 } ?? 0
      let width = box > 0 ? box / 9 : vectors / (3 * atoms)
      let isWhole =
        [0, 9 * width].contains(box) && sizes[7...].allSatisfy { [0, 3 * atoms * width].contains($0) }
      guard isWhole, width == 4 || width == 8 || (box == 0 && vectors == 0)
      else { throw damaged("its blocks do not fit \(atoms) atoms") }
      let begin = offset + Self.headerBytes + 2 * max(4, width)
      let end = sizes.reduce(begin, +)
      guard end <= file.size, decoder.bytes.count >= Self.headerBytes + max(4, width) else {
        isCut = true
        break
      }
      if positions > 0 {
        frames.append(
          Frame(
            box: box > 0 ? begin + sizes[0] + sizes[1] : nil, positions: begin + sizes[..<7].reduce(0, +),
            width: width, time: decoder.real(Self.headerBytes, width: width)))
      } else {
        without += 1
      }
      number += 1
      offset = end
    }
    guard !frames.isEmpty else { throw TrajectoryError.noFrames(file: url.path) }
    var warnings: [String] = []
    if isCut {
      warnings.append("\(url.path): the last frame is not whole and is left out: the file is cut off, or being written")
    }
    if without > 0 { warnings.append("\(url.path): \(without) of \(number) frames have no positions and are left out") }
    (self.frames, self.warnings, atomCount) = (frames, warnings, atoms)
  }

  public func readFrames(_ range: Range<Int>) throws -> [Double] {
    try check(range)
    var coordinates: [Double] = []
    coordinates.reserveCapacity(range.count * atomCount * 3)
    for frame in frames[range] {
      let decoder = ByteDecoder(try file.read(frame.positions, 3 * atomCount * frame.width), bigEndian: true)
      for number in 0..<(3 * atomCount) { coordinates.append(decoder.real(frame.width * number, width: frame.width)) }
    }
    return coordinates
  }

  public func readTimes(_ range: Range<Int>) throws -> [Double]? {
    try check(range)
    return frames[range].map(\.time)
  }

  public func readCells(_ range: Range<Int>) throws -> [UnitCell]? {
    try check(range)
    return try frames[range].map { frame in
      guard let box = frame.box else { return UnitCell(lengths: [0, 0, 0], angles: [90, 90, 90]) }
      let decoder = ByteDecoder(try file.read(box, 9 * frame.width), bigEndian: true)
      return UnitCell(vectors: (0..<9).map { decoder.real(frame.width * $0, width: frame.width) })
    }
  }
}

extension TrajectoryFormat {
  /// GROMACS's trajectories of full precision.
  public static let trr = TrajectoryFormat(
    name: "TRR", matches: { $0.starts(with: [0, 0, 0x07, 0xc9]) }, open: { try TRRTrajectory(url: $0) })
}
