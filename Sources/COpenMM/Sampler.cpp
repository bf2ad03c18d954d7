#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "ForceProvider.h"
#include "Guard.h"
#include "MoleculeParameters.h"
#include "RandomSource.h"
#include "Torsion.h"

using namespace boltzmill;

namespace {

constexpr double gasConstant = 0.00831446261815324;  // kJ/mol/K

/// Turning some particles about the line through two others.
struct Turn {
  int from, to;
  bool third;
  std::vector<int> atoms;
};

/// About a turn's axis where it stands in x.
struct Rotation {
  double origin[3], axis[3], c, s;

  Rotation(const double *x, const Turn &turn, double angle) : c(std::cos(angle)), s(std::sin(angle)) {
    double length = 0;
    for (int k = 0; k < 3; k++) {
      origin[k] = x[3 * turn.from + k];
      axis[k] = x[3 * turn.to + k] - origin[k];
      length += axis[k] * axis[k];
    }
    length = std::sqrt(length);
    for (double &component : axis) component /= length;
  }

  /// Turns the vectors of some atoms: places, which have an origin, or velocities, which have none.
  void turn(double *vectors, const std::vector<int> &atoms, bool places) const {
    for (int atom : atoms) {
      double r[3], across[3];
      for (int k = 0; k < 3; k++) r[k] = vectors[3 * atom + k] - (places ? origin[k] : 0);
      crossProduct(axis, r, across);
      const double along = dotProduct(axis, r) * (1 - c);
      for (int k = 0; k < 3; k++)
        vectors[3 * atom + k] = (places ? origin[k] : 0) + c * r[k] + s * across[k] + along * axis[k];
    }
  }
};

struct Settings {
  double temperature, friction, timestep;
  int threads, recordInterval;
  std::vector<int> torsions;           // [recorded, 4]
  std::vector<double> forceConstants;  // [biased]
  bool plainForces;
  std::vector<Turn> turns;
  int recorded() const { return int(torsions.size() / 4); }
  int biased() const { return int(forceConstants.size()); }
};

/// One thread's dynamics.
class Walker {
 public:
  Walker(std::unique_ptr<ForceProvider> provider, const Settings &settings, const std::vector<double> &masses)
      : provider(std::move(provider)), settings(settings), inverseMass(masses.size() * 3), noise(masses.size() * 3),
        forces(masses.size() * 3), random(masses.size() * 3 + 1), trial(masses.size() * 3), trialForces(masses.size() * 3) {
    const double kT = gasConstant * settings.temperature;
    keep = std::exp(-settings.friction * settings.timestep);
    for (size_t i = 0; i < masses.size(); i++)
      for (int axis = 0; axis < 3; axis++) {
        inverseMass[3 * i + axis] = masses[i] > 0 ? 1 / masses[i] : 0;
        noise[3 * i + axis] = masses[i] > 0 ? std::sqrt(kT * (1 - keep * keep) / masses[i]) : 0;
      }
  }

  std::string providerName() const { return provider->name(); }

  /// Potential energy with the bias, and forces.
  double compute(const double *x, const double *centers, double *f, bool wantEnergy) {
    double energy = provider->compute(x, f, wantEnergy);
    for (int b = 0; b < settings.biased(); b++) {
      const int *atoms = settings.torsions.data() + 4 * b;
      TorsionGeometry geometry;
      const double d = wrapped(torsionAngle(x, atoms, geometry) - centers[b]);
      energy += 0.5 * settings.forceConstants[b] * d * d;
      addTorsionForce(atoms, geometry, settings.forceConstants[b] * d, f);
    }
    return energy;
  }

