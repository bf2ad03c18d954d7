#pragma once
#include "Guard.h"

namespace boltzmill {
struct Evaluator;
}

/// Energies by OpenMM, one Context for each of some threads.
struct bm_engine {
  bm_engine(std::shared_ptr<OpenMM::System> system, const char *platform, int threads);
  ~bm_engine();

  int threads() const { return int(evaluators.size()); }
  /// Numbers in a frame.
  int64_t stride() const { return 3 * int64_t(system->getNumParticles()); }
  /// One frame by one worker's Context; `index` is what an error calls the frame. `forces` may be null.
  void evaluate(int worker, int64_t index, const double *frame, double *energy, double *forces);

  const std::shared_ptr<OpenMM::System> system;

 private:
  OpenMM::Platform *platform;
  std::vector<std::unique_ptr<boltzmill::Evaluator>> evaluators;
  boltzmill::Evaluator &evaluator(int worker);
};
