#include "Guard.h"

namespace boltzmill {

namespace {

/// Which particles are kept, and their numbers among those.
class Selection {
 public:
  Selection(int total, int32_t count, const int32_t *particles) : places(total, -1) {
    int last = -1;
    for (int32_t i = 0; i < count; i++) {
      if (particles[i] <= last || particles[i] >= total)
        throw Failure(BM_ERROR_ARGUMENT, "particle " + std::to_string(particles[i]) + " of a selection, where there are " +
                                             std::to_string(total) + " and they ascend");
      last = particles[i];
      places[last] = i;
    }
  }

  bool keeps(int particle) const { return places[particle] >= 0; }

  /// Renumbers the particles of a term. False where none is kept; fails where some are and others are not.
  bool take(const std::string &force, std::initializer_list<int *> term) const {
    int kept = 0;
    std::string names;
    for (int *particle : term) {
      kept += keeps(*particle);
      names += (names.empty() ? "" : ", ") + std::to_string(*particle);
    }
    if (kept == 0) return false;
    if (kept != static_cast<int>(term.size()))
      throw Failure(BM_ERROR_ARGUMENT, force + " joins particles that are kept with others that are not (" + names + ")");
    for (int *particle : term) *particle = places[*particle];
    return true;
  }

 private:
  std::vector<int> places;
};

template <class Force>
void addLike(OpenMM::System &system, const OpenMM::Force &original, std::unique_ptr<Force> force) {
  force->setName(original.getName());
  force->setForceGroup(original.getForceGroup());
  system.addForce(force.release());
}

void keepBonds(OpenMM::System &system, const OpenMM::HarmonicBondForce &all, const Selection &selection) {
  auto force = std::make_unique<OpenMM::HarmonicBondForce>();
  for (int i = 0; i < all.getNumBonds(); i++) {
    int a, b;
    double length, k;
    all.getBondParameters(i, a, b, length, k);
    if (selection.take(all.getName(), {&a, &b})) force->addBond(a, b, length, k);
  }
  addLike(system, all, std::move(force));
}

void keepAngles(OpenMM::System &system, const OpenMM::HarmonicAngleForce &all, const Selection &selection) {
  auto force = std::make_unique<OpenMM::HarmonicAngleForce>();
  for (int i = 0; i < all.getNumAngles(); i++) {
    int a, b, c;
    double angle, k;
    all.getAngleParameters(i, a, b, c, angle, k);
    if (selection.take(all.getName(), {&a, &b, &c})) force->addAngle(a, b, c, angle, k);
  }
  addLike(system, all, std::move(force));
}

void keepTorsions(OpenMM::System &system, const OpenMM::PeriodicTorsionForce &all, const Selection &selection) {
  auto force = std::make_unique<OpenMM::PeriodicTorsionForce>();
  for (int i = 0; i < all.getNumTorsions(); i++) {
    int a, b, c, d, periodicity;
    double phase, k;
    all.getTorsionParameters(i, a, b, c, d, periodicity, phase, k);
    if (selection.take(all.getName(), {&a, &b, &c, &d})) force->addTorsion(a, b, c, d, periodicity, phase, k);
  }
  addLike(system, all, std::move(force));
}

void keepTorsions(OpenMM::System &system, const OpenMM::RBTorsionForce &all, const Selection &selection) {
  auto force = std::make_unique<OpenMM::RBTorsionForce>();
  for (int i = 0; i < all.getNumTorsions(); i++) {
    int a, b, c, d;
    double k[6];
    all.getTorsionParameters(i, a, b, c, d, k[0], k[1], k[2], k[3], k[4], k[5]);
    if (selection.take(all.getName(), {&a, &b, &c, &d})) force->addTorsion(a, b, c, d, k[0], k[1], k[2], k[3], k[4], k[5]);
  }
  addLike(system, all, std::move(force));
}

void keepMaps(OpenMM::System &system, const OpenMM::CMAPTorsionForce &all, const Selection &selection) {
  auto force = std::make_unique<OpenMM::CMAPTorsionForce>();
  for (int i = 0; i < all.getNumMaps(); i++) {
    int size;
    std::vector<double> energy;
    all.getMapParameters(i, size, energy);
    force->addMap(size, energy);
  }
  for (int i = 0; i < all.getNumTorsions(); i++) {
    int map, a[8];
    all.getTorsionParameters(i, map, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
    if (selection.take(all.getName(), {a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7}))
      force->addTorsion(map, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
  }
  addLike(system, all, std::move(force));
}

void keepNonbonded(OpenMM::System &system, const OpenMM::NonbondedForce &all, const Selection &selection) {
  using OpenMM::NonbondedForce;
  auto force = std::make_unique<NonbondedForce>();
  if (all.getNonbondedMethod() == NonbondedForce::CutoffNonPeriodic) {
    force->setNonbondedMethod(NonbondedForce::CutoffNonPeriodic);
    force->setCutoffDistance(all.getCutoffDistance());
    force->setReactionFieldDielectric(all.getReactionFieldDielectric());
    force->setUseSwitchingFunction(all.getUseSwitchingFunction());
    force->setSwitchingDistance(all.getSwitchingDistance());
  } else {
    force->setNonbondedMethod(NonbondedForce::NoCutoff);
  }
  for (int i = 0; i < all.getNumParticles(); i++) {
    double charge, sigma, epsilon;
    all.getParticleParameters(i, charge, sigma, epsilon);
    if (selection.keeps(i)) force->addParticle(charge, sigma, epsilon);
  }
  std::vector<int> places(all.getNumExceptions(), -1);
  for (int i = 0; i < all.getNumExceptions(); i++) {
    int a, b;
    double product, sigma, epsilon;
    all.getExceptionParameters(i, a, b, product, sigma, epsilon);
    // a pair with one particle that is left out is left out itself
    if (!selection.keeps(a) || !selection.keeps(b)) continue;
    selection.take(all.getName(), {&a, &b});
    places[i] = force->addException(a, b, product, sigma, epsilon);
  }
  for (int i = 0; i < all.getNumGlobalParameters(); i++)
    force->addGlobalParameter(all.getGlobalParameterName(i), all.getGlobalParameterDefaultValue(i));
  for (int i = 0; i < all.getNumParticleParameterOffsets(); i++) {
    std::string name;
    int particle;
    double charge, sigma, epsilon;
    all.getParticleParameterOffset(i, name, particle, charge, sigma, epsilon);
    if (selection.take(all.getName(), {&particle})) force->addParticleParameterOffset(name, particle, charge, sigma, epsilon);
  }
  for (int i = 0; i < all.getNumExceptionParameterOffsets(); i++) {
    std::string name;
    int exception;
    double product, sigma, epsilon;
    all.getExceptionParameterOffset(i, name, exception, product, sigma, epsilon);
    if (places[exception] >= 0) force->addExceptionParameterOffset(name, places[exception], product, sigma, epsilon);
  }
  addLike(system, all, std::move(force));
}

void keepBorn(OpenMM::System &system, const OpenMM::GBSAOBCForce &all, const Selection &selection) {
  using OpenMM::GBSAOBCForce;
  auto force = std::make_unique<GBSAOBCForce>();
  force->setSoluteDielectric(all.getSoluteDielectric());
  force->setSolventDielectric(all.getSolventDielectric());
  force->setSurfaceAreaEnergy(all.getSurfaceAreaEnergy());
  if (all.getNonbondedMethod() == GBSAOBCForce::CutoffNonPeriodic) {
    force->setNonbondedMethod(GBSAOBCForce::CutoffNonPeriodic);
    force->setCutoffDistance(all.getCutoffDistance());
  }
  for (int i = 0; i < all.getNumParticles(); i++) {
    double charge, radius, scale;
    all.getParticleParameters(i, charge, radius, scale);
    if (selection.keeps(i)) force->addParticle(charge, radius, scale);
  }
  addLike(system, all, std::move(force));
}

/// Terms of the forces with terms of their own making: true where none touches a particle that is kept.
bool isElsewhere(const OpenMM::Force &force, const Selection &selection) {
  std::vector<double> unused;
  if (auto *bonds = dynamic_cast<const OpenMM::CustomBondForce *>(&force)) {
    for (int i = 0; i < bonds->getNumBonds(); i++) {
      int a, b;
      bonds->getBondParameters(i, a, b, unused);
      if (selection.keeps(a) || selection.keeps(b)) return false;
    }
    return true;
  }
  if (auto *angles = dynamic_cast<const OpenMM::CustomAngleForce *>(&force)) {
    for (int i = 0; i < angles->getNumAngles(); i++) {
      int a, b, c;
      angles->getAngleParameters(i, a, b, c, unused);
      if (selection.keeps(a) || selection.keeps(b) || selection.keeps(c)) return false;
    }
    return true;
  }
  if (auto *torsions = dynamic_cast<const OpenMM::CustomTorsionForce *>(&force)) {
    for (int i = 0; i < torsions->getNumTorsions(); i++) {
      int a, b, c, d;
      torsions->getTorsionParameters(i, a, b, c, d, unused);
      if (selection.keeps(a) || selection.keeps(b) || selection.keeps(c) || selection.keeps(d)) return false;
    }
    return true;
  }
  if (auto *places = dynamic_cast<const OpenMM::CustomExternalForce *>(&force)) {
    for (int i = 0; i < places->getNumParticles(); i++) {
      int a;
      places->getParticleParameters(i, a, unused);
      if (selection.keeps(a)) return false;
    }
    return true;
  }
  return false;
}

bool isIdle(const OpenMM::Force &force) {
  return dynamic_cast<const OpenMM::CMMotionRemover *>(&force) != nullptr ||
         dynamic_cast<const OpenMM::MonteCarloBarostat *>(&force) != nullptr ||
         dynamic_cast<const OpenMM::MonteCarloAnisotropicBarostat *>(&force) != nullptr ||
         dynamic_cast<const OpenMM::MonteCarloMembraneBarostat *>(&force) != nullptr ||
         dynamic_cast<const OpenMM::AndersenThermostat *>(&force) != nullptr;
}

void keepForce(OpenMM::System &system, const OpenMM::Force &force, const Selection &selection) {
  if (auto *bonds = dynamic_cast<const OpenMM::HarmonicBondForce *>(&force)) return keepBonds(system, *bonds, selection);
  if (auto *angles = dynamic_cast<const OpenMM::HarmonicAngleForce *>(&force)) return keepAngles(system, *angles, selection);
  if (auto *torsions = dynamic_cast<const OpenMM::PeriodicTorsionForce *>(&force))
    return keepTorsions(system, *torsions, selection);
  if (auto *torsions = dynamic_cast<const OpenMM::RBTorsionForce *>(&force)) return keepTorsions(system, *torsions, selection);
  if (auto *maps = dynamic_cast<const OpenMM::CMAPTorsionForce *>(&force)) return keepMaps(system, *maps, selection);
  if (auto *pairs = dynamic_cast<const OpenMM::NonbondedForce *>(&force)) return keepNonbonded(system, *pairs, selection);
  if (auto *born = dynamic_cast<const OpenMM::GBSAOBCForce *>(&force)) return keepBorn(system, *born, selection);
  if (isIdle(force) || isElsewhere(force, selection)) return;
  throw Failure(BM_ERROR_ARGUMENT, "the System's " + force.getName() +
                                       " cannot be reduced to some of its particles; make a System of the molecule alone");
}

}  // namespace

std::shared_ptr<OpenMM::System> systemKeeping(const OpenMM::System &all, int32_t count, const int32_t *particles) {
  const Selection selection(all.getNumParticles(), count, particles);
  auto system = std::make_shared<OpenMM::System>();
  for (int i = 0; i < all.getNumParticles(); i++) {
    if (!selection.keeps(i)) continue;
    if (all.isVirtualSite(i))
      throw Failure(BM_ERROR_ARGUMENT, "particle " + std::to_string(i) + " is a virtual site, which the molecule cannot have");
    system->addParticle(all.getParticleMass(i));
  }
  for (int i = 0; i < all.getNumConstraints(); i++) {
    int a, b;
    double distance;
    all.getConstraintParameters(i, a, b, distance);
    if (selection.take("a constraint", {&a, &b})) system->addConstraint(a, b, distance);
  }
  for (int i = 0; i < all.getNumForces(); i++) keepForce(*system, all.getForce(i), selection);
  return system;
}

}  // namespace boltzmill

using namespace boltzmill;

bm_system *bm_system_keeping(const bm_system *system, int32_t count, const int32_t *particles) {
  return guardedHandle<bm_system>([&] {
    auto handle = std::make_unique<bm_system>();
    handle->system = systemKeeping(*system->system, count, particles);
    return finished(std::move(handle));
  });
}

int64_t bm_system_bonds(const bm_system *system, int32_t *pairs, double *lengths) {
  int64_t count = 0;
  auto add = [&](int a, int b, double length) {
    if (pairs != nullptr && lengths != nullptr) {
      pairs[2 * count] = a;
      pairs[2 * count + 1] = b;
      lengths[count] = length;
    }
    count++;
  };
  const OpenMM::System &all = *system->system;
  for (int f = 0; f < all.getNumForces(); f++) {
    auto *bonds = dynamic_cast<const OpenMM::HarmonicBondForce *>(&all.getForce(f));
    if (bonds == nullptr) continue;
    for (int i = 0; i < bonds->getNumBonds(); i++) {
      int a, b;
      double length, k;
      bonds->getBondParameters(i, a, b, length, k);
      if (k != 0) add(a, b, length);
    }
  }
  for (int i = 0; i < all.getNumConstraints(); i++) {
    int a, b;
    double distance;
    all.getConstraintParameters(i, a, b, distance);
    add(a, b, distance);
  }
  return count;
}

int32_t bm_system_is_periodic(const bm_system *system) {
  try {
    return system->system->usesPeriodicBoundaryConditions() ? 1 : 0;
  } catch (const std::exception &) {
    return 0;  // a force that does not say
  }
}
