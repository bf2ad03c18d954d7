// Messages of geometric vector perceptrons, fused: no tensor over pairs of atoms is ever written to memory.
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "CEquivariantKernels.h"
#include "support.hpp"

using namespace boltzmill;

namespace {

struct Sizes {
  int atoms, scalars, vectors, hidden, radial;
  int hidden_padded;    // hidden, up to a multiple of 8
  int features;         // radial + hidden
  int features_padded;  // up to a multiple of 8
  int feature_stride;   // room for whole vectors of radial functions, then of norms
  double floor = 1e-8, offset = 1e-8, step = 0, width = 1;
};

int padded(int64_t n) { return static_cast<int>((n + 7) / 8 * 8); }

/// The weights in the order in which the kernels read them.
template <typename T>
struct Weights {
  std::vector<T> along;                // [Hp] of the unit vector in the hidden vectors
  std::vector<T> sent_along;           // [V] of the unit vector in the output vectors
  std::vector<T> features;             // [F, S]
  std::vector<T> features_transposed;  // [S, Fp]
  std::vector<T> gate;                 // [S, V]
  std::vector<T> gate_transposed;      // [V, S]
  std::vector<T> gate_bias;            // [V]
  std::vector<T> centres;              // [radial, up to a multiple of 8]
  T beta = 1;
};

/// Gradients of the weights, summed over receivers, and scratch space.
template <typename T>
struct Gradients {
  std::vector<T> along, sent_along, features, gate, gate_bias;
  std::vector<T> unit;  // scratch, [atoms, 3]
  T beta = 0;

  explicit Gradients(const Sizes& s)
      : along(s.hidden_padded), sent_along(s.vectors), features(s.features * s.scalars), gate(s.scalars * s.vectors),
        gate_bias(s.vectors), unit(s.atoms * 3) {}
};

namespace baseline {
#define BM_VECTOR_BYTES 16
#include "gvp_kernels.hpp"
#undef BM_VECTOR_BYTES
}  // namespace baseline

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
namespace avx2 {
#define BM_VECTOR_BYTES 32
#include "gvp_kernels.hpp"
#undef BM_VECTOR_BYTES
}  // namespace avx2
#pragma clang attribute pop
#endif

struct Baseline {
  template <typename T>
  using Receiver = baseline::Receiver<T>;
  template <typename T>
  using Backward = baseline::Backward<T>;
  template <typename T>
  using Forward = baseline::Forward<T>;
};

#if defined(__x86_64__)
struct AVX2 {
  template <typename T>
  using Receiver = avx2::Receiver<T>;
  template <typename T>
  using Backward = avx2::Backward<T>;
  template <typename T>
  using Forward = avx2::Forward<T>;
};
#endif

/// Calls `body` with the instruction set of this machine.
template <typename Body>
void dispatch(Body&& body) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    body(AVX2());
    return;
  }
#endif
  body(Baseline());
}

/// The inputs of a call, by their place in its list; see CTorch.h for shapes.
enum { kX, kNode, kMixed, kSent, kAlong, kSentAlong, kFeatures, kBeta, kGate, kGateBias, kInputs };

void expect_shape(const at::Tensor& tensor, at::IntArrayRef shape, const char* name) {
  TORCH_CHECK(tensor.sizes() == shape, name, " has shape ", tensor.sizes(), ", not ", shape);
}

/// The autograd engine wants every operand defined: an empty vector stands for one that is not there.
at::Tensor absent(const at::Tensor& like) { return at::empty({0}, like.options()); }
bool is_absent(const at::Tensor& tensor) { return !tensor.defined() || (tensor.dim() == 1 && tensor.numel() == 0); }

/// Sizes and weights of one call.
template <typename T>
struct Call {
  Sizes s;
  Weights<T> w;
  std::vector<at::Tensor> in;  // contiguous
  at::Tensor mask;
  int64_t n;

