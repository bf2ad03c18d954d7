#include <cmath>
#include <cstdint>

#include "ForceProvider.h"
#include "MoleculeParameters.h"
#include "Torsion.h"

namespace boltzmill {

namespace {

/// Working arrays of one thread; [width] or [count, width].
struct MoleculeScratch {
  std::vector<double> x, y, z, fx, fy, fz;
  std::vector<double> inverse, squared, slope;
  std::vector<double> bornSum, born, chain, bornForce;

  explicit MoleculeScratch(const MoleculeParameters &p) {
    for (auto *list : {&x, &y, &z, &fx, &fy, &fz, &bornSum, &born, &chain, &bornForce}) list->assign(p.width, 0);
    for (auto *table : {&inverse, &squared, &slope}) table->assign(size_t(p.count) * p.width, 0);
  }
};

namespace baseline {
#include "MoleculeKernel.inc.h"
}

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
namespace avx2 {
#include "MoleculeKernel.inc.h"
}
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
namespace avx512 {
#include "MoleculeKernel.inc.h"
}
#pragma clang attribute pop
#endif

struct Kernel {
  const char *name;
  double (*computePairs)(const MoleculeParameters &, MoleculeScratch &);
};

Kernel bestKernel() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return {"built-in (AVX-512)", avx512::computePairs};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {"built-in (AVX2)", avx2::computePairs};
#endif
  return {"built-in", baseline::computePairs};
}

double addBonds(const MoleculeParameters &p, const double *x, double *f) {
  double energy = 0;
  for (const auto &bond : p.bonds) {
    const double *a = x + 3 * bond.atoms[0], *b = x + 3 * bond.atoms[1];
    const double d[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]};
    const double r = std::sqrt(dotProduct(d, d)), stretch = r - bond.length;
    energy += 0.5 * bond.forceConstant * stretch * stretch;
    const double scale = bond.forceConstant * stretch / r;
    for (int axis = 0; axis < 3; axis++) {
      f[3 * bond.atoms[0] + axis] += scale * d[axis];
      f[3 * bond.atoms[1] + axis] -= scale * d[axis];
    }
  }
  return energy;
}

double addAngles(const MoleculeParameters &p, const double *x, double *f) {
  double energy = 0;
  for (const auto &angle : p.angles) {
    const double *a = x + 3 * angle.atoms[0], *b = x + 3 * angle.atoms[1], *c = x + 3 * angle.atoms[2];
    const double u[3] = {a[0] - b[0], a[1] - b[1], a[2] - b[2]}, v[3] = {c[0] - b[0], c[1] - b[1], c[2] - b[2]};
    const double inverseU = 1 / std::sqrt(dotProduct(u, u)), inverseV = 1 / std::sqrt(dotProduct(v, v));
    const double cosine = std::min(1.0, std::max(-1.0, dotProduct(u, v) * inverseU * inverseV));
    const double sine = std::sqrt(std::max(1e-16, 1 - cosine * cosine));
    // near a straight angle the arc cosine loses its digits
    double theta;
    if (std::abs(cosine) > 0.99) {
      double cross[3];
      crossProduct(u, v, cross);
      theta = std::atan2(std::sqrt(dotProduct(cross, cross)), dotProduct(u, v));
    } else {
      theta = std::acos(cosine);
    }
    const double bend = theta - angle.angle;
    energy += 0.5 * angle.forceConstant * bend * bend;
    const double scale = angle.forceConstant * bend / sine;
    for (int axis = 0; axis < 3; axis++) {
      const double unitU = u[axis] * inverseU, unitV = v[axis] * inverseV;
      const double onA = scale * inverseU * (unitV - cosine * unitU), onC = scale * inverseV * (unitU - cosine * unitV);
      f[3 * angle.atoms[0] + axis] += onA;
      f[3 * angle.atoms[1] + axis] -= onA + onC;
      f[3 * angle.atoms[2] + axis] += onC;
    }
  }
  return energy;
}

double addTorsions(const MoleculeParameters &p, const double *x, double *f) {
  double energy = 0;
  for (const auto &torsion : p.torsions) {
    TorsionGeometry g;
    torsionVectors(x, torsion.atoms, g);
    const double inverse = 1 / std::sqrt(g.m2 * g.n2);
    const double c = dotProduct(g.m, g.n) * inverse, s = std::sqrt(g.length2) * dotProduct(g.b1, g.n) * inverse;
    double cn = 1, sn = 0, derivative = 0;
    energy += torsion.constant + torsion.cosine[0];
    for (int n = 1; n <= torsion.periodicity; n++) {
      const double next = cn * c - sn * s;
      sn = sn * c + cn * s;
      cn = next;
      energy += torsion.cosine[n] * cn + torsion.sine[n] * sn;
      derivative += n * (torsion.sine[n] * cn - torsion.cosine[n] * sn);
    }
    addTorsionForce(torsion.atoms, g, derivative, f);
  }
  return energy;
}

class MoleculeProvider : public ForceProvider {
 public:
  explicit MoleculeProvider(std::shared_ptr<const MoleculeParameters> parameters)
      : p(std::move(parameters)), scratch(*p), kernel(bestKernel()) {}

  std::string name() const override { return kernel.name; }

  double compute(const double *x, double *f, bool) override {
    for (int i = 0; i < p->count; i++) {
      scratch.x[i] = x[3 * i];
      scratch.y[i] = x[3 * i + 1];
      scratch.z[i] = x[3 * i + 2];
    }
    for (int i = 0; i < p->width; i++) scratch.fx[i] = scratch.fy[i] = scratch.fz[i] = 0;
    double energy = kernel.computePairs(*p, scratch);
    for (int i = 0; i < p->count; i++) {
      f[3 * i] = scratch.fx[i];
      f[3 * i + 1] = scratch.fy[i];
      f[3 * i + 2] = scratch.fz[i];
    }
    energy += addBonds(*p, x, f);
    energy += addAngles(*p, x, f);
    energy += addTorsions(*p, x, f);
    return energy;
  }

 private:
  std::shared_ptr<const MoleculeParameters> p;
  MoleculeScratch scratch;
  Kernel kernel;
};

}  // namespace

std::unique_ptr<ForceProvider> makeMoleculeProvider(std::shared_ptr<const MoleculeParameters> parameters) {
  return std::make_unique<MoleculeProvider>(std::move(parameters));
}

}  // namespace boltzmill
