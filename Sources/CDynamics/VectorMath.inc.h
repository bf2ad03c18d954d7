// Vectors of numbers, and the functions of them that the built-in kernel needs, for one instruction set: included once per set by
// MoleculeProvider.cpp, inside a namespace of its own. No include guard, no includes.

typedef double Vec __attribute__((vector_size(64)));
typedef int64_t Int __attribute__((vector_size(64)));

#define BM_INLINE static inline __attribute__((always_inline))

BM_INLINE void load(const double *from, Vec &out) { __builtin_memcpy(&out, from, sizeof(Vec)); }
BM_INLINE void store(const Vec &value, double *to) { __builtin_memcpy(to, &value, sizeof(Vec)); }
BM_INLINE double sum(const Vec &v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }

/// Natural logarithm of positive normal numbers, to rounding: exponent plus 2 artanh((m - 1)/(m + 1)).
BM_INLINE void logarithm(const Vec &x, Vec &out) {
  Int bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  // the mantissa is brought to [sqrt(1/2), sqrt(2))
  const Int shifted = bits - 0x3fe6a09e667f3bcdLL;
  const Int exponent = shifted >> 52;
  const Int mantissaBits = bits - (exponent << 52);
  Vec m;
  __builtin_memcpy(&m, &mantissaBits, sizeof m);
  const Vec s = (m - 1.0) / (m + 1.0), s2 = s * s;
  Vec series = s2 * (1.0 / 19) + 1.0 / 17;
  series = series * s2 + 1.0 / 15;
  series = series * s2 + 1.0 / 13;
  series = series * s2 + 1.0 / 11;
  series = series * s2 + 1.0 / 9;
  series = series * s2 + 1.0 / 7;
  series = series * s2 + 1.0 / 5;
  series = series * s2 + 1.0 / 3;
  // small integers become doubles through the mantissa of 1.5 x 2^52
  const Int magic = exponent + 0x4338000000000000LL;
  Vec e;
  __builtin_memcpy(&e, &magic, sizeof e);
  e -= 6755399441055744.0;
  out = e * 0.693147180559945309417 + (2.0 * s + 2.0 * s * s2 * series);
}

/// Exponential function on [-700, 700], to rounding; smaller arguments count as -700.
BM_INLINE void exponential(const Vec &given, Vec &out) {
  Vec x = given < -700.0 ? (Vec)(given * 0.0 - 700.0) : given;
  x = x > 700.0 ? (Vec)(x * 0.0 + 700.0) : x;
  const Vec scaled = x * 1.44269504088896340736 + 6755399441055744.0;
  Int bits;
  __builtin_memcpy(&bits, &scaled, sizeof bits);
  const Vec n = scaled - 6755399441055744.0;
  const Vec r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  Vec p = r * (1.0 / 479001600) + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const Int scaleBits = ((bits - 0x4338000000000000LL) + 1023) << 52;
  Vec scale;
  __builtin_memcpy(&scale, &scaleBits, sizeof scale);
  out = p * scale;
}

BM_INLINE void smaller(const Vec &a, const Vec &b, Vec &out) { out = a < b ? a : b; }

/// The angle in [0, pi] of given cosine and sine (not negative), to rounding even where either vanishes.
BM_INLINE void angleOf(const Vec &cosine, const Vec &sine, Vec &out) {
  // the arc sine y of the smaller of both, which is at most sqrt(1/2); above 1/2 by half the complement
  const Vec c = __builtin_elementwise_abs(cosine);
  Vec y;
  smaller(c, sine, y);
  const Int large = y > 0.5;
  const Vec z = large ? 0.5 * (1.0 - y) : y * y;
  const Vec x = large ? __builtin_elementwise_sqrt(z) : y;
  // fdlibm's rational function for (asin(x) - x)/x on [0, 1/2]
  Vec p = z * 3.47933107596021167570e-05 + 7.91534994289814532176e-04;
  p = p * z - 4.00555345006794114027e-02;
  p = p * z + 2.01212532134862925881e-01;
  p = p * z - 3.25565818622400915405e-01;
  p = p * z + 1.66666666666666657415e-01;
  Vec q = z * 7.70381505559019352791e-02 - 6.88283971605453293030e-01;
  q = q * z + 2.02094576023350569471e+00;
  q = q * z - 2.40339491173441421878e+00;
  q = q * z + 1.0;
  const Vec half = x + x * (p * z / q);
  const Vec arc = large ? 1.57079632679489661923 - 2.0 * half : half;
  const Vec acute = sine < c ? arc : 1.57079632679489661923 - arc;
  out = cosine < 0.0 ? 3.14159265358979323846 - acute : acute;
}

struct Vec3 {
  Vec x, y, z;
};

BM_INLINE void dot(const Vec3 &a, const Vec3 &b, Vec &out) { out = a.x * b.x + a.y * b.y + a.z * b.z; }
BM_INLINE void cross(const Vec3 &a, const Vec3 &b, Vec3 &out) {
  out.x = a.y * b.z - a.z * b.y;
  out.y = a.z * b.x - a.x * b.z;
  out.z = a.x * b.y - a.y * b.x;
}
