#include "Library.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>

#include <fstream>

namespace boltzmill::xtb {

// DEEPBIND: libxtb comes with an OpenBLAS, and programs that use it may hold another BLAS under the same names (LibTorch has
// one). Its energies must not depend on who was loaded first. AddressSanitizer, which replaces malloc for everyone, forbids it.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BM_XTB_BINDING 0
#endif
#endif
#ifndef BM_XTB_BINDING
#define BM_XTB_BINDING RTLD_DEEPBIND
#endif

// The system's, for the system's libxtb and OpenBLAS: the program's folders come first, and LibTorch's holds an older one of that name.
constexpr const char *systemFortran = "/usr/lib/x86_64-linux-gnu/libgfortran.so.5";

Library::Library() {
  dlopen(systemFortran, RTLD_NOW | RTLD_LOCAL);  // where it is not there, it is found as ever
  void *handle = dlopen("libxtb.so.6", RTLD_NOW | RTLD_LOCAL | BM_XTB_BINDING);
  if (handle == nullptr) {
    const char *reason = dlerror();
    throw Failure(BM_XTB_ERROR_LIBRARY, reason ? reason : "libxtb.so.6 cannot be loaded");
  }
  auto find = [&](auto &function, const char *name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
    if (function == nullptr) throw Failure(BM_XTB_ERROR_LIBRARY, std::string("libxtb.so.6 has no function ") + name);
  };
  find(getAPIVersion, "xtb_getAPIVersion");
  find(newEnvironment, "xtb_newEnvironment");
  find(delEnvironment, "xtb_delEnvironment");
  find(checkEnvironment, "xtb_checkEnvironment");
  find(getError, "xtb_getError");
  find(setVerbosity, "xtb_setVerbosity");
  find(newMolecule, "xtb_newMolecule");
  find(delMolecule, "xtb_delMolecule");
  find(updateMolecule, "xtb_updateMolecule");
  find(newCalculator, "xtb_newCalculator");
  find(delCalculator, "xtb_delCalculator");
  find(loadGFN2xTB, "xtb_loadGFN2xTB");
  find(setSolvent, "xtb_setSolvent");
  find(singlepoint, "xtb_singlepoint");
  find(newResults, "xtb_newResults");
  find(delResults, "xtb_delResults");
  find(getEnergy, "xtb_getEnergy");
  find(getGradient, "xtb_getGradient");

  // These two are of the libraries behind libxtb and may be absent where it was built with others.
  setThreads = reinterpret_cast<void (*)(int)>(dlsym(handle, "omp_set_num_threads"));
  if (auto setBLASThreads = reinterpret_cast<void (*)(int)>(dlsym(handle, "openblas_set_num_threads"))) setBLASThreads(1);

  Dl_info info;
  char path[PATH_MAX];
  if (dladdr(reinterpret_cast<void *>(singlepoint), &info) != 0 && info.dli_fname && realpath(info.dli_fname, path)) {
    const std::string name = path;
    const size_t end = name.rfind(".so.");
    if (end != std::string::npos) version = name.substr(end + 4);
    // A wheel holds no links, and so no file of the full name. Beside it stands what the name was.
    std::ifstream told(name.substr(0, name.rfind('/') + 1) + "libxtb.version");
    if (std::string line; std::getline(told, line)) version = line;
  }
}

void Library::useOneThread() const {
  if (setThreads) setThreads(1);
}

const Library &Library::shared() {
  static const Library library;
  return library;
}

}  // namespace boltzmill::xtb
