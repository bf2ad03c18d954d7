#pragma once
#include <memory>
#include <string>

#include "Guard.h"

namespace boltzmill {

/// Forces of one System on one frame; one instance per thread.
class ForceProvider {
 public:
  virtual ~ForceProvider() = default;
  virtual std::string name() const = 0;
  /// forces [particles, 3] is overwritten. Returns the potential energy when `wantEnergy`, else an unspecified number.
  virtual double compute(const double *positions, double *forces, bool wantEnergy) = 0;
};

/// OpenMM's Reference platform, entered below Context's copies of the state.
std::unique_ptr<ForceProvider> makeReferenceProvider(std::shared_ptr<OpenMM::System> system);

struct MoleculeParameters;

/// The built-in kernel for small molecules. It knows the force terms of AMBER-like force fields with generalised Born solvent,
/// with and without cutoffs, runs the pairs in vectors, and takes a fifth of Reference's time or less.
std::unique_ptr<ForceProvider> makeMoleculeProvider(std::shared_ptr<const MoleculeParameters> parameters);

}  // namespace boltzmill
