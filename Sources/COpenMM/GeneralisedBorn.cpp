#include "GeneralisedBorn.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace boltzmill {

namespace {

using OpenMM::CustomGBForce;

/// What tells one model from another; lengths in nm.
struct Model {
  const char *name;
  double offset;       // of radii
  double neck;         // share of the neck correction; 0: none
  const char *radius;  // the Born radius, of `integral`, `psi`, `rho` and `radius`
};

/// Pairwise descreening after Hawkins, Cramer and Truhlar, J. Phys. Chem. 100, 19824 (1996), is common to all; radii of OBC1 and OBC2 after
/// Onufriev, Bashford and Case, Proteins 55, 383 (2004); necks after Mongan et al., J. Chem. Theory Comput. 3, 156 (2007), the parameters
/// of GBn2 after Nguyen, Roe and Simmerling, J. Chem. Theory Comput. 9, 2020 (2013). AMBER calls them igb = 1, 2, 5, 7, 8.
Model modelNamed(int32_t born) {
  switch (born) {
    case BM_BORN_HCT: return {"HCTForce", 0.009, 0, "1/(1/rho-integral)"};
    case BM_BORN_OBC1: return {"OBC1Force", 0.009, 0, "1/(1/rho-tanh(0.8*psi+2.909125*psi^3)/radius)"};
    case BM_BORN_OBC2: return {"OBC2Force", 0.009, 0, "1/(1/rho-tanh(psi-0.8*psi^2+4.85*psi^3)/radius)"};
    case BM_BORN_GBN:
      return {"GBnForce", 0.009, 0.361825, "1/(1/rho-tanh(1.09511284*psi-1.907992938*psi^2+2.50798245*psi^3)/radius)"};
    case BM_BORN_GBN2:
      return {"GBn2Force", 0.0195141, 0.826836, "1/(1/rho-tanh(alpha*psi-beta*psi^2+gamma*psi^3)/radius)"};
  }
  throw Failure(BM_ERROR_ARGUMENT, "there is no generalised Born model " + std::to_string(born));
}

std::string exact(double value) {
  std::ostringstream text;
  text.precision(17);
  text << value;
  return text.str();
}

/// A table at radii between its own, linearly along each side; [radii, radii], the first atom's running fastest.
std::vector<double> interpolated(const double *table, double unit, const std::vector<double> &radii) {
  std::vector<double> values;
  auto place = [](double radius, int at[2], double weight[2]) {
    const double p = std::clamp((radius - 0.1) * 200, 0.0, double(neckSizes - 1));
    at[0] = std::min(int(p), neckSizes - 2);
    at[1] = at[0] + 1;
    weight[1] = p - at[0];
    weight[0] = 1 - weight[1];
  };
  for (double second : radii)
    for (double first : radii) {
      int row[2], column[2];
      double rowWeight[2], columnWeight[2], value = 0;
      place(second, row, rowWeight);
      place(first, column, columnWeight);
      for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) value += rowWeight[i] * columnWeight[j] * table[row[i] * neckSizes + column[j]] * unit;
      values.push_back(value);
    }
  return values;
}

