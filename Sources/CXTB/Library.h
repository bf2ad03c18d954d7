#pragma once
#include <xtb.h>

#include <exception>
#include <string>

#include "CXTB.h"

namespace boltzmill::xtb {

/// What a call of this library throws within itself; never seen outside.
struct Failure : std::exception {
  int32_t status;
  std::string message;
  Failure(int32_t status, std::string message) : status(status), message(std::move(message)) {}
  const char *what() const noexcept override { return message.c_str(); }
};

/// The functions of libxtb that are used here.
struct Library {
  decltype(&xtb_getAPIVersion) getAPIVersion;
  decltype(&xtb_newEnvironment) newEnvironment;
  decltype(&xtb_delEnvironment) delEnvironment;
  decltype(&xtb_checkEnvironment) checkEnvironment;
  decltype(&xtb_getError) getError;
  decltype(&xtb_setVerbosity) setVerbosity;
  decltype(&xtb_newMolecule) newMolecule;
  decltype(&xtb_delMolecule) delMolecule;
  decltype(&xtb_updateMolecule) updateMolecule;
  decltype(&xtb_newCalculator) newCalculator;
  decltype(&xtb_delCalculator) delCalculator;
  decltype(&xtb_loadGFN2xTB) loadGFN2xTB;
  decltype(&xtb_setSolvent) setSolvent;
  decltype(&xtb_singlepoint) singlepoint;
  decltype(&xtb_newResults) newResults;
  decltype(&xtb_delResults) delResults;
  decltype(&xtb_getEnergy) getEnergy;
  decltype(&xtb_getGradient) getGradient;

  std::string version;

  /// Keeps libxtb's inner loops, which are OpenMP's, on the calling thread.
  void useOneThread() const;

  /// Loaded once. Throws Failure.
  static const Library &shared();

 private:
  Library();
  void (*setThreads)(int) = nullptr;
};

}  // namespace boltzmill::xtb
