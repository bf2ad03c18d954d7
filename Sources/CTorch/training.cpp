// Process settings, autograd, random numbers, optimisers.
#include "support.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <malloc.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/headeronly/version.h>

#include <cmath>
#include <cstdlib>

using namespace boltzmill;

namespace {

/// Loads LibTorch's CUDA part, which registers itself. It must be loaded before LibTorch first looks for it. Returns what went
/// wrong, or an empty text.
const std::string& load_cuda() {
  static const std::string problem = []() -> std::string {
    // cuBLAS reads it when it is first used; without it its results may differ from one run to the next
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
    if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL)) return "";
    const char* reason = dlerror();
    return reason ? reason : "libtorch_cuda.so cannot be loaded";
  }();
  return problem;
}

double joint_norm(const std::vector<at::Tensor>& tensors) {
  if (!tensors.empty() && tensors[0].is_cuda()) {
    return at::linalg_vector_norm(at::stack(at::_foreach_norm(tensors)).to(at::kDouble)).item<double>();
  }
  double sum = 0;
  for (const auto& tensor : tensors) {
    const double part = at::linalg_vector_norm(tensor).item<double>();
    sum += part * part;
  }
  return std::sqrt(sum);
}

}  // namespace

extern "C" {

const char* bm_torch_version(void) { return TORCH_VERSION; }

int bm_torch_initialize(int threads) {
  return guarded([&] {
    // Activations of a few MB would be handed back to the kernel and faulted in again at every step.
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 2147483647);
    at::set_num_threads(threads);
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
    at::globalContext().setDeterministicFillUninitializedMemory(false);
  });
}

int bm_torch_threads(void) { return at::get_num_threads(); }

int bm_torch_set_threads(int threads) {
  return guarded([&] { at::set_num_threads(threads); });
}

int bm_torch_cuda_count(void) {
  int count = 0;
  guarded([&] {
    if (!load_cuda().empty()) throw std::runtime_error(load_cuda());
    count = at::detail::getCUDAHooks().deviceCount();
    if (count == 0) throw std::runtime_error("the driver offers no GPU");
  });
  return count;
}

int bm_torch_use_cuda(bool cuda) {
  return guarded([&] {
    if (!cuda) {
      device() = at::Device(at::kCPU);
      return;
    }
    if (bm_torch_cuda_count() == 0) throw std::runtime_error(std::string(last_error()));
    at::globalContext().lazyInitDevice(at::kCUDA);
    device() = at::Device(at::kCUDA, 0);
  });
}

bool bm_torch_uses_cuda(void) { return device().is_cuda(); }

int bm_torch_synchronize(void) {
  return guarded([&] {
    if (device().is_cuda()) at::detail::getCUDAHooks().deviceSynchronize(0);
  });
}

bool bm_grad_enabled(void) { return at::GradMode::is_enabled(); }
void bm_set_grad_enabled(bool enabled) { at::GradMode::set_enabled(enabled); }

int bm_set_requires_grad(bm_tensor* tensor, bool requires_grad) {
  return guarded([&] { tensor->value.set_requires_grad(requires_grad); });
}

bool bm_requires_grad(const bm_tensor* tensor) { return tensor->value.requires_grad(); }

int bm_detach(const bm_tensor* tensor, bm_tensor** out) {
  return guarded([&] { *out = wrap(tensor->value.detach()); });
}

int bm_grad(const bm_tensor* const* outputs, const bm_tensor* const* grad_outputs, int output_count,
            const bm_tensor* const* inputs, int input_count, bool create_graph, bool retain_graph, bm_tensor** out) {
  return guarded([&] {
    std::vector<at::Tensor> seeds;
    if (grad_outputs) seeds = list(grad_outputs, output_count);
    const auto gradients = torch::autograd::grad(list(outputs, output_count), list(inputs, input_count), seeds,
                                                 retain_graph, create_graph, /*allow_unused=*/true);
    for (int i = 0; i < input_count; ++i) out[i] = gradients[i].defined() ? wrap(gradients[i]) : nullptr;
  });
}

