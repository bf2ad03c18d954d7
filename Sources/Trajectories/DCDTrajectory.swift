import Foundation
import Molecules

/// A DCD trajectory (CHARMM, NAMD, OpenMM, X-PLOR), of either order of bytes; frames are read by range.
///
/// Source: the layout of CHARMM's coordinate files, Fortran records of a header with 20 integers, titles, the number of atoms, and for
/// each frame a box (six doubles), x, y and z (float32, angstrom). The box holds A, gamma, B, beta, alpha, C with cosines (NAMD,
/// OpenMM) or degrees, or a symmetric matrix (CHARMM from version 25). Times are those of the header: first step, steps between frames,
/// and the time step in AKMA units.
public final class DCDTrajectory: TrajectoryReader {
  public let url: URL
  public let frameCount, atomCount: Int
  public let hasTimes: Bool
  public let warnings: [String]

  private let file: FileBytes
  private let isBigEndian, hasCell: Bool
  private let start, frameBytes: Int
  private let firstTime, timeStep: Double

  /// CHARMM's unit of time, sqrt(u angstrom^2 / (kcal/mol)), ps.
  static let akma = 0.04888821290839616

  /// Opens a file and checks its header and its length. Throws `TrajectoryError`.
  public init(url: URL) throws {
    self.url = url
    let path = url.path
    let file = try FileBytes(url)
    self.file = file
    func refuse(_ message: String) -> TrajectoryError { .unreadable(file: path, message: message) }

    let head = try file.readAtMost(0, 92)
    guard head.count == 92 else { throw refuse("it ends inside its header") }
    let big = ByteDecoder(head, bigEndian: true).int32(0) == 84
    let decoder = ByteDecoder(head, bigEndian: big)
    let kind = Array(head[4..<8])
    guard decoder.int32(0) == 84, kind == Array("CORD".utf8), decoder.int32(88) == 84 else {
      throw refuse(
        "its header is none of a DCD file of coordinates with records of 32 bits; convert it with a trajectory tool")
    }
    isBigEndian = big
    func control(_ index: Int) -> Int { decoder.int32(8 + 4 * index) }
    let isCHARMM = control(19) != 0
    guard control(8) == 0 else {
      throw refuse("\(control(8)) of its atoms are fixed and stand in the first frame alone; frames are not whole")
    }
    hasCell = isCHARMM && control(10) == 1
    let hasFourth = isCHARMM && control(11) == 1

    var offset = 92
    func record(atMost limit: Int) throws -> [UInt8] {
      let length = ByteDecoder(try file.read(offset, 4), bigEndian: big).int32(0)
      guard length >= 0, length <= limit else { throw refuse("its header is damaged at byte \(offset)") }
      let bytes = try file.read(offset + 4, length + 4)
      guard ByteDecoder(bytes, bigEndian: big).int32(length) == length
      else { throw refuse("its header is damaged at byte \(offset)") }
      offset += length + 8
      return Array(bytes.dropLast(4))
    }
    _ = try record(atMost: 1 << 20)  // titles
    let atoms = try record(atMost: 4)
    guard atoms.count == 4 else { throw refuse("its header tells no number of atoms") }
    atomCount = ByteDecoder(atoms, bigEndian: big).int32(0)
    guard atomCount > 0 else { throw refuse("its header tells of \(atomCount) atoms") }
    start = offset
    frameBytes = (hasCell ? 56 : 0) + (hasFourth ? 4 : 3) * (8 + 4 * atomCount)

    let promised = control(0)
    let present = max(0, (file.size - start) / frameBytes)
    var warnings: [String] = []
    if promised > present { throw TrajectoryError.truncated(file: path, promised: promised, present: present) }
    if promised < present {
      warnings.append(
        "\(path): its header tells of \(promised) frames, its length of \(present): \(present) are read")
    }
    if (file.size - start) % frameBytes != 0 {
      warnings.append("\(path): the last frame is not whole and is left out: the writing was interrupted")
    }
    guard present > 0 else { throw TrajectoryError.noFrames(file: path) }
    frameCount = present

    let step = isCHARMM ? decoder.float32(8 + 36) : decoder.float64(8 + 36)
    let (first, every) = (control(1), control(2))
    // tools that know no times write a step of 1
    hasTimes = every > 0 && first >= 0 && step.isFinite && step > 0 && step != 1
    if !hasTimes { warnings.append("\(path): its header tells no time step, so the frames have no times") }
    timeStep = step * Self.akma * Double(every)
    firstTime = step * Self.akma * Double(first)
    self.warnings = warnings
    try checkMarkers(frame: 0)
    try checkMarkers(frame: present - 1)
  }

