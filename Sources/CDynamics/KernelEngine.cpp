#include <cmath>

#include "CDynamics.h"
#include "Engine.h"
#include "ForceProvider.h"
#include "MoleculeParameters.h"

using namespace boltzmill;

struct bm_kernel_engine {
  bm_engine *openmm;
  std::shared_ptr<const MoleculeParameters> parameters;  // null where the kernel is not in use
  std::vector<std::unique_ptr<ForceProvider>> kernels;   // [threads]
  std::vector<std::vector<double>> scratch;
  bool verified = false;

  /// By the kernel; a frame that it makes nothing finite of is left to OpenMM.
  bool evaluate(int worker, const double *frame, double *energy, double *forces) {
    const size_t n = size_t(openmm->stride());
    if (!allFinite(frame, n)) return false;
    if (!kernels[worker]) {
      kernels[worker] = makeMoleculeProvider(parameters);
      scratch[worker].resize(n);
    }
    *energy = kernels[worker]->compute(frame, scratch[worker].data(), true);
    if (!std::isfinite(*energy) || !allFinite(scratch[worker].data(), n)) return false;
    if (forces) std::copy(scratch[worker].begin(), scratch[worker].end(), forces);
    return true;
  }

  /// Compares the kernel with OpenMM on a few frames, once, and sets it aside where energies or forces differ.
  void verify(const double *coordinates, int64_t frames) {
    if (!parameters || verified || frames == 0) return;
    verified = true;
    const size_t n = size_t(openmm->stride());
    std::vector<double> ours(n), theirs(n);
    for (int64_t frame : {int64_t(0), frames / 2, frames - 1}) {
      double a = 0, b = 0;
      if (!evaluate(0, coordinates + frame * n, &a, ours.data())) continue;
      openmm->evaluate(0, frame, coordinates + frame * n, &b, theirs.data());
      bool equal = std::abs(a - b) <= 1e-8 * std::max(1.0, std::abs(b));
      for (size_t i = 0; i < n && equal; i++) equal = std::abs(ours[i] - theirs[i]) <= 1e-6 * std::max(1.0, std::abs(theirs[i]));
      if (!equal) {
        parameters = nullptr;
        return;
      }
    }
  }
};

bm_kernel_engine *bm_kernel_engine_create(bm_engine *openmm) {
  return guardedHandle<bm_kernel_engine>([&] {
    auto engine = std::make_unique<bm_kernel_engine>();
    engine->openmm = openmm;
    engine->parameters = moleculeParameters(*openmm->system);
    engine->kernels.resize(openmm->threads());
    engine->scratch.resize(openmm->threads());
    return engine.release();
  });
}

void bm_kernel_engine_free(bm_kernel_engine *engine) { delete engine; }
int32_t bm_kernel_engine_uses_kernel(const bm_kernel_engine *engine) { return engine->parameters != nullptr; }

int32_t bm_kernel_engine_evaluate(bm_kernel_engine *engine, const double *coordinates, int64_t frames, double *energies,
                                  double *forces) {
  return guarded([&] {
    engine->verify(coordinates, frames);
    const int64_t stride = engine->openmm->stride();
    auto body = [&](int worker, int64_t frame) {
      const double *position = coordinates + frame * stride;
      double *force = forces ? forces + frame * stride : nullptr;
      if (engine->parameters && engine->evaluate(worker, position, energies + frame, force)) return;
      engine->openmm->evaluate(worker, frame, position, energies + frame, force);
    };
    parallelFor(engine->openmm->threads(), frames, 64, body);
  });
}
