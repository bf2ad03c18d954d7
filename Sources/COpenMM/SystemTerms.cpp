#include "GeneralisedBorn.h"

namespace boltzmill {

std::shared_ptr<OpenMM::System> systemFromTerms(const bm_system_terms &terms) {
  auto system = std::make_shared<OpenMM::System>();
  for (int i = 0; i < terms.particles; i++) system->addParticle(terms.masses[i]);

  auto bonds = std::make_unique<OpenMM::HarmonicBondForce>();
  for (int i = 0; i < terms.bonds; i++) {
    const int32_t *atoms = terms.bond_atoms + 2 * i;
    bonds->addBond(atoms[0], atoms[1], terms.bond_parameters[2 * i], terms.bond_parameters[2 * i + 1]);
  }
  system->addForce(bonds.release());

  auto angles = std::make_unique<OpenMM::HarmonicAngleForce>();
  for (int i = 0; i < terms.angles; i++) {
    const int32_t *atoms = terms.angle_atoms + 3 * i;
    angles->addAngle(atoms[0], atoms[1], atoms[2], terms.angle_parameters[2 * i], terms.angle_parameters[2 * i + 1]);
  }
  system->addForce(angles.release());

  addTorsions(*system, terms.torsions, terms.torsion_atoms, terms.torsion_parameters);

  auto nonbonded = std::make_unique<OpenMM::NonbondedForce>();
  nonbonded->setNonbondedMethod(OpenMM::NonbondedForce::NoCutoff);
  for (int i = 0; i < terms.particles; i++) nonbonded->addParticle(terms.charges[i], terms.sigmas[i], terms.epsilons[i]);
  for (int i = 0; i < terms.exceptions; i++) {
    const int32_t *atoms = terms.exception_atoms + 2 * i;
    const double *parameters = terms.exception_parameters + 3 * i;
    nonbonded->addException(atoms[0], atoms[1], parameters[0], parameters[1], parameters[2]);
  }
  system->addForce(nonbonded.release());

  if (terms.maps > 0) {
    auto force = std::make_unique<OpenMM::CMAPTorsionForce>();
    const double *energies = terms.map_energies;
    for (int i = 0; i < terms.maps; i++) {
      const int size = terms.map_sizes[i];
      force->addMap(size, std::vector<double>(energies, energies + size * size));
      energies += size * size;
    }
    for (int i = 0; i < terms.mapped; i++) {
      const int32_t *a = terms.mapped_atoms + 9 * i;
      force->addTorsion(a[8], a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
    }
    system->addForce(force.release());
  }
  if (auto born = makeGeneralisedBorn(terms)) system->addForce(born.release());
  return system;
}

void addTorsions(OpenMM::System &system, int32_t count, const int32_t *atoms, const double *parameters) {
  OpenMM::PeriodicTorsionForce *torsions = nullptr;
  for (int i = 0; i < system.getNumForces() && torsions == nullptr; i++)
    torsions = dynamic_cast<OpenMM::PeriodicTorsionForce *>(&system.getForce(i));
  if (torsions == nullptr) system.addForce(torsions = new OpenMM::PeriodicTorsionForce());
  for (int i = 0; i < count; i++) {
    const int32_t *a = atoms + 5 * i;
    torsions->addTorsion(a[0], a[1], a[2], a[3], a[4], parameters[2 * i], parameters[2 * i + 1]);
  }
}

}  // namespace boltzmill
