#include <netcdf.h>

// The library's constants that Swift needs with a fixed type.
static inline int cnetcdf_nowrite(void) { return NC_NOWRITE; }
static inline int cnetcdf_create_classic64(void) { return NC_CLOBBER | NC_64BIT_OFFSET; }
static inline int cnetcdf_create_netcdf4(void) { return NC_CLOBBER | NC_NETCDF4; }
static inline int cnetcdf_global(void) { return NC_GLOBAL; }
static inline size_t cnetcdf_unlimited(void) { return NC_UNLIMITED; }
