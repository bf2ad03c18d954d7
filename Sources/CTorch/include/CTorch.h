/// C interface to LibTorch. Every function catches all C++ exceptions: it returns 0 on success and 1 on failure, with the
/// reason in bm_torch_last_error() of the calling thread. Tensors and generators are opaque, owned by the caller and
/// released by their *_free function.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bm_tensor bm_tensor;
typedef struct bm_generator bm_generator;

typedef enum { BM_FLOAT32 = 0, BM_FLOAT64 = 1, BM_INT64 = 2, BM_BOOL = 3, BM_UINT8 = 4 } bm_dtype;

typedef enum {
  BM_NEGATE, BM_EXP, BM_LOG, BM_SIN, BM_COS, BM_TANH, BM_SIGMOID, BM_SILU, BM_SQRT, BM_RSQRT, BM_SQUARE, BM_ABS,
  BM_SOFTPLUS, BM_LOG_SIGMOID, BM_RELU, BM_GELU, BM_ISFINITE, BM_FLOOR, BM_ROUND, BM_RECIPROCAL, BM_ACOS, BM_ERF,
  BM_SIGN
} bm_unary_op;

typedef enum {
  BM_ADD, BM_SUBTRACT, BM_MULTIPLY, BM_DIVIDE, BM_POWER, BM_MAXIMUM, BM_MINIMUM, BM_ATAN2, BM_REMAINDER, BM_EQUAL,
  BM_LESS, BM_GREATER, BM_MATMUL, BM_LOGADDEXP
} bm_binary_op;

typedef enum { BM_SUM, BM_MEAN, BM_LOGSUMEXP, BM_AMAX, BM_AMIN, BM_SOFTMAX, BM_LOG_SOFTMAX, BM_CUMSUM, BM_PROD, BM_ARGMAX }
bm_reduce_op;

const char* bm_torch_last_error(void);
const char* bm_torch_version(void);

// process-wide settings
int bm_torch_initialize(int threads);
int bm_torch_threads(void);
int bm_torch_set_threads(int threads);
/// Number of GPUs that LibTorch can use. LibTorch's CUDA library is loaded if it is there; where it is not, or finds no GPU, the
/// count is 0 and bm_torch_last_error() says why.
int bm_torch_cuda_count(void);
/// Where tensors are made from now on: on the first GPU, or in main memory. Call it before the first tensor.
int bm_torch_use_cuda(bool cuda);
bool bm_torch_uses_cuda(void);
/// Waits until the GPU has done what it was given.
int bm_torch_synchronize(void);
bool bm_grad_enabled(void);
void bm_set_grad_enabled(bool enabled);

// life, data, shape
void bm_tensor_free(bm_tensor* tensor);
int bm_tensor_from_data(const void* data, bm_dtype dtype, const int64_t* shape, int rank, bm_tensor** out);
int bm_tensor_full(double value, bm_dtype dtype, const int64_t* shape, int rank, bm_tensor** out);
int bm_tensor_arange(int64_t count, bm_dtype dtype, bm_tensor** out);
int bm_tensor_linspace(double first, double last, int64_t count, bm_dtype dtype, bm_tensor** out);
int bm_tensor_eye(int64_t count, bm_dtype dtype, bm_tensor** out);
int bm_tensor_copy_out(const bm_tensor* tensor, bm_dtype dtype, void* destination, int64_t count);
int bm_tensor_rank(const bm_tensor* tensor);
void bm_tensor_shape(const bm_tensor* tensor, int64_t* shape);
int bm_tensor_dtype(const bm_tensor* tensor);
int bm_tensor_cast(const bm_tensor* tensor, bm_dtype dtype, bm_tensor** out);
int bm_tensor_clone(const bm_tensor* tensor, bm_tensor** out);
int bm_tensor_copy_into(bm_tensor* destination, const bm_tensor* source);

// arithmetic
int bm_unary(bm_unary_op op, const bm_tensor* a, bm_tensor** out);
int bm_binary(bm_binary_op op, const bm_tensor* a, const bm_tensor* b, bm_tensor** out);
int bm_binary_scalar(bm_binary_op op, const bm_tensor* a, double b, bm_tensor** out);
int bm_scalar_binary(bm_binary_op op, double a, const bm_tensor* b, bm_tensor** out);
int bm_clamp(const bm_tensor* a, double low, double high, bm_tensor** out);
int bm_where(const bm_tensor* condition, const bm_tensor* a, const bm_tensor* b, bm_tensor** out);
int bm_reduce(bm_reduce_op op, const bm_tensor* a, const int64_t* dims, int count, bool keepdim, bm_tensor** out);
int bm_linear(const bm_tensor* x, const bm_tensor* weight, const bm_tensor* bias_or_null, bm_tensor** out);
int bm_layer_norm(const bm_tensor* x, const bm_tensor* weight_or_null, const bm_tensor* bias_or_null, double eps,
                  bm_tensor** out);