  /// Langevin dynamics in the middle scheme: kick, half drift, friction and noise, half drift.
  /// Source: Zhang et al., J. Phys. Chem. A 123, 6056 (2019); the discretisation is that of OpenMM's LangevinMiddleIntegrator.
  void advance(double *x, double *v, const double *centers, int64_t steps, RandomSource &source) {
    const int n = int(inverseMass.size());
    const double dt = settings.timestep, half = 0.5 * dt, kept = keep;
    for (int64_t step = 0; step < steps; step++) {
      compute(x, centers, forces.data(), false);
      source.normals(random.data(), n);
      for (int i = 0; i < n; i++) {
        const double kicked = v[i] + dt * inverseMass[i] * forces[i];
        const double thermal = kept * kicked + noise[i] * random[i];
        x[i] += half * (kicked + thermal);
        v[i] = thermal;
      }
    }
  }

  /// Steps of dynamics with a turn tried after each interval of them; `counts` [turns, 2]: tried and taken.
  void advanceTurning(double *x, double *v, const double *centers, int64_t steps, RandomSource &source, int64_t *counts) {
    if (settings.turns.empty()) return advance(x, v, centers, steps, source);
    while (steps > 0) {
      const int64_t some = std::min<int64_t>(steps, settings.recordInterval);
      advance(x, v, centers, some, source);
      steps -= some;
      if (some == settings.recordInterval) tryTurn(x, v, centers, source, counts);
    }
  }

  /// One of the turns, taken or not by Metropolis' rule. Angles are drawn symmetrically and a turn keeps volumes and bond lengths, so the
  /// Boltzmann distribution stays what it is.
  ///
  /// What is independent of the positions in that distribution is the velocities after half of the next kick, where the scheme's symmetric
  /// form begins and ends. These turn with their atoms, and the half kick is taken back with the new forces: velocities that kept the old
  /// places' half kick would heat the molecule with every turn that is taken.
  void tryTurn(double *x, double *v, const double *centers, RandomSource &source, int64_t *counts) {
    const size_t which = std::min(size_t(source.uniform() * double(settings.turns.size())), settings.turns.size() - 1);
    const Turn &turn = settings.turns[which];
    double angle;
    if (turn.third) {
      double normal[2];
      source.normals(normal, 2);
      angle = (source.uniform() < 0.5 ? -1 : 1) * 2 * pi / 3 + 0.2 * normal[0];
    } else {
      angle = (2 * source.uniform() - 1) * pi;
    }
    const double draw = source.uniform();
    counts[2 * which] += 1;
    std::copy(x, x + trial.size(), trial.begin());
    const Rotation rotation(x, turn, angle);
    rotation.turn(trial.data(), turn.atoms, true);
    const double before = compute(x, centers, forces.data(), true);
    const double after = compute(trial.data(), centers, trialForces.data(), true);
    // a comparison with NaN is false: such a place is not taken
    if (!(draw < std::exp(-(after - before) / (gasConstant * settings.temperature)))) return;
    std::copy(trial.begin(), trial.end(), x);
    const double half = 0.5 * settings.timestep;
    for (size_t i = 0; i < trial.size(); i++) v[i] += half * inverseMass[i] * forces[i];
    rotation.turn(v, turn.atoms, false);
    for (size_t i = 0; i < trial.size(); i++) v[i] -= half * inverseMass[i] * trialForces[i];
    counts[2 * which + 1] += 1;
  }

  void recordTorsions(const double *x, double *out) const {
    TorsionGeometry geometry;
    for (int t = 0; t < settings.recorded(); t++) out[t] = torsionAngle(x, settings.torsions.data() + 4 * t, geometry);
  }

 private:
  std::unique_ptr<ForceProvider> provider;
  const Settings &settings;
  double keep;
  std::vector<double> inverseMass, noise, forces, random, trial, trialForces;
};

}  // namespace

struct bm_sampler {
  std::shared_ptr<OpenMM::System> system;
  Settings settings;
  std::vector<double> masses;
  std::vector<std::unique_ptr<Walker>> walkers;
  std::string providerName;
  std::shared_ptr<const MoleculeParameters> parameters;  // of the built-in kernel, where it is in use
  std::string refusal;  // why that is not in use, where it could have been
  bool verified = false;

  size_t coordinates() const { return 3 * masses.size(); }

