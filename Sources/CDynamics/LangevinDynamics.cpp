#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "CDynamics.h"
#include "DistanceConstraints.h"
#include "ForceProvider.h"
#include "Guard.h"
#include "MoleculeParameters.h"
#include "RandomSource.h"
#include "Torsion.h"

using namespace boltzmill;

namespace {

constexpr double gasConstant = 0.00831446261815324;  // kJ/mol/K

/// Turning some particles about the line through two others.
struct TorsionMove {
  int from, to;
  bool third;
  std::vector<int> atoms;
};

/// About a move's axis where it stands in x.
struct Rotation {
  double origin[3], axis[3], c, s;

  Rotation(const double *x, const TorsionMove &move, double angle) : c(std::cos(angle)), s(std::sin(angle)) {
    double length = 0;
    for (int k = 0; k < 3; k++) {
      origin[k] = x[3 * move.from + k];
      axis[k] = x[3 * move.to + k] - origin[k];
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

/// Forces that the caller computes.
class ExternalProvider : public ForceProvider {
 public:
  ExternalProvider(double (*function)(void *, int32_t, const double *, double *), void *context, int worker)
      : function(function), context(context), worker(worker) {}

  std::string name() const override { return "the caller"; }
  double compute(const double *x, double *f, bool) override { return function(context, worker, x, f); }

 private:
  double (*function)(void *, int32_t, const double *, double *);
  void *context;
  int worker;
};

struct Settings {
  double temperature, friction, timestep;
  int threads, recordInterval;
  std::vector<int> torsions;           // [recorded, 4]
  std::vector<double> forceConstants;  // [biased]
  bool plainForces;
  std::vector<TorsionMove> moves;
  int recorded() const { return int(torsions.size() / 4); }
  int biased() const { return int(forceConstants.size()); }
};

/// One thread's dynamics.
class Walker {
 public:
  Walker(std::unique_ptr<ForceProvider> provider, const Settings &settings, const std::vector<double> &masses,
         const DistanceConstraints &constraints)
      : provider(std::move(provider)), settings(settings), constraints(constraints), inverseMass(masses.size() * 3),
        noise(masses.size() * 3), forces(masses.size() * 3), random(masses.size() * 3 + 1), trial(masses.size() * 3),
        trialForces(masses.size() * 3), drifted(constraints.empty() ? 0 : masses.size() * 3) {
    const double kT = gasConstant * settings.temperature;
    keep = std::exp(-settings.friction * settings.timestep);
    for (size_t i = 0; i < masses.size(); i++)
      for (int axis = 0; axis < 3; axis++) {
        inverseMass[3 * i + axis] = masses[i] > 0 ? 1 / masses[i] : 0;
        noise[3 * i + axis] = masses[i] > 0 ? std::sqrt(kT * (1 - keep * keep) / masses[i]) : 0;
      }
  }

  std::string providerName() const { return provider->name(); }
  ForceProvider &forceProvider() { return *provider; }

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
    if (!constraints.empty()) return advanceConstrained(x, v, centers, steps, source);
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

  /// The same with distances held: velocities are brought back to the surface after the kick (RATTLE), positions after both half drifts
  /// (SHAKE), and what that moves them by goes into the velocities. The order is that of OpenMM's LangevinMiddleIntegrator. Velocities that
  /// point off the surface, as thermal ones do, lose that part at the next kick: what is left has the distribution of a constrained
  /// molecule.
  void advanceConstrained(double *x, double *v, const double *centers, int64_t steps, RandomSource &source) {
    const int n = int(inverseMass.size());
    const double dt = settings.timestep, half = 0.5 * dt, kept = keep;
    for (int64_t step = 0; step < steps; step++) {
      compute(x, centers, forces.data(), false);
      source.normals(random.data(), n);
      for (int i = 0; i < n; i++) v[i] += dt * inverseMass[i] * forces[i];
      constraints.applyToVelocities(x, v, dt);
      for (int i = 0; i < n; i++) {
        const double thermal = kept * v[i] + noise[i] * random[i];
        drifted[i] = x[i] + half * (v[i] + thermal);
        v[i] = thermal;
      }
      // where each would have been without constraints is kept in `trial`
      std::copy(drifted.begin(), drifted.end(), trial.begin());
      constraints.applyToPositions(x, drifted.data());
      for (int i = 0; i < n; i++) {
        v[i] += (drifted[i] - trial[i]) / dt;
        x[i] = drifted[i];
      }
    }
  }

  /// Steps of dynamics with a torsion move tried after each interval of them; `counts` [moves, 2]: tried and taken.
  void advanceMoving(double *x, double *v, const double *centers, int64_t steps, RandomSource &source, int64_t *counts) {
    if (settings.moves.empty()) return advance(x, v, centers, steps, source);
    while (steps > 0) {
      const int64_t some = std::min<int64_t>(steps, settings.recordInterval);
      advance(x, v, centers, some, source);
      steps -= some;
      if (some == settings.recordInterval) tryMove(x, v, centers, source, counts);
    }
  }

  /// One of the moves, taken or not by Metropolis' rule. Angles are drawn symmetrically and a turn keeps volumes and bond lengths, so the
  /// Boltzmann distribution stays what it is.
  ///
  /// What is independent of the positions in that distribution is the velocities after half of the next kick, where the scheme's symmetric
  /// form begins and ends. These turn with their atoms, and the half kick is taken back with the new forces: velocities that kept the old
  /// places' half kick would heat the molecule with every move that is taken.
  ///
  /// Where distances are held, a turned velocity would point off the surface at the axis: velocities are drawn anew instead, which their
  /// distribution allows at any time. What the turn keeps, bond angles among them, is all that the surface's volume depends on.
  void tryMove(double *x, double *v, const double *centers, RandomSource &source, int64_t *counts) {
    const size_t which = std::min(size_t(source.uniform() * double(settings.moves.size())), settings.moves.size() - 1);
    const TorsionMove &move = settings.moves[which];
    double angle;
    if (move.third) {
      double normal[2];
      source.normals(normal, 2);
      angle = (source.uniform() < 0.5 ? -1 : 1) * 2 * pi / 3 + 0.2 * normal[0];
    } else {
      angle = (2 * source.uniform() - 1) * pi;
    }
    const double draw = source.uniform();
    counts[2 * which] += 1;
    std::copy(x, x + trial.size(), trial.begin());
    const Rotation rotation(x, move, angle);
    rotation.turn(trial.data(), move.atoms, true);
    const double before = compute(x, centers, forces.data(), true);
    const double after = compute(trial.data(), centers, trialForces.data(), true);
    // a comparison with NaN is false: such a place is not taken
    if (!(draw < std::exp(-(after - before) / (gasConstant * settings.temperature)))) return;
    std::copy(trial.begin(), trial.end(), x);
    const double half = 0.5 * settings.timestep;
    if (constraints.empty()) {
      for (size_t i = 0; i < trial.size(); i++) v[i] += half * inverseMass[i] * forces[i];
      rotation.turn(v, move.atoms, false);
    } else {
      const double kT = gasConstant * settings.temperature;
      source.normals(random.data(), int(trial.size()));
      for (size_t i = 0; i < trial.size(); i++) v[i] = std::sqrt(kT * inverseMass[i]) * random[i];
    }
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
  const DistanceConstraints &constraints;
  double keep;
  std::vector<double> inverseMass, noise, forces, random, trial, trialForces, drifted;
};

}  // namespace

struct bm_dynamics {
  std::shared_ptr<OpenMM::System> system;
  Settings settings;
  std::vector<double> masses;
  DistanceConstraints constraints;
  std::vector<std::unique_ptr<Walker>> walkers;
  std::string providerName;
  std::shared_ptr<const MoleculeParameters> parameters;  // of the built-in kernel, where it is in use
  std::string refusal;  // why that is not in use, where it could have been
  bool verified = false;
  double (*external)(void *, int32_t, const double *, double *) = nullptr;
  void *externalContext = nullptr;

  size_t coordinates() const { return 3 * masses.size(); }

  Walker &walker(int index) {
    if (!walkers[index]) {
      std::unique_ptr<ForceProvider> provider;
      if (external)
        provider = std::make_unique<ExternalProvider>(external, externalContext, index);
      else
        provider = parameters ? makeMoleculeProvider(parameters) : makeReferenceProvider(system);
      walkers[index] = std::make_unique<Walker>(std::move(provider), settings, masses, constraints);
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

  /// The nearby minimum of the unbiased energy where the forces are the caller's, in place: up to `iterations` steps, 0 for as many as it
  /// takes, until the root mean square force is below the tolerance or no step goes down.
  /// Source: FIRE, Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006), with unit masses. Lengths in nm: a step moves no atom by more than
  /// 0.01 nm, and one that would raise the energy is taken back.
  void descend(double *x, double tolerance, int iterations) {
    constexpr double longest = 0.01, largestStep = 0.003;  // nm; of time where a unit mass is a dalton, ps
    const size_t n = coordinates();
    ForceProvider &forces = walker(0).forceProvider();
    std::vector<double> f(n), v(n, 0), tried(n), triedForces(n);
    double energy = forces.compute(x, f.data(), true);
    if (!std::isfinite(energy)) throw Failure(BM_ERROR_UNSTABLE, "the structure to begin with has no finite energy");
    double step = 0.001, mixing = 0.1;
    int downhill = 0;
    for (int iteration = 0, last = iterations > 0 ? iterations : 5000; iteration < last; iteration++) {
      double ff = 0, vv = 0, fv = 0;
      for (size_t i = 0; i < n; i++) ff += f[i] * f[i], vv += v[i] * v[i], fv += f[i] * v[i];
      if (std::sqrt(ff / double(n)) <= tolerance || step < 1e-7) return;
      if (fv > 0) {
        const double along = mixing * std::sqrt(vv / ff);
        for (size_t i = 0; i < n; i++) v[i] = (1 - mixing) * v[i] + along * f[i];
        if (++downhill > 5) step = std::min(1.1 * step, largestStep), mixing *= 0.99;
      } else {
        std::fill(v.begin(), v.end(), 0);
        step *= 0.5, mixing = 0.1, downhill = 0;
      }
      double farthest = 0;
      for (size_t i = 0; i < n; i++) v[i] += step * f[i], farthest = std::max(farthest, std::abs(step * v[i]));
      const double scale = farthest > longest ? longest / farthest : 1;
      for (size_t i = 0; i < n; i++) v[i] *= scale, tried[i] = x[i] + step * v[i];
      const double there = forces.compute(tried.data(), triedForces.data(), true);
      if (there <= energy) {  // false for NaN
        std::copy(tried.begin(), tried.end(), x);
        std::swap(f, triedForces);
        energy = there;
      } else {
        std::fill(v.begin(), v.end(), 0);
        step *= 0.5, mixing = 0.1, downhill = 0;
      }
    }
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

bm_dynamics *bm_dynamics_create(const bm_system *system, const bm_dynamics_settings *given) {
  return guardedHandle<bm_dynamics>([&] {
    auto dynamics = std::make_unique<bm_dynamics>();
    dynamics->system = system->system;
    const int particles = system->system->getNumParticles();
    auto refuse = [](const std::string &why) { throw Failure(BM_ERROR_ARGUMENT, why); };
    if (!(given->temperature >= 0)) refuse("temperature " + std::to_string(given->temperature) + " K is negative");
    if (!(given->friction >= 0)) refuse("friction " + std::to_string(given->friction) + " 1/ps is negative");
    if (!(given->timestep > 0)) refuse("timestep " + std::to_string(given->timestep) + " ps is not positive");
    if (given->record_interval < 1) refuse("a record interval of " + std::to_string(given->record_interval) + " steps");
    if (given->biased_torsions < 0 || given->biased_torsions > given->recorded_torsions)
      refuse(std::to_string(given->biased_torsions) + " biased torsions of " + std::to_string(given->recorded_torsions));
    for (int i = 0; i < particles; i++) {
      dynamics->masses.push_back(given->masses ? given->masses[i] : system->system->getParticleMass(i));
      if (!(dynamics->masses[i] >= 0)) refuse("particle " + std::to_string(i) + " has a mass of " + std::to_string(dynamics->masses[i]));
      if (system->system->isVirtualSite(i)) refuse("particle " + std::to_string(i) + " is a virtual site");
    }
    for (int i = 0; i < system->system->getNumConstraints(); i++) {
      int a, b;
      double length;
      system->system->getConstraintParameters(i, a, b, length);
      for (int atom : {a, b})
        if (!(dynamics->masses[atom] > 0)) refuse("a constraint holds particle " + std::to_string(atom) + ", which has no mass");
      dynamics->constraints.add(a, b, length, dynamics->masses[a], dynamics->masses[b]);
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
    dynamics->settings.temperature = given->temperature;
    dynamics->settings.friction = given->friction;
    dynamics->settings.timestep = given->timestep;
    dynamics->settings.threads = std::max(1, given->threads);
    dynamics->settings.recordInterval = given->record_interval;
    dynamics->settings.torsions.assign(given->torsions, given->torsions + 4 * given->recorded_torsions);
    dynamics->settings.forceConstants.assign(given->force_constants, given->force_constants + given->biased_torsions);
    dynamics->settings.plainForces = given->plain_forces != 0;
    auto particle = [&](int move, int atom) {
      if (atom < 0 || atom >= particles)
        refuse("torsion move " + std::to_string(move) + " names particle " + std::to_string(atom) + " of " + std::to_string(particles));
      return atom;
    };
    const int32_t *atoms = given->move_atoms;
    for (int t = 0; t < given->moves; t++) {
      TorsionMove move{particle(t, given->move_axes[2 * t]), particle(t, given->move_axes[2 * t + 1]), given->move_thirds[t] != 0, {}};
      if (move.from == move.to) refuse("torsion move " + std::to_string(t) + " is about particle " + std::to_string(move.from) + " alone");
      for (int k = 0; k < given->move_sizes[t]; k++) {
        const int atom = particle(t, *atoms++);
        if (atom == move.from || atom == move.to)
          refuse("torsion move " + std::to_string(t) + " would move particle " + std::to_string(atom) + " of its own axis");
        move.atoms.push_back(atom);
      }
      dynamics->settings.moves.push_back(std::move(move));
    }
    dynamics->external = given->external;
    dynamics->externalContext = given->external_context;
    if (given->external && !dynamics->constraints.empty()) refuse("a System with constraints has forces of its own");
    if (!given->external && !dynamics->settings.plainForces) dynamics->parameters = moleculeParameters(*system->system, &dynamics->refusal);
    dynamics->walkers.resize(dynamics->settings.threads);
    dynamics->providerName = dynamics->walker(0).providerName();
    return dynamics.release();
  });
}

void bm_dynamics_free(bm_dynamics *dynamics) { delete dynamics; }
const char *bm_dynamics_force_provider(const bm_dynamics *dynamics) { return dynamics->providerName.c_str(); }
const char *bm_dynamics_kernel_refusal(const bm_dynamics *dynamics) { return dynamics->refusal.c_str(); }

int32_t bm_dynamics_force_deviation(bm_dynamics *dynamics, const double *coordinates, int64_t frames, double *deviation) {
  return guarded([&] { *deviation = dynamics->deviation(coordinates, frames); });
}

int32_t bm_dynamics_minimise(bm_dynamics *dynamics, double *positions, double tolerance, int32_t iterations) {
  return guarded([&] {
    if (!allFinite(positions, dynamics->coordinates())) throw Failure(BM_ERROR_UNSTABLE, "the positions are not finite");
    if (dynamics->external) return dynamics->descend(positions, tolerance, iterations);
    OpenMM::VerletIntegrator integrator(0.001);
    std::unique_ptr<OpenMM::Context> made;
    {
      std::lock_guard<std::mutex> held(constructionLock());
      made = std::make_unique<OpenMM::Context>(*dynamics->system, integrator, platformNamed("Reference"));
    }
    OpenMM::Context &context = *made;
    std::vector<OpenMM::Vec3> frame(dynamics->masses.size());
    for (size_t i = 0; i < frame.size(); i++)
      frame[i] = OpenMM::Vec3(positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]);
    context.setPositions(frame);
    OpenMM::LocalEnergyMinimizer::minimize(context, tolerance, iterations);
    const OpenMM::State state = context.getState(OpenMM::State::Positions | OpenMM::State::Energy);
    if (!std::isfinite(state.getPotentialEnergy())) throw Failure(BM_ERROR_UNSTABLE, "the energy stays infinite");
    for (size_t i = 0; i < frame.size(); i++)
      for (int axis = 0; axis < 3; axis++) positions[3 * i + axis] = state.getPositions()[i][axis];
    // to the accuracy that the dynamics keeps; the minimiser's is OpenMM's 1e-5
    const std::vector<double> before(positions, positions + dynamics->coordinates());
    dynamics->constraints.applyToPositions(before.data(), positions);
  });
}

int32_t bm_dynamics_thermalise(bm_dynamics *dynamics, uint64_t seed, double *velocities) {
  return guarded([&] {
    RandomSource source(seed);
    std::vector<double> random(dynamics->coordinates() + 1);
    source.normals(random.data(), int(dynamics->coordinates()));
    const double kT = gasConstant * dynamics->settings.temperature;
    for (size_t i = 0; i < dynamics->coordinates(); i++) {
      const double mass = dynamics->masses[i / 3];
      velocities[i] = mass > 0 ? random[i] * std::sqrt(kT / mass) : 0;
    }
  });
}

int32_t bm_dynamics_forces(bm_dynamics *dynamics, const double *positions, const double *centers, double *energy, double *forces) {
  return guarded([&] { *energy = dynamics->walker(0).compute(positions, centers, forces, true); });
}

int32_t bm_dynamics_torsions(bm_dynamics *dynamics, const double *coordinates, int64_t frames, double *out) {
  return guarded([&] {
    for (int64_t frame = 0; frame < frames; frame++)
      dynamics->walker(0).recordTorsions(coordinates + frame * dynamics->coordinates(), out + frame * dynamics->settings.recorded());
  });
}

int32_t bm_dynamics_run(bm_dynamics *dynamics, int32_t walks, int32_t segments, double *positions, double *velocities,
                       const double *centers, const int64_t *equilibration_steps, const int64_t *production_steps,
                       const uint64_t *seeds, int64_t record_capacity, double *records, double *end_positions, int64_t *moves) {
  return guarded([&] {
    const size_t n = dynamics->coordinates();
    const int recorded = dynamics->settings.recorded(), biased = dynamics->settings.biased();
    const int64_t interval = dynamics->settings.recordInterval;
    for (int64_t i = 0; i < int64_t(walks) * segments; i++)
      if (production_steps[i] / interval > record_capacity)
        throw Failure(BM_ERROR_ARGUMENT, std::to_string(production_steps[i] / interval) + " records of segment " +
                                             std::to_string(i) + " in room for " + std::to_string(record_capacity));
    for (int64_t i = 0; i < walks; i++)
      if (!allFinite(positions + i * n, n) || !allFinite(velocities + i * n, n))
        throw Failure(BM_ERROR_UNSTABLE, "walk " + std::to_string(i) + " begins with numbers that are not finite");
    if (walks > 0) dynamics->verifyKernel(positions);
    std::mutex counting;
    auto body = [&](int worker, int64_t walk) {
      Walker &walker = dynamics->walker(worker);
      std::vector<int64_t> counts(2 * dynamics->settings.moves.size());
      double *x = positions + walk * n, *v = velocities + walk * n;
      for (int segment = 0; segment < segments; segment++) {
        const int64_t at = walk * segments + segment;
        RandomSource source(seeds[at]);
        const double *center = centers + at * biased;
        walker.advanceMoving(x, v, center, equilibration_steps[at], source, counts.data());
        double *out = records + at * record_capacity * recorded;
        const int64_t rows = production_steps[at] / interval;
        for (int64_t row = 0; row < rows; row++) {
          walker.advanceMoving(x, v, center, interval, source, counts.data());
          walker.recordTorsions(x, out + row * recorded);
        }
        walker.advance(x, v, center, production_steps[at] - rows * interval, source);
        if (!allFinite(x, n) || !allFinite(v, n))
          throw Failure(BM_ERROR_UNSTABLE, "walk " + std::to_string(walk) + ", segment " + std::to_string(segment) +
                                               ": the dynamics became unstable; a shorter timestep may hold it");
        if (end_positions) std::memcpy(end_positions + at * n, x, n * sizeof(double));
      }
      std::lock_guard<std::mutex> held(counting);
      for (size_t k = 0; moves && k < counts.size(); k++) moves[k] += counts[k];
    };
    parallelFor(dynamics->settings.threads, walks, 1, body);
  });
}
