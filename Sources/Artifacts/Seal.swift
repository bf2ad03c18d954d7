import Crypto
import Foundation
import HDF5

/// The last 64 bytes of a committed file: a mark, the length of what is before them, and its SHA-256.
///
/// HDF5 does not look past the end that it keeps in its superblock, so every HDF5 program reads a sealed file. The seal is
/// checked before the library sees a byte: a file that was cut off, overwritten or written by something else is turned away
/// here, because the library was written for sound files and may crash or loop on others.
package enum Seal {
  package static let size = 64
  private static let mark = Array("boltzmill seal 1".utf8)
  private static let pieceBytes = 1 << 20

  /// Seals a file that is complete. Throws `ArtifactError.system`.
  package static func append(to url: URL) throws {
    let descriptor = open(url.path, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { throw ArtifactError.system(call: "open", file: url.path, code: errno) }
    defer { close(descriptor) }
    let length = try regularFileSize(descriptor, url)
    let seal = try bytes(descriptor, length, url)
    let half = seal.count / 2
    try write(Array(seal[..<half]), descriptor, at: length, url)
    try FaultPoint.midSeal.pass()
    try write(Array(seal[half...]), descriptor, at: length + half, url)
  }

  /// Throws `ArtifactError.unsealed` or `.sealBroken` for a file that is not as it was committed, `.system` when it cannot be
  /// read, `HDF5Error.noSuchFile` where there is none.
  static func check(_ url: URL) throws {
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let code = errno
      if code == ENOENT { throw HDF5Error.noSuchFile(file: url.path) }
      throw ArtifactError.system(call: "open", file: url.path, code: code)
    }
    defer { close(descriptor) }
    let size = try regularFileSize(descriptor, url)
    guard size >= Self.size else {
      throw ArtifactError.unsealed(file: url.path, reason: size == 0 ? "it is empty" : "it has \(size) bytes only")
    }
    let length = size - Self.size
    let found = try read(descriptor, at: length, count: Self.size, url)
    guard Array(found.prefix(mark.count)) == mark else {
      throw ArtifactError.unsealed(file: url.path, reason: "it was cut off, or another program wrote it")
    }
    guard found == (try bytes(descriptor, length, url)) else {
      throw ArtifactError.sealBroken(file: url.path, bytes: length)
    }
  }

  /// The seal that belongs to the first `length` bytes.
  private static func bytes(_ descriptor: Int32, _ length: Int, _ url: URL) throws -> [UInt8] {
    var hash = SHA256()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, min(pieceBytes, length)), alignment: 64)
    defer { buffer.deallocate() }
    var position = 0
    while position < length {
      let count = try read(descriptor, at: position, into: buffer, count: min(buffer.count, length - position), url)
      hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      position += count
    }
    var seal = mark + withUnsafeBytes(of: UInt64(length).littleEndian, Array.init)
    hash.update(data: seal)
    seal += Array(hash.finalize())
    return seal + [UInt8](repeating: 0, count: size - seal.count)
  }

  // MARK: System calls

  private static func regularFileSize(_ descriptor: Int32, _ url: URL) throws -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw ArtifactError.system(call: "fstat", file: url.path, code: errno)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw ArtifactError.unsealed(file: url.path, reason: "it is not a regular file")
    }
    return Int(status.st_size)
  }

  private static func read(
    _ descriptor: Int32, at position: Int, into buffer: UnsafeMutableRawBufferPointer, count: Int, _ url: URL
  ) throws -> Int {
    while true {
      let found = pread(descriptor, buffer.baseAddress, count, off_t(position))
      if found < 0, errno == EINTR { continue }
      guard found >= 0 else { throw ArtifactError.system(call: "read", file: url.path, code: errno) }
      guard found > 0 else {
        throw ArtifactError.unsealed(file: url.path, reason: "it became shorter while it was read")
      }
      return found
    }
  }

  private static func read(_ descriptor: Int32, at position: Int, count: Int, _ url: URL) throws -> [UInt8] {
    var found: [UInt8] = []
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8)
    defer { buffer.deallocate() }
    while found.count < count {
      let got = try read(descriptor, at: position + found.count, into: buffer, count: count - found.count, url)
      found += buffer[..<got]
    }
    return found
  }

  private static func write(_ bytes: [UInt8], _ descriptor: Int32, at position: Int, _ url: URL) throws {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { buffer -> Int in
        guard let base = buffer.baseAddress else { return 0 }
        return pwrite(descriptor, base + done, buffer.count - done, off_t(position + done))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw ArtifactError.system(call: "write", file: url.path, code: count < 0 ? errno : ENOSPC)
      }
      done += count
    }
  }
}
