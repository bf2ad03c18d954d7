import Foundation
import Molecules

/// A file that is read by position, so that a damaged one can do no more than be refused.
final class FileBytes {
  let url: URL
  /// Bytes, when it was opened.
  let size: Int
  private let descriptor: Int32

  /// Throws `TrajectoryError.noSuchFile`, `.unreadable`.
  init(_ url: URL) throws {
    self.url = url
    descriptor = Foundation.open(url.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { throw TrajectoryError.noSuchFile(file: url.path) }
      throw TrajectoryError.unreadable(file: url.path, message: String(cString: strerror(errno)))
    }
    var information = stat()
    guard fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw TrajectoryError.unreadable(file: url.path, message: "it is no regular file")
    }
    size = Int(information.st_size)
  }

  deinit { close(descriptor) }

  /// The bytes [offset, offset + count), or fewer where the file ends. Throws `TrajectoryError.unreadable`.
  func readAtMost(_ offset: Int, _ count: Int) throws -> [UInt8] {
    let wanted = max(0, min(count, size - offset))
    guard offset >= 0, wanted > 0 else { return [] }
    return try Array(unsafeUninitializedCapacity: wanted) { buffer, done in
      done = 0
      guard let base = buffer.baseAddress else { return }
      while done < wanted {
        let found = pread(descriptor, base + done, wanted - done, off_t(offset + done))
        if found < 0, errno == EINTR { continue }
        guard found >= 0
        else { throw TrajectoryError.unreadable(file: url.path, message: String(cString: strerror(errno))) }
        if found == 0 { return }
        done += found
      }
    }
  }

  /// The bytes [offset, offset + count). Throws `TrajectoryError.unreadable` where the file ends before.
  func read(_ offset: Int, _ count: Int) throws -> [UInt8] {
    let bytes = try readAtMost(offset, count)
    guard bytes.count == count else {
      throw TrajectoryError.unreadable(
        file: url.path, message: "\(count) bytes were expected at byte \(offset), \(bytes.count) are there")
    }
    return bytes
  }
}

/// Numbers in bytes, in one order of bytes.
struct ByteDecoder {
  let bytes: [UInt8]
  let isBigEndian: Bool

  init(_ bytes: [UInt8], bigEndian: Bool) { (self.bytes, isBigEndian) = (bytes, bigEndian) }

  private func load<Number: FixedWidthInteger>(_ place: Int, _: Number.Type) -> Number {
    precondition(place >= 0 && place + MemoryLayout<Number>.size <= bytes.count)
    let raw = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: place, as: Number.self) }
    return isBigEndian ? Number(bigEndian: raw) : Number(littleEndian: raw)
  }

  func int32(_ place: Int) -> Int { Int(load(place, Int32.self)) }
  func float32(_ place: Int) -> Double { Double(Float(bitPattern: load(place, UInt32.self))) }
  func float64(_ place: Int) -> Double { Double(bitPattern: load(place, UInt64.self)) }
  /// A number of 4 or 8 bytes.
  func real(_ place: Int, width: Int) -> Double { width == 8 ? float64(place) : float32(place) }
}

extension TrajectoryReader {
  /// Throws `TrajectoryError.frameRange` unless all these frames are there.
  func check(_ range: Range<Int>) throws {
    guard range.lowerBound >= 0, range.upperBound <= frameCount
    else { throw TrajectoryError.frameRange(file: url.path, requested: range, available: frameCount) }
  }
}

extension UnitCell {
  /// Of three box vectors in rows, nm: 9 numbers. Zeros are no box.
  init(vectors: [Double]) {
    func row(_ index: Int) -> [Double] { Array(vectors[(3 * index)..<(3 * index + 3)]) }
    func dot(_ a: [Double], _ b: [Double]) -> Double { a[0] * b[0] + a[1] * b[1] + a[2] * b[2] }
    let rows = [row(0), row(1), row(2)]
    let lengths = rows.map { (vector: [Double]) -> Double in dot(vector, vector).squareRoot() }
    func angle(_ i: Int, _ j: Int) -> Double {
      let product = dot(rows[i], rows[j])
      if product == 0 { return 90 }
      return acos(product / (lengths[i] * lengths[j])) * 180 / .pi
    }
    self.init(lengths: lengths, angles: [angle(1, 2), angle(0, 2), angle(0, 1)])
  }
}
