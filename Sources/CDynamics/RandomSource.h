#pragma once
#include <cmath>
#include <cstdint>

namespace boltzmill {

/// xoshiro256**, seeded through SplitMix64; one per segment of a walk. OpenMM's Reference integrators draw from one generator
/// that all Contexts of a process share, unlocked: with it neither threads nor reproducible segments are possible.
/// Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47, 2021.
class RandomSource {
 public:
  explicit RandomSource(uint64_t seed) {
    for (auto &word : state) {
      seed += 0x9e3779b97f4a7c15ULL;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
      word = z ^ (z >> 31);
    }
  }

  uint64_t next() {
    const uint64_t result = rotated(state[1] * 5, 7) * 9;
    const uint64_t t = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= t;
    state[3] = rotated(state[3], 45);
    return result;
  }

  /// Uniform on [0, 1).
  double uniform() { return double(next() >> 11) * 0x1p-53; }

  /// Standard normals by Marsaglia's polar method.
  void normals(double *out, int count) {
    for (int i = 0; i < count; i += 2) {
      double x, y, r;
      do {
        x = 2 * uniform() - 1;
        y = 2 * uniform() - 1;
        r = x * x + y * y;
      } while (r >= 1 || r == 0);
      const double factor = std::sqrt(-2 * std::log(r) / r);
      out[i] = x * factor;
      if (i + 1 < count) out[i + 1] = y * factor;
    }
  }

 private:
  uint64_t state[4];
  static uint64_t rotated(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
};

}  // namespace boltzmill
