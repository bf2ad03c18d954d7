#include "CAllocationMeter.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static atomic_size_t live;
static atomic_size_t peak;

static void *grown(void *block) {
  if (!block) return block;
  size_t now = atomic_fetch_add(&live, malloc_usable_size(block)) + malloc_usable_size(block);
  size_t seen = atomic_load(&peak);
  while (now > seen && !atomic_compare_exchange_weak(&peak, &seen, now)) {}
  return block;
}

static void shrunk(void *block) {
  if (block) atomic_fetch_sub(&live, malloc_usable_size(block));
}

void *malloc(size_t size) { return grown(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) { return grown(__libc_calloc(count, size)); }
void *memalign(size_t alignment, size_t size) { return grown(__libc_memalign(alignment, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return grown(__libc_memalign(alignment, size)); }

int posix_memalign(void **result, size_t alignment, size_t size) {
  void *block = __libc_memalign(alignment, size);
  if (!block) return ENOMEM;
  *result = grown(block);
  return 0;
}

void *realloc(void *block, size_t size) {
  size_t before = block ? malloc_usable_size(block) : 0;
  void *moved = __libc_realloc(block, size);
  if (!moved && size) return NULL;
  atomic_fetch_sub(&live, before);
  return grown(moved);
}

void free(void *block) {
  shrunk(block);
  __libc_free(block);
}

size_t allocation_meter_live(void) { return atomic_load(&live); }
size_t allocation_meter_peak(void) { return atomic_load(&peak); }
size_t allocation_meter_reset(void) {
  size_t now = atomic_load(&live);
  atomic_store(&peak, now);
  return now;
}