  Walker &walker(int index) {
    if (!walkers[index]) {
      auto provider = parameters ? makeMoleculeProvider(parameters) : makeReferenceProvider(system);
      walkers[index] = std::make_unique<Walker>(std::move(provider), settings, masses);
    }
    return *walkers[index];
  }

  /// The largest difference between the built-in kernel's forces and OpenMM's, relative to max(1, |force|).
  double deviation(const double *frames, int64_t count) {
    if (!parameters) return 0;
    const size_t n = coordinates();
    std::vector<double> ours(n), theirs(n);
    const auto kernel = makeMoleculeProvider(parameters);
    const auto reference = makeReferenceProvider(system);
    double largest = 0;
    for (int64_t frame = 0; frame < count; frame++) {
      kernel->compute(frames + frame * n, ours.data(), false);
      reference->compute(frames + frame * n, theirs.data(), false);
      for (size_t i = 0; i < n; i++) {
        const double difference = std::abs(ours[i] - theirs[i]) / std::max(1.0, std::abs(theirs[i]));
        if (!(difference <= largest)) largest = std::isnan(difference) ? INFINITY : difference;
      }
    }
    return largest;
  }

  /// Compares the built-in kernel with OpenMM on a frame, once; where they differ, OpenMM computes every force from here on.
  void verifyKernel(const double *positions) {
    if (!parameters || verified) return;
    if (deviation(positions, 1) <= 1e-6) {
      verified = true;
      return;
    }
    parameters = nullptr;
    refusal = "its forces differ from OpenMM's";
    for (auto &walker : walkers) walker.reset();
    providerName = walker(0).providerName();
  }
};

bm_sampler *bm_sampler_create(const bm_system *system, const bm_sampler_settings *given) {
  return guardedHandle<bm_sampler>([&] {
    auto sampler = std::make_unique<bm_sampler>();
    sampler->system = system->system;
    const int particles = system->system->getNumParticles();
    auto refuse = [](const std::string &why) { throw Failure(BM_ERROR_ARGUMENT, why); };
    if (!(given->temperature >= 0)) refuse("temperature " + std::to_string(given->temperature) + " K is negative");
    if (!(given->friction >= 0)) refuse("friction " + std::to_string(given->friction) + " 1/ps is negative");
    if (!(given->timestep > 0)) refuse("timestep " + std::to_string(given->timestep) + " ps is not positive");
    if (given->record_interval < 1) refuse("a record interval of " + std::to_string(given->record_interval) + " steps");
    if (given->biased_torsions < 0 || given->biased_torsions > given->recorded_torsions)
      refuse(std::to_string(given->biased_torsions) + " biased torsions of " + std::to_string(given->recorded_torsions));
    if (system->system->getNumConstraints() > 0)
      refuse("the System has " + std::to_string(system->system->getNumConstraints()) +
             " constraints; the sampler moves every coordinate: serialise the System without constraints");
    for (int i = 0; i < particles; i++) {
      sampler->masses.push_back(given->masses ? given->masses[i] : system->system->getParticleMass(i));
      if (!(sampler->masses[i] >= 0)) refuse("particle " + std::to_string(i) + " has a mass of " + std::to_string(sampler->masses[i]));
      if (system->system->isVirtualSite(i)) refuse("particle " + std::to_string(i) + " is a virtual site");
    }
    for (int i = 0; i < system->system->getNumForces(); i++) {
      const std::string name = system->system->getForce(i).getName();
      const OpenMM::Force &force = system->system->getForce(i);
      if (name.find("Barostat") != std::string::npos || dynamic_cast<const OpenMM::AndersenThermostat *>(&force) ||
          dynamic_cast<const OpenMM::MonteCarloBarostat *>(&force))
        refuse("the System has a " + name + "; the sampler has its own thermostat and no volume moves");
    }
    for (int t = 0; t < given->recorded_torsions; t++) {
      for (int k = 0; k < 4; k++) {
        const int atom = given->torsions[4 * t + k];
        if (atom < 0 || atom >= particles)
          refuse("torsion " + std::to_string(t) + " names particle " + std::to_string(atom) + " of " + std::to_string(particles));
        for (int l = 0; l < k; l++)
          if (given->torsions[4 * t + l] == atom)
            refuse("torsion " + std::to_string(t) + " names particle " + std::to_string(atom) + " twice");
      }
    }
    sampler->settings.temperature = given->temperature;
    sampler->settings.friction = given->friction;
    sampler->settings.timestep = given->timestep;
    sampler->settings.threads = std::max(1, given->threads);
    sampler->settings.recordInterval = given->record_interval;
    sampler->settings.torsions.assign(given->torsions, given->torsions + 4 * given->recorded_torsions);
    sampler->settings.forceConstants.assign(given->force_constants, given->force_constants + given->biased_torsions);
    sampler->settings.plainForces = given->plain_forces != 0;
    auto particle = [&](int turn, int atom) {
      if (atom < 0 || atom >= particles)
        refuse("turn " + std::to_string(turn) + " names particle " + std::to_string(atom) + " of " + std::to_string(particles));
      return atom;
    };
    const int32_t *atoms = given->turn_atoms;
    for (int t = 0; t < given->turns; t++) {
      Turn turn{particle(t, given->turn_axes[2 * t]), particle(t, given->turn_axes[2 * t + 1]), given->turn_thirds[t] != 0, {}};
      if (turn.from == turn.to) refuse("turn " + std::to_string(t) + " is about particle " + std::to_string(turn.from) + " alone");
      for (int k = 0; k < given->turn_sizes[t]; k++) {
        const int atom = particle(t, *atoms++);
        if (atom == turn.from || atom == turn.to)
          refuse("turn " + std::to_string(t) + " would move particle " + std::to_string(atom) + " of its own axis");
        turn.atoms.push_back(atom);
      }
      sampler->settings.turns.push_back(std::move(turn));
    }
    if (!sampler->settings.plainForces) sampler->parameters = moleculeParameters(*system->system, &sampler->refusal);
    sampler->walkers.resize(sampler->settings.threads);
    sampler->providerName = sampler->walker(0).providerName();
    return sampler.release();
  });
}

