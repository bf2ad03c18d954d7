import Foundation
import HDF5

extension ArtifactWriter {
  /// Aim for a chunk's size: below HDF5's chunk cache (1 MiB), so that small appends stay in memory.
  static let chunkBytes = 256 << 10
  static let deflateLevel = 4

  /// Chunks along the first axis, with a checksum each; scalars and empty datasets in one piece.
  static func layout(shape: [Int], size: Int, compression: Compression, bytes: UnsafeRawBufferPointer) -> HDF5Layout {
    guard !shape.isEmpty, !bytes.isEmpty else { return HDF5Layout() }
    let rowBytes = max(1, bytes.count / shape[0])
    var chunk = shape
    chunk[0] = max(1, min(shape[0], chunkBytes / rowBytes))
    // one row may be larger than a chunk should be: cut the second axis too
    if shape.count > 1, rowBytes > 4 * chunkBytes {
      chunk[1] = max(1, min(shape[1], chunkBytes / max(1, rowBytes / shape[1])))
    }
    var layout = HDF5Layout(chunk: chunk)
    let pays = compression == .automatic && bytes.count >= 1024 && estimatedRatio(bytes, size: size) <= 0.75
    if compression == .always || pays { layout.deflateLevel = deflateLevel }
    return layout
  }

  /// The share of its size that data keeps when each byte of the elements is coded by itself: the mean order-0 entropy
  /// of the byte planes, over at most 32,768 elements spread over the data. 1 is incompressible.
  static func estimatedRatio(_ bytes: UnsafeRawBufferPointer, size: Int) -> Double {
    let elements = bytes.count / max(1, size)
    guard elements > 0 else { return 1 }
    if size > 8 { return 0 }  // text
    let step = max(1, elements / 32_768)
    let sampled = (elements + step - 1) / step
    var entropy = 0.0
    var counts = [Int](repeating: 0, count: 256)
    for plane in 0..<size {
      for index in counts.indices { counts[index] = 0 }
      var position = plane
      for _ in 0..<sampled {
        counts[Int(bytes[position])] += 1
        position += step * size
      }
      for count in counts where count > 0 {
        let share = Double(count) / Double(sampled)
        entropy -= share * log2(share)
      }
    }
    return entropy / (8 * Double(size))
  }
}

enum HDF5Path {
  /// "a/b", "/a/b" and "a/b/" are one path.
  static func absolute(_ path: String) -> String { "/" + path.split(separator: "/").joined(separator: "/") }
}