  Call(const std::vector<at::Tensor>& inputs, const at::Tensor& mask_or_absent, double step, double width) {
    for (const auto& tensor : inputs) in.push_back(is_absent(tensor) ? at::Tensor() : tensor.detach().contiguous());
    const auto type = in[kX].scalar_type();
    TORCH_CHECK(in[kX].dim() == 3 && in[kX].size(2) == 3, "positions have shape ", in[kX].sizes());
    for (const auto& tensor : in) TORCH_CHECK(!tensor.defined() || tensor.scalar_type() == type, "element types differ");
    n = in[kX].size(0);
    s.atoms = static_cast<int>(in[kX].size(1));
    s.scalars = static_cast<int>(in[kGate].size(1));
    s.vectors = static_cast<int>(in[kGate].size(0));
    s.hidden = static_cast<int>(in[kAlong].numel());
    s.features = static_cast<int>(in[kFeatures].size(1));
    s.radial = s.features - s.hidden;
    s.hidden_padded = padded(s.hidden);
    s.features_padded = padded(s.features);
    s.feature_stride = padded(s.radial) + s.hidden_padded;
    s.step = step;
    s.width = width;
    TORCH_CHECK(s.scalars % 8 == 0 && s.vectors % 8 == 0 && s.hidden_padded <= 64, "no kernel for ", s.scalars,
                " scalars and ", s.vectors, " vectors");
    expect_shape(in[kNode], {n, s.atoms, s.scalars}, "node");
    if (in[kMixed].defined()) expect_shape(in[kMixed], {n, s.atoms, 3, s.hidden_padded}, "mixed");
    if (in[kSent].defined()) expect_shape(in[kSent], {n, s.atoms, 3, s.vectors}, "sent");
    TORCH_CHECK(in[kMixed].defined() == in[kSent].defined(), "mixed and sent come together");
    expect_shape(in[kFeatures], {s.scalars, s.features}, "features");
    TORCH_CHECK(in[kSentAlong].numel() == s.vectors && in[kGateBias].numel() == s.vectors, "gate sizes differ");
    if (!is_absent(mask_or_absent)) mask = mask_or_absent.detach().to(type).expand({n, s.atoms}).contiguous();
    pack();
  }

  const T* data(int which) const { return in[which].defined() ? in[which].template const_data_ptr<T>() : nullptr; }
  /// Of molecule `row`; `width` elements per atom.
  const T* molecule(int which, int64_t row, int width) const {
    const T* all = data(which);
    return all ? all + row * s.atoms * width : nullptr;
  }
  const T* mask_row(int64_t row) const { return mask.defined() ? mask.const_data_ptr<T>() + row * s.atoms : nullptr; }

 private:
  void pack() {
    const T* along = data(kAlong);
    w.along.assign(along, along + s.hidden);
    w.along.resize(s.hidden_padded);
    const T* sent_along = data(kSentAlong);
    w.sent_along.assign(sent_along, sent_along + s.vectors);
    const T* features = data(kFeatures);
    w.features.resize(s.features * s.scalars);
    w.features_transposed.resize(s.scalars * s.features_padded);
    for (int o = 0; o < s.scalars; ++o)
      for (int k = 0; k < s.features; ++k) {
        w.features[k * s.scalars + o] = features[o * s.features + k];
        w.features_transposed[o * s.features_padded + k] = features[o * s.features + k];
      }
    const T* gate = data(kGate);
    w.gate_transposed.assign(gate, gate + s.vectors * s.scalars);
    w.gate.resize(s.scalars * s.vectors);
    for (int o = 0; o < s.vectors; ++o)
      for (int k = 0; k < s.scalars; ++k) w.gate[k * s.vectors + o] = gate[o * s.scalars + k];
    const T* bias = data(kGateBias);
    w.gate_bias.assign(bias, bias + s.vectors);
    for (int k = 0; k < padded(s.radial); ++k) w.centres.push_back(static_cast<T>(s.step * k));
    w.beta = *data(kBeta);
  }
};

