#include "MoleculeParameters.h"

#include <openmm/internal/CMAPTorsionForceImpl.h>
#include <openmm/reference/SimTKOpenMMRealType.h>

#include <array>
#include <cmath>
#include <map>


namespace boltzmill {

namespace {

constexpr int largestMolecule = 256;  // above, pairs no longer fit the caches that the kernel counts on

/// The vector that takes the next term, and the lane. A new vector's lanes all get the atoms of its first term.
template <class Vectors, size_t size>
std::pair<typename Vectors::value_type &, int> place(Vectors &vectors, size_t count, const std::array<int, size> &atoms) {
  const int lane = int(count % lanes);
  if (lane == 0) vectors.push_back({});
  auto &vector = vectors.back();
  for (size_t k = 0; k < size; k++)
    for (int l = lane; l < lanes; l++) vector.atoms[k][l] = atoms[k];
  return {vector, lane};
}

bool add(MoleculeParameters &p, const OpenMM::HarmonicBondForce &force) {
  if (force.usesPeriodicBoundaryConditions() || !p.bonds.empty()) return false;
  for (int i = 0; i < force.getNumBonds(); i++) {
    std::array<int, 2> atoms;
    double length, k;
    force.getBondParameters(i, atoms[0], atoms[1], length, k);
    const auto [vector, lane] = place(p.bonds, i, atoms);
    vector.length[lane] = length;
    vector.forceConstant[lane] = k;
  }
  return true;
}

bool add(MoleculeParameters &p, const OpenMM::HarmonicAngleForce &force) {
  if (force.usesPeriodicBoundaryConditions() || !p.angles.empty()) return false;
  for (int i = 0; i < force.getNumAngles(); i++) {
    std::array<int, 3> atoms;
    double angle, k;
    force.getAngleParameters(i, atoms[0], atoms[1], atoms[2], angle, k);
    const auto [vector, lane] = place(p.angles, i, atoms);
    vector.angle[lane] = angle;
    vector.forceConstant[lane] = k;
  }
  return true;
}

bool add(MoleculeParameters &p, const OpenMM::PeriodicTorsionForce &force) {
  if (force.usesPeriodicBoundaryConditions() || !p.torsions.empty()) return false;
  std::map<std::array<int, 4>, size_t> known;
  for (int i = 0; i < force.getNumTorsions(); i++) {
    std::array<int, 4> atoms;
    int periodicity;
    double phase, k;
    force.getTorsionParameters(i, atoms[0], atoms[1], atoms[2], atoms[3], periodicity, phase, k);
    if (periodicity < 0 || periodicity > MoleculeParameters::Torsions::largestPeriodicity) return false;
    if (k == 0) continue;
    const auto [entry, isNew] = known.emplace(atoms, known.size());
    if (isNew) place(p.torsions, entry->second, atoms);
    MoleculeParameters::Torsions &vector = p.torsions[entry->second / lanes];
    const size_t lane = entry->second % lanes;
    vector.constant[lane] += k;
    vector.cosine[periodicity][lane] += k * std::cos(phase);
    vector.sine[periodicity][lane] += k * std::sin(phase);
    vector.periodicity = std::max(vector.periodicity, periodicity);
  }
  return true;
}

bool add(MoleculeParameters &p, const OpenMM::NonbondedForce &force) {
  const bool cut = force.getNonbondedMethod() == OpenMM::NonbondedForce::CutoffNonPeriodic;
  if ((!cut && force.getNonbondedMethod() != OpenMM::NonbondedForce::NoCutoff) || force.getNumGlobalParameters() > 0 ||
      !p.coulomb.empty() || force.getNumParticles() != p.count)
    return false;
  const size_t size = size_t(p.count) * p.width;
  if (cut) {
    if (force.getUseSwitchingFunction()) return false;
    const double cutoff = force.getCutoffDistance(), dielectric = force.getReactionFieldDielectric();
    p.hasCutoff = true;
    p.squaredCutoff = cutoff * cutoff;
    p.fieldK = (dielectric - 1) / (2 * dielectric + 1) / (cutoff * cutoff * cutoff);
    p.fieldC = 3 * dielectric / (2 * dielectric + 1) / cutoff;
    p.isCut = p.isPair;
  }
  p.coulomb.assign(size, 0);
  p.c6.assign(size, 0);
  p.c12.assign(size, 0);
  auto set = [&](int i, int j, double charges, double sigma, double epsilon) {
    const double s6 = std::pow(sigma, 6);
    for (const size_t at : {size_t(i) * p.width + j, size_t(j) * p.width + i}) {
      p.coulomb[at] = ONE_4PI_EPS0 * charges;
      p.c6[at] = 4 * epsilon * s6;
      p.c12[at] = 4 * epsilon * s6 * s6;
    }
  };
  std::vector<double> charge(p.count), sigma(p.count), epsilon(p.count);
  for (int i = 0; i < p.count; i++) {
    force.getParticleParameters(i, charge[i], sigma[i], epsilon[i]);
    for (int j = 0; j < i; j++)
      set(i, j, charge[i] * charge[j], 0.5 * (sigma[i] + sigma[j]), std::sqrt(epsilon[i] * epsilon[j]));
  }
  for (int e = 0; e < force.getNumExceptions(); e++) {
    int i, j;
    double charges, s, eps;
    force.getExceptionParameters(e, i, j, charges, s, eps);
    set(i, j, charges, s, eps);
    if (cut) p.isCut[size_t(i) * p.width + j] = p.isCut[size_t(j) * p.width + i] = 0;
  }
  return true;
}

bool add(MoleculeParameters &p, const OpenMM::CMAPTorsionForce &force) {
  if (force.usesPeriodicBoundaryConditions() || !p.maps.empty()) return false;
  for (int m = 0; m < force.getNumMaps(); m++) {
    MoleculeParameters::Map map;
    std::vector<double> energies;
    force.getMapParameters(m, map.size, energies);
    std::vector<std::vector<double>> patches;
    OpenMM::CMAPTorsionForceImpl::calcMapDerivatives(map.size, energies, patches);
    for (const auto &patch : patches) map.coefficients.insert(map.coefficients.end(), patch.begin(), patch.end());
    p.maps.push_back(std::move(map));
  }
  for (int t = 0; t < force.getNumTorsions(); t++) {
    MoleculeParameters::MappedTorsions term;
    int *a = term.first, *b = term.second;
    force.getTorsionParameters(t, term.map, a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]);
    p.mapped.push_back(term);
  }
  return true;
}

bool add(MoleculeParameters &p, const OpenMM::Force &force) {
  if (auto *known = dynamic_cast<const OpenMM::HarmonicBondForce *>(&force)) return add(p, *known);
  if (auto *known = dynamic_cast<const OpenMM::HarmonicAngleForce *>(&force)) return add(p, *known);
  if (auto *known = dynamic_cast<const OpenMM::PeriodicTorsionForce *>(&force)) return add(p, *known);
  if (auto *known = dynamic_cast<const OpenMM::CMAPTorsionForce *>(&force)) return add(p, *known);
  if (auto *known = dynamic_cast<const OpenMM::NonbondedForce *>(&force)) return add(p, *known);
  if (auto *known = dynamic_cast<const OpenMM::GBSAOBCForce *>(&force)) return addBorn(p, *known);
  if (auto *known = dynamic_cast<const OpenMM::CustomGBForce *>(&force)) return addBorn(p, *known);
  // It removes the drift of the whole, which neither an internal torsion nor a thermostat on every particle needs.
  return dynamic_cast<const OpenMM::CMMotionRemover *>(&force) != nullptr;
}

}  // namespace

std::shared_ptr<const MoleculeParameters> moleculeParameters(const OpenMM::System &system, std::string *why) {
  auto refuse = [why](const std::string &reason) {
    if (why) *why = reason;
    return nullptr;
  };
  auto p = std::make_shared<MoleculeParameters>();
  p->count = system.getNumParticles();
  if (p->count < 2 || p->count > largestMolecule)
    return refuse("the System has " + std::to_string(p->count) + " particles, where 2 to " + std::to_string(largestMolecule) + " will do");
  p->width = (p->count + lanes - 1) / lanes * lanes;
  p->isPair.assign(size_t(p->count) * p->width, 0);
  for (int i = 0; i < p->count; i++)
    for (int j = 0; j < p->count; j++) p->isPair[size_t(i) * p->width + j] = i != j;
  for (int i = 0; i < system.getNumForces(); i++)
    if (!add(*p, system.getForce(i))) return refuse("it does not know the System's " + system.getForce(i).getName() + ", or one of its settings");
  if (p->coulomb.empty()) return refuse("the System has no NonbondedForce");
  return p;
}

}  // namespace boltzmill
