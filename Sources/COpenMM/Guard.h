#pragma once
#include <OpenMM.h>

#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "COpenMM.h"

struct bm_system {
  std::shared_ptr<OpenMM::System> system;
  std::string forceNames;
};

namespace boltzmill {

/// What a call of this library throws within itself; never seen outside.
struct Failure : std::exception {
  int32_t status;
  std::string message;
  Failure(int32_t status, std::string message) : status(status), message(std::move(message)) {}
  const char *what() const noexcept override { return message.c_str(); }
};

void recordFailure(int32_t status, const char *message) noexcept;

/// Runs `body`; every exception becomes this thread's last error and its status the result.
template <class Body> int32_t guarded(Body body) noexcept {
  try {
    body();
    return BM_OK;
  } catch (const Failure &failure) {
    recordFailure(failure.status, failure.what());
    return failure.status;
  } catch (const std::exception &error) {
    recordFailure(BM_ERROR_OPENMM, error.what());
  } catch (...) {
    recordFailure(BM_ERROR_OPENMM, "an exception of unknown type");
  }
  return BM_ERROR_OPENMM;
}

template <class Handle, class Body> Handle *guardedHandle(Body body) noexcept {
  Handle *handle = nullptr;
  guarded([&] { handle = body(); });
  return handle;
}

/// Beyond this, in nm, a coordinate counts as not finite: cell lists would overflow.
constexpr double largestCoordinate = 1e6;

inline bool allFinite(const double *values, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!(values[i] > -largestCoordinate && values[i] < largestCoordinate)) return false;
  return true;
}

/// Runs `body(worker, index)` for every index below `count` on `threads` threads; the first exception is thrown again here.
void parallelFor(int threads, int64_t count, int64_t grain, void (*body)(void *, int worker, int64_t index), void *context);

template <class Body> void parallelFor(int threads, int64_t count, int64_t grain, Body &body) {
  parallelFor(
      threads, count, grain,
      [](void *context, int worker, int64_t index) { (*static_cast<Body *>(context))(worker, index); }, &body);
}

std::shared_ptr<OpenMM::System> systemFromTerms(const bm_system_terms &terms);
/// Adds to the System's own torsions, where it has any; see `bm_system_adding_torsions`.
void addTorsions(OpenMM::System &system, int32_t count, const int32_t *atoms, const double *parameters);

/// A System's handle with all that is kept beside it.
bm_system *finished(std::unique_ptr<bm_system> handle);

OpenMM::Platform &platformNamed(const std::string &name);

/// Held while OpenMM reads XML or makes a Context. Its number reader keeps powers of five in lists that all threads share without
/// a lock: two Systems read at once come out with wrong parameters, silently, and so does every later one.
std::mutex &constructionLock();

}  // namespace boltzmill
