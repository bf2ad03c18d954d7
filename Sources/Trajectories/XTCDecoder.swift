import Foundation

/// Unpacks the coordinates of one XTC frame.
///
/// Coordinates are whole numbers. An atom is packed as its place in the box of all atoms (`minimum` to `maximum`), or, in a run behind
/// such an atom, as its difference from the atom before in a small cube whose edge is one of a list of sizes. In a run the first two
/// atoms are exchanged, which is good for water. Three numbers are packed as one, in the base of their ranges.
/// Source: the coordinate compression of GROMACS (F. van Hoesel, 1995), whose sizes are a part of the format.
struct XTCDecoder {
  struct Damage: Error { let message: String }

  private let decoder: ByteDecoder
  private let atoms: Int
  private let precision: Double
  private let minimum: [Int]
  private let ranges: [UInt64]
  private let firstIndex: Int
  private let end: Int
  private var position: Int  // in bits

  /// Edges of the small cubes: 2^(i/3) rounded down, but for three of them. The first that is used is number 9.
  private static let edges: [Int] = (0..<73).map { index in
    switch index {
    case ..<9: 0
    case 37: 5060
    case 57: 524_287
    case 69: 8_388_607
    default: index % 3 == 0 ? 1 << (index / 3) : Int(pow(2, Double(index) / 3))
    }
  }
  private static let firstEdge = 9

  /// `place` is that of the number of atoms in the frame.
  init(_ decoder: ByteDecoder, at place: Int, atoms: Int) throws {
    self.decoder = decoder
    self.atoms = atoms
    precision = decoder.float32(place)
    let lower = (0..<3).map { decoder.int32(place + 4 + 4 * $0) }
    let upper = (0..<3).map { decoder.int32(place + 16 + 4 * $0) }
    firstIndex = decoder.int32(place + 28)
    let packed = decoder.int32(place + 32)
    guard precision > 0, zip(lower, upper).allSatisfy({ $0 <= $1 && $1 - $0 < 1 << 31 }), packed > 0,
      place + 36 + packed <= decoder.bytes.count
    else { throw Damage(message: "the header of its coordinates holds what cannot be") }
    minimum = lower
    ranges = zip(lower, upper).map { UInt64($1 - $0 + 1) }
    position = 8 * (place + 36)
    end = position + 8 * packed
  }

  /// nm, [atoms, 3].
  func coordinates() throws -> [Double] {
    var reading = self
    return try reading.unpack()
  }

  private static func width(_ number: UInt64) -> Int { 64 - number.leadingZeroBitCount }

  private mutating func unpack() throws -> [Double] {
    // wide ranges are not packed into one number
    let isWide = ranges.contains { $0 > 0xff_ffff }
    let wide = ranges.map { Self.width($0) }
    let product: UInt128 = ranges.reduce(1) { (sum: UInt128, range: UInt64) -> UInt128 in sum * UInt128(range) }
    let bits = 128 - product.leadingZeroBitCount
    var index = firstIndex
    guard (Self.firstEdge..<Self.edges.count).contains(index)
    else { throw Damage(message: "its coordinates begin with a size that there is not (\(index))") }

    var result = [Double](repeating: 0, count: 3 * atoms)
    var done = 0
    func put(_ x: Int, _ y: Int, _ z: Int) {
      result[3 * done] = Double(x) / precision
      result[3 * done + 1] = Double(y) / precision
      result[3 * done + 2] = Double(z) / precision
      done += 1
    }
    var run = 0
    while done < atoms {
      var (x, y, z): (Int, Int, Int)
      if isWide {
        x = Int(try number(wide[0]))
        y = Int(try number(wide[1]))
        z = Int(try number(wide[2]))
      } else {
        (x, y, z) = try triple(bits, ranges[0], ranges[1], ranges[2])
      }
      x += minimum[0]
      y += minimum[1]
      z += minimum[2]
      var change = 0
      // without the mark the run is as long as the last one
      if try number(1) == 1 {
        let word = Int(try number(5))
        change = word % 3 - 1
        run = word / 3
      }
      if run == 0 {
        put(x, y, z)
      } else {
        guard done + 1 + run <= atoms else { throw Damage(message: "its coordinates are of more atoms than it has") }
        let edge = UInt64(Self.edges[index])
        let half = Self.edges[index] / 2
        let (firstX, firstY, firstZ) = (x, y, z)
        for step in 0..<run {
          let (dx, dy, dz) = try triple(index, edge, edge, edge)
          x += dx - half
          y += dy - half
          z += dz - half
          put(x, y, z)
          if step == 0 { put(firstX, firstY, firstZ) }
        }
      }
      index += change
      guard (Self.firstEdge..<Self.edges.count).contains(index)
      else { throw Damage(message: "its coordinates come to a size that there is not (\(index))") }
    }
    return result
  }

  /// The next bits, the highest first. At most 32.
  private mutating func number(_ bits: Int) throws -> UInt64 {
    guard position + bits <= end else { throw Damage(message: "its packed coordinates end too early") }
    var value: UInt64 = 0
    var left = bits
    while left > 0 {
      let free = 8 - position & 7
      let take = min(free, left)
      let byte = UInt64(decoder.bytes[position >> 3])
      value = value << UInt64(take) | (byte >> UInt64(free - take)) & ((1 << UInt64(take)) - 1)
      position += take
      left -= take
    }
    return value
  }

  /// Three numbers that are packed as one in so many bits, whose bytes stand the lowest first.
  private mutating func triple(_ bits: Int, _ a: UInt64, _ b: UInt64, _ c: UInt64) throws -> (Int, Int, Int) {
    guard bits <= 64 else {
      var value: UInt128 = 0
      var shift = 0
      while shift < bits {
        let take = min(8, bits - shift)
        value |= UInt128(try number(take)) << UInt128(shift)
        shift += take
      }
      let (rest, z) = value.quotientAndRemainder(dividingBy: UInt128(c))
      let (x, y) = rest.quotientAndRemainder(dividingBy: UInt128(b))
      return (Int(truncatingIfNeeded: x) & 0xffff_ffff, Int(y), Int(z))
    }
    var value: UInt64 = 0
    var shift = 0
    while shift < bits {
      let take = min(8, bits - shift)
      value |= try number(take) << UInt64(shift)
      shift += take
    }
    let (rest, z) = value.quotientAndRemainder(dividingBy: c)
    let (x, y) = rest.quotientAndRemainder(dividingBy: b)
    return (Int(truncatingIfNeeded: x & 0xffff_ffff), Int(y), Int(z))
  }
}
