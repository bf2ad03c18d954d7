// The messages of a layer of geometric vector perceptrons: values, derivatives backward and forward.
//
// Included once per instruction set by gvp.cpp, which sets BM_VECTOR_BYTES and the enclosing namespace. No include guard, and no
// headers of its own: what they declare must not be compiled for one instruction set.
//
// One receiver i at a time: its senders are the rows of small matrices that stay in the first-level cache.

template <typename T>
using vec = T __attribute__((vector_size(BM_VECTOR_BYTES)));

template <typename T>
constexpr int lanes = BM_VECTOR_BYTES / sizeof(T);

template <typename T>
inline vec<T> load(const T* p) {
  vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <typename T>
inline void store(T* p, vec<T> v) {
  __builtin_memcpy(p, &v, sizeof v);
}

template <typename T>
inline vec<T> splat(T s) {
  return s - vec<T>{};
}

template <typename T>
inline T total(vec<T> v) {
  T sum = 0;
  for (int i = 0; i < lanes<T>; ++i) sum += v[i];
  return sum;
}

/// exp to about 1 ulp for arguments whose result is a normal number; beyond them the ends of that range.
/// Source of the coefficients: S. Moshier, Cephes mathematical library, expf.
inline vec<float> exponential(vec<float> x) {
  typedef int bits __attribute__((vector_size(BM_VECTOR_BYTES)));
  x = __builtin_elementwise_min(__builtin_elementwise_max(x, splat(-87.3f)), splat(88.3f));
  const float round = 12582912.0f;  // 1.5 * 2^23: adding it leaves an integer in the low bits of the mantissa
  const vec<float> shifted = x * 1.44269504088896341f + round;
  const vec<float> n = shifted - round;
  vec<float> r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  vec<float> y = r * 1.9875691500e-4f + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * (r * r) + r + 1.0f;
  return (vec<float>)((bits)y + ((bits)shifted << 23));
}

inline vec<double> exponential(vec<double> x) {
  vec<double> y;
  for (int i = 0; i < lanes<double>; ++i) y[i] = std::exp(x[i]);
  return y;
}

template <typename T>
inline vec<T> sigmoid(vec<T> x) {
  return T(1) / (T(1) + exponential(-x));
}

/// c[rows, columns * lanes] (+)= sum over k of a[r * row + k * step] b[k, ...].
template <typename T, int rows, int columns>
inline void tile(int count, const T* a, ptrdiff_t row, ptrdiff_t step, const T* b, ptrdiff_t ldb, T* c, ptrdiff_t ldc,
                 bool add) {
  constexpr int width = lanes<T>;
  vec<T> sum[rows][columns];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; ++r)
#pragma clang loop unroll(full)
    for (int j = 0; j < columns; ++j) sum[r][j] = add ? load(c + r * ldc + j * width) : vec<T>{};
  for (int k = 0; k < count; ++k) {
    vec<T> right[columns];
#pragma clang loop unroll(full)
    for (int j = 0; j < columns; ++j) right[j] = load(b + k * ldb + j * width);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; ++r) {
      const T left = a[r * row + k * step];
#pragma clang loop unroll(full)
      for (int j = 0; j < columns; ++j) sum[r][j] += left * right[j];
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; ++r)
#pragma clang loop unroll(full)
    for (int j = 0; j < columns; ++j) store(c + r * ldc + j * width, sum[r][j]);
}

template <typename T, int columns>
inline void strip(int m, int count, const T* a, ptrdiff_t row, ptrdiff_t step, const T* b, ptrdiff_t ldb, T* c,
                  ptrdiff_t ldc, bool add) {
  int r = 0;
  for (; r + 6 <= m; r += 6) tile<T, 6, columns>(count, a + r * row, row, step, b, ldb, c + r * ldc, ldc, add);
  for (; r + 3 <= m; r += 3) tile<T, 3, columns>(count, a + r * row, row, step, b, ldb, c + r * ldc, ldc, add);
  for (; r < m; ++r) tile<T, 1, columns>(count, a + r * row, row, step, b, ldb, c + r * ldc, ldc, add);
}

