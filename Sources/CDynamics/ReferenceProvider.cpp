#include <openmm/internal/ContextImpl.h>
#include <openmm/reference/ReferencePlatform.h>

#include "ForceProvider.h"

namespace boltzmill {

namespace {

/// An integrator that takes no steps: OpenMM hands the implementation of a Context to its integrator alone.
class ForceAccess : public OpenMM::Integrator {
 public:
  OpenMM::ContextImpl *implementation() { return context; }
  void step(int) override {}

 protected:
  void initialize(OpenMM::ContextImpl &given) override {
    context = &given;
    owner = &given.getOwner();
  }
  std::vector<std::string> getKernelNames() override { return {}; }
  double computeKineticEnergy() override { return 0; }
  bool kineticEnergyRequiresForce() const override { return false; }
};

class ReferenceProvider : public ForceProvider {
 public:
  explicit ReferenceProvider(std::shared_ptr<OpenMM::System> given)
      : system(std::move(given)), context(*system, access, platformNamed("Reference")), count(system->getNumParticles()) {
    context.setPositions(std::vector<OpenMM::Vec3>(count));  // tells the Context that positions are set from here on
    data = static_cast<OpenMM::ReferencePlatform::PlatformData *>(access.implementation()->getPlatformData());
  }

  std::string name() const override { return "OpenMM Reference"; }

  double compute(const double *x, double *f, bool wantEnergy) override {
    std::vector<OpenMM::Vec3> &positions = *data->positions;
    for (int i = 0; i < count; i++) positions[i] = OpenMM::Vec3(x[3 * i], x[3 * i + 1], x[3 * i + 2]);
    const double energy = access.implementation()->calcForcesAndEnergy(true, wantEnergy);
    const std::vector<OpenMM::Vec3> &forces = *data->forces;
    for (int i = 0; i < count; i++)
      for (int axis = 0; axis < 3; axis++) f[3 * i + axis] = forces[i][axis];
    return energy;
  }

 private:
  std::shared_ptr<OpenMM::System> system;
  ForceAccess access;
  OpenMM::Context context;
  OpenMM::ReferencePlatform::PlatformData *data = nullptr;
  int count;
};

}  // namespace

std::unique_ptr<ForceProvider> makeReferenceProvider(std::shared_ptr<OpenMM::System> system) {
  std::lock_guard<std::mutex> held(constructionLock());
  return std::make_unique<ReferenceProvider>(std::move(system));
}

}  // namespace boltzmill
