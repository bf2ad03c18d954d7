#pragma once
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <exception>
#include <string>
#include <vector>

#include "CTorch.h"

/// The opaque handle of the C interface.
struct bm_tensor {
  at::Tensor value;
};

struct bm_generator {
  at::Generator value;
};

namespace boltzmill {

inline std::string& last_error() {
  thread_local std::string message;
  return message;
}

/// Runs `body`; an exception becomes status 1 and a message. LibTorch's messages carry a C++ backtrace: its first lines
/// say what was wrong, the rest is cut.
template <typename Body>
int guarded(Body&& body) noexcept {
  try {
    body();
    return 0;
  } catch (const c10::Error& error) {
    last_error() = error.what_without_backtrace();
  } catch (const std::exception& error) {
    last_error() = error.what();
  } catch (...) {
    last_error() = "unknown C++ exception";
  }
  return 1;
}

/// Where new tensors are made.
inline at::Device& device() {
  static at::Device current(at::kCPU);
  return current;
}

inline at::TensorOptions options(at::ScalarType type) { return at::TensorOptions().dtype(type).device(device()); }

inline bm_tensor* wrap(at::Tensor tensor) { return new bm_tensor{std::move(tensor)}; }

inline at::IntArrayRef dims(const int64_t* values, int count) {
  return at::IntArrayRef(values, static_cast<size_t>(count));
}

inline at::ScalarType scalar_type(bm_dtype dtype) {
  switch (dtype) {
    case BM_FLOAT32: return at::kFloat;
    case BM_FLOAT64: return at::kDouble;
    case BM_INT64: return at::kLong;
    case BM_BOOL: return at::kBool;
    case BM_UINT8: return at::kByte;
  }
  throw std::runtime_error("unknown element type");
}

/// Mutable handles and const handles come in arrays alike.
template <typename Pointer>
std::vector<at::Tensor> list(Pointer const* tensors, int count) {
  std::vector<at::Tensor> values;
  values.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) values.push_back(tensors[i]->value);
  return values;
}

}  // namespace boltzmill
