#pragma once
// OpenMM behind a C interface. No C++ exception leaves it: a call that fails returns a null handle or a status other than
// BM_OK, and bm_openmm_error() tells why, per thread. Nothing here prints or ends the process.
// Units: nm, ps, kJ/mol, K, dalton, radians.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  BM_OK = 0,
  BM_ERROR_ARGUMENT = 1,   // the caller's values do not fit (sizes, indices, an unknown platform)
  BM_ERROR_XML = 2,        // not a well-formed XML document
  BM_ERROR_NOT_SYSTEM = 3, // XML, but not of a serialised System
  BM_ERROR_OPENMM = 4,     // OpenMM refused, in its own words
  BM_ERROR_UNSTABLE = 5,   // the dynamics left the finite numbers
} bm_openmm_status;

/// The message of this thread's last failed call.
const char *bm_openmm_error(void);
/// The status of this thread's last failed call, for calls that return a handle.
int32_t bm_openmm_error_status(void);

const char *bm_openmm_version(void);
/// Names of the platforms that can be used, separated by newlines; the plug-ins beside the library are loaded on first use.
const char *bm_openmm_platforms(void);

// A System, immutable once made. Engines and samplers keep what they need of it alive.
typedef struct bm_system bm_system;
bm_system *bm_system_from_xml(const char *text, size_t length);
/// The terms of an AMBER-like force field without cutoff, periodicity or constraints.
typedef struct {
  int32_t particles;
  const double *masses, *charges, *sigmas, *epsilons; // [particles]
  int32_t bonds;
  const int32_t *bond_atoms;        // [bonds, 2]
  const double *bond_parameters;    // [bonds, 2]: length, force constant (k/2 x^2)
  int32_t angles;
  const int32_t *angle_atoms;       // [angles, 3]
  const double *angle_parameters;   // [angles, 2]: angle, force constant (k/2 x^2)
  int32_t torsions;
  const int32_t *torsion_atoms;     // [torsions, 5]: four particles and the periodicity
  const double *torsion_parameters; // [torsions, 2]: phase, force constant (k (1 + cos))
  int32_t exceptions;
  const int32_t *exception_atoms;     // [exceptions, 2]
  const double *exception_parameters; // [exceptions, 3]: product of charges, sigma, epsilon
  int32_t born;                     // 0: no implicit solvent; 1: OBC1; 2: OBC2
  const double *born_radii, *born_screens; // [particles], where born is not 0
} bm_system_terms;
bm_system *bm_system_from_terms(const bm_system_terms *);
/// A copy with further torsions k (1 + cos(n phi - phase)). `atoms` [count, 5]: the periodicity last; `parameters` [count, 2]:
/// phase in rad, k in kJ/mol.
bm_system *bm_system_adding_torsions(const bm_system *, int32_t count, const int32_t *atoms, const double *parameters);
/// k of the threefold torsion about the bond between two particles, kJ/mol, all terms k (1 + cos(3 phi - phase)) about it together:
/// with tetrahedral ends they turn in step.
double bm_system_threefold(const bm_system *, int32_t second, int32_t third);
void bm_system_free(bm_system *);
int32_t bm_system_particle_count(const bm_system *);
int32_t bm_system_constraint_count(const bm_system *);
void bm_system_masses(const bm_system *, double *masses /* [particles] */);
/// Names of the forces, separated by newlines.
const char *bm_system_force_names(const bm_system *);

// Potential energies and forces of many frames, spread over threads with one Context each.
typedef struct bm_engine bm_engine;
/// With `built_in_kernel`, the kernel computes what it covers, once it agrees with OpenMM on frames of the first call (energies to
/// 1e-8 and forces to 1e-6, relative).
bm_engine *bm_engine_create(const bm_system *, const char *platform, int32_t threads, int32_t built_in_kernel);
/// Not 0 while the kernel is in use.
int32_t bm_engine_uses_kernel(const bm_engine *);
void bm_engine_free(bm_engine *);
/// energies [frames]; forces [frames, particles, 3] or NULL. A frame that is not finite, or whose energy is not (overlapping
/// atoms), has energy +infinity and, in forces, NaN.
int32_t bm_engine_evaluate(bm_engine *, const double *coordinates /* [frames, particles, 3] */, int64_t frames,
                           double *energies, double *forces);

