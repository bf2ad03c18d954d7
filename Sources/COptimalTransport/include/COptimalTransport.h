/// C interface to LEMON's network simplex. Every function catches all C++ exceptions: it returns 0 on success and another
/// bm_transport_status on failure, with the reason in bm_transport_last_error() of the calling thread.
#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  BM_TRANSPORT_OK = 0,
  BM_TRANSPORT_ARGUMENT = 1,
  BM_TRANSPORT_MEMORY = 2,
  BM_TRANSPORT_FAILED = 3
} bm_transport_status;

const char *bm_transport_last_error(void);

/// Cheapest one-to-one assignment: costs[i * count + j], finite; targets[i] becomes the column of row i.
int bm_assignment(int64_t count, const double *costs, int64_t *targets);

/// Cheapest transport of whole units: row i supplies supplies[i] >= 0 of them and column j takes demands[j] >= 0, with equal
/// sums below 2^60. total: sum of flow times cost over the optimal flow.
int bm_transport(
    int64_t rows, int64_t columns, const double *costs, const int64_t *supplies, const int64_t *demands, double *total);

#ifdef __cplusplus
}
#endif