/// C[m, n] (+)= A B over `count` terms, where A(r, k) = a[r * row + k * step] and n is a multiple of 8.
template <typename T>
inline void product(int m, int n, int count, const T* a, ptrdiff_t row, ptrdiff_t step, const T* b, ptrdiff_t ldb, T* c,
                    ptrdiff_t ldc, bool add) {
  constexpr int width = lanes<T>;
  int j = 0;
  for (; j + 2 * width <= n; j += 2 * width) strip<T, 2>(m, count, a, row, step, b + j, ldb, c + j, ldc, add);
  for (; j < n; j += width) strip<T, 1>(m, count, a, row, step, b + j, ldb, c + j, ldc, add);
}

/// Everything about the pairs (i, j) of one receiver i, a row per sender j.
template <typename T>
struct Receiver {
  const Sizes& s;
  const Weights<T>& w;
  int rows = 0;
  std::vector<int> sender;
  std::vector<T> unit;      // [rows, 3]
  std::vector<T> distance;  // [rows]
  std::vector<T> slope;     // [rows] d distance / d r = slope * r
  std::vector<T> hidden;    // [rows, 3, Hp]
  std::vector<T> features;  // [rows, F]: radial functions, norms of hidden vectors
  std::vector<T> z;         // [rows, S]
  std::vector<T> sigma;     // [rows, S] sigmoid(beta z)
  std::vector<T> scalars;   // [rows, S] z sigma
  std::vector<T> gate;      // [rows, V]

  Receiver(const Sizes& sizes, const Weights<T>& weights)
      : s(sizes), w(weights), sender(s.atoms), unit(s.atoms * 3), distance(s.atoms), slope(s.atoms),
        hidden(s.atoms * 3 * s.hidden_padded), features(s.atoms * s.feature_stride), z(s.atoms * s.scalars),
        sigma(s.atoms * s.scalars), scalars(s.atoms * s.scalars), gate(s.atoms * s.vectors) {}

  /// x [atoms, 3], mask [atoms] or null, node [atoms, S], mixed [atoms, 3, Hp] or null.
  void evaluate(int i, const T* x, const T* mask, const T* node, const T* mixed) {
    constexpr int width = lanes<T>;
    const int hp = s.hidden_padded;
    rows = 0;
    if (mask && mask[i] == 0) return;
    for (int j = 0; j < s.atoms; ++j) {
      if (j == i || (mask && mask[j] == 0)) continue;
      const int e = rows++;
      sender[e] = j;
      T r[3], square = 0;
      for (int k = 0; k < 3; ++k) {
        r[k] = x[3 * j + k] - x[3 * i + k];
        square += r[k] * r[k];
      }
      const bool floored = square < T(s.floor);
      const T root = std::sqrt(floored ? T(s.floor) : square);
      const T d = root + T(s.offset);
      distance[e] = d;
      slope[e] = floored ? T(0) : 1 / root;
      T* u = &unit[3 * e];
      for (int k = 0; k < 3; ++k) u[k] = r[k] / d;
      T* f = &features[e * s.feature_stride];
      // the surplus lanes of the radial functions are overwritten by the norms
      for (int k = 0; k < s.radial; k += width) {
        const vec<T> y = (d - load(&w.centres[k])) * T(1 / s.width);
        store(f + k, exponential(-(y * y)));
      }
      T* v = &hidden[e * 3 * hp];
      for (int k = 0; k < hp; k += width) {
        vec<T> norm{};
        for (int c = 0; c < 3; ++c) {
          vec<T> value = load(&w.along[k]) * u[c];
          if (mixed) value += load(mixed + (3 * j + c) * hp + k);
          store(v + c * hp + k, value);
          norm += value * value;
        }
        store(f + s.radial + k, __builtin_elementwise_sqrt(__builtin_elementwise_max(norm, splat(T(s.floor)))));
      }
      __builtin_memcpy(&z[e * s.scalars], node + j * s.scalars, sizeof(T) * s.scalars);
    }
    product<T>(rows, s.scalars, s.features, features.data(), s.feature_stride, 1, w.features.data(), s.scalars, z.data(),
               s.scalars, true);
    for (int k = 0; k < rows * s.scalars; k += width) {
      const vec<T> value = load(&z[k]);
      const vec<T> half = sigmoid<T>(value * w.beta);
      store(&sigma[k], half);
      store(&scalars[k], value * half);
    }
    product<T>(rows, s.vectors, s.scalars, scalars.data(), s.scalars, 1, w.gate.data(), s.vectors, gate.data(), s.vectors,
               false);
    for (int e = 0; e < rows; ++e)
      for (int k = 0; k < s.vectors; k += width) {
        T* g = &gate[e * s.vectors + k];
        store(g, sigmoid<T>(load(g) + load(&w.gate_bias[k])));
      }
  }

