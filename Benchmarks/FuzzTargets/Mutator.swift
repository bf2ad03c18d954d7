import Basics

/// Changes bytes at random, by a seed: the same case is the same bytes on every machine.
public struct Mutator {
  private let corpus: [[UInt8]]
  private let dictionary: [[UInt8]]
  /// No case is longer.
  public static let maximumBytes = 300_000

  /// `corpus` are sound inputs; `dictionary` are pieces that mean something in the format.
  public init(corpus: [[UInt8]], dictionary: [[UInt8]]) {
    self.corpus = corpus.isEmpty ? [[]] : corpus
    self.dictionary = dictionary
  }

  /// Case number `index` of a seed.
  public func bytes(seed: UInt64, index: Int) -> [UInt8] {
    var random = RandomStream(seed: seed, "fuzz", String(index))
    func below(_ count: Int) -> Int { count < 1 ? 0 : Int(random.next() % UInt64(count)) }
    var bytes = corpus[below(corpus.count)]
    // most cases are a few changes away from a sound file: they get far
    let changes = 1 + below(below(4) == 0 ? 24 : 3)
    for _ in 0..<changes {
      // headers matter more than data: half of the places lie near the beginning
      func place(_ count: Int) -> Int { below(2) == 0 ? below(min(count, 512)) : below(count) }
      let position = place(bytes.count)
      switch below(12) {
      case 0 where !bytes.isEmpty: bytes[position] ^= 1 << UInt8(below(8))
      case 1 where !bytes.isEmpty: bytes[position] = UInt8(below(256))
      case 2 where !bytes.isEmpty: bytes[position] = [0, 0xff, 0x7f, 0x80, 0x20, 0x0a][below(6)]
      case 3:  // cut off
        bytes.removeSubrange(position...)
      case 4 where !bytes.isEmpty:  // a hole
        bytes.removeSubrange(position..<min(bytes.count, position + 1 + below(64)))
      case 5 where !bytes.isEmpty:  // a piece twice
        let piece = Array(bytes[position..<min(bytes.count, position + 1 + below(256))])
        bytes.insert(contentsOf: piece, at: place(bytes.count))
      case 6:  // a piece of another file
        let other = corpus[below(corpus.count)]
        guard !other.isEmpty else { break }
        let start = below(other.count)
        bytes.insert(contentsOf: other[start..<min(other.count, start + 1 + below(512))], at: position)
      case 7, 8:  // a word that means something
        guard !dictionary.isEmpty else { break }
        let word = dictionary[below(dictionary.count)]
        if below(2) == 0 {
          bytes.insert(contentsOf: word, at: position)
        } else {
          let end = min(bytes.count, position + word.count)
          bytes.replaceSubrange(position..<end, with: word)
        }
      case 9, 10:  // a number at the edge of its type, in either byte order
        let width = [1, 2, 4, 8][below(4)]
        let values: [UInt64] = [0, 1, .max, .max >> 1, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 63, 255, 65_536]
        let value = values[below(values.count)]
        let start = position / 4 * 4
        guard start + width <= bytes.count else { break }
        let bigEndian = below(2) == 0
        for byte in 0..<width {
          bytes[start + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (bigEndian ? width - 1 - byte : byte)))
        }
      default:  // a piece again and again
        guard !bytes.isEmpty else { break }
        let piece = Array(bytes[position..<min(bytes.count, position + 1 + below(4))])
        let times = 1 << below(14)
        guard bytes.count + piece.count * times <= Self.maximumBytes else { break }
        bytes.insert(contentsOf: [[UInt8]](repeating: piece, count: times).joined(), at: position)
      }
    }
    if bytes.count > Self.maximumBytes { bytes.removeSubrange(Self.maximumBytes...) }
    return bytes
  }
}
