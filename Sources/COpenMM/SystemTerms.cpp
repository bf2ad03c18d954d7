#include "Guard.h"

namespace boltzmill {

namespace {

/// The solvation model of OBC1, igb = 2 of AMBER, which OpenMM has no force of its own for: pairwise descreening after
/// Hawkins, Cramer and Truhlar, Born radii and parameters after Onufriev, Bashford and Case, Proteins 55, 383 (2004), and a
/// surface term after Schaefer, Bartels and Karplus, J. Mol. Biol. 284, 835 (1998), as the built-in force of OBC2 has it.
/// `rho`: radius less the offset of 0.009 nm; `screened`: that times the screening factor.
OpenMM::CustomGBForce *makeOBC1(const bm_system_terms &terms) {
  using OpenMM::CustomGBForce;
  constexpr double offset = 0.009;  // nm
  auto force = std::make_unique<CustomGBForce>();
  force->setName("OBC1Force");
  for (const char *name : {"charge", "rho", "screened"}) force->addPerParticleParameter(name);
  // the field's constant in kJ nm/mol/e^2; dielectric constants 1 within and 78.5 around
  const std::string constants = "; offset=0.009; coulomb=138.935485*(1-1/78.5)";
  force->addComputedValue("integral",
                          "select(step(outer-rho1), 0.5*(1/inner-1/outer+0.25*(r-screened2^2/r)*(1/outer^2-1/inner^2)"
                          "+0.5*log(inner/outer)/r), 0);"
                          "inner=max(rho1, abs(r-screened2)); outer=r+screened2",
                          CustomGBForce::ParticlePairNoExclusions);
  force->addComputedValue("born",
                          "1/(1/rho-tanh(0.8*psi+2.909125*psi^3)/radius); psi=integral*rho; radius=rho+offset" + constants,
                          CustomGBForce::SingleParticle);
  force->addEnergyTerm("-0.5*coulomb*charge^2/born+28.3919551*(radius+0.14)^2*(radius/born)^6; radius=rho+offset" + constants,
                       CustomGBForce::SingleParticle);
  force->addEnergyTerm("-coulomb*charge1*charge2/sqrt(r^2+product*exp(-r^2/(4*product))); product=born1*born2" + constants,
                       CustomGBForce::ParticlePairNoExclusions);
  for (int i = 0; i < terms.particles; i++) {
    const double rho = terms.born_radii[i] - offset;
    force->addParticle({terms.charges[i], rho, terms.born_screens[i] * rho});
  }
  return force.release();
}

OpenMM::GBSAOBCForce *makeOBC2(const bm_system_terms &terms) {
  auto force = std::make_unique<OpenMM::GBSAOBCForce>();
  force->setSoluteDielectric(1);
  force->setSolventDielectric(78.5);
  for (int i = 0; i < terms.particles; i++) force->addParticle(terms.charges[i], terms.born_radii[i], terms.born_screens[i]);
  return force.release();
}

}  // namespace

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

  if (terms.born == 1) system->addForce(makeOBC1(terms));
  if (terms.born == 2) system->addForce(makeOBC2(terms));
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
