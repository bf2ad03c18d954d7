/// Fused layers of equivariant networks, on tensors of CTorch and by its rules: 0 on success and 1 on failure, with the reason in
/// bm_torch_last_error(); results are owned by the caller.
#pragma once
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bm_tensor bm_tensor;

/// Messages of geometric vector perceptrons between all pairs of atoms, summed over senders. `inputs`, in this order, of one
/// floating element type: positions [n, atoms, 3]; node [n, atoms, S], the scalar map's bias and its columns of the sender's
/// scalars, applied; mixed [n, atoms, 3, H up to a multiple of 8] and sent [n, atoms, 3, V], the sender's vectors in the hidden
/// and in the output channels (both may be NULL: zero); along [H] and sent_along [V], the same of the unit vector; features [S, R + H],
/// columns of the R radial functions and of the hidden norms; beta [] of the swish; gate [V, S] and gate_bias [V].
/// mask [1 or n, atoms] or NULL. Radial functions are exp(-((d - k step) / width)^2). S and V are multiples of 8.
/// out: sums of scalars [n, atoms, S] and of vectors [n, atoms, 3, V]. First derivatives only.
/// `composed`: by LibTorch's own operations on tensors over pairs, as it is always done on a GPU; any derivative.
int bm_gvp_message(const bm_tensor* const* inputs, const bm_tensor* mask_or_null, double radial_step, double radial_width,
                   bool composed, bm_tensor** out);
/// The same and its derivatives along m `directions` of the first four inputs, each with a leading axis m; NULL is zero.
/// out: the two sums, then their derivatives [m, ...]. Nothing is recorded.
int bm_gvp_message_tangents(const bm_tensor* const* inputs, const bm_tensor* const* directions,
                            const bm_tensor* mask_or_null, double radial_step, double radial_width, bool composed,
                            bm_tensor** out);

#ifdef __cplusplus
}
#endif
