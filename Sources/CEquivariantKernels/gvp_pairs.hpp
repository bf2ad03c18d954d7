// The messages of a layer of geometric vector perceptrons by LibTorch's own operations.
//
// Included by gvp.cpp, where the inputs' places are named.

/// The same messages by operations on tensors over pairs [n, receivers, senders, ...]: for devices without a kernel of ours, and for
/// derivatives of any order.
struct Composed {
  const std::vector<at::Tensor>& in;
  at::Tensor pairs;  // [1 or n, atoms, atoms, 1]: 1 for those that count
  at::Tensor unit, distance, slope, centres, radial, hidden, norms, held, z, sigma, scalars, gate, sent;
  double width;
  static constexpr double floor = 1e-8, offset = 1e-8;

  Composed(const std::vector<at::Tensor>& inputs, const at::Tensor& mask, double step, double radial_width)
      : in(inputs), width(radial_width) {
    const auto& x = in[kX];
    TORCH_CHECK(x.dim() == 3 && x.size(2) == 3, "positions have shape ", x.sizes());
    const int64_t atoms = x.size(1), channels = in[kAlong].numel();
    pairs = (1 - at::eye(atoms, x.options().requires_grad(false))).view({1, atoms, atoms, 1});
    if (!is_absent(mask)) {
      const auto there = mask.to(x.scalar_type());
      pairs = pairs * there.view({-1, atoms, 1, 1}) * there.view({-1, 1, atoms, 1});
    }
    const auto r = difference(x);
    const auto square = r.square().sum(-1, true);
    const auto root = square.clamp_min(floor).sqrt();
    slope = at::where(square < floor, at::zeros_like(root), root.reciprocal());
    distance = root + offset;
    unit = r / distance;
    centres = step * at::arange(in[kFeatures].size(1) - channels, x.options().requires_grad(false));
    radial = at::exp(-((distance - centres) / width).square());
    hidden = unit.unsqueeze(-1) * in[kAlong];
    if (!is_absent(in[kMixed])) hidden = hidden + sender(in[kMixed].narrow(-1, 0, channels), 0);
    const auto length = hidden.square().sum(-2);
    held = length <= floor * 1.000001;
    norms = length.clamp_min(floor).sqrt();
    z = sender(in[kNode], 0) + at::linear(at::cat({radial, norms}, -1), in[kFeatures]);
    sigma = at::sigmoid(in[kBeta] * z);
    scalars = z * sigma;
    gate = at::sigmoid(at::linear(scalars, in[kGate], in[kGateBias]));
    sent = unit.unsqueeze(-1) * in[kSentAlong];
    if (!is_absent(in[kSent])) sent = sent + sender(in[kSent], 0);
  }

  std::vector<at::Tensor> sums() const { return total(scalars, gate.unsqueeze(-2) * sent, 0); }

  /// Derivatives along directions with a leading axis m.
  std::vector<at::Tensor> tangents(const std::vector<at::Tensor>& moves) const {
    const auto dr = difference(moves[kX]);
    const auto dd = slope * distance * (dr * unit).sum(-1, true);
    const auto du = (dr - unit * dd) / distance;
    const auto dradial = radial * (centres - distance) * (2 / (width * width)) * dd;
    auto dhidden = du.unsqueeze(-1) * in[kAlong];
    if (moves[kMixed].defined()) dhidden = dhidden + sender(moves[kMixed].narrow(-1, 0, in[kAlong].numel()), 1);
    const auto dnorms = at::where(held, at::zeros({}, norms.options()), (dhidden * hidden).sum(-2) / norms);
    auto dz = at::linear(at::cat({dradial, dnorms}, -1), in[kFeatures]);
    if (moves[kNode].defined()) dz = dz + sender(moves[kNode], 1);
    const auto dscalars = dz * (sigma + in[kBeta] * scalars * (1 - sigma));
    const auto dgate = at::linear(dscalars, in[kGate]) * gate * (1 - gate);
    auto dsent = du.unsqueeze(-1) * in[kSentAlong];
    if (moves[kSent].defined()) dsent = dsent + sender(moves[kSent], 1);
    return total(dscalars, dgate.unsqueeze(-2) * sent + gate.unsqueeze(-2) * dsent, 1);
  }

 private:
  /// x_j - x_i of [..., atoms, 3], as [..., i, j, 3].
  static at::Tensor difference(const at::Tensor& x) { return x.unsqueeze(-3) - x.unsqueeze(-2); }
  /// [lead..., n, atoms, ...] as [lead..., n, 1, atoms, ...].
  static at::Tensor sender(const at::Tensor& feature, int64_t lead) { return feature.unsqueeze(lead + 1); }
  std::vector<at::Tensor> total(const at::Tensor& scalar, const at::Tensor& vector, int64_t lead) const {
    return {(scalar * pairs).sum(lead + 2), (vector * pairs.unsqueeze(-1)).sum(lead + 2)};
  }
};

std::vector<at::Tensor> composed_tangents(const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& moves,
                                          const at::Tensor& mask, double step, double width) {
  const Composed message(inputs, mask, step, width);
  auto out = message.sums();
  // so many directions at a time that a tensor over pairs stays within 2^28 elements
  const auto& x = inputs[kX];
  const int64_t pairs = std::max<int64_t>(1, x.size(0) * x.size(1) * x.size(1) * inputs[kGate].size(1));
  const int64_t group = std::max<int64_t>(1, (int64_t(1) << 28) / pairs), m = moves[kX].size(0);
  std::vector<at::Tensor> scalars, vectors;
  for (int64_t first = 0; first < m; first += group) {
    std::vector<at::Tensor> some;
    for (const auto& move : moves)
      some.push_back(move.defined() ? move.narrow(0, first, std::min(group, m - first)) : move);
    const auto part = message.tangents(some);
    scalars.push_back(part[0]);
    vectors.push_back(part[1]);
  }
  out.push_back(at::cat(scalars));
  out.push_back(at::cat(vectors));
  return out;
}