// Langevin dynamics (middle scheme) of many independent walks under harmonic torsion biases.
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
  // Monte Carlo: every record_interval steps one of the turns, drawn at random, is tried and taken by Metropolis' rule.
  int32_t turns;
  const int32_t *turn_axes;    // [turns, 2]: two bonded particles
  const int32_t *turn_thirds;  // [turns]: not 0: by about a third of a full turn, either way; 0: by any angle
  const int32_t *turn_sizes;   // [turns]: how many particles turn
  const int32_t *turn_atoms;   // [sum of turn_sizes]: which
} bm_sampler_settings;

typedef struct bm_sampler bm_sampler;
bm_sampler *bm_sampler_create(const bm_system *, const bm_sampler_settings *);
void bm_sampler_free(bm_sampler *);
/// "OpenMM Reference" or the name of the built-in kernel in use. The kernel is compared with OpenMM at the first call of
/// bm_sampler_run, and set aside if a force differs by more than 1e-6.
const char *bm_sampler_force_provider(const bm_sampler *);
/// Why the built-in kernel does not compute the forces; "" where it does, or was not asked to.
const char *bm_sampler_kernel_refusal(const bm_sampler *);
/// The largest difference between the forces in use and OpenMM's over frames, relative to max(1, |force|); 0 where OpenMM computes
/// them.
int32_t bm_sampler_force_deviation(bm_sampler *, const double *coordinates /* [frames, particles, 3] */, int64_t frames,
                                   double *deviation);
/// Minimises the unbiased potential energy, in place. tolerance in kJ/mol/nm (root mean square force).
int32_t bm_sampler_minimise(bm_sampler *, double *positions /* [particles, 3] */, double tolerance, int32_t iterations);
/// Velocities from the Maxwell distribution at the sampler's temperature.
int32_t bm_sampler_thermalise(bm_sampler *, uint64_t seed, double *velocities /* [particles, 3] */);
/// The potential energy (bias included) and its forces, as the dynamics sees them.
int32_t bm_sampler_forces(bm_sampler *, const double *positions, const double *centers /* [biased_torsions] */,
                          double *energy, double *forces /* [particles, 3] */);
/// Recorded torsions of frames. out [frames, recorded_torsions], in (-pi, pi].
int32_t bm_sampler_torsions(bm_sampler *, const double *coordinates, int64_t frames, double *out);
/// Advances every walk through its own list of segments, walks in parallel. A segment runs its equilibration steps unrecorded,
/// then its production steps, and is a function of the state it begins with, its centres, its step counts and its seed
/// alone: the number of threads and the cut of the work into calls do not enter. Turns are tried within both kinds of steps; velocities
/// stay as they are.
int32_t bm_sampler_run(bm_sampler *, int32_t walks, int32_t segments,
                       double *positions,                   // [walks, particles, 3], in and out
                       double *velocities,                  // [walks, particles, 3], in and out
                       const double *centers,               // [walks, segments, biased_torsions]
                       const int64_t *equilibration_steps,  // [walks, segments]
                       const int64_t *production_steps,     // [walks, segments]
                       const uint64_t *seeds,               // [walks, segments]
                       int64_t record_capacity,             // rows per segment in `records`
                       double *records,                     // [walks, segments, record_capacity, recorded_torsions]
                       double *end_positions,               // [walks, segments, particles, 3], or NULL
                       int64_t *turns);                     // [turns, 2]: tried and taken, added to; or NULL

#ifdef __cplusplus
}
#endif
