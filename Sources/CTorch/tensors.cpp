// Life of tensors, arithmetic, views, linear algebra.
#include "support.hpp"

#include <cstring>

using namespace boltzmill;

namespace {
at::Tensor apply(bm_binary_op op, const at::Tensor& x, const at::Tensor& y) {
  switch (op) {
    case BM_ADD: return at::add(x, y);
    case BM_SUBTRACT: return at::sub(x, y);
    case BM_MULTIPLY: return at::mul(x, y);
    case BM_DIVIDE: return at::div(x, y);
    case BM_POWER: return at::pow(x, y);
    case BM_MAXIMUM: return at::maximum(x, y);
    case BM_MINIMUM: return at::minimum(x, y);
    case BM_ATAN2: return at::atan2(x, y);
    case BM_REMAINDER: return at::remainder(x, y);
    case BM_EQUAL: return at::eq(x, y);
    case BM_LESS: return at::lt(x, y);
    case BM_GREATER: return at::gt(x, y);
    case BM_MATMUL: return at::matmul(x, y);
    case BM_LOGADDEXP: return at::logaddexp(x, y);
  }
  throw std::runtime_error("unknown operation");
}
}  // namespace

extern "C" {

const char* bm_torch_last_error(void) { return last_error().c_str(); }

void bm_tensor_free(bm_tensor* tensor) { delete tensor; }

int bm_tensor_from_data(const void* data, bm_dtype dtype, const int64_t* shape, int rank, bm_tensor** out) {
  return guarded([&] {
    auto tensor = at::empty(dims(shape, rank), at::TensorOptions().dtype(scalar_type(dtype)));
    if (tensor.numel() > 0) std::memcpy(tensor.data_ptr(), data, tensor.nbytes());
    *out = wrap(tensor.to(device()));
  });
}

int bm_tensor_full(double value, bm_dtype dtype, const int64_t* shape, int rank, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::full(dims(shape, rank), value, options(scalar_type(dtype)))); });
}

int bm_tensor_arange(int64_t count, bm_dtype dtype, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::arange(count, options(scalar_type(dtype)))); });
}

int bm_tensor_linspace(double first, double last, int64_t count, bm_dtype dtype, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::linspace(first, last, count, options(scalar_type(dtype)))); });
}

int bm_tensor_eye(int64_t count, bm_dtype dtype, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::eye(count, options(scalar_type(dtype)))); });
}

int bm_tensor_copy_out(const bm_tensor* tensor, bm_dtype dtype, void* destination, int64_t count) {
  return guarded([&] {
    auto host = tensor->value.detach().to(at::kCPU, scalar_type(dtype)).contiguous();
    TORCH_CHECK(host.numel() == count, "tensor holds ", host.numel(), " elements, room for ", count);
    if (count > 0) std::memcpy(destination, host.data_ptr(), host.nbytes());
  });
}

int bm_tensor_rank(const bm_tensor* tensor) { return static_cast<int>(tensor->value.dim()); }

void bm_tensor_shape(const bm_tensor* tensor, int64_t* shape) {
  const auto sizes = tensor->value.sizes();
  std::copy(sizes.begin(), sizes.end(), shape);
}

int bm_tensor_dtype(const bm_tensor* tensor) {
  switch (tensor->value.scalar_type()) {
    case at::kFloat: return BM_FLOAT32;
    case at::kDouble: return BM_FLOAT64;
    case at::kLong: return BM_INT64;
    case at::kBool: return BM_BOOL;
    case at::kByte: return BM_UINT8;
    default: return -1;
  }
}

int bm_tensor_cast(const bm_tensor* tensor, bm_dtype dtype, bm_tensor** out) {
  return guarded([&] { *out = wrap(tensor->value.to(scalar_type(dtype))); });
}

int bm_tensor_clone(const bm_tensor* tensor, bm_tensor** out) {
  return guarded([&] { *out = wrap(tensor->value.clone()); });
}

int bm_tensor_copy_into(bm_tensor* destination, const bm_tensor* source) {
  return guarded([&] {
    TORCH_CHECK(destination->value.sizes() == source->value.sizes(), "shapes differ: ", destination->value.sizes(),
                " and ", source->value.sizes());
    at::NoGradGuard guard;
    destination->value.copy_(source->value);
  });
}

