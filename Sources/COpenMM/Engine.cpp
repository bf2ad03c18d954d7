#include <cmath>
#include <limits>

#include "ForceProvider.h"
#include "Guard.h"
#include "MoleculeParameters.h"

using namespace boltzmill;

namespace {

/// One Context and the scratch it evaluates with; used by one thread at a time.
struct Evaluator {
  OpenMM::VerletIntegrator integrator{0.001};
  OpenMM::Context context;
  std::vector<OpenMM::Vec3> positions;

  Evaluator(const OpenMM::System &system, OpenMM::Platform &platform)
      : context(system, integrator, platform), positions(system.getNumParticles()) {}

  void evaluate(const double *frame, double *energy, double *forces) {
    const size_t count = positions.size();
    *energy = std::numeric_limits<double>::infinity();
    bool sound = allFinite(frame, 3 * count);
    if (sound) {
      for (size_t i = 0; i < count; i++) positions[i] = OpenMM::Vec3(frame[3 * i], frame[3 * i + 1], frame[3 * i + 2]);
      context.setPositions(positions);
      context.computeVirtualSites();
      const int types = OpenMM::State::Energy | (forces ? OpenMM::State::Forces : 0);
      const OpenMM::State state = context.getState(types);
      const double potential = state.getPotentialEnergy();
      if (std::isfinite(potential)) *energy = potential;
      else sound = false;
      if (forces && sound) {
        const std::vector<OpenMM::Vec3> &values = state.getForces();
        for (size_t i = 0; i < count; i++)
          for (int axis = 0; axis < 3; axis++) forces[3 * i + axis] = values[i][axis];
      }
    }
    if (forces && !sound) std::fill(forces, forces + 3 * count, std::numeric_limits<double>::quiet_NaN());
  }
};

}  // namespace

struct bm_engine {
  std::shared_ptr<OpenMM::System> system;
  OpenMM::Platform *platform = nullptr;
  std::vector<std::unique_ptr<Evaluator>> evaluators;

  // the built-in kernel, where it is wanted and covers the System; [threads]
  std::shared_ptr<const MoleculeParameters> parameters;
  std::vector<std::unique_ptr<ForceProvider>> kernels;
  std::vector<std::vector<double>> scratch;
  bool verified = false;

  Evaluator &evaluator(int worker) {
    if (!evaluators[worker]) {
      std::lock_guard<std::mutex> held(constructionLock());
      evaluators[worker] = std::make_unique<Evaluator>(*system, *platform);
    }
    return *evaluators[worker];
  }

  /// By the kernel; a frame that it makes nothing finite of is left to OpenMM.
  bool evaluateByKernel(int worker, const double *frame, double *energy, double *forces) {
    const size_t n = 3 * size_t(system->getNumParticles());
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
    const size_t n = 3 * size_t(system->getNumParticles());
    std::vector<double> ours(n), theirs(n);
    for (int64_t frame : {int64_t(0), frames / 2, frames - 1}) {
      double a = 0, b = 0;
      if (!evaluateByKernel(0, coordinates + frame * n, &a, ours.data())) continue;
      evaluator(0).evaluate(coordinates + frame * n, &b, theirs.data());
      bool equal = std::abs(a - b) <= 1e-8 * std::max(1.0, std::abs(b));
      for (size_t i = 0; i < n && equal; i++) equal = std::abs(ours[i] - theirs[i]) <= 1e-6 * std::max(1.0, std::abs(theirs[i]));
      if (!equal) {
        parameters = nullptr;
        return;
      }
    }
  }
};

bm_engine *bm_engine_create(const bm_system *system, const char *platform, int32_t threads, int32_t built_in_kernel) {
  return guardedHandle<bm_engine>([&] {
    auto engine = std::make_unique<bm_engine>();
    engine->system = system->system;
    engine->platform = &platformNamed(platform);
    // The first Context is made now, so that a System that OpenMM refuses is refused here; the others when there is work.
    engine->evaluators.resize(std::max(1, threads));
    engine->kernels.resize(engine->evaluators.size());
    engine->scratch.resize(engine->evaluators.size());
    if (built_in_kernel) engine->parameters = moleculeParameters(*engine->system);
    std::lock_guard<std::mutex> held(constructionLock());
    engine->evaluators[0] = std::make_unique<Evaluator>(*engine->system, *engine->platform);
    return engine.release();
  });
}

int32_t bm_engine_uses_kernel(const bm_engine *engine) { return engine->parameters != nullptr; }

void bm_engine_free(bm_engine *engine) { delete engine; }

int32_t bm_engine_evaluate(bm_engine *engine, const double *coordinates, int64_t frames, double *energies, double *forces) {
  return guarded([&] {
    const int64_t stride = 3 * int64_t(engine->system->getNumParticles());
    engine->verify(coordinates, frames);
    auto body = [&](int worker, int64_t frame) {
      const double *position = coordinates + frame * stride;
      double *force = forces ? forces + frame * stride : nullptr;
      try {
        if (engine->parameters && engine->evaluateByKernel(worker, position, energies + frame, force)) return;
        engine->evaluator(worker).evaluate(position, energies + frame, force);
      } catch (const std::exception &error) {
        throw Failure(BM_ERROR_OPENMM, "frame " + std::to_string(frame) + ": " + error.what());
      }
    };
    parallelFor(int(engine->evaluators.size()), frames, 64, body);
  });
}
