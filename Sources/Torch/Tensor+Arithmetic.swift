import CTorch

// Element-wise arithmetic with broadcasting, reductions, and the layers' two kernels. `try` covers a whole expression:
// `let y = try (a + b) * c.exp()`.

extension Tensor {
  private func unary(_ name: String, _ op: bm_unary_op) throws -> Tensor {
    try make(name, keeping: self) { bm_unary(op, pointer, $0) }
  }

  public func exp() throws -> Tensor { try unary("exp", BM_EXP) }
  public func log() throws -> Tensor { try unary("log", BM_LOG) }
  public func sin() throws -> Tensor { try unary("sin", BM_SIN) }
  public func cos() throws -> Tensor { try unary("cos", BM_COS) }
  public func tanh() throws -> Tensor { try unary("tanh", BM_TANH) }
  public func sigmoid() throws -> Tensor { try unary("sigmoid", BM_SIGMOID) }
  public func silu() throws -> Tensor { try unary("silu", BM_SILU) }
  public func softplus() throws -> Tensor { try unary("softplus", BM_SOFTPLUS) }
  public func sqrt() throws -> Tensor { try unary("sqrt", BM_SQRT) }
  public func rsqrt() throws -> Tensor { try unary("rsqrt", BM_RSQRT) }
  public func square() throws -> Tensor { try unary("square", BM_SQUARE) }
  public func abs() throws -> Tensor { try unary("abs", BM_ABS) }
  public func sign() throws -> Tensor { try unary("sign", BM_SIGN) }
  public func round() throws -> Tensor { try unary("round", BM_ROUND) }
  public func reciprocal() throws -> Tensor { try unary("reciprocal", BM_RECIPROCAL) }
  /// True where the element is neither infinite nor NaN.
  public func isFinite() throws -> Tensor { try unary("isfinite", BM_ISFINITE) }

  public static prefix func - (a: Tensor) throws -> Tensor { try a.unary("negate", BM_NEGATE) }

  private static func binary(_ name: String, _ op: bm_binary_op, _ a: Tensor, _ b: Tensor) throws -> Tensor {
    try make(name, keeping: (a, b)) { bm_binary(op, a.pointer, b.pointer, $0) }
  }
  private static func binary(_ name: String, _ op: bm_binary_op, _ a: Tensor, _ b: Double) throws -> Tensor {
    try make(name, keeping: a) { bm_binary_scalar(op, a.pointer, b, $0) }
  }
  private static func binary(_ name: String, _ op: bm_binary_op, _ a: Double, _ b: Tensor) throws -> Tensor {
    try make(name, keeping: b) { bm_scalar_binary(op, a, b.pointer, $0) }
  }

  public static func + (a: Tensor, b: Tensor) throws -> Tensor { try binary("add", BM_ADD, a, b) }
  public static func - (a: Tensor, b: Tensor) throws -> Tensor { try binary("subtract", BM_SUBTRACT, a, b) }
  public static func * (a: Tensor, b: Tensor) throws -> Tensor { try binary("multiply", BM_MULTIPLY, a, b) }
  public static func / (a: Tensor, b: Tensor) throws -> Tensor { try binary("divide", BM_DIVIDE, a, b) }
  public static func + (a: Tensor, b: Double) throws -> Tensor { try binary("add", BM_ADD, a, b) }
  public static func - (a: Tensor, b: Double) throws -> Tensor { try binary("subtract", BM_SUBTRACT, a, b) }
  public static func * (a: Tensor, b: Double) throws -> Tensor { try binary("multiply", BM_MULTIPLY, a, b) }
  public static func / (a: Tensor, b: Double) throws -> Tensor { try binary("divide", BM_DIVIDE, a, b) }
  public static func + (a: Double, b: Tensor) throws -> Tensor { try binary("add", BM_ADD, a, b) }
  public static func - (a: Double, b: Tensor) throws -> Tensor { try binary("subtract", BM_SUBTRACT, a, b) }
  public static func * (a: Double, b: Tensor) throws -> Tensor { try binary("multiply", BM_MULTIPLY, a, b) }
  public static func / (a: Double, b: Tensor) throws -> Tensor { try binary("divide", BM_DIVIDE, a, b) }
  public func power(_ exponent: Double) throws -> Tensor { try Self.binary("power", BM_POWER, self, exponent) }
  public func power(_ exponent: Tensor) throws -> Tensor { try Self.binary("power", BM_POWER, self, exponent) }
  /// Remainder with the divisor's sign, so that the result of a positive divisor is in [0, divisor).
  public func remainder(_ divisor: Double) throws -> Tensor {
    try Self.binary("remainder", BM_REMAINDER, self, divisor)
  }
  public func maximum(_ other: Tensor) throws -> Tensor { try Self.binary("maximum", BM_MAXIMUM, self, other) }
  public func minimum(_ other: Tensor) throws -> Tensor { try Self.binary("minimum", BM_MINIMUM, self, other) }
  public func equal(_ value: Double) throws -> Tensor { try Self.binary("equal", BM_EQUAL, self, value) }
  public func less(_ value: Double) throws -> Tensor { try Self.binary("less", BM_LESS, self, value) }
  public func less(_ other: Tensor) throws -> Tensor { try Self.binary("less", BM_LESS, self, other) }
  public func greater(_ value: Double) throws -> Tensor { try Self.binary("greater", BM_GREATER, self, value) }
  public func atan2(_ x: Tensor) throws -> Tensor { try Self.binary("atan2", BM_ATAN2, self, x) }
  public func matmul(_ other: Tensor) throws -> Tensor { try Self.binary("matmul", BM_MATMUL, self, other) }