int bm_huber(const bm_tensor* a, const bm_tensor* b, double delta, bm_tensor** out);

// views and indexing
int bm_reshape(const bm_tensor* a, const int64_t* shape, int rank, bm_tensor** out);
int bm_permute(const bm_tensor* a, const int64_t* dims, int rank, bm_tensor** out);
int bm_expand(const bm_tensor* a, const int64_t* shape, int rank, bm_tensor** out);
int bm_slice(const bm_tensor* a, int64_t dim, int64_t start, int64_t end, int64_t step, bm_tensor** out);
int bm_cat(const bm_tensor* const* tensors, int count, int64_t dim, bm_tensor** out);
int bm_stack(const bm_tensor* const* tensors, int count, int64_t dim, bm_tensor** out);
int bm_index_select(const bm_tensor* a, int64_t dim, const bm_tensor* index, bm_tensor** out);
int bm_gather(const bm_tensor* a, int64_t dim, const bm_tensor* index, bm_tensor** out);
int bm_argsort(const bm_tensor* a, int64_t dim, bool descending, bm_tensor** out);

// autograd
int bm_set_requires_grad(bm_tensor* tensor, bool requires_grad);
bool bm_requires_grad(const bm_tensor* tensor);
int bm_detach(const bm_tensor* tensor, bm_tensor** out);
/// Gradients of sum(outputs_i * grad_outputs_i) for each input; grad_outputs may be NULL (ones; scalar outputs only).
/// An input that the outputs do not depend on gets NULL.
int bm_grad(const bm_tensor* const* outputs, const bm_tensor* const* grad_outputs_or_null, int output_count,
            const bm_tensor* const* inputs, int input_count, bool create_graph, bool retain_graph, bm_tensor** out);

// random numbers: drawn in main memory whatever the device, so that a seed gives the same numbers on all of them
int bm_generator_new(uint64_t seed, bm_generator** out);
void bm_generator_free(bm_generator* generator);
int bm_generator_state(const bm_generator* generator, bm_tensor** out);
int bm_generator_set_state(bm_generator* generator, const bm_tensor* state);
int bm_randn(bm_generator* generator, bm_dtype dtype, const int64_t* shape, int rank, bm_tensor** out);
int bm_rand(bm_generator* generator, bm_dtype dtype, const int64_t* shape, int rank, bm_tensor** out);
/// +1 or -1 with equal probability.
int bm_rademacher(bm_generator* generator, bm_dtype dtype, const int64_t* shape, int rank, bm_tensor** out);
int bm_randperm(bm_generator* generator, int64_t count, bm_tensor** out);

// optimisation, in place on lists of parameters
/// One Adam (decoupled = false) or AdamW (decoupled = true) step. `step` counts from 1.
int bm_adam_step(bm_tensor* const* parameters, const bm_tensor* const* gradients, bm_tensor* const* first_moments,
                 bm_tensor* const* second_moments, int count, int64_t step, double learning_rate, double beta1,
                 double beta2, double epsilon, double weight_decay, bool decoupled);
/// Scales gradients in place so that their joint 2-norm is at most max_norm; the norm before goes to *norm.
int bm_clip_norm(bm_tensor* const* gradients, int count, double max_norm, double* norm);
/// average <- decay * average + (1 - decay) * parameter.
int bm_ema_update(bm_tensor* const* averages, const bm_tensor* const* parameters, int count, double decay);

// linear algebra
/// Eigenvalues ascending, eigenvectors in columns.
int bm_eigh(const bm_tensor* a, bm_tensor** values, bm_tensor** vectors);
int bm_solve(const bm_tensor* a, const bm_tensor* b, bm_tensor** out);
int bm_svd(const bm_tensor* a, bm_tensor** u, bm_tensor** s, bm_tensor** vh);
int bm_slogdet(const bm_tensor* a, bm_tensor** sign, bm_tensor** log_abs_det);
int bm_pinv(const bm_tensor* a, double rcond, bm_tensor** out);

#ifdef __cplusplus
}
#endif