void bm_sampler_free(bm_sampler *sampler) { delete sampler; }
const char *bm_sampler_force_provider(const bm_sampler *sampler) { return sampler->providerName.c_str(); }
const char *bm_sampler_kernel_refusal(const bm_sampler *sampler) { return sampler->refusal.c_str(); }

int32_t bm_sampler_force_deviation(bm_sampler *sampler, const double *coordinates, int64_t frames, double *deviation) {
  return guarded([&] { *deviation = sampler->deviation(coordinates, frames); });
}

int32_t bm_sampler_minimise(bm_sampler *sampler, double *positions, double tolerance, int32_t iterations) {
  return guarded([&] {
    if (!allFinite(positions, sampler->coordinates())) throw Failure(BM_ERROR_UNSTABLE, "the positions are not finite");
    OpenMM::VerletIntegrator integrator(0.001);
    std::unique_ptr<OpenMM::Context> made;
    {
      std::lock_guard<std::mutex> held(constructionLock());
      made = std::make_unique<OpenMM::Context>(*sampler->system, integrator, platformNamed("Reference"));
    }
    OpenMM::Context &context = *made;
    std::vector<OpenMM::Vec3> frame(sampler->masses.size());
    for (size_t i = 0; i < frame.size(); i++)
      frame[i] = OpenMM::Vec3(positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]);
    context.setPositions(frame);
    OpenMM::LocalEnergyMinimizer::minimize(context, tolerance, iterations);
    const OpenMM::State state = context.getState(OpenMM::State::Positions | OpenMM::State::Energy);
    if (!std::isfinite(state.getPotentialEnergy())) throw Failure(BM_ERROR_UNSTABLE, "the energy stays infinite");
    for (size_t i = 0; i < frame.size(); i++)
      for (int axis = 0; axis < 3; axis++) positions[3 * i + axis] = state.getPositions()[i][axis];
  });
}

