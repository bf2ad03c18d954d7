#include "COpenMM.h"

#include <dlfcn.h>

#include <atomic>
#include <cstring>
#include <sstream>
#include <thread>

#include "Guard.h"
#include "XMLCheck.h"

namespace boltzmill {

namespace {
thread_local std::string lastMessage;
thread_local int32_t lastStatus = BM_OK;
}  // namespace

void recordFailure(int32_t status, const char *message) noexcept {
  lastStatus = status;
  try {
    lastMessage = message;
  } catch (...) {
    lastMessage.clear();
  }
}

void parallelFor(int threads, int64_t count, int64_t grain, void (*body)(void *, int, int64_t), void *context) {
  std::atomic<int64_t> next{0};
  std::mutex lock;
  std::exception_ptr failure;
  auto work = [&](int worker) {
    try {
      for (;;) {
        const int64_t first = next.fetch_add(grain);
        if (first >= count) return;
        const int64_t end = std::min(count, first + grain);
        for (int64_t index = first; index < end; index++) body(context, worker, index);
      }
    } catch (...) {
      next = count;
      std::lock_guard<std::mutex> held(lock);
      if (!failure) failure = std::current_exception();
    }
  };
  const int64_t useful = std::min<int64_t>(threads, (count + grain - 1) / grain);
  std::vector<std::thread> pool;
  for (int worker = 1; worker < useful; worker++) {
    try {
      pool.emplace_back(work, worker);
    } catch (const std::system_error &) {
      break;  // the machine grants no more threads: those there are do the work
    }
  }
  work(0);
  for (auto &thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
}

std::mutex &constructionLock() {
  static std::mutex lock;
  return lock;
}

namespace {
/// Where the library itself lies, with a slash at the end; "" where nobody knows.
std::string libraryFolder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void *>(&OpenMM::Platform::getOpenMMVersion), &info) == 0 || info.dli_fname == nullptr) return "";
  const std::string file = info.dli_fname;
  return file.substr(0, file.find_last_of('/') + 1);
}

/// Loads the platform plug-ins that lie beside the library itself, once.
void loadPlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    const std::string folder = libraryFolder();
    if (folder.empty()) return;
    try {
      OpenMM::Platform::loadPluginsFromDirectory(folder + "plugins");
    } catch (const std::exception &) {
      // no such folder: the Reference platform is part of the library
    }
  });
}
}  // namespace

namespace {
/// Loads the libraries of polarisable force fields, where they lie beside the library itself, and their kernels, once.
void loadPolarisableForces() {
  static std::once_flag once;
  std::call_once(once, [] {
    const std::string folder = libraryFolder();
    for (const std::string name : {"Amoeba", "Drude"}) {
      if (dlopen((folder + "libOpenMM" + name + ".so").c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) continue;
      try {
        OpenMM::Platform::loadPluginLibrary(folder + "plugins/libOpenMM" + name + "Reference.so");
      } catch (const std::exception &) {
        // the System can be read, and whoever makes a Context of it hears what is missing
      }
    }
  });
}

std::unique_ptr<OpenMM::System> systemFromXML(const std::string &text) {
  for (const char *type : {"\"Amoeba", "\"Hippo", "\"Drude"})
    if (text.find(type) != std::string::npos) loadPolarisableForces();
  std::istringstream stream(text);
  std::lock_guard<std::mutex> held(constructionLock());
  try {
    return std::unique_ptr<OpenMM::System>(OpenMM::XmlSerializer::deserialize<OpenMM::System>(stream));
  } catch (const std::exception &error) {
    const std::string reason = error.what();
    if (reason.find("serialization proxy") == std::string::npos) throw;
    throw Failure(BM_ERROR_OPENMM, reason + "; forces of AMOEBA and of Drude particles need libOpenMMAmoeba.so, libOpenMMDrude.so and "
                                            "their plug-ins of OpenMM's wheel, in " + libraryFolder());
  }
}
}  // namespace

OpenMM::Platform &platformNamed(const std::string &name) {
  for (int attempt = 0; attempt < 2; attempt++) {
    std::string known;
    for (int i = 0; i < OpenMM::Platform::getNumPlatforms(); i++) {
      OpenMM::Platform &platform = OpenMM::Platform::getPlatform(i);
      if (platform.getName() == name) return platform;
      known += (known.empty() ? "" : ", ") + platform.getName();
    }
    if (attempt == 1) throw Failure(BM_ERROR_ARGUMENT, "no OpenMM platform \"" + name + "\"; there are: " + known);
    loadPlugins();
  }
  throw Failure(BM_ERROR_ARGUMENT, name);
}

}  // namespace boltzmill

