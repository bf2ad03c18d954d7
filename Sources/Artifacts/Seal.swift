import Basics
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
    let descriptor = FileCalls.open(url.path, O_RDWR)
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
    let descriptor = FileCalls.open(url.path, O_RDONLY | O_NONBLOCK)
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
      let head = try read(descriptor, at: 0, count: min(Superblock.size, length), url)
      if let unmarked = Superblock.unmarked(head), found == (try bytes(descriptor, length, url, head: unmarked)) {
        throw ArtifactError.openForWriting(file: url.path)
      }
      throw ArtifactError.sealBroken(file: url.path, bytes: length)
    }
  }

  /// Takes back the mark that a program has set which opened the file for writing and did not close it: what it has done besides is
  /// nothing, as the seal says. Throws `ArtifactError.openForWriting` where the file may not be written.
  static func unmark(_ url: URL) throws {
    let descriptor = FileCalls.open(url.path, O_RDWR)
    guard descriptor >= 0 else { throw ArtifactError.openForWriting(file: url.path) }
    defer { close(descriptor) }
    // who has it open holds HDF5's lock, and may have written since it was looked at
    guard FileCalls.lock(descriptor, exclusive: true) == .held else {
      throw ArtifactError.openForWriting(file: url.path)
    }
    let length = try regularFileSize(descriptor, url) - size
    guard length >= Superblock.size,
      let unmarked = Superblock.unmarked(try read(descriptor, at: 0, count: Superblock.size, url)),
      try read(descriptor, at: length, count: size, url) == bytes(descriptor, length, url, head: unmarked)
    else { return }
    try write(unmarked, descriptor, at: 0, url)
  }

  /// The first block of an HDF5 file of the newest format: its byte 11 says whether somebody has it open for writing, its last four are a
  /// sum over the rest (Jenkins' lookup3, as the format's specification says).
  private enum Superblock {
    static let size = 48

    /// The block without the mark; nil where it has none, or is another kind of block.
    static func unmarked(_ block: [UInt8]) -> [UInt8]? {
      guard block.count == size, block[8] == 3, block[9] == 8, block[11] != 0 else { return nil }
      var block = block
      block[11] = 0
      withUnsafeBytes(of: sum(block.prefix(44)).littleEndian) { block.replaceSubrange(44..<48, with: $0) }
      return block
    }

    /// Where it says that the file ends; nil for another kind of block.
    static func end(_ block: [UInt8]) -> UInt64? {
      let mark: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]
      guard block.count >= 36, block.starts(with: mark), block[8] >= 2, block[9] == 8 else { return nil }
      return block[28..<36].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }

    /// Of 44 bytes.
    private static func sum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
      func word(_ index: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[bytes.startIndex + 4 * index + $1]) << UInt32(8 * $1) }
      }
      func turned(_ x: UInt32, _ bits: UInt32) -> UInt32 { x << bits | x >> (32 - bits) }
      var (a, b, c) = (
        0xdead_beef &+ UInt32(bytes.count), 0xdead_beef &+ UInt32(bytes.count), 0xdead_beef &+ UInt32(bytes.count)
      )
      for start in [0, 3, 6] {
        (a, b, c) = (a &+ word(start), b &+ word(start + 1), c &+ word(start + 2))
        (a, c) = ((a &- c) ^ turned(c, 4), c &+ b)
        (b, a) = ((b &- a) ^ turned(a, 6), a &+ c)
        (c, b) = ((c &- b) ^ turned(b, 8), b &+ a)
        (a, c) = ((a &- c) ^ turned(c, 16), c &+ b)
        (b, a) = ((b &- a) ^ turned(a, 19), a &+ c)
        (c, b) = ((c &- b) ^ turned(b, 4), b &+ a)
      }
      (a, b) = (a &+ word(9), b &+ word(10))
      c = (c ^ b) &- turned(b, 14)
      a = (a ^ c) &- turned(c, 11)
      b = (b ^ a) &- turned(a, 25)
      c = (c ^ b) &- turned(b, 16)
      a = (a ^ c) &- turned(c, 4)
      b = (b ^ a) &- turned(a, 14)
      return (c ^ b) &- turned(b, 24)
    }
  }

  /// Whether a file ends where its first block says, or what follows may be the rest of a seal: a look before the library sees it.
  static func endsAsHDF5(_ url: URL) -> Bool {
    let descriptor = FileCalls.open(url.path, O_RDONLY | O_NONBLOCK)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    guard let length = try? regularFileSize(descriptor, url), length >= Superblock.size,
      let head = try? read(descriptor, at: 0, count: Superblock.size, url)
    else { return false }
    guard let end = Superblock.end(head) else { return false }
    return end <= UInt64(length) && UInt64(length) - end <= UInt64(size) + 1
  }

  /// The seal that belongs to the first `length` bytes; with `head`, to those with another beginning.
  private static func bytes(
    _ descriptor: Int32, _ length: Int, _ url: URL, head: [UInt8] = []
  ) throws -> [UInt8] {
    var hash = SHA256()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, min(pieceBytes, length)), alignment: 64)
    defer { buffer.deallocate() }
    var position = 0
    while position < length {
      let count = try read(descriptor, at: position, into: buffer, count: min(buffer.count, length - position), url)
      for (place, byte) in head.enumerated() where place >= position && place < position + count {
        buffer[place - position] = byte
      }
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