/// By expressions, as OpenMM has no force of its own for these. `rho`: radius less the offset; `screened`: that times the screening factor.
std::unique_ptr<OpenMM::Force> makeByExpressions(const bm_system_terms &terms) {
  const Model model = modelNamed(terms.born);
  const bool hasNeck = model.neck > 0, hasShapes = terms.born == BM_BORN_GBN2, hasSalt = terms.born_kappa > 0;
  auto force = std::make_unique<CustomGBForce>();
  force->setName(model.name);
  for (const char *name : {"charge", "rho", "screened"}) force->addPerParticleParameter(name);
  if (hasShapes)
    for (const char *name : {"alpha", "beta", "gamma"}) force->addPerParticleParameter(name);

  std::vector<double> radii(terms.born_radii, terms.born_radii + terms.particles);
  std::sort(radii.begin(), radii.end());
  radii.erase(std::unique(radii.begin(), radii.end()), radii.end());
  if (hasNeck) {
    force->addPerParticleParameter("index");
    const int sizes = int(radii.size());
    force->addTabulatedFunction("distance", new OpenMM::Discrete2DFunction(sizes, sizes, interpolated(neckDistances, 0.1, radii)));
    force->addTabulatedFunction("height", new OpenMM::Discrete2DFunction(sizes, sizes, interpolated(neckHeights, 10, radii)));
  }

  // the field's constant in kJ nm/mol/e^2; dielectric constants 1 within and 78.5 around
  const std::string constants = "; offset=" + exact(model.offset) + "; coulomb=138.935485*(1-1/78.5)";
  const std::string descreening = "select(step(outer-rho1), 0.5*(1/inner-1/outer+0.25*(r-screened2^2/r)*(1/outer^2-1/inner^2)"
                                  "+0.5*log(inner/outer)/r), 0)";
  const std::string helpers = ";inner=max(rho1, abs(r-screened2)); outer=r+screened2";
  if (hasNeck) {
    force->addComputedValue("integral",
                            descreening + "+" + exact(model.neck) +
                                "*(step(radius1+radius2+0.68-r)*height(index1,index2)/(1+100*(r-distance(index1,index2))^2"
                                "+0.3*1000000*(r-distance(index1,index2))^6))" +
                                helpers + "; radius1=rho1+offset; radius2=rho2+offset; offset=" + exact(model.offset),
                            CustomGBForce::ParticlePairNoExclusions);
  } else {
    force->addComputedValue("integral", descreening + helpers, CustomGBForce::ParticlePairNoExclusions);
  }
  force->addComputedValue("born", std::string(model.radius) + "; psi=integral*rho; radius=rho+offset" + constants,
                          CustomGBForce::SingleParticle);

  const std::string surface = "28.3919551*(radius+0.14)^2*(radius/born)^6", radius = "; radius=rho+offset";
  const std::string distance = "sqrt(r^2+product*exp(-r^2/(4*product))); product=born1*born2";
  if (hasSalt) {
    // Srinivasan, Trevathan, Beroza and Case, Theor. Chem. Acc. 101, 426 (1999)
    const std::string salt = "; kappa=" + exact(terms.born_kappa);
    force->addEnergyTerm("-0.5*138.935485*(1-exp(-kappa*born)/78.5)*charge^2/born" + salt, CustomGBForce::SingleParticle);
    if (terms.born_surface) force->addEnergyTerm(surface + radius + constants, CustomGBForce::SingleParticle);
    force->addEnergyTerm("-138.935485*(1-exp(-kappa*f)/78.5)*charge1*charge2/f; f=" + distance + salt,
                         CustomGBForce::ParticlePairNoExclusions);
  } else {
    force->addEnergyTerm("-0.5*coulomb*charge^2/born" + (terms.born_surface ? "+" + surface + radius : "") + constants,
                         CustomGBForce::SingleParticle);
    force->addEnergyTerm("-coulomb*charge1*charge2/" + distance + constants, CustomGBForce::ParticlePairNoExclusions);
  }
  for (int i = 0; i < terms.particles; i++) {
    const double rho = terms.born_radii[i] - model.offset;
    std::vector<double> parameters{terms.charges[i], rho, terms.born_screens[i] * rho};
    if (hasShapes) parameters.insert(parameters.end(), terms.born_shapes + 3 * i, terms.born_shapes + 3 * i + 3);
    if (hasNeck)
      parameters.push_back(double(std::lower_bound(radii.begin(), radii.end(), terms.born_radii[i]) - radii.begin()));
    force->addParticle(parameters);
  }
  return force;
}

/// OpenMM's own force of OBC2, which knows no salt.
std::unique_ptr<OpenMM::Force> makeOBC2(const bm_system_terms &terms) {
  auto force = std::make_unique<OpenMM::GBSAOBCForce>();
  force->setSoluteDielectric(1);
  force->setSolventDielectric(78.5);
  if (!terms.born_surface) force->setSurfaceAreaEnergy(0);
  for (int i = 0; i < terms.particles; i++) force->addParticle(terms.charges[i], terms.born_radii[i], terms.born_screens[i]);
  return force;
}

}  // namespace

std::unique_ptr<OpenMM::Force> makeGeneralisedBorn(const bm_system_terms &terms) {
  if (terms.born == BM_BORN_NONE) return nullptr;
  if (terms.born == BM_BORN_OBC2 && !(terms.born_kappa > 0)) return makeOBC2(terms);
  return makeByExpressions(terms);
}

}  // namespace boltzmill