using namespace boltzmill;

const char *bm_openmm_error(void) { return lastMessage.c_str(); }
int32_t bm_openmm_error_status(void) { return lastStatus; }

const char *bm_openmm_version(void) { return OpenMM::Platform::getOpenMMVersion().c_str(); }

const char *bm_openmm_platforms(void) {
  thread_local std::string names;
  names.clear();
  guarded([&] {
    loadPlugins();
    for (int i = 0; i < OpenMM::Platform::getNumPlatforms(); i++) {
      if (i > 0) names += "\n";
      names += OpenMM::Platform::getPlatform(i).getName();
    }
  });
  return names.c_str();
}

bm_system *boltzmill::finished(std::unique_ptr<bm_system> handle) {
  for (int i = 0; i < handle->system->getNumForces(); i++)
    handle->forceNames += (i > 0 ? "\n" : "") + handle->system->getForce(i).getName();
  return handle.release();
}

bm_system *bm_system_from_terms(const bm_system_terms *terms) {
  return guardedHandle<bm_system>([&] {
    auto handle = std::make_unique<bm_system>();
    handle->system = systemFromTerms(*terms);
    return finished(std::move(handle));
  });
}

bm_system *bm_system_from_xml(const char *text, size_t length) {
  return guardedHandle<bm_system>([&] {
    checkSystemXML(text, length);
    auto handle = std::make_unique<bm_system>();
    handle->system = systemFromXML(std::string(text, length));
    return finished(std::move(handle));
  });
}

bm_system *bm_system_adding_torsions(const bm_system *system, int32_t count, const int32_t *atoms, const double *parameters) {
  return guardedHandle<bm_system>([&] {
    auto handle = std::make_unique<bm_system>();
    handle->system.reset(OpenMM::XmlSerializer::clone<OpenMM::System>(*system->system));
    addTorsions(*handle->system, count, atoms, parameters);
    return finished(std::move(handle));
  });
}

double bm_system_threefold(const bm_system *system, int32_t second, int32_t third) {
  double sum = 0;
  for (int f = 0; f < system->system->getNumForces(); f++) {
    auto *force = dynamic_cast<const OpenMM::PeriodicTorsionForce *>(&system->system->getForce(f));
    if (force == nullptr) continue;
    for (int i = 0; i < force->getNumTorsions(); i++) {
      int a, b, c, d, periodicity;
      double phase, k;
      force->getTorsionParameters(i, a, b, c, d, periodicity, phase, k);
      if (periodicity == 3 && ((b == second && c == third) || (b == third && c == second))) sum += k * std::cos(phase);
    }
  }
  return sum;
}

void bm_system_free(bm_system *system) { delete system; }
int32_t bm_system_particle_count(const bm_system *system) { return system->system->getNumParticles(); }
int32_t bm_system_constraint_count(const bm_system *system) { return system->system->getNumConstraints(); }
const char *bm_system_force_names(const bm_system *system) { return system->forceNames.c_str(); }

void bm_system_masses(const bm_system *system, double *masses) {
  for (int i = 0; i < system->system->getNumParticles(); i++) masses[i] = system->system->getParticleMass(i);
}
