#pragma once
#include <cmath>

namespace boltzmill {

constexpr double pi = 3.14159265358979323846;

/// The angle in (-pi, pi] that differs from `angle` by full turns.
inline double wrapped(double angle) {
  if (angle > -pi && angle <= pi) return angle;
  const double turned = angle - 2 * pi * std::floor((angle + pi) / (2 * pi));
  return turned <= -pi ? turned + 2 * pi : turned;
}

struct TorsionGeometry {
  double b1[3], b2[3], b3[3], m[3], n[3], m2, n2, length2;
};

inline void crossProduct(const double *a, const double *b, double *out) {
  out[0] = a[1] * b[2] - a[2] * b[1];
  out[1] = a[2] * b[0] - a[0] * b[2];
  out[2] = a[0] * b[1] - a[1] * b[0];
}

inline double dotProduct(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

inline void torsionVectors(const double *x, const int *atoms, TorsionGeometry &g) {
  for (int axis = 0; axis < 3; axis++) {
    g.b1[axis] = x[3 * atoms[1] + axis] - x[3 * atoms[0] + axis];
    g.b2[axis] = x[3 * atoms[2] + axis] - x[3 * atoms[1] + axis];
    g.b3[axis] = x[3 * atoms[3] + axis] - x[3 * atoms[2] + axis];
  }
  crossProduct(g.b1, g.b2, g.m);
  crossProduct(g.b2, g.b3, g.n);
  g.m2 = dotProduct(g.m, g.m);
  g.n2 = dotProduct(g.n, g.n);
  g.length2 = dotProduct(g.b2, g.b2);
}

/// The torsion of four particles in (-pi, pi], IUPAC's sign.
inline double torsionAngle(const double *x, const int *atoms, TorsionGeometry &g) {
  torsionVectors(x, atoms, g);
  return std::atan2(std::sqrt(g.length2) * dotProduct(g.b1, g.n), dotProduct(g.m, g.n));
}

/// Adds to `forces` those of an energy with the given derivative by the torsion.
/// Source: Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996).
inline void addTorsionForce(const int *atoms, const TorsionGeometry &g, double derivative, double *forces) {
  const double length = std::sqrt(g.length2);
  const double outer1 = derivative * length / g.m2;   // on the first particle, along m
  const double outer4 = -derivative * length / g.n2;  // on the last, along n
  const double share1 = dotProduct(g.b1, g.b2) / g.length2;
  const double share4 = dotProduct(g.b3, g.b2) / g.length2;
  for (int axis = 0; axis < 3; axis++) {
    const double f1 = outer1 * g.m[axis];
    const double f4 = outer4 * g.n[axis];
    const double s = -share1 * f1 + share4 * f4;
    forces[3 * atoms[0] + axis] += f1;
    forces[3 * atoms[1] + axis] += -f1 + s;
    forces[3 * atoms[2] + axis] += -f4 - s;
    forces[3 * atoms[3] + axis] += f4;
  }
}

}  // namespace boltzmill