  /// Sums over senders: scalars [S] and vectors [3, V]; sent [atoms, 3, V] or null.
  void sums(const T* sent, T* scalar_sum, T* vector_sum) const {
    constexpr int width = lanes<T>;
    for (int k = 0; k < s.scalars; k += width) {
      vec<T> sum{};
      for (int e = 0; e < rows; ++e) sum += load(&scalars[e * s.scalars + k]);
      store(scalar_sum + k, sum);
    }
    for (int c = 0; c < 3; ++c)
      for (int k = 0; k < s.vectors; k += width) {
        const vec<T> along = load(&w.sent_along[k]);
        vec<T> sum{};
        for (int e = 0; e < rows; ++e) {
          vec<T> value = along * unit[3 * e + c];
          if (sent) value += load(sent + (3 * sender[e] + c) * s.vectors + k);
          sum += load(&gate[e * s.vectors + k]) * value;
        }
        store(vector_sum + c * s.vectors + k, sum);
      }
  }
};

/// Adds to the gradients of one molecule's inputs and of the weights what one receiver's sums pass back.
template <typename T>
struct Backward {
  std::vector<T> gate, scalars, features;  // gradients by rows

  explicit Backward(const Sizes& s)
      : gate(s.atoms * s.vectors), scalars(s.atoms * s.scalars), features(s.atoms * s.features_padded) {}

  /// Gradients of the sums: scalar_sum [S], vector_sum [3, V]. Gradients to add to: x [atoms, 3], node [atoms, S],
  /// mixed [atoms, 3, Hp] and sent [atoms, 3, V] or null, and those of the weights.
  void add(const Receiver<T>& r, int i, const T* sent, const T* scalar_sum, const T* vector_sum, T* x, T* node, T* mixed,
           T* sent_out, Gradients<T>& out) {
    constexpr int width = lanes<T>;
    const Sizes& s = r.s;
    const Weights<T>& w = r.w;
    const int rows = r.rows, hp = s.hidden_padded, S = s.scalars, V = s.vectors;
    std::vector<T>& unit = out.unit;
    for (int e = 0; e < rows; ++e) {
      const int j = r.sender[e];
      T* du = &unit[3 * e];
      vec<T> turn[3] = {};
      for (int k = 0; k < V; k += width) {
        const vec<T> g = load(&r.gate[e * V + k]), along = load(&w.sent_along[k]);
        vec<T> dg{}, dalong{};
        for (int c = 0; c < 3; ++c) {
          const vec<T> up = load(vector_sum + c * V + k);
          const T u = r.unit[3 * e + c];
          vec<T> value = along * u;
          if (sent) {
            value += load(sent + (3 * j + c) * V + k);
            T* target = sent_out + (3 * j + c) * V + k;
            store(target, load(target) + g * up);
          }
          dg += up * value;
          dalong += g * up * u;
          turn[c] += g * up * along;
        }
        store(&out.sent_along[k], load(&out.sent_along[k]) + dalong);
        const vec<T> raw = dg * g * (T(1) - g);
        store(&gate[e * V + k], raw);
        store(&out.gate_bias[k], load(&out.gate_bias[k]) + raw);
      }
      for (int c = 0; c < 3; ++c) du[c] = total<T>(turn[c]);
      __builtin_memcpy(&scalars[e * S], scalar_sum, sizeof(T) * S);
    }
    product<T>(S, V, rows, r.scalars.data(), 1, S, gate.data(), V, out.gate.data(), V, true);
    product<T>(rows, S, V, gate.data(), V, 1, w.gate_transposed.data(), S, scalars.data(), S, true);
    vec<T> dbeta{};
    for (int e = 0; e < rows; ++e) {
      T* target = node + r.sender[e] * S;
      for (int k = 0; k < S; k += width) {
        const vec<T> half = load(&r.sigma[e * S + k]), value = load(&r.z[e * S + k]), up = load(&scalars[e * S + k]);
        const vec<T> bend = value * half * (T(1) - half);
        const vec<T> dz = up * (half + w.beta * bend);
        dbeta += up * value * bend;
        store(&scalars[e * S + k], dz);
        store(target + k, load(target + k) + dz);
      }
    }
    out.beta += total<T>(dbeta);
    product<T>(s.features, S, rows, r.features.data(), 1, s.feature_stride, scalars.data(), S, out.features.data(), S,
               true);
    product<T>(rows, s.features_padded, S, scalars.data(), S, 1, w.features_transposed.data(), s.features_padded,
               features.data(), s.features_padded, false);
    for (int e = 0; e < rows; ++e) {
      const int j = r.sender[e];
      const T* df = &features[e * s.features_padded];
      const T* f = &r.features[e * s.feature_stride];
      const T d = r.distance[e];
      T* du = &unit[3 * e];
      T dd = 0;
      for (int k = 0; k < s.radial; ++k) dd += df[k] * f[k] * (w.centres[k] - d);
      dd *= T(2 / (s.width * s.width));
      const T* v = &r.hidden[e * 3 * hp];
      for (int k = 0; k < s.hidden; ++k) {
        const T norm = f[s.radial + k];
        if (norm * norm <= T(s.floor) * T(1.000001)) continue;  // held at the floor
        const T pull = df[s.radial + k] / norm;
        for (int c = 0; c < 3; ++c) {
          const T dv = pull * v[c * hp + k];
          out.along[k] += dv * r.unit[3 * e + c];
          du[c] += dv * w.along[k];
          if (mixed) mixed[(3 * j + c) * hp + k] += dv;
        }
      }
      const T* u = &r.unit[3 * e];
      dd -= (du[0] * u[0] + du[1] * u[1] + du[2] * u[2]) / d;
      // r = u d, so the distance's slope along r is slope * d * u
      const T radial = dd * r.slope[e] * d;
      for (int c = 0; c < 3; ++c) {
        const T dr = du[c] / d + radial * u[c];
        x[3 * j + c] += dr;
        x[3 * i + c] -= dr;
      }
    }
  }
};

