#include <openmm/reference/SimTKOpenMMRealType.h>

#include <algorithm>
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

/// The same with the neck correction.
const std::string neckPattern =
    "select(step(r+screened2-rho1), 0.5*(1/inner-1/outer+0.25*(r-screened2^2/r)*(1/(outer^2)-1/(inner^2))"
    "+0.5*log(inner/outer)/r), 0)+K_neck*(step(radius1+radius2+K_reach-r)*neckHeight(index1,index2)"
    "/(1+100*(r-neckDistance(index1,index2))^2+0.3*1000000*(r-neckDistance(index1,index2))^6));"
    "outer=r+screened2; inner=max(rho1, gap); gap=abs(r-screened2); radius1=rho1+K_offset; radius2=rho2+K_offset";

const char *const plainRadiusPattern = "1/(1/rho-integral)";
const char *const shapedRadiusPattern =
    "1/(1/rho-tanh(alpha*psi-beta*psi^2+gamma*psi^3)/radius); psi=integral*rho; radius=rho+K_offset";

const char *const radiusPatterns[] = {
    "1/(1/rho-tanh(K_linear*psi+K_cubic*psi^3)/radius); psi=integral*rho; radius=rho+K_offset",
    "1/(1/rho-tanh(psi-K_quadratic*psi^2+K_cubic*psi^3)/radius); psi=integral*rho; radius=rho+K_offset",
    "1/(1/rho-tanh(K_linear*psi-K_quadratic*psi^2+K_cubic*psi^3)/radius); psi=integral*rho; radius=rho+K_offset",
};

const std::string surfaceAlone = "K_surface*(radius+K_probe)^2*(radius/born)^6; radius=rho+K_offset";
const std::string selfAlone = "K_self*charge^2/born";
const std::string selfAndSurface =
    "K_self*charge^2/born+K_surface*(radius+K_probe)^2*(radius/born)^6; radius=rho+K_offset";

const std::string selfInSalt = "K_self*(K_inside-exp(-K_kappa*born)/K_outside)*charge^2/born";
const std::string pairInSalt = "K_pair*(K_inside-exp(-K_kappa*f)/K_outside)*charge1*charge2/f";

const std::string pairFormulas[] = {
    "K_pair*charge1*charge2/f",
    "K_pair*charge1*charge2*(1/f-K_shift)",
};
const std::string pairDistances[] = {
    "; f=sqrt(r^2+born1*born2*exp(-r^2/(4*born1*born2)))",
    "; f=sqrt(r^2+product*exp(-r^2/(4*product))); product=born1*born2",
};

bool isPairInSalt(ExpressionMatch &match, const std::string &expression) {
  for (const std::string &distance : pairDistances)
    if (match.matches(expression, pairInSalt + distance)) return true;
  return false;
}

bool isPairTerm(ExpressionMatch &match, const std::string &expression) {
  for (const std::string &formula : pairFormulas)
    for (const std::string &distance : pairDistances)
      if (match.matches(expression, formula + distance)) return true;
  return false;
}

