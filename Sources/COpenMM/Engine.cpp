#include <cmath>
#include <limits>

#include "Guard.h"

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
};

bm_engine *bm_engine_create(const bm_system *system, const char *platform, int32_t threads) {
  return guardedHandle<bm_engine>([&] {
    auto engine = std::make_unique<bm_engine>();
    engine->system = system->system;
    engine->platform = &platformNamed(platform);
    // The first Context is made now, so that a System that OpenMM refuses is refused here; the others when there is work.
    engine->evaluators.resize(std::max(1, threads));
    std::lock_guard<std::mutex> held(constructionLock());
    engine->evaluators[0] = std::make_unique<Evaluator>(*engine->system, *engine->platform);
    return engine.release();
  });
}

void bm_engine_free(bm_engine *engine) { delete engine; }

int32_t bm_engine_evaluate(bm_engine *engine, const double *coordinates, int64_t frames, double *energies, double *forces) {
  return guarded([&] {
    const int64_t stride = 3 * int64_t(engine->system->getNumParticles());
    auto body = [&](int worker, int64_t frame) {
      auto &evaluator = engine->evaluators[worker];
      if (!evaluator) {
        std::lock_guard<std::mutex> held(constructionLock());
        evaluator = std::make_unique<Evaluator>(*engine->system, *engine->platform);
      }
      try {
        evaluator->evaluate(coordinates + frame * stride, energies + frame, forces ? forces + frame * stride : nullptr);
      } catch (const std::exception &error) {
        throw Failure(BM_ERROR_OPENMM, "frame " + std::to_string(frame) + ": " + error.what());
      }
    };
    parallelFor(int(engine->evaluators.size()), frames, 64, body);
  });
}