template <typename T>
std::vector<at::Tensor> sums(const Call<T>& call) {
  const Sizes& s = call.s;
  auto scalar = at::zeros({call.n, s.atoms, s.scalars}, call.in[kX].options());
  auto vector = at::zeros({call.n, s.atoms, 3, s.vectors}, call.in[kX].options());
  T* scalars = scalar.template mutable_data_ptr<T>();
  T* vectors = vector.template mutable_data_ptr<T>();
  dispatch([&](auto set) {
    at::parallel_for(0, call.n, 1, [&](int64_t begin, int64_t end) {
      typename decltype(set)::template Receiver<T> receiver(s, call.w);
      for (int64_t row = begin; row < end; ++row)
        for (int i = 0; i < s.atoms; ++i) {
          receiver.evaluate(i, call.molecule(kX, row, 3), call.mask_row(row), call.molecule(kNode, row, s.scalars),
                            call.molecule(kMixed, row, 3 * s.hidden_padded));
          const int64_t atom = row * s.atoms + i;
          receiver.sums(call.molecule(kSent, row, 3 * s.vectors), scalars + atom * s.scalars,
                        vectors + atom * 3 * s.vectors);
        }
    });
  });
  return {scalar, vector};
}

/// Gradients of all inputs. Molecules are taken in groups of a fixed size, so that sums over them do not depend on the number of
/// threads.
template <typename T>
std::vector<at::Tensor> gradients(const Call<T>& call, const at::Tensor& scalar_sums, const at::Tensor& vector_sums) {
  const Sizes& s = call.s;
  std::vector<at::Tensor> out(kInputs);
  for (int k = kX; k <= kSent; ++k)
    if (call.in[k].defined()) out[k] = at::zeros_like(call.in[k]);
  const auto molecule = [&](int which, int64_t row, int width) -> T* {
    return out[which].defined() ? out[which].template mutable_data_ptr<T>() + row * s.atoms * width : nullptr;
  };
  // materialised here, not in the threads
  for (int k = kX; k <= kSent; ++k) molecule(k, 0, 1);
  const int64_t group = 4, groups = (call.n + group - 1) / group;
  std::vector<Gradients<T>> partial;
  for (int64_t g = 0; g < groups; ++g) partial.emplace_back(s);
  const T* scalars = scalar_sums.template const_data_ptr<T>();
  const T* vectors = vector_sums.template const_data_ptr<T>();
  dispatch([&](auto set) {
    at::parallel_for(0, groups, 1, [&](int64_t begin, int64_t end) {
      typename decltype(set)::template Receiver<T> receiver(s, call.w);
      typename decltype(set)::template Backward<T> backward(s);
      for (int64_t row = begin * group; row < std::min(end * group, call.n); ++row)
        for (int i = 0; i < s.atoms; ++i) {
          receiver.evaluate(i, call.molecule(kX, row, 3), call.mask_row(row), call.molecule(kNode, row, s.scalars),
                            call.molecule(kMixed, row, 3 * s.hidden_padded));
          const int64_t atom = row * s.atoms + i;
          backward.add(receiver, i, call.molecule(kSent, row, 3 * s.vectors), scalars + atom * s.scalars,
                       vectors + atom * 3 * s.vectors, molecule(kX, row, 3), molecule(kNode, row, s.scalars),
                       molecule(kMixed, row, 3 * s.hidden_padded), molecule(kSent, row, 3 * s.vectors),
                       partial[row / group]);
        }
    });
  });
  const auto options = call.in[kX].options();
  const auto tensor = [&](at::IntArrayRef shape, auto part) {
    auto result = at::zeros(shape, options);
    T* values = result.template mutable_data_ptr<T>();
    for (const auto& p : partial)
      for (int64_t k = 0; k < result.numel(); ++k) values[k] += part(p)[k];
    return result;
  };
  out[kAlong] = tensor({s.hidden}, [](const auto& p) { return p.along.data(); });
  out[kSentAlong] = tensor({s.vectors}, [](const auto& p) { return p.sent_along.data(); });
  out[kFeatures] = tensor({s.features, s.scalars}, [](const auto& p) { return p.features.data(); }).t();
  out[kBeta] = tensor({}, [](const auto& p) { return &p.beta; });
  out[kGate] = tensor({s.scalars, s.vectors}, [](const auto& p) { return p.gate.data(); }).t();
  out[kGateBias] = tensor({s.vectors}, [](const auto& p) { return p.gate_bias.data(); });
  for (int k = kAlong; k < kInputs; ++k) out[k] = out[k].reshape(call.in[k].sizes());
  return out;
}

