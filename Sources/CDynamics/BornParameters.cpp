#include <openmm/reference/SimTKOpenMMRealType.h>

#include <cmath>
#include <mutex>

#include "ExpressionMatch.h"
#include "MoleculeParameters.h"
#include "Torsion.h"

namespace boltzmill {

namespace {

constexpr double bornOffset = 0.009;  // nm
constexpr double probeRadius = 0.14;  // nm

// The formulas of generalised Born that the kernel computes, as OpenMM's application layer and this library write them. A helper
// definition is inlined when a formula is read, so that its name and place do not matter.

const std::string descreening =
    "0.5*(1/inner-1/outer+0.25*(r-screened2^2/r)*(1/(outer^2)-1/(inner^2))+0.5*log(inner/outer)/r%), 0);"
    "outer=r+screened2; inner=max(rho1, gap); gap=abs(r-screened2)";
const std::string engulfment = "+2*(1/rho1-1/inner)*step(screened2-r-rho1)";

std::string descreeningPattern(bool engulfed) {
  std::string formula = "select(step(r+screened2-rho1), " + descreening;
  const size_t place = formula.find('%');
  return formula.replace(place, 1, engulfed ? engulfment : "");
}

const char *const radiusPatterns[] = {
    "1/(1/rho-tanh(K_linear*psi+K_cubic*psi^3)/radius); psi=integral*rho; radius=rho+K_offset",
    "1/(1/rho-tanh(psi-K_quadratic*psi^2+K_cubic*psi^3)/radius); psi=integral*rho; radius=rho+K_offset",
    "1/(1/rho-tanh(K_linear*psi-K_quadratic*psi^2+K_cubic*psi^3)/radius); psi=integral*rho; radius=rho+K_offset",
};

const std::string surfaceAlone = "K_surface*(radius+K_probe)^2*(radius/born)^6; radius=rho+K_offset";
const std::string selfAlone = "K_self*charge^2/born";
const std::string selfAndSurface =
    "K_self*charge^2/born+K_surface*(radius+K_probe)^2*(radius/born)^6; radius=rho+K_offset";

const std::string pairFormulas[] = {
    "K_pair*charge1*charge2/f",
    "K_pair*charge1*charge2*(1/f-K_shift)",
};
const std::string pairDistances[] = {
    "; f=sqrt(r^2+born1*born2*exp(-r^2/(4*born1*born2)))",
    "; f=sqrt(r^2+product*exp(-r^2/(4*product))); product=born1*born2",
};

bool isPairTerm(ExpressionMatch &match, const std::string &expression) {
  for (const std::string &formula : pairFormulas)
    for (const std::string &distance : pairDistances)
      if (match.matches(expression, formula + distance)) return true;
  return false;
}

}  // namespace

bool addBorn(MoleculeParameters &p, const OpenMM::GBSAOBCForce &force) {
  const bool cut = force.getNonbondedMethod() == OpenMM::GBSAOBCForce::CutoffNonPeriodic;
  if ((!cut && force.getNonbondedMethod() != OpenMM::GBSAOBCForce::NoCutoff) || p.hasBorn ||
      force.getNumParticles() != p.count)
    return false;
  p.makeBornRoom();
  if (cut) {
    p.hasCutoff = true;
    p.squaredBornCutoff = force.getCutoffDistance() * force.getCutoffDistance();
    p.bornShift = 1 / force.getCutoffDistance();
  }
  const double prefactor = -ONE_4PI_EPS0 * (1 / force.getSoluteDielectric() - 1 / force.getSolventDielectric());
  std::vector<double> charge(p.count);
  for (int i = 0; i < p.count; i++) {
    double radius, scale;
    force.getParticleParameters(i, charge[i], radius, scale);
    p.radius[i] = radius;
    p.offsetRadius[i] = radius - bornOffset;
    p.scaledRadius[i] = scale * p.offsetRadius[i];
    p.surface[i] = 4 * pi * force.getSurfaceAreaEnergy() * (radius + probeRadius) * (radius + probeRadius);
    p.bornSelf[i] = 0.5 * prefactor * charge[i] * charge[i];
    if (p.offsetRadius[i] <= 0) return false;
  }
  for (int i = 0; i < p.count; i++)
    for (int j = 0; j < p.count; j++) p.bornCharge[size_t(i) * p.width + j] = prefactor * charge[i] * charge[j];
  return true;
}

bool addBorn(MoleculeParameters &p, const OpenMM::CustomGBForce &force) {
  using OpenMM::CustomGBForce;
  const bool cut = force.getNonbondedMethod() == CustomGBForce::CutoffNonPeriodic;
  if ((!cut && force.getNonbondedMethod() != CustomGBForce::NoCutoff) || p.hasBorn ||
      force.getNumParticles() != p.count || force.getNumTabulatedFunctions() > 0 || force.getNumComputedValues() != 2)
    return false;

  std::map<std::string, double> globals;
  for (int i = 0; i < force.getNumGlobalParameters(); i++)
    globals[force.getGlobalParameterName(i)] = force.getGlobalParameterDefaultValue(i);
  std::vector<std::string> perParticle;
  for (int i = 0; i < force.getNumPerParticleParameters(); i++) perParticle.push_back(force.getPerParticleParameterName(i));
  // With exclusions, a sum over pairs is another one.
  auto overAllPairs = [&](CustomGBForce::ComputationType type) {
    return type == CustomGBForce::ParticlePairNoExclusions ||
           (type == CustomGBForce::ParticlePair && force.getNumExclusions() == 0);
  };

  std::string integral, born, integralFormula, bornFormula;
  CustomGBForce::ComputationType integralType, bornType;
  force.getComputedValueParameters(0, integral, integralFormula, integralType);
  force.getComputedValueParameters(1, born, bornFormula, bornType);
  if (!overAllPairs(integralType) || bornType != CustomGBForce::SingleParticle) return false;

  std::lock_guard<std::mutex> held(constructionLock());
  ExpressionMatch match({{"r", "r"}, {"integral", integral}, {"born", born}}, globals, perParticle);
  if (match.matches(integralFormula, descreeningPattern(false))) p.hasEngulfment = false;
  else if (!match.matches(integralFormula, descreeningPattern(true))) return false;
  bool known = false;
  for (const char *pattern : radiusPatterns) known = known || match.matches(bornFormula, pattern);
  if (!known) return false;

  bool hasSelf = false, hasSurface = false, hasPair = false;
  for (int i = 0; i < force.getNumEnergyTerms(); i++) {
    std::string formula;
    CustomGBForce::ComputationType type;
    force.getEnergyTermParameters(i, formula, type);
    bool *seen[2] = {nullptr, nullptr};
    if (type != CustomGBForce::SingleParticle) {
      if (overAllPairs(type) && isPairTerm(match, formula)) seen[0] = &hasPair;
    } else if (match.matches(formula, selfAlone)) {
      seen[0] = &hasSelf;
    } else if (match.matches(formula, surfaceAlone)) {
      seen[0] = &hasSurface;
    } else if (match.matches(formula, selfAndSurface)) {
      seen[0] = &hasSelf;
      seen[1] = &hasSurface;
    }
    if (!seen[0]) return false;
    for (bool *term : seen) {
      if (!term) continue;
      if (*term) return false;  // a second one of its kind
      *term = true;
    }
  }

  auto constant = [&](const char *name, double missing) { return match.hasConstant(name) ? match.constant(name) : missing; };
  const double offset = match.constant("K_offset"), probe = constant("K_probe", 0), surface = constant("K_surface", 0);
  const double pairs = constant("K_pair", 0), self = constant("K_self", 0);
  p.makeBornRoom();
  p.bornLinear = constant("K_linear", 1);
  p.bornQuadratic = constant("K_quadratic", 0);
  p.bornCubic = match.constant("K_cubic");
  p.bornShift = constant("K_shift", 0);
  if (cut) {
    p.hasCutoff = true;
    p.squaredBornCutoff = force.getCutoffDistance() * force.getCutoffDistance();
  }
  const int rhoAt = match.parameter("rho"), screenedAt = match.parameter("screened"), chargeAt = match.parameter("charge");
  if (rhoAt < 0 || screenedAt < 0) return false;
  std::vector<double> charge(p.count, 0);
  for (int i = 0; i < p.count; i++) {
    std::vector<double> values;
    force.getParticleParameters(i, values);
    const double rho = values[rhoAt], radius = rho + offset;
    if (!(rho > 0) || !(radius > 0) || !(values[screenedAt] > 0)) return false;
    if (chargeAt >= 0) charge[i] = values[chargeAt];
    p.radius[i] = radius;
    p.offsetRadius[i] = rho;
    p.scaledRadius[i] = values[screenedAt];
    p.surface[i] = surface * (radius + probe) * (radius + probe);
    p.bornSelf[i] = self * charge[i] * charge[i];
  }
  for (int i = 0; i < p.count; i++)
    for (int j = 0; j < p.count; j++) p.bornCharge[size_t(i) * p.width + j] = pairs * charge[i] * charge[j];
  return true;
}

}  // namespace boltzmill
