#pragma once
#include <stddef.h>

/// Counts what the whole process holds from malloc. Linked into a program, it stands in front of glibc's allocator.

/// Bytes held now.
size_t allocation_meter_live(void);
/// The most that was held since the last reset.
size_t allocation_meter_peak(void);
/// Sets the peak to what is held now, and returns that.
size_t allocation_meter_reset(void);