int bm_unary(bm_unary_op op, const bm_tensor* a, bm_tensor** out) {
  return guarded([&] {
    const auto& x = a->value;
    at::Tensor result;
    switch (op) {
      case BM_NEGATE: result = at::neg(x); break;
      case BM_EXP: result = at::exp(x); break;
      case BM_LOG: result = at::log(x); break;
      case BM_SIN: result = at::sin(x); break;
      case BM_COS: result = at::cos(x); break;
      case BM_TANH: result = at::tanh(x); break;
      case BM_SIGMOID: result = at::sigmoid(x); break;
      case BM_SILU: result = at::silu(x); break;
      case BM_SQRT: result = at::sqrt(x); break;
      case BM_RSQRT: result = at::rsqrt(x); break;
      case BM_SQUARE: result = at::square(x); break;
      case BM_ABS: result = at::abs(x); break;
      case BM_SOFTPLUS: result = at::softplus(x); break;
      case BM_LOG_SIGMOID: result = at::log_sigmoid(x); break;
      case BM_RELU: result = at::relu(x); break;
      case BM_GELU: result = at::gelu(x); break;
      case BM_ISFINITE: result = at::isfinite(x); break;
      case BM_FLOOR: result = at::floor(x); break;
      case BM_ROUND: result = at::round(x); break;
      case BM_RECIPROCAL: result = at::reciprocal(x); break;
      case BM_ACOS: result = at::acos(x); break;
      case BM_ERF: result = at::erf(x); break;
      case BM_SIGN: result = at::sign(x); break;
    }
    *out = wrap(std::move(result));
  });
}

int bm_binary(bm_binary_op op, const bm_tensor* a, const bm_tensor* b, bm_tensor** out) {
  return guarded([&] { *out = wrap(apply(op, a->value, b->value)); });
}

int bm_binary_scalar(bm_binary_op op, const bm_tensor* a, double b, bm_tensor** out) {
  return guarded([&] {
    const auto& x = a->value;
    const at::Scalar y(b);
    switch (op) {
      case BM_ADD: *out = wrap(at::add(x, y)); return;
      case BM_SUBTRACT: *out = wrap(at::sub(x, y)); return;
      case BM_MULTIPLY: *out = wrap(at::mul(x, y)); return;
      case BM_DIVIDE: *out = wrap(at::div(x, y)); return;
      case BM_POWER: *out = wrap(at::pow(x, y)); return;
      case BM_REMAINDER: *out = wrap(at::remainder(x, y)); return;
      case BM_EQUAL: *out = wrap(at::eq(x, y)); return;
      case BM_LESS: *out = wrap(at::lt(x, y)); return;
      case BM_GREATER: *out = wrap(at::gt(x, y)); return;
      default: *out = wrap(apply(op, x, at::full({}, y, x.options())));
    }
  });
}

int bm_scalar_binary(bm_binary_op op, double a, const bm_tensor* b, bm_tensor** out) {
  return guarded([&] {
    const auto& y = b->value;
    const at::Scalar x(a);
    switch (op) {
      case BM_ADD: *out = wrap(at::add(y, x)); return;
      case BM_SUBTRACT: *out = wrap(at::rsub(y, x)); return;
      case BM_MULTIPLY: *out = wrap(at::mul(y, x)); return;
      default: *out = wrap(apply(op, at::full({}, x, y.options()), y));
    }
  });
}

int bm_clamp(const bm_tensor* a, double low, double high, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::clamp(a->value, low, high)); });
}

int bm_where(const bm_tensor* condition, const bm_tensor* a, const bm_tensor* b, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::where(condition->value, a->value, b->value)); });
}

