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

// A System, immutable once made. What is made of it keeps what it needs of it alive.
typedef struct bm_system bm_system;
bm_system *bm_system_from_xml(const char *text, size_t length);
/// Models of generalised Born.
typedef enum {
  BM_BORN_NONE = 0,
  BM_BORN_OBC1 = 1,
  BM_BORN_OBC2 = 2,
  BM_BORN_HCT = 3,
  BM_BORN_GBN = 4,
  BM_BORN_GBN2 = 5,
} bm_born;
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
  int32_t maps;                     // of energies over two torsions (CMAP)
  const int32_t *map_sizes;         // [maps]: grid points along each torsion
  const double *map_energies;       // [maps][size, size]: the second torsion first, each from 0 around
  int32_t mapped;
  const int32_t *mapped_atoms;      // [mapped, 9]: two torsions of four particles, and the map
  int32_t born;                     // a bm_born
  const double *born_radii, *born_screens; // [particles], where there is a model
  const double *born_shapes;        // [particles, 3]: alpha, beta and gamma of GBn2; else not read
  double born_kappa;                // 1/nm, of Debye and Hueckel's screening by salt, with the factor for the ions' size
  int32_t born_surface;             // not 0: with the surface term of Schaefer, Bartels and Karplus
} bm_system_terms;
bm_system *bm_system_from_terms(const bm_system_terms *);
/// A copy with further torsions k (1 + cos(n phi - phase)). `atoms` [count, 5]: the periodicity last; `parameters` [count, 2]:
/// phase in rad, k in kJ/mol.
bm_system *bm_system_adding_torsions(const bm_system *, int32_t count, const int32_t *atoms, const double *parameters);
/// k of the threefold torsion about the bond between two particles, kJ/mol, all terms k (1 + cos(3 phi - phase)) about it together:
/// with tetrahedral ends they turn in step.
double bm_system_threefold(const bm_system *, int32_t second, int32_t third);
/// Some particles alone, ascending, with the terms, charges, exceptions and constraints among them. A cutoff that belongs to a periodic
/// box is dropped. Fails where a term joins a particle that is kept with one that is not, and for forces it does not know.
bm_system *bm_system_keeping(const bm_system *, int32_t count, const int32_t *particles);
/// Harmonic bonds with their length, and constraints with theirs: how many there are; they are written where `pairs` [count, 2] and
/// `lengths` [count] are not NULL.
int64_t bm_system_bonds(const bm_system *, int32_t *pairs, double *lengths);
/// Not 0 where a force uses a periodic box.
int32_t bm_system_is_periodic(const bm_system *);
void bm_system_free(bm_system *);
int32_t bm_system_particle_count(const bm_system *);
int32_t bm_system_constraint_count(const bm_system *);
void bm_system_masses(const bm_system *, double *masses /* [particles] */);
/// Pairs of particles: with a bond term, with a constraint, at the ends of an angle term.
typedef enum { BM_PAIRS_BONDED = 0, BM_PAIRS_CONSTRAINED = 1, BM_PAIRS_OF_ANGLES = 2 } bm_pairs;
/// How many there are; they are written where `pairs` [count, 2] is not NULL.
int64_t bm_system_pairs(const bm_system *, int32_t kind, int32_t *pairs);
/// How many harmonic bond and angle terms there are; where the pointers are not NULL they are written: atoms [count, 3], the third -1 for
/// a bond, and length or angle with the force constant [count, 2].
int64_t bm_system_harmonic_terms(const bm_system *, int32_t *atoms, double *parameters);
/// How many particles are virtual sites; the first of them is written where there is one.
int32_t bm_system_virtual_sites(const bm_system *, int32_t *first);
/// What a force is to a molecule: part of its energy, idle (thermostats, barostats, removers of drift), a restraint of places, or
/// periodic.
typedef enum { BM_FORCE_OF_THE_MOLECULE = 0, BM_FORCE_IDLE = 1, BM_FORCE_RESTRAINT = 2, BM_FORCE_PERIODIC = 3 } bm_force_kind;
int32_t bm_system_force_kind(const bm_system *, int32_t index);
/// A copy without idle forces.
bm_system *bm_system_without_idle_forces(const bm_system *);
/// Names of the forces, separated by newlines.
const char *bm_system_force_names(const bm_system *);

// Potential energies and forces of many frames, spread over threads with one Context each.
typedef struct bm_engine bm_engine;
bm_engine *bm_engine_create(const bm_system *, const char *platform, int32_t threads);
void bm_engine_free(bm_engine *);
/// energies [frames]; forces [frames, particles, 3] or NULL. A frame that is not finite, or whose energy is not (overlapping
/// atoms), has energy +infinity and, in forces, NaN.
int32_t bm_engine_evaluate(bm_engine *, const double *coordinates /* [frames, particles, 3] */, int64_t frames,
                           double *energies, double *forces);

#ifdef __cplusplus
}
#endif