  public func clamped(_ range: ClosedRange<Double>) throws -> Tensor {
    try make("clamp", keeping: self) { bm_clamp(pointer, range.lowerBound, range.upperBound, $0) }
  }

  /// Elements of `a` where this (boolean) tensor is true, of `b` elsewhere.
  public func select(_ a: Tensor, else b: Tensor) throws -> Tensor {
    try make("where", keeping: (self, a, b)) { bm_where(pointer, a.pointer, b.pointer, $0) }
  }

  // MARK: reductions; no axes means all of them

  private func reduce(_ name: String, _ op: bm_reduce_op, _ axes: [Int], _ keep: Bool) throws -> Tensor {
    try make(name, keeping: self) { bm_reduce(op, pointer, axes.int64, axes.rank, keep, $0) }
  }

  public func sum(_ axes: Int..., keepingDimensions keep: Bool = false) throws -> Tensor {
    try reduce("sum", BM_SUM, axes, keep)
  }
  public func mean(_ axes: Int..., keepingDimensions keep: Bool = false) throws -> Tensor {
    try reduce("mean", BM_MEAN, axes, keep)
  }
  public func logSumExp(_ axes: Int..., keepingDimensions keep: Bool = false) throws -> Tensor {
    try reduce("logsumexp", BM_LOGSUMEXP, axes, keep)
  }
  public func maximum(over axes: Int..., keepingDimensions keep: Bool = false) throws -> Tensor {
    try reduce("amax", BM_AMAX, axes, keep)
  }
  public func minimum(over axes: Int..., keepingDimensions keep: Bool = false) throws -> Tensor {
    try reduce("amin", BM_AMIN, axes, keep)
  }
  public func softmax(_ axis: Int) throws -> Tensor { try reduce("softmax", BM_SOFTMAX, [axis], false) }

  // MARK: layers' kernels

  /// `self` [..., in] by `weight` [out, in] transposed, plus `bias` [out].
  public func linear(_ weight: Tensor, _ bias: Tensor?) throws -> Tensor {
    try make("linear", keeping: (self, weight, bias)) { bm_linear(pointer, weight.pointer, bias?.pointer, $0) }
  }

  /// Normalised over the last axis.
  public func layerNorm(_ weight: Tensor?, _ bias: Tensor?, epsilon: Double = 1e-5) throws -> Tensor {
    try make("layer norm", keeping: (self, weight, bias)) {
      bm_layer_norm(pointer, weight?.pointer, bias?.pointer, epsilon, $0)
    }
  }

  /// Element-wise Huber loss: quadratic within `delta` of `target`, linear beyond.
  public func huberLoss(_ target: Tensor, delta: Double) throws -> Tensor {
    try make("huber loss", keeping: (self, target)) { bm_huber(pointer, target.pointer, delta, $0) }
  }
}