int bm_generator_new(uint64_t seed, bm_generator** out) {
  return guarded([&] { *out = new bm_generator{at::detail::createCPUGenerator(seed)}; });
}

void bm_generator_free(bm_generator* generator) { delete generator; }

int bm_generator_state(const bm_generator* generator, bm_tensor** out) {
  return guarded([&] { *out = wrap(generator->value.get_state().clone()); });
}

int bm_generator_set_state(bm_generator* generator, const bm_tensor* state) {
  return guarded([&] { generator->value.set_state(state->value.to(at::kCPU).contiguous()); });
}

int bm_randn(bm_generator* generator, bm_dtype dtype, const int64_t* shape, int rank, bm_tensor** out) {
  return guarded([&] {
    *out = wrap(
        at::randn(dims(shape, rank), generator->value, at::TensorOptions().dtype(scalar_type(dtype))).to(device()));
  });
}

int bm_rand(bm_generator* generator, bm_dtype dtype, const int64_t* shape, int rank, bm_tensor** out) {
  return guarded([&] {
    *out = wrap(
        at::rand(dims(shape, rank), generator->value, at::TensorOptions().dtype(scalar_type(dtype))).to(device()));
  });
}

int bm_rademacher(bm_generator* generator, bm_dtype dtype, const int64_t* shape, int rank, bm_tensor** out) {
  return guarded([&] {
    auto bits = at::empty(dims(shape, rank), at::TensorOptions().dtype(scalar_type(dtype)));
    bits.random_(0, 2, generator->value);
    *out = wrap(bits.mul_(2).sub_(1).to(device()));
  });
}

int bm_randperm(bm_generator* generator, int64_t count, bm_tensor** out) {
  return guarded([&] {
    *out = wrap(at::randperm(count, generator->value, at::TensorOptions().dtype(at::kLong)).to(device()));
  });
}

int bm_adam_step(bm_tensor* const* parameters, const bm_tensor* const* gradients, bm_tensor* const* first_moments,
                 bm_tensor* const* second_moments, int count, int64_t step, double learning_rate, double beta1,
                 double beta2, double epsilon, double weight_decay, bool decoupled) {
  return guarded([&] {
    at::NoGradGuard guard;
    auto p = list(parameters, count);
    const auto g = list(gradients, count);
    auto m = list(first_moments, count);
    auto v = list(second_moments, count);
    const std::vector<at::Tensor> none;
    // the kernel reads the number of finished steps from one scalar tensor per parameter
    std::vector<at::Tensor> steps;
    if (count > 0) {
      steps.assign(count, at::full({}, static_cast<double>(step), p[0].options().dtype(at::kFloat).requires_grad(false)));
    }
    if (decoupled) {
      at::_fused_adamw_(p, g, m, v, none, steps, learning_rate, beta1, beta2, weight_decay, epsilon, false, false);
    } else {
      at::_fused_adam_(p, g, m, v, none, steps, learning_rate, beta1, beta2, weight_decay, epsilon, false, false);
    }
  });
}

int bm_clip_norm(bm_tensor* const* gradients, int count, double max_norm, double* norm) {
  return guarded([&] {
    at::NoGradGuard guard;
    auto all = list(gradients, count);
    *norm = joint_norm(all);
    if (!(*norm > max_norm)) return;
    if (!all.empty() && all[0].is_cuda()) {
      at::_foreach_mul_(all, max_norm / *norm);
    } else {
      for (auto& gradient : all) gradient.mul_(max_norm / *norm);
    }
  });
}

int bm_ema_update(bm_tensor* const* averages, const bm_tensor* const* parameters, int count, double decay) {
  return guarded([&] {
    at::NoGradGuard guard;
    auto all = list(averages, count);
    const auto values = list(parameters, count);
    if (!all.empty() && all[0].is_cuda()) {
      at::_foreach_lerp_(all, values, 1 - decay);
    } else {
      for (int i = 0; i < count; ++i) all[i].lerp_(values[i], 1 - decay);
    }
  });
}

}  // extern "C"