int bm_reduce(bm_reduce_op op, const bm_tensor* a, const int64_t* axes, int count, bool keepdim, bm_tensor** out) {
  return guarded([&] {
    const auto& x = a->value;
    std::vector<int64_t> over(axes, axes + count);
    if (over.empty()) {
      for (int64_t d = 0; d < x.dim(); ++d) over.push_back(d);
    }
    at::Tensor result;
    switch (op) {
      case BM_SUM: result = at::sum(x, over, keepdim); break;
      case BM_MEAN: result = at::mean(x, over, keepdim); break;
      case BM_LOGSUMEXP: result = at::logsumexp(x, over, keepdim); break;
      case BM_AMAX: result = at::amax(x, over, keepdim); break;
      case BM_AMIN: result = at::amin(x, over, keepdim); break;
      case BM_SOFTMAX: result = at::softmax(x, over.at(0)); break;
      case BM_LOG_SOFTMAX: result = at::log_softmax(x, over.at(0)); break;
      case BM_CUMSUM: result = at::cumsum(x, over.at(0)); break;
      case BM_PROD: result = at::prod(x, over.at(0), keepdim); break;
      case BM_ARGMAX: result = at::argmax(x, over.at(0), keepdim); break;
    }
    *out = wrap(std::move(result));
  });
}

int bm_linear(const bm_tensor* x, const bm_tensor* weight, const bm_tensor* bias, bm_tensor** out) {
  return guarded([&] {
    *out = wrap(bias ? at::linear(x->value, weight->value, bias->value) : at::linear(x->value, weight->value));
  });
}

int bm_layer_norm(const bm_tensor* x, const bm_tensor* weight, const bm_tensor* bias, double eps, bm_tensor** out) {
  return guarded([&] {
    const int64_t width = x->value.size(-1);
    *out = wrap(at::layer_norm(x->value, {width}, weight ? weight->value : at::Tensor(),
                               bias ? bias->value : at::Tensor(), eps));
  });
}

int bm_huber(const bm_tensor* a, const bm_tensor* b, double delta, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::huber_loss(a->value, b->value, at::Reduction::None, delta)); });
}

int bm_reshape(const bm_tensor* a, const int64_t* shape, int rank, bm_tensor** out) {
  return guarded([&] { *out = wrap(a->value.reshape(dims(shape, rank))); });
}

int bm_permute(const bm_tensor* a, const int64_t* axes, int rank, bm_tensor** out) {
  return guarded([&] { *out = wrap(a->value.permute(dims(axes, rank))); });
}

int bm_expand(const bm_tensor* a, const int64_t* shape, int rank, bm_tensor** out) {
  return guarded([&] { *out = wrap(a->value.expand(dims(shape, rank))); });
}

int bm_slice(const bm_tensor* a, int64_t dim, int64_t start, int64_t end, int64_t step, bm_tensor** out) {
  return guarded([&] { *out = wrap(a->value.slice(dim, start, end, step)); });
}

int bm_cat(const bm_tensor* const* tensors, int count, int64_t dim, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::cat(list(tensors, count), dim)); });
}

int bm_stack(const bm_tensor* const* tensors, int count, int64_t dim, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::stack(list(tensors, count), dim)); });
}

int bm_index_select(const bm_tensor* a, int64_t dim, const bm_tensor* index, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::index_select(a->value, dim, index->value)); });
}

int bm_gather(const bm_tensor* a, int64_t dim, const bm_tensor* index, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::gather(a->value, dim, index->value)); });
}

int bm_argsort(const bm_tensor* a, int64_t dim, bool descending, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::argsort(a->value, dim, descending)); });
}

int bm_eigh(const bm_tensor* a, bm_tensor** values, bm_tensor** vectors) {
  return guarded([&] {
    auto [l, v] = at::linalg_eigh(a->value);
    *values = wrap(l);
    *vectors = wrap(v);
  });
}

int bm_solve(const bm_tensor* a, const bm_tensor* b, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::linalg_solve(a->value, b->value)); });
}

int bm_svd(const bm_tensor* a, bm_tensor** u, bm_tensor** s, bm_tensor** vh) {
  return guarded([&] {
    auto [left, singular, right] = at::linalg_svd(a->value, false);
    *u = wrap(left);
    *s = wrap(singular);
    *vh = wrap(right);
  });
}

int bm_slogdet(const bm_tensor* a, bm_tensor** sign, bm_tensor** log_abs_det) {
  return guarded([&] {
    auto [s, l] = at::linalg_slogdet(a->value);
    *sign = wrap(s);
    *log_abs_det = wrap(l);
  });
}

int bm_pinv(const bm_tensor* a, double rcond, bm_tensor** out) {
  return guarded([&] { *out = wrap(at::linalg_pinv(a->value, rcond, /*hermitian=*/false)); });
}

}  // extern "C"