template <typename T>
std::vector<at::Tensor> tangents(const Call<T>& call, const std::vector<at::Tensor>& moves) {
  const Sizes& s = call.s;
  std::vector<at::Tensor> in;
  for (const auto& tensor : moves) in.push_back(tensor.defined() ? tensor.detach().contiguous() : tensor);
  const int64_t m = in[kX].size(0);
  expect_shape(in[kX], {m, call.n, s.atoms, 3}, "directions");
  if (in[kNode].defined()) expect_shape(in[kNode], {m, call.n, s.atoms, s.scalars}, "node directions");
  if (in[kMixed].defined()) expect_shape(in[kMixed], {m, call.n, s.atoms, 3, s.hidden_padded}, "mixed directions");
  if (in[kSent].defined()) expect_shape(in[kSent], {m, call.n, s.atoms, 3, s.vectors}, "sent directions");
  auto out = sums(call);
  auto scalar = at::zeros({m, call.n, s.atoms, s.scalars}, in[kX].options());
  auto vector = at::zeros({m, call.n, s.atoms, 3, s.vectors}, in[kX].options());
  T* scalars = scalar.template mutable_data_ptr<T>();
  T* vectors = vector.template mutable_data_ptr<T>();
  const int64_t stride = call.n * s.atoms;
  dispatch([&](auto set) {
    at::parallel_for(0, call.n, 1, [&](int64_t begin, int64_t end) {
      typename decltype(set)::template Receiver<T> receiver(s, call.w);
      typename decltype(set)::template Forward<T> forward(s, static_cast<int>(m));
      for (int64_t row = begin; row < end; ++row) {
        const auto part = [&](int which, int width) -> const T* {
          return in[which].defined() ? in[which].template const_data_ptr<T>() + row * s.atoms * width : nullptr;
        };
        for (int i = 0; i < s.atoms; ++i) {
          receiver.evaluate(i, call.molecule(kX, row, 3), call.mask_row(row), call.molecule(kNode, row, s.scalars),
                            call.molecule(kMixed, row, 3 * s.hidden_padded));
          const int64_t atom = row * s.atoms + i;
          forward.add(receiver, i, static_cast<int>(m), stride, call.molecule(kSent, row, 3 * s.vectors), part(kX, 3),
                      part(kNode, s.scalars), part(kMixed, 3 * s.hidden_padded), part(kSent, 3 * s.vectors),
                      scalars + atom * s.scalars, vectors + atom * 3 * s.vectors);
        }
      }
    });
  });
  out.push_back(scalar);
  out.push_back(vector);
  return out;
}

/// `body` with the element type of the positions.
template <typename Body>
std::vector<at::Tensor> typed(const std::vector<at::Tensor>& inputs, const at::Tensor& mask, double step, double width,
                              Body&& body) {
  switch (inputs[kX].scalar_type()) {
    case at::kFloat: return body(Call<float>(inputs, mask, step, width));
    case at::kDouble: return body(Call<double>(inputs, mask, step, width));
    default: TORCH_CHECK(false, "no kernel for ", inputs[kX].scalar_type());
  }
}