int32_t bm_sampler_thermalise(bm_sampler *sampler, uint64_t seed, double *velocities) {
  return guarded([&] {
    RandomSource source(seed);
    std::vector<double> random(sampler->coordinates() + 1);
    source.normals(random.data(), int(sampler->coordinates()));
    const double kT = gasConstant * sampler->settings.temperature;
    for (size_t i = 0; i < sampler->coordinates(); i++) {
      const double mass = sampler->masses[i / 3];
      velocities[i] = mass > 0 ? random[i] * std::sqrt(kT / mass) : 0;
    }
  });
}

int32_t bm_sampler_forces(bm_sampler *sampler, const double *positions, const double *centers, double *energy, double *forces) {
  return guarded([&] { *energy = sampler->walker(0).compute(positions, centers, forces, true); });
}

int32_t bm_sampler_torsions(bm_sampler *sampler, const double *coordinates, int64_t frames, double *out) {
  return guarded([&] {
    for (int64_t frame = 0; frame < frames; frame++)
      sampler->walker(0).recordTorsions(coordinates + frame * sampler->coordinates(), out + frame * sampler->settings.recorded());
  });
}

int32_t bm_sampler_run(bm_sampler *sampler, int32_t walks, int32_t segments, double *positions, double *velocities,
                       const double *centers, const int64_t *equilibration_steps, const int64_t *production_steps,
                       const uint64_t *seeds, int64_t record_capacity, double *records, double *end_positions, int64_t *turns) {
  return guarded([&] {
    const size_t n = sampler->coordinates();
    const int recorded = sampler->settings.recorded(), biased = sampler->settings.biased();
    const int64_t interval = sampler->settings.recordInterval;
    for (int64_t i = 0; i < int64_t(walks) * segments; i++)
      if (production_steps[i] / interval > record_capacity)
        throw Failure(BM_ERROR_ARGUMENT, std::to_string(production_steps[i] / interval) + " records of segment " +
                                             std::to_string(i) + " in room for " + std::to_string(record_capacity));
    for (int64_t i = 0; i < walks; i++)
      if (!allFinite(positions + i * n, n) || !allFinite(velocities + i * n, n))
        throw Failure(BM_ERROR_UNSTABLE, "walk " + std::to_string(i) + " begins with numbers that are not finite");
    if (walks > 0) sampler->verifyKernel(positions);
    std::mutex counting;
    auto body = [&](int worker, int64_t walk) {
      Walker &walker = sampler->walker(worker);
      std::vector<int64_t> counts(2 * sampler->settings.turns.size());
      double *x = positions + walk * n, *v = velocities + walk * n;
      for (int segment = 0; segment < segments; segment++) {
        const int64_t at = walk * segments + segment;
        RandomSource source(seeds[at]);
        const double *center = centers + at * biased;
        walker.advanceTurning(x, v, center, equilibration_steps[at], source, counts.data());
        double *out = records + at * record_capacity * recorded;
        const int64_t rows = production_steps[at] / interval;
        for (int64_t row = 0; row < rows; row++) {
          walker.advanceTurning(x, v, center, interval, source, counts.data());
          walker.recordTorsions(x, out + row * recorded);
        }
        walker.advance(x, v, center, production_steps[at] - rows * interval, source);
        if (!allFinite(x, n) || !allFinite(v, n))
          throw Failure(BM_ERROR_UNSTABLE, "walk " + std::to_string(walk) + ", segment " + std::to_string(segment) +
                                               ": the dynamics became unstable; a shorter timestep may hold it");
        if (end_positions) std::memcpy(end_positions + at * n, x, n * sizeof(double));
      }
      std::lock_guard<std::mutex> held(counting);
      for (size_t k = 0; turns && k < counts.size(); k++) turns[k] += counts[k];
    };
    parallelFor(sampler->settings.threads, walks, 1, body);
  });
}
