import Foundation

/// The project's one random stream: xoshiro256**, seeded through SplitMix64 from a seed and a path of labels.
///
/// Streams with different paths are independent, so a stage, a window or an epoch asks for its own by name:
/// `RandomStream(seed: 2026, "umbrella", "window 3", "segment 7")`. The state is Codable, for checkpoints.
/// Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47, 2021.
public struct RandomStream: RandomNumberGenerator, Codable, Equatable, Sendable {
  private var state: [UInt64]
  private var spareNormal: Double?

  public init(seed: UInt64, _ labels: String...) { self.init(seed: Self.derivedSeed(seed, labels)) }

  private init(seed: UInt64) {
    var mixer = seed
    state = (0..<4).map { _ in Self.splitMix(&mixer) }
  }

  /// A 64-bit seed for a library's own generator (LibTorch, OpenMM), derived from the same (seed, labels) tree.
  public static func derivedSeed(_ seed: UInt64, _ labels: [String]) -> UInt64 {
    var mixed = seed
    for label in labels {
      // FNV-1a over the label's bytes, closed by a byte that no UTF-8 text contains
      var hash: UInt64 = 0xcbf2_9ce4_8422_2325
      for byte in label.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
      hash = (hash ^ 0xff) &* 0x0000_0100_0000_01b3
      mixed ^= hash
      mixed = splitMix(&mixed)
    }
    return mixed
  }

  private static func splitMix(_ state: inout UInt64) -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  public mutating func next() -> UInt64 {
    func rotated(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 - k)) }
    let (result, t) = (rotated(state[1] &* 5, 7) &* 9, state[1] << 17)
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= t
    state[3] = rotated(state[3], 45)
    return result
  }

  /// Uniform on [0, 1) with 53 random bits.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Standard normal, by Marsaglia's polar method.
  public mutating func normal() -> Double {
    if let spare = spareNormal {
      spareNormal = nil
      return spare
    }
    while true {
      let (x, y) = (2 * uniform() - 1, 2 * uniform() - 1)
      let r = x * x + y * y
      if r < 1, r > 0 {
        let factor = (-2 * log(r) / r).squareRoot()
        spareNormal = y * factor
        return x * factor
      }
    }
  }
}
