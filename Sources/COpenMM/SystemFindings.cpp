#include <algorithm>
#include <typeinfo>

#include "Guard.h"

using namespace boltzmill;

namespace {

/// A force that takes part in neither energies nor the forces on a frame: it thermostats, couples to a pressure, or stops drift.
bool isIdle(const OpenMM::Force &force) {
  return dynamic_cast<const OpenMM::CMMotionRemover *>(&force) || dynamic_cast<const OpenMM::AndersenThermostat *>(&force) ||
         dynamic_cast<const OpenMM::MonteCarloBarostat *>(&force) ||
         dynamic_cast<const OpenMM::MonteCarloAnisotropicBarostat *>(&force) ||
         dynamic_cast<const OpenMM::MonteCarloMembraneBarostat *>(&force) ||
         dynamic_cast<const OpenMM::MonteCarloFlexibleBarostat *>(&force);
}

/// A force whose energy changes as the molecule moves as a whole, or that holds it to a structure.
bool isRestraint(const OpenMM::Force &force) {
  return dynamic_cast<const OpenMM::CustomExternalForce *>(&force) || dynamic_cast<const OpenMM::RMSDForce *>(&force) ||
         dynamic_cast<const OpenMM::CustomCVForce *>(&force);
}

void take(std::vector<int32_t> &list, int a, int b) {
  list.push_back(a);
  list.push_back(b);
}

}  // namespace

int64_t bm_system_pairs(const bm_system *handle, int32_t kind, int32_t *pairs) {
  const OpenMM::System &system = *handle->system;
  std::vector<int32_t> found;
  if (kind == BM_PAIRS_CONSTRAINED)
    for (int i = 0; i < system.getNumConstraints(); i++) {
      int a, b;
      double distance;
      system.getConstraintParameters(i, a, b, distance);
      take(found, a, b);
    }
  for (int f = 0; f < system.getNumForces(); f++) {
    const OpenMM::Force &force = system.getForce(f);
    if (kind == BM_PAIRS_BONDED) {
      if (auto *bonds = dynamic_cast<const OpenMM::HarmonicBondForce *>(&force))
        for (int i = 0; i < bonds->getNumBonds(); i++) {
          int a, b;
          double length, k;
          bonds->getBondParameters(i, a, b, length, k);
          if (k != 0) take(found, a, b);
        }
      if (auto *bonds = dynamic_cast<const OpenMM::CustomBondForce *>(&force))
        for (int i = 0; i < bonds->getNumBonds(); i++) {
          int a, b;
          std::vector<double> parameters;
          bonds->getBondParameters(i, a, b, parameters);
          take(found, a, b);
        }
    }
    if (kind == BM_PAIRS_OF_ANGLES) {
      if (auto *angles = dynamic_cast<const OpenMM::HarmonicAngleForce *>(&force))
        for (int i = 0; i < angles->getNumAngles(); i++) {
          int a, b, c;
          double angle, k;
          angles->getAngleParameters(i, a, b, c, angle, k);
          if (k != 0) take(found, a, c);
        }
      if (auto *angles = dynamic_cast<const OpenMM::CustomAngleForce *>(&force))
        for (int i = 0; i < angles->getNumAngles(); i++) {
          int a, b, c;
          std::vector<double> parameters;
          angles->getAngleParameters(i, a, b, c, parameters);
          take(found, a, c);
        }
    }
  }
  if (pairs) std::copy(found.begin(), found.end(), pairs);
  return int64_t(found.size() / 2);
}

int64_t bm_system_harmonic_terms(const bm_system *handle, int32_t *atoms, double *parameters) {
  int64_t count = 0;
  auto put = [&](int a, int b, int c, double equilibrium, double k) {
    if (atoms && parameters) {
      atoms[3 * count] = a, atoms[3 * count + 1] = b, atoms[3 * count + 2] = c;
      parameters[2 * count] = equilibrium, parameters[2 * count + 1] = k;
    }
    count++;
  };
  for (int f = 0; f < handle->system->getNumForces(); f++) {
    const OpenMM::Force &force = handle->system->getForce(f);
    int a, b, c;
    double equilibrium, k;
    if (auto *bonds = dynamic_cast<const OpenMM::HarmonicBondForce *>(&force))
      for (int i = 0; i < bonds->getNumBonds(); i++) {
        bonds->getBondParameters(i, a, b, equilibrium, k);
        if (k != 0) put(a, b, -1, equilibrium, k);
      }
    if (auto *angles = dynamic_cast<const OpenMM::HarmonicAngleForce *>(&force))
      for (int i = 0; i < angles->getNumAngles(); i++) {
        angles->getAngleParameters(i, a, b, c, equilibrium, k);
        if (k != 0) put(a, b, c, equilibrium, k);
      }
  }
  return count;
}

int32_t bm_system_virtual_sites(const bm_system *handle, int32_t *first) {
  int32_t count = 0;
  for (int i = 0; i < handle->system->getNumParticles(); i++)
    if (handle->system->isVirtualSite(i) && count++ == 0) *first = i;
  return count;
}

int32_t bm_system_force_kind(const bm_system *handle, int32_t index) {
  const OpenMM::Force &force = handle->system->getForce(index);
  if (isIdle(force)) return BM_FORCE_IDLE;
  if (isRestraint(force)) return BM_FORCE_RESTRAINT;
  return force.usesPeriodicBoundaryConditions() ? BM_FORCE_PERIODIC : BM_FORCE_OF_THE_MOLECULE;
}

bm_system *bm_system_without_idle_forces(const bm_system *system) {
  return guardedHandle<bm_system>([&] {
    auto handle = std::make_unique<bm_system>();
    handle->system.reset(OpenMM::XmlSerializer::clone<OpenMM::System>(*system->system));
    for (int i = handle->system->getNumForces() - 1; i >= 0; i--)
      if (isIdle(handle->system->getForce(i))) handle->system->removeForce(i);
    return finished(std::move(handle));
  });
}
