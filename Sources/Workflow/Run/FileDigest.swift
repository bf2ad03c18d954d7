import Crypto
import Foundation

/// SHA-256 of files' bytes, each file read once per object.
final class FileDigests {
  private var known: [String: String] = [:]

  /// The digest, hex. Throws `EngineError.unreadableInput`.
  func digest(_ url: URL) throws -> String {
    if let digest = known[url.path] { return digest }
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw EngineError.unreadableInput(file: url.path, reason: String(cString: strerror(errno)))
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw EngineError.unreadableInput(file: url.path, reason: "not a regular file")
    }
    var hash = SHA256()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 64)
    defer { buffer.deallocate() }
    while true {
      let count = read(descriptor, buffer.baseAddress, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw EngineError.unreadableInput(file: url.path, reason: String(cString: strerror(errno)))
      }
      if count == 0 { break }
      hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
    let digest = Self.hex(hash.finalize())
    known[url.path] = digest
    return digest
  }

  static func ofText(_ text: String) -> String { hex(SHA256.hash(data: Data(text.utf8))) }

  private static func hex(_ digest: SHA256.Digest) -> String {
    digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