  private func checkMarkers(frame: Int) throws { _ = try decode(frame..<(frame + 1)) }

  /// Coordinates (nm) and boxes of frames, after a look at the marks around every record.
  private func decode(_ range: Range<Int>) throws -> (coordinates: [Double], cells: [UnitCell]) {
    try check(range)
    let decoder = ByteDecoder(
      try file.read(start + range.lowerBound * frameBytes, range.count * frameBytes), bigEndian: isBigEndian)
    var coordinates = [Double](repeating: 0, count: range.count * atomCount * 3)
    var cells: [UnitCell] = []
    let length = 4 * atomCount
    for frame in range.indices {
      var place = (frame - range.lowerBound) * frameBytes
      func open(_ length: Int) throws {
        guard decoder.int32(place) == length, decoder.int32(place + 4 + length) == length else {
          throw TrajectoryError.damagedFrame(file: url.path, frame: frame, message: "its records do not fit its atoms")
        }
        place += 4
      }
      if hasCell {
        try open(48)
        cells.append(Self.cell((0..<6).map { decoder.float64(place + 8 * $0) }))
        place += 52
      }
      let first = (frame - range.lowerBound) * atomCount * 3
      for axis in 0..<3 {
        try open(length)
        for atom in 0..<atomCount { coordinates[first + 3 * atom + axis] = decoder.float32(place + 4 * atom) / 10 }
        place += length + 4
      }
    }
    return (coordinates, cells)
  }

  /// The box that six numbers of a file (angstrom) stand for.
  static func cell(_ numbers: [Double]) -> UnitCell {
    let lengths = [numbers[0], numbers[2], numbers[5]].map { $0 / 10 }
    // alpha, beta, gamma
    let angles = [numbers[4], numbers[3], numbers[1]]
    if angles.allSatisfy({ abs($0) <= 1 }) {
      let isRight = angles == [0, 0, 0]
      return UnitCell(
        lengths: lengths,
        angles: isRight ? [90, 90, 90] : angles.map { (cosine: Double) -> Double in acos(cosine) * 180 / .pi })
    }
    if angles.allSatisfy({ $0 > 1 && $0 < 180 }) { return UnitCell(lengths: lengths, angles: angles) }
    // a symmetric matrix: xx, xy, yy, xz, yz, zz
    let (xx, xy, yy, xz, yz, zz) = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5])
    let matrix: [Double] = [xx, xy, xz, xy, yy, yz, xz, yz, zz]
    return UnitCell(vectors: matrix.map { $0 / 10 })
  }

  public func readFrames(_ range: Range<Int>) throws -> [Double] { try decode(range).coordinates }

  public func readTimes(_ range: Range<Int>) throws -> [Double]? {
    try check(range)
    return hasTimes ? range.map { firstTime + Double($0) * timeStep } : nil
  }

  public func readCells(_ range: Range<Int>) throws -> [UnitCell]? { hasCell ? try decode(range).cells : nil }
}

extension TrajectoryFormat {
  /// DCD of CHARMM, NAMD and OpenMM.
  public static let dcd = TrajectoryFormat(
    name: "DCD", matches: { $0.dropFirst(4).starts(with: Array("CORD".utf8)) }, open: { try DCDTrajectory(url: $0) })
}
