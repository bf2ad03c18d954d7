#include <cmath>
#include <cstdint>
#include <string>

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
#include "VectorMath.inc.h"
#include "BondedKernel.inc.h"
#include "MoleculeKernel.inc.h"
}

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
namespace avx2 {
#include "VectorMath.inc.h"
#include "BondedKernel.inc.h"
#include "MoleculeKernel.inc.h"
}
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
namespace avx512 {
#include "VectorMath.inc.h"
#include "BondedKernel.inc.h"
#include "MoleculeKernel.inc.h"
}
#pragma clang attribute pop
#endif

struct Kernel {
  const char *name;
  double (*compute)(const MoleculeParameters &, MoleculeScratch &);
};

Kernel bestKernel() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return {"built-in (AVX-512)", avx512::computeForces};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {"built-in (AVX2)", avx2::computeForces};
#endif
  return {"built-in", baseline::computeForces};
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
    const double energy = kernel.compute(*p, scratch);
    for (int i = 0; i < p->count; i++) {
      f[3 * i] = scratch.fx[i];
      f[3 * i + 1] = scratch.fy[i];
      f[3 * i + 2] = scratch.fz[i];
    }
    return p->mapped.empty() ? energy : energy + addMaps(x, f);
  }

 private:
  /// Energies over two torsions: bicubic patches, as many as there are amino acids with one.
  double addMaps(const double *x, double *f) const {
    double energy = 0;
    for (const auto &term : p->mapped) {
      const MoleculeParameters::Map &map = p->maps[term.map];
      const double step = 2 * pi / map.size;
      TorsionGeometry geometry[2];
      int cell[2];
      double part[2];
      for (int t = 0; t < 2; t++) {
        double angle = torsionAngle(x, t == 0 ? term.first : term.second, geometry[t]);
        if (angle < 0) angle += 2 * pi;
        cell[t] = std::min(int(angle / step), map.size - 1);
        part[t] = angle / step - cell[t];
      }
      const double *c = map.coefficients.data() + 16 * (size_t(cell[0]) + size_t(map.size) * cell[1]);
      const double a = part[0], b = part[1];
      double value = 0, byFirst = 0, bySecond = 0;
      for (int i = 3; i >= 0; i--) {
        const double *row = c + 4 * i;
        const double along = ((row[3] * b + row[2]) * b + row[1]) * b + row[0];
        byFirst = byFirst * a + value;
        value = value * a + along;
        bySecond = bySecond * a + (3 * row[3] * b + 2 * row[2]) * b + row[1];
      }
      energy += value;
      addTorsionForce(term.first, geometry[0], byFirst / step, f);
      addTorsionForce(term.second, geometry[1], bySecond / step, f);
    }
    return energy;
  }

  std::shared_ptr<const MoleculeParameters> p;
  MoleculeScratch scratch;
  Kernel kernel;
};

}  // namespace

std::unique_ptr<ForceProvider> makeMoleculeProvider(std::shared_ptr<const MoleculeParameters> parameters) {
  return std::make_unique<MoleculeProvider>(std::move(parameters));
}

}  // namespace boltzmill
