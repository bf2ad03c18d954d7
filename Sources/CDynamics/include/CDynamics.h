#pragma once
// Our own molecular dynamics, and the kernel for small molecules that computes its forces, behind a C interface. Systems, status
// codes and the text of the last error are those of COpenMM.
// Units: nm, ps, kJ/mol, K, dalton, radians.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bm_system bm_system;
typedef struct bm_engine bm_engine;

// Energies and forces by the built-in kernel, where it covers the System.
typedef struct bm_kernel_engine bm_kernel_engine;
/// The kernel computes what it covers, once it agrees with OpenMM on frames of the first call (energies to 1e-8 and forces to 1e-6,
/// relative); all else is left to `openmm`, which must outlive this and be used by nobody else meanwhile.
bm_kernel_engine *bm_kernel_engine_create(bm_engine *openmm);
void bm_kernel_engine_free(bm_kernel_engine *);
/// Not 0 while the kernel is in use.
int32_t bm_kernel_engine_uses_kernel(const bm_kernel_engine *);
/// As bm_engine_evaluate.
int32_t bm_kernel_engine_evaluate(bm_kernel_engine *, const double *coordinates /* [frames, particles, 3] */, int64_t frames,
                                  double *energies, double *forces);

// Langevin dynamics (middle scheme) of many independent walks under harmonic torsion biases. The System's constraints hold their distances
// to 1e-9 of a length; a walk begins where they hold, as minimised positions do.
typedef struct {
  double temperature; // K
  double friction;    // 1/ps
  double timestep;    // ps
  int32_t threads;
  int32_t recorded_torsions;  // torsions recorded; the first biased_torsions of them carry a bias
  int32_t biased_torsions;
  const int32_t *torsions;    // [recorded_torsions, 4], particle indices
  const double *force_constants; // [biased_torsions], kJ/mol/rad^2: energy k/2 wrap(torsion - centre)^2
  int32_t record_interval;    // steps
  const double *masses;       // [particles], dalton, in place of the System's; or NULL
  int32_t plain_forces;       // not 0: OpenMM computes every force, even where the built-in kernel could
  // Torsion moves: every record_interval steps one of them, drawn at random, is tried and taken by Metropolis' rule.
  int32_t moves;
  const int32_t *move_axes;    // [moves, 2]: two bonded particles
  const int32_t *move_thirds;  // [moves]: not 0: by about a third of a full turn, either way; 0: by any angle
  const int32_t *move_sizes;   // [moves]: how many particles turn
  const int32_t *move_atoms;   // [sum of move_sizes]: which
  // Forces of somebody else, in place of the System's terms; or NULL. Called by one thread at a time for each worker, from 0. Writes the
  // forces [particles, 3] and returns the potential energy; where there are none, NaN in both: the dynamics is then unstable.
  double (*external)(void *external_context, int32_t worker, const double *positions, double *forces);
  void *external_context;  // must outlive the dynamics
} bm_dynamics_settings;

typedef struct bm_dynamics bm_dynamics;
bm_dynamics *bm_dynamics_create(const bm_system *, const bm_dynamics_settings *);
void bm_dynamics_free(bm_dynamics *);
/// "OpenMM Reference" or the name of the built-in kernel in use. The kernel is compared with OpenMM at the first call of
/// bm_dynamics_run, and set aside if a force differs by more than 1e-6.
const char *bm_dynamics_force_provider(const bm_dynamics *);
/// Why the built-in kernel does not compute the forces; "" where it does, or was not asked to.
const char *bm_dynamics_kernel_refusal(const bm_dynamics *);
/// The largest difference between the forces in use and OpenMM's over frames, relative to max(1, |force|); 0 where OpenMM computes
/// them.
int32_t bm_dynamics_force_deviation(bm_dynamics *, const double *coordinates /* [frames, particles, 3] */, int64_t frames,
                                   double *deviation);
/// Minimises the unbiased potential energy, in place, with the System's constraints. tolerance in kJ/mol/nm (root mean square force).
int32_t bm_dynamics_minimise(bm_dynamics *, double *positions /* [particles, 3] */, double tolerance, int32_t iterations);
/// Velocities from the Maxwell distribution at the dynamics' temperature, as without constraints: the first step takes from them what
/// constraints forbid.
int32_t bm_dynamics_thermalise(bm_dynamics *, uint64_t seed, double *velocities /* [particles, 3] */);
/// The potential energy (bias included) and its forces, as the dynamics sees them.
int32_t bm_dynamics_forces(bm_dynamics *, const double *positions, const double *centers /* [biased_torsions] */,
                          double *energy, double *forces /* [particles, 3] */);
/// Recorded torsions of frames. out [frames, recorded_torsions], in (-pi, pi].
int32_t bm_dynamics_torsions(bm_dynamics *, const double *coordinates, int64_t frames, double *out);
/// Advances every walk through its own list of segments, walks in parallel. A segment runs its equilibration steps unrecorded,
/// then its production steps, and is a function of the state it begins with, its centres, its step counts and its seed
/// alone: the number of threads and the cut of the work into calls do not enter. Moves are tried within both kinds of steps; velocities
/// stay as they are.
int32_t bm_dynamics_run(bm_dynamics *, int32_t walks, int32_t segments,
                       double *positions,                   // [walks, particles, 3], in and out
                       double *velocities,                  // [walks, particles, 3], in and out
                       const double *centers,               // [walks, segments, biased_torsions]
                       const int64_t *equilibration_steps,  // [walks, segments]
                       const int64_t *production_steps,     // [walks, segments]
                       const uint64_t *seeds,               // [walks, segments]
                       int64_t record_capacity,             // rows per segment in `records`
                       double *records,                     // [walks, segments, record_capacity, recorded_torsions]
                       double *end_positions,               // [walks, segments, particles, 3], or NULL
                       int64_t *moves);                     // [moves, 2]: tried and taken, added to; or NULL

#ifdef __cplusplus
}
#endif
