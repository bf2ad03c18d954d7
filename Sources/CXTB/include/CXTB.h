#pragma once
// GFN2-xTB through libxtb, behind a C interface. No C++ exception leaves it: a call that fails returns a null handle or a
// status other than BM_XTB_OK, and bm_xtb_error() tells why, per thread. Nothing here prints or ends the process.
// The library is loaded at first use, so that a program that asks for no xTB energy neither needs nor pays for it.
// Units: nm, kJ/mol, elementary charges.

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  BM_XTB_OK = 0,
  BM_XTB_ERROR_LIBRARY = 1,    // libxtb cannot be loaded
  BM_XTB_ERROR_REFUSED = 2,    // libxtb refuses the molecule or the solvent, in its own words
  BM_XTB_ERROR_PARAMETERS = 3, // a parameter file that libxtb would take in place of its own parameters; its path
  BM_XTB_ERROR_SYSTEM = 4,     // no memory, no thread
} bm_xtb_status;

/// The message of this thread's last failed call.
const char *bm_xtb_error(void);
/// The status of this thread's last failed call, for calls that return a handle.
int32_t bm_xtb_error_status(void);

/// Version of libxtb's C interface, 10000 major + 100 minor + patch, and of the file that was loaded ("6.5.1"; empty where its
/// name does not tell). Loads the library.
int32_t bm_xtb_version(int32_t *interface_version, const char **library_version);

// Energies and forces of many frames of one molecule, spread over threads with a calculator each.
typedef struct bm_xtb_engine bm_xtb_engine;
/// numbers: atomic numbers [atoms]. solvent: a name of libxtb's GBSA model, or "" for none.
bm_xtb_engine *bm_xtb_create(int32_t atoms, const int32_t *numbers, double charge, int32_t unpaired, const char *solvent,
                             int32_t threads);
void bm_xtb_free(bm_xtb_engine *);
/// energies [frames]; forces [frames, atoms, 3] or NULL. A frame that is not finite, whose atoms lie on top of each other, or
/// whose charges do not converge has energy +infinity and, in forces, NaN. A frame's result depends on that frame alone.
int32_t bm_xtb_evaluate(bm_xtb_engine *, const double *coordinates /* [frames, atoms, 3] */, int64_t frames, double *energies,
                        double *forces);

#ifdef __cplusplus
}
#endif