/// The values of a table for all pairs of particles, times a factor; false where a particle's index is none of the table's.
bool readNeck(const MoleculeParameters &p, std::vector<double> &values, const OpenMM::Discrete2DFunction &table,
              const std::vector<int> &index, double factor) {
  int rows, columns;
  std::vector<double> entries;
  table.getFunctionParameters(rows, columns, entries);
  values.assign(size_t(p.count) * p.width, 0);
  for (int i = 0; i < p.count; i++)
    for (int j = 0; j < p.count; j++) {
      if (i == j) continue;
      if (index[i] < 0 || index[i] >= rows || index[j] < 0 || index[j] >= columns) return false;
      values[size_t(i) * p.width + j] = factor * entries[size_t(index[i]) + size_t(index[j]) * rows];
    }
  return true;
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
      force.getNumParticles() != p.count || force.getNumComputedValues() != 2)
    return false;
  std::vector<std::string> functions;
  std::vector<const OpenMM::Discrete2DFunction *> tables;
  for (int i = 0; i < force.getNumTabulatedFunctions(); i++) {
    tables.push_back(dynamic_cast<const OpenMM::Discrete2DFunction *>(&force.getTabulatedFunction(i)));
    functions.push_back(force.getTabulatedFunctionName(i));
    if (!tables.back()) return false;
  }

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
  ExpressionMatch match({{"r", "r"}, {"integral", integral}, {"born", born}}, globals, perParticle, functions);
  p.hasNeck = match.matches(integralFormula, neckPattern);
  if (p.hasNeck || match.matches(integralFormula, descreeningPattern(false))) p.hasEngulfment = false;
  else if (!match.matches(integralFormula, descreeningPattern(true))) return false;
  if (p.hasNeck && cut) return false;
  p.isPlainRadius = match.matches(bornFormula, plainRadiusPattern);
  p.hasShapes = match.matches(bornFormula, shapedRadiusPattern);
  bool known = p.isPlainRadius || p.hasShapes;
  for (const char *pattern : radiusPatterns) known = known || match.matches(bornFormula, pattern);
  if (!known) return false;

  bool hasSelf = false, hasSurface = false, hasPair = false, isSelfInSalt = false;
  for (int i = 0; i < force.getNumEnergyTerms(); i++) {
    std::string formula;
    CustomGBForce::ComputationType type;
    force.getEnergyTermParameters(i, formula, type);
    bool *seen[2] = {nullptr, nullptr};
    if (type != CustomGBForce::SingleParticle) {
      if (overAllPairs(type) && isPairTerm(match, formula)) seen[0] = &hasPair;
      else if (overAllPairs(type) && !cut && isPairInSalt(match, formula)) {
        seen[0] = &hasPair;
        p.hasSalt = true;
      }
    } else if (match.matches(formula, selfAlone)) {
      seen[0] = &hasSelf;
    } else if (!cut && match.matches(formula, selfInSalt)) {
      seen[0] = &hasSelf;
      isSelfInSalt = true;
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

  if (hasSelf && hasPair && isSelfInSalt != p.hasSalt) return false;
  if (isSelfInSalt && !hasPair) return false;

  auto constant = [&](const char *name, double missing) { return match.hasConstant(name) ? match.constant(name) : missing; };
  const double offset = constant("K_offset", bornOffset), probe = constant("K_probe", 0), surface = constant("K_surface", 0);
  const double pairs = constant("K_pair", 0), self = constant("K_self", 0);
  p.makeBornRoom();
  p.bornLinear = constant("K_linear", 1);
  p.bornQuadratic = constant("K_quadratic", 0);
  p.bornCubic = constant("K_cubic", 0);
  p.bornShift = constant("K_shift", 0);
  if (cut) {
    p.hasCutoff = true;
    p.squaredBornCutoff = force.getCutoffDistance() * force.getCutoffDistance();
  }
  const int rhoAt = match.parameter("rho"), screenedAt = match.parameter("screened"), chargeAt = match.parameter("charge");
  const int shapeAt[3] = {match.parameter("alpha"), match.parameter("beta"), match.parameter("gamma")};
  const int indexAt = match.parameter("index");
  if (rhoAt < 0 || screenedAt < 0 || (p.hasNeck && indexAt < 0)) return false;
  if (p.hasShapes) {
    if (std::min({shapeAt[0], shapeAt[1], shapeAt[2]}) < 0) return false;
    for (auto *list : {&p.linear, &p.quadratic, &p.cubic}) list->assign(p.width, 0);
  }
  if (p.hasSalt) {
    p.kappa = constant("K_kappa", 0);
    p.saltInside = constant("K_inside", 1);
    p.saltOutside = 1 / constant("K_outside", 1);
  }
  std::vector<int> index(p.count, 0);
  std::vector<double> charge(p.count, 0);
  for (int i = 0; i < p.count; i++) {
    std::vector<double> values;
    force.getParticleParameters(i, values);
    const double rho = values[rhoAt], radius = rho + offset;
    // a negative screening factor, as GBn2 has for sulfur, is covered; between particles that overlap it is left to OpenMM
    if (!(rho > 0) || !(radius > 0) || !(p.hasNeck || values[screenedAt] > 0)) return false;
    if (p.hasShapes) {
      p.linear[i] = values[shapeAt[0]];
      p.quadratic[i] = values[shapeAt[1]];
      p.cubic[i] = values[shapeAt[2]];
    }
    if (p.hasNeck) index[i] = int(std::lround(values[indexAt]));
    if (chargeAt >= 0) charge[i] = values[chargeAt];
    p.radius[i] = radius;
    p.offsetRadius[i] = rho;
    p.scaledRadius[i] = values[screenedAt];
    p.surface[i] = surface * (radius + probe) * (radius + probe);
    p.bornSelf[i] = self * charge[i] * charge[i];
  }
  for (int i = 0; i < p.count; i++)
    for (int j = 0; j < p.count; j++) p.bornCharge[size_t(i) * p.width + j] = pairs * charge[i] * charge[j];
  if (p.hasNeck) {
    p.neckReach = constant("K_reach", 0);
    const int distanceAt = match.function("neckDistance"), heightAt = match.function("neckHeight");
    if (distanceAt < 0 || heightAt < 0) return false;
    return readNeck(p, p.neckDistance, *tables[distanceAt], index, 1) &&
           readNeck(p, p.neckHeight, *tables[heightAt], index, constant("K_neck", 1));
  }
  return true;
}

}  // namespace boltzmill
