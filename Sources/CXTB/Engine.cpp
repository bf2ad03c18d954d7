#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "Library.h"

namespace boltzmill::xtb {

namespace {

// CODATA 2018
constexpr double bohr = 0.0529177210903;      // nm
constexpr double hartree = 2625.4996394799;   // kJ/mol
/// Nearer than this, in nm, two atoms count as on top of each other: below half the bond of H2, far from what GFN2 was made for.
constexpr double closest = 0.035;
constexpr double largestCoordinate = 1e6;

thread_local std::string lastMessage;
thread_local int32_t lastStatus = BM_XTB_OK;

int32_t record(int32_t status, const char *message) noexcept {
  lastStatus = status;
  try {
    lastMessage = message;
  } catch (...) {
    lastMessage.clear();
  }
  return status;
}

template <class Body> int32_t guarded(Body body) noexcept {
  try {
    body();
    return BM_XTB_OK;
  } catch (const Failure &failure) {
    return record(failure.status, failure.what());
  } catch (const std::exception &error) {
    return record(BM_XTB_ERROR_SYSTEM, error.what());
  } catch (...) {
    return record(BM_XTB_ERROR_SYSTEM, "an exception of unknown type");
  }
}

/// Held while calculators are made and freed.
std::mutex &constructionLock() {
  static std::mutex lock;
  return lock;
}

struct Molecule {
  std::vector<int> numbers;
  double charge;
  int unpaired;
  std::string solvent;

  int count() const { return int(numbers.size()); }
};

/// libxtb takes parameters from files of these names where it finds them, without a word.
void refuseParameterFiles(const std::string &solvent) {
  std::vector<std::string> found{"param_gfn2-xtb.txt"};
  for (const char *variable : {"XTBPATH", "HOME"}) {
    const char *value = getenv(variable);
    if (value == nullptr || *value == 0) continue;
    std::string list = value;
    for (size_t start = 0; start <= list.size();) {
      const size_t end = std::min(list.find(':', start), list.size());
      const std::string folder = list.substr(start, end - start) + "/";
      found.push_back(folder + "param_gfn2-xtb.txt");
      if (!solvent.empty())
        for (const char *name : {"param_gbsa2_", "param_gbsa_", ".param_gbsa2_", ".param_gbsa_"})
          found.push_back(folder + name + solvent + (name[0] == '.' ? "" : ".txt"));
      start = end + 1;
    }
    break;  // HOME counts where XTBPATH is not set
  }
  for (const std::string &path : found)
    if (access(path.c_str(), F_OK) == 0) throw Failure(BM_XTB_ERROR_PARAMETERS, path);
}

/// One environment, molecule and calculator; used by one thread at a time.
class Calculator {
 public:
  Calculator(const Library &library, const Molecule &molecule) : library(library), scratch(3 * molecule.count()) {
    std::lock_guard<std::mutex> held(constructionLock());
    // The calculator depends on the elements alone: it is made on atoms far apart, in a row.
    for (int i = 0; i < molecule.count(); i++) scratch[3 * i] = 6.0 * i;
    try {
      environment = library.newEnvironment();
      library.setVerbosity(environment, XTB_VERBOSITY_MUTED);
      const int count = molecule.count();
      structure = library.newMolecule(environment, &count, molecule.numbers.data(), scratch.data(), &molecule.charge,
                                      &molecule.unpaired, nullptr, nullptr);
      check();
      calculator = library.newCalculator();
      library.loadGFN2xTB(environment, structure, calculator, nullptr);
      check();
      if (!molecule.solvent.empty()) {
        std::string name = molecule.solvent;
        library.setSolvent(environment, calculator, name.data(), nullptr, nullptr, nullptr);
        check();
      }
    } catch (...) {
      release();
      throw;
    }
  }

  ~Calculator() {
    std::lock_guard<std::mutex> held(constructionLock());
    release();
  }

  Calculator(const Calculator &) = delete;
  Calculator &operator=(const Calculator &) = delete;

  /// False where libxtb gives no energy; the calculator is then not to be used again.
  bool evaluate(const double *frame, double *energy, double *forces) {
    const size_t size = scratch.size();
    for (size_t i = 0; i < size; i++) scratch[i] = frame[i] / bohr;
    library.updateMolecule(environment, structure, scratch.data(), nullptr);
    if (library.checkEnvironment(environment) != 0) return false;
    // Fresh results: charges kept from another frame would be the first guess here, and move the last digits.
    xtb_TResults results = library.newResults();
    library.singlepoint(environment, structure, calculator, results);
    bool sound = library.checkEnvironment(environment) == 0;
    if (sound) {
      double value = 0;
      library.getEnergy(environment, results, &value);
      *energy = value * hartree;
      if (forces) {
        library.getGradient(environment, results, scratch.data());
        for (size_t i = 0; i < size; i++) forces[i] = -scratch[i] * (hartree / bohr);
      }
      sound = library.checkEnvironment(environment) == 0 && std::isfinite(value) &&
              (forces == nullptr || std::all_of(forces, forces + size, [](double f) { return std::isfinite(f); }));
    }
    library.delResults(&results);
    return sound;
  }

