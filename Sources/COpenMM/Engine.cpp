#include <cmath>
#include <limits>

#include "Engine.h"

namespace boltzmill {

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

}  // namespace boltzmill

using namespace boltzmill;

bm_engine::bm_engine(std::shared_ptr<OpenMM::System> given, const char *name, int threads)
    : system(std::move(given)), platform(&platformNamed(name)), evaluators(std::max(1, threads)) {
  // The first Context is made now, so that a System that OpenMM refuses is refused here; the others when there is work.
  evaluator(0);
}

bm_engine::~bm_engine() = default;

Evaluator &bm_engine::evaluator(int worker) {
  if (!evaluators[worker]) {
    std::lock_guard<std::mutex> held(constructionLock());
    evaluators[worker] = std::make_unique<Evaluator>(*system, *platform);
  }
  return *evaluators[worker];
}

void bm_engine::evaluate(int worker, int64_t index, const double *frame, double *energy, double *forces) {
  try {
    evaluator(worker).evaluate(frame, energy, forces);
  } catch (const std::exception &error) {
    throw Failure(BM_ERROR_OPENMM, "frame " + std::to_string(index) + ": " + error.what());
  }
}

bm_engine *bm_engine_create(const bm_system *system, const char *platform, int32_t threads) {
  return guardedHandle<bm_engine>([&] { return new bm_engine(system->system, platform, threads); });
}

void bm_engine_free(bm_engine *engine) { delete engine; }

int32_t bm_engine_evaluate(bm_engine *engine, const double *coordinates, int64_t frames, double *energies, double *forces) {
  return guarded([&] {
    const int64_t stride = engine->stride();
    auto body = [&](int worker, int64_t frame) {
      engine->evaluate(worker, frame, coordinates + frame * stride, energies + frame, forces ? forces + frame * stride : nullptr);
    };
    parallelFor(engine->threads(), frames, 64, body);
  });
}