struct Message : torch::autograd::Function<Message> {
  using Context = torch::autograd::AutogradContext;

  static std::vector<at::Tensor> forward(Context* context, at::Tensor x, at::Tensor node, at::Tensor mixed,
                                         at::Tensor sent, at::Tensor along, at::Tensor sent_along, at::Tensor features,
                                         at::Tensor beta, at::Tensor gate, at::Tensor gate_bias, at::Tensor mask,
                                         double step, double width) {
    std::vector<at::Tensor> inputs{x, node, mixed, sent, along, sent_along, features, beta, gate, gate_bias};
    auto saved = inputs;
    saved.push_back(mask);
    context->save_for_backward(saved);
    context->saved_data["step"] = step;
    context->saved_data["width"] = width;
    return typed(inputs, mask, step, width, [](const auto& call) { return sums(call); });
  }

  static std::vector<at::Tensor> backward(Context* context, std::vector<at::Tensor> up) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the fused message has first derivatives only: differentiate the composed one");
    auto inputs = context->get_saved_variables();
    const auto mask = inputs.back();
    inputs.pop_back();
    auto out = typed(
        inputs, mask, context->saved_data["step"].toDouble(), context->saved_data["width"].toDouble(),
        [&](const auto& call) {
          const auto& s = call.s;
          const auto options = call.in[kX].options();
          const auto scalars =
              up[0].defined() ? up[0].contiguous() : at::zeros({call.n, s.atoms, s.scalars}, options);
          const auto vectors =
              up[1].defined() ? up[1].contiguous() : at::zeros({call.n, s.atoms, 3, s.vectors}, options);
          return gradients(call, scalars, vectors);
        });
    out.resize(kInputs + 3);  // mask, step, width
    return out;
  }
};

#include "gvp_pairs.hpp"

std::vector<at::Tensor> optional_list(const bm_tensor* const* tensors, int count) {
  std::vector<at::Tensor> values;
  for (int i = 0; i < count; ++i) values.push_back(tensors[i] ? tensors[i]->value : at::Tensor());
  return values;
}

void wrap_all(const std::vector<at::Tensor>& tensors, bm_tensor** out) {
  for (size_t i = 0; i < tensors.size(); ++i) out[i] = wrap(tensors[i]);
}

}  // namespace

extern "C" {

int bm_gvp_message(const bm_tensor* const* inputs, const bm_tensor* mask, double radial_step, double radial_width,
                   bool composed, bm_tensor** out) {
  return guarded([&] {
    auto in = optional_list(inputs, kInputs);
    if (composed || in[kX].is_cuda()) {
      wrap_all(Composed(in, mask ? mask->value : at::Tensor(), radial_step, radial_width).sums(), out);
      return;
    }
    for (int k = kNode; k < kInputs; ++k)
      if (!in[k].defined()) in[k] = absent(in[kX]);
    wrap_all(Message::apply(in[kX], in[kNode], in[kMixed], in[kSent], in[kAlong], in[kSentAlong], in[kFeatures],
                            in[kBeta], in[kGate], in[kGateBias], mask ? mask->value : absent(in[kX]), radial_step,
                            radial_width),
             out);
  });
}

int bm_gvp_message_tangents(const bm_tensor* const* inputs, const bm_tensor* const* directions, const bm_tensor* mask,
                            double radial_step, double radial_width, bool composed, bm_tensor** out) {
  return guarded([&] {
    at::NoGradGuard guard;
    const auto moves = optional_list(directions, kSent + 1);
    const auto in = optional_list(inputs, kInputs);
    if (composed || in[kX].is_cuda()) {
      wrap_all(composed_tangents(in, moves, mask ? mask->value : at::Tensor(), radial_step, radial_width), out);
      return;
    }
    wrap_all(typed(in, mask ? mask->value : at::Tensor(), radial_step, radial_width,
                   [&](const auto& call) { return tangents(call, moves); }),
             out);
  });
}

}  // extern "C"