/// Derivatives of one receiver's sums along directions of its molecule's inputs; all directions of one pair at a time.
template <typename T>
struct Forward {
  std::vector<T> basis;    // [3 + H, S]: dz of a step dr, then of each norm
  std::vector<T> left;     // [directions, 3 + Hp]
  std::vector<T> scalars;  // [directions, S]
  std::vector<T> gate;     // [directions, V]

  Forward(const Sizes& s, int directions)
      : basis((3 + s.hidden) * s.scalars), left(directions * (3 + s.hidden_padded)), scalars(directions * s.scalars),
        gate(directions * s.vectors) {}

  /// Tangents of the molecule: x [d, atoms, 3], node [d, atoms, S], mixed [d, atoms, 3, Hp], sent [d, atoms, 3, V] (all but x may be
  /// null), `stride` of them from one direction to the next in units of atoms. Sums: [d, S] and [d, 3, V] at strides of their own.
  void add(const Receiver<T>& r, int i, int directions, ptrdiff_t stride, const T* sent, const T* dx, const T* dnode,
           const T* dmixed, const T* dsent, T* scalar_sum, T* vector_sum) {
    constexpr int width = lanes<T>;
    const Sizes& s = r.s;
    const Weights<T>& w = r.w;
    const int hp = s.hidden_padded, S = s.scalars, V = s.vectors, H = s.hidden, terms = 3 + (dmixed ? H : 0);
    const int lead = 3 + hp;
    for (int e = 0; e < r.rows; ++e) {
      const int j = r.sender[e];
      const T d = r.distance[e];
      const T* u = &r.unit[3 * e];
      const T* f = &r.features[e * s.feature_stride];
      // the unit vector changes by du = (dr - u dd) / d, and dd = toward . dr
      T toward[3], turn[3][3];
      for (int c = 0; c < 3; ++c) toward[c] = r.slope[e] * d * u[c];
      for (int c = 0; c < 3; ++c)
        for (int b = 0; b < 3; ++b) turn[c][b] = ((c == b) - u[c] * toward[b]) / d;
      // unit vectors of the hidden vectors, zero where their norm is held at its floor
      T direction[3][64];
      for (int k = 0; k < H; ++k) {
        const T norm = f[s.radial + k];
        const T inverse = norm * norm <= T(s.floor) * T(1.000001) ? T(0) : 1 / norm;
        for (int c = 0; c < 3; ++c) direction[c][k] = r.hidden[e * 3 * hp + c * hp + k] * inverse;
      }
      for (int k = H; k < hp; ++k) direction[0][k] = direction[1][k] = direction[2][k] = 0;
      __builtin_memset(basis.data(), 0, sizeof(T) * 3 * S);
      for (int k = 0; k < s.features; ++k) {
        T change[3];
        if (k < s.radial) {
          const T slope = f[k] * (w.centres[k] - d) * T(2 / (s.width * s.width));
          for (int b = 0; b < 3; ++b) change[b] = slope * toward[b];
        } else {
          const int q = k - s.radial;
          for (int b = 0; b < 3; ++b) {
            change[b] = 0;
            for (int c = 0; c < 3; ++c) change[b] += direction[c][q] * turn[c][b];
            change[b] *= w.along[q];
          }
        }
        for (int b = 0; b < 3; ++b)
          for (int q = 0; q < S; q += width)
            store(&basis[b * S + q], load(&basis[b * S + q]) + change[b] * load(&w.features[k * S + q]));
      }
      if (dmixed) __builtin_memcpy(&basis[3 * S], &w.features[s.radial * S], sizeof(T) * H * S);

      for (int m = 0; m < directions; ++m) {
        const T* xi = dx + (m * stride + i) * 3;
        const T* xj = dx + (m * stride + j) * 3;
        T* row = &left[m * lead];
        for (int c = 0; c < 3; ++c) row[c] = xj[c] - xi[c];
        if (dmixed) {
          const T* a = dmixed + (m * stride + j) * 3 * hp;
          for (int k = 0; k < hp; k += width)
            store(row + 3 + k, load(a + k) * load(&direction[0][k]) + load(a + hp + k) * load(&direction[1][k]) +
                                   load(a + 2 * hp + k) * load(&direction[2][k]));
        }
        if (dnode)
          __builtin_memcpy(&scalars[m * S], dnode + (m * stride + j) * S, sizeof(T) * S);
        else
          __builtin_memset(&scalars[m * S], 0, sizeof(T) * S);
      }
      product<T>(directions, S, terms, left.data(), lead, 1, basis.data(), S, scalars.data(), S, true);
      vec<T> bend[64 / lanes<T>];
      for (int q = 0; q < S; q += 64) {
        const int end = S - q < 64 ? S - q : 64;
        for (int k = 0; k < end; k += width) {
          const vec<T> half = load(&r.sigma[e * S + q + k]);
          bend[k / width] = half + w.beta * load(&r.z[e * S + q + k]) * half * (T(1) - half);
        }
        for (int m = 0; m < directions; ++m)
          for (int k = 0; k < end; k += width) {
            T* target = &scalars[m * S + q + k];
            const vec<T> ds = load(target) * bend[k / width];
            store(target, ds);
            T* sum = scalar_sum + m * stride * S + q + k;
            store(sum, load(sum) + ds);
          }
      }
      product<T>(directions, V, S, scalars.data(), S, 1, w.gate.data(), V, gate.data(), V, false);
      for (int k = 0; k < V; k += width) {
        const vec<T> g = load(&r.gate[e * V + k]), along = load(&w.sent_along[k]);
        const vec<T> slope = g * (T(1) - g);
        vec<T> value[3];
        for (int c = 0; c < 3; ++c) {
          value[c] = along * u[c];
          if (sent) value[c] += load(sent + (3 * j + c) * V + k);
        }
        const vec<T> step = g * along;
        for (int m = 0; m < directions; ++m) {
          const T* dr = &left[m * lead];
          const vec<T> dg = load(&gate[m * V + k]) * slope;
          for (int c = 0; c < 3; ++c) {
            const T du = turn[c][0] * dr[0] + turn[c][1] * dr[1] + turn[c][2] * dr[2];
            T* sum = vector_sum + m * stride * 3 * V + c * V + k;
            vec<T> change = load(sum) + dg * value[c] + step * du;
            if (dsent) change += g * load(dsent + ((m * stride + j) * 3 + c) * V + k);
            store(sum, change);
          }
        }
      }
    }
  }
};
