#pragma once
#include <vector>

#include "Guard.h"

namespace boltzmill {

/// Distances between particles that dynamics holds: SHAKE for positions, RATTLE for velocities, both by going round the constraints until
/// every one is met.
/// Sources: Ryckaert, Ciccotti, Berendsen, J. Comput. Phys. 23, 327 (1977); Andersen, J. Comput. Phys. 52, 24 (1983).
class DistanceConstraints {
 public:
  /// Masses in dalton, above zero.
  void add(int first, int second, double length, double firstMass, double secondMass) {
    list.push_back({3 * first, 3 * second, length * length, 1 / firstMass, 1 / secondMass});
  }

  bool empty() const { return list.empty(); }

  /// Moves `moved` [particles, 3] onto the constraints, along their directions in `reference`, where they hold. Throws
  /// BM_ERROR_UNSTABLE where they cannot be met: a step was too long.
  void applyToPositions(const double *reference, double *moved) const {
    for (int round = 0; round < rounds; round++) {
      bool done = true;
      for (const Constraint &c : list) {
        double now[3], before[3], square = 0, along = 0;
        for (int k = 0; k < 3; k++) {
          now[k] = moved[c.first + k] - moved[c.second + k];
          before[k] = reference[c.first + k] - reference[c.second + k];
          square += now[k] * now[k];
          along += now[k] * before[k];
        }
        const double off = c.squaredLength - square;
        // a comparison with NaN is false
        if (off <= 2 * tolerance * c.squaredLength && off >= -2 * tolerance * c.squaredLength) continue;
        done = false;
        if (!(along > 1e-3 * c.squaredLength)) fail();
        const double push = off / (2 * along * (c.firstInverse + c.secondInverse));
        for (int k = 0; k < 3; k++) {
          moved[c.first + k] += push * c.firstInverse * before[k];
          moved[c.second + k] -= push * c.secondInverse * before[k];
        }
      }
      if (done) return;
    }
    fail();
  }

  /// Takes from velocities v [particles, 3] what changes a distance at x. `timestep` in ps: a rate counts as none if it changes its distance
  /// in a step by less than the tolerance.
  void applyToVelocities(const double *x, double *v, double timestep) const {
    for (int round = 0; round < rounds; round++) {
      bool done = true;
      for (const Constraint &c : list) {
        double apart[3], square = 0, rate = 0;
        for (int k = 0; k < 3; k++) {
          apart[k] = x[c.first + k] - x[c.second + k];
          square += apart[k] * apart[k];
          rate += apart[k] * (v[c.first + k] - v[c.second + k]);
        }
        if (rate * timestep <= tolerance * square && rate * timestep >= -tolerance * square) continue;
        done = false;
        const double push = rate / (square * (c.firstInverse + c.secondInverse));
        for (int k = 0; k < 3; k++) {
          v[c.first + k] -= push * c.firstInverse * apart[k];
          v[c.second + k] += push * c.secondInverse * apart[k];
        }
      }
      if (done) return;
    }
    fail();
  }

 private:
  struct Constraint {
    int first, second;  // of their coordinates
    double squaredLength, firstInverse, secondInverse;
  };
  std::vector<Constraint> list;
  static constexpr double tolerance = 1e-9;  // of a length
  static constexpr int rounds = 2000;

  [[noreturn]] static void fail() {
    throw Failure(BM_ERROR_UNSTABLE, "the constraints cannot be met: the dynamics became unstable; a shorter timestep may hold it");
  }
};

}  // namespace boltzmill