 private:
  const Library &library;
  xtb_TEnvironment environment = nullptr;
  xtb_TMolecule structure = nullptr;
  xtb_TCalculator calculator = nullptr;
  std::vector<double> scratch;

  void check() {
    if (library.checkEnvironment(environment) == 0) return;
    std::vector<char> text(4096, 0);
    const int size = int(text.size()) - 1;
    library.getError(environment, text.data(), &size);
    std::string message = text.data();
    while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) message.pop_back();
    throw Failure(BM_XTB_ERROR_REFUSED, message);
  }

  void release() {
    if (calculator) library.delCalculator(&calculator);
    if (structure) library.delMolecule(&structure);
    if (environment) library.delEnvironment(&environment);
  }
};

bool isUsable(const double *frame, int count) {
  for (int i = 0; i < 3 * count; i++)
    if (!(std::abs(frame[i]) < largestCoordinate)) return false;
  for (int i = 0; i < count; i++)
    for (int j = 0; j < i; j++) {
      double square = 0;
      for (int axis = 0; axis < 3; axis++) square += std::pow(frame[3 * i + axis] - frame[3 * j + axis], 2);
      if (square < closest * closest) return false;
    }
  return true;
}

}  // namespace
}  // namespace boltzmill::xtb

using namespace boltzmill::xtb;

struct bm_xtb_engine {
  const Library &library;
  Molecule molecule;
  std::vector<std::unique_ptr<Calculator>> calculators;

  void evaluate(int worker, const double *frame, double *energy, double *forces) {
    const int count = molecule.count();
    *energy = std::numeric_limits<double>::infinity();
    if (isUsable(frame, count)) {
      auto &calculator = calculators[worker];
      if (!calculator) calculator = std::make_unique<Calculator>(library, molecule);
      if (calculator->evaluate(frame, energy, forces)) return;
      *energy = std::numeric_limits<double>::infinity();
      calculator.reset();
    }
    if (forces) std::fill(forces, forces + 3 * count, std::numeric_limits<double>::quiet_NaN());
  }
};

namespace {

/// The work of one call, shared by its threads.
struct Batch {
  bm_xtb_engine &engine;
  const double *coordinates;
  int64_t frames;
  double *energies, *forces;
  std::atomic<int64_t> next{0};
  std::atomic<int> workers{0};
  std::mutex lock;
  std::exception_ptr failure;

  static void *work(void *argument) {
    static_cast<Batch *>(argument)->run();
    return nullptr;
  }

  void run() {
    const int worker = workers.fetch_add(1);
    const int64_t size = 3 * int64_t(engine.molecule.count());
    engine.library.useOneThread();
    try {
      for (int64_t frame; (frame = next.fetch_add(1)) < frames;)
        engine.evaluate(worker, coordinates + frame * size, energies + frame, forces ? forces + frame * size : nullptr);
    } catch (...) {
      next = frames;
      std::lock_guard<std::mutex> held(lock);
      if (!failure) failure = std::current_exception();
    }
  }
};

}  // namespace

const char *bm_xtb_error(void) { return lastMessage.c_str(); }
int32_t bm_xtb_error_status(void) { return lastStatus; }

int32_t bm_xtb_version(int32_t *interface_version, const char **library_version) {
  return guarded([&] {
    const Library &library = Library::shared();
    *interface_version = library.getAPIVersion();
    *library_version = library.version.c_str();
  });
}

bm_xtb_engine *bm_xtb_create(int32_t atoms, const int32_t *numbers, double charge, int32_t unpaired, const char *solvent,
                             int32_t threads) {
  bm_xtb_engine *made = nullptr;
  guarded([&] {
    const Library &library = Library::shared();
    refuseParameterFiles(solvent);
    Molecule molecule{{numbers, numbers + atoms}, charge, unpaired, solvent};
    std::unique_ptr<bm_xtb_engine> engine(new bm_xtb_engine{library, std::move(molecule), {}});
    engine->calculators.resize(std::max(1, threads));
    // The first calculator is made now, so that what libxtb refuses is refused here; the others when there is work.
    engine->calculators[0] = std::make_unique<Calculator>(library, engine->molecule);
    made = engine.release();
  });
  return made;
}

void bm_xtb_free(bm_xtb_engine *engine) { delete engine; }

int32_t bm_xtb_evaluate(bm_xtb_engine *engine, const double *coordinates, int64_t frames, double *energies, double *forces) {
  return guarded([&] {
    Batch batch{*engine, coordinates, frames, energies, forces};
    const int64_t useful = std::min<int64_t>(int64_t(engine->calculators.size()), frames);
    // Threads of our own throughout, with a stack for libxtb's automatic arrays, whatever the caller's is.
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, size_t(64) << 20);
    std::vector<pthread_t> pool;
    pool.reserve(size_t(useful));
    for (int64_t worker = 0; worker < useful; worker++) {
      pthread_t thread;
      if (pthread_create(&thread, &attributes, Batch::work, &batch) != 0) break;
      pool.push_back(thread);
    }
    pthread_attr_destroy(&attributes);
    for (pthread_t thread : pool) pthread_join(thread, nullptr);
    if (batch.failure) std::rethrow_exception(batch.failure);
    if (useful > 0 && pool.empty()) throw Failure(BM_XTB_ERROR_SYSTEM, "the machine grants no thread");
  });
}
