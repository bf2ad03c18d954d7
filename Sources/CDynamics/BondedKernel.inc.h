// The built-in kernel's loops over bonds, angles and torsions, for one instruction set: included once per set by
// MoleculeProvider.cpp, inside a namespace of its own. No include guard, no includes.

/// Coordinates of one particle per lane.
BM_INLINE void gather(const MoleculeScratch &s, const int *atoms, Vec3 &out) {
  for (int l = 0; l < lanes; l++) {
    out.x[l] = s.x[atoms[l]];
    out.y[l] = s.y[atoms[l]];
    out.z[l] = s.z[atoms[l]];
  }
}

/// Adds one force per lane; lanes may name a particle more than once.
BM_INLINE void scatter(MoleculeScratch &s, const int *atoms, const Vec3 &force) {
  for (int l = 0; l < lanes; l++) {
    s.fx[atoms[l]] += force.x[l];
    s.fy[atoms[l]] += force.y[l];
    s.fz[atoms[l]] += force.z[l];
  }
}

BM_INLINE void difference(const Vec3 &a, const Vec3 &b, Vec3 &out) {
  out.x = a.x - b.x;
  out.y = a.y - b.y;
  out.z = a.z - b.z;
}

BM_INLINE void scaled(const Vec &factor, const Vec3 &a, Vec3 &out) {
  out.x = factor * a.x;
  out.y = factor * a.y;
  out.z = factor * a.z;
}

BM_INLINE double addBonds(const MoleculeParameters &p, MoleculeScratch &s) {
  Vec energy = {};
  for (const auto &bonds : p.bonds) {
    Vec3 a, b, d, force;
    gather(s, bonds.atoms[0], a);
    gather(s, bonds.atoms[1], b);
    difference(b, a, d);
    Vec squared, length, constant;
    load(bonds.length, length);
    load(bonds.forceConstant, constant);
    dot(d, d, squared);
    const Vec r = __builtin_elementwise_sqrt(squared), stretch = r - length;
    energy += 0.5 * constant * stretch * stretch;
    scaled(constant * stretch / r, d, force);
    scatter(s, bonds.atoms[0], force);
    scaled(force.x * 0.0 - 1.0, force, force);
    scatter(s, bonds.atoms[1], force);
  }
  return sum(energy);
}

BM_INLINE double addAngles(const MoleculeParameters &p, MoleculeScratch &s) {
  Vec energy = {};
  for (const auto &angles : p.angles) {
    Vec3 a, b, c, u, v, w;
    gather(s, angles.atoms[0], a);
    gather(s, angles.atoms[1], b);
    gather(s, angles.atoms[2], c);
    difference(a, b, u);
    difference(c, b, v);
    cross(u, v, w);
    Vec u2, v2, uv, w2, rest, constant, theta;
    dot(u, u, u2);
    dot(v, v, v2);
    dot(u, v, uv);
    dot(w, w, w2);
    load(angles.angle, rest);
    load(angles.forceConstant, constant);
    const Vec inverse = 1.0 / __builtin_elementwise_sqrt(u2 * v2), cosine = uv * inverse;
    // a straight angle has no direction to bend to
    const Vec found = __builtin_elementwise_sqrt(w2) * inverse, sine = found > 1e-8 ? found : found * 0.0 + 1e-8;
    angleOf(cosine, found, theta);
    const Vec bend = theta - rest;
    energy += 0.5 * constant * bend * bend;
    const Vec scale = constant * bend / sine, both = scale * inverse, onU = scale * cosine / u2, onV = scale * cosine / v2;
    Vec3 forceA, forceB, forceC;
    forceA.x = both * v.x - onU * u.x;
    forceA.y = both * v.y - onU * u.y;
    forceA.z = both * v.z - onU * u.z;
    forceC.x = both * u.x - onV * v.x;
    forceC.y = both * u.y - onV * v.y;
    forceC.z = both * u.z - onV * v.z;
    forceB.x = -forceA.x - forceC.x;
    forceB.y = -forceA.y - forceC.y;
    forceB.z = -forceA.z - forceC.z;
    scatter(s, angles.atoms[0], forceA);
    scatter(s, angles.atoms[1], forceB);
    scatter(s, angles.atoms[2], forceC);
  }
  return sum(energy);
}

/// Source of the forces: Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996).
BM_INLINE double addTorsions(const MoleculeParameters &p, MoleculeScratch &s) {
  Vec energy = {};
  for (const auto &torsions : p.torsions) {
    Vec3 a, b, c, d, b1, b2, b3, m, n;
    gather(s, torsions.atoms[0], a);
    gather(s, torsions.atoms[1], b);
    gather(s, torsions.atoms[2], c);
    gather(s, torsions.atoms[3], d);
    difference(b, a, b1);
    difference(c, b, b2);
    difference(d, c, b3);
    cross(b1, b2, m);
    cross(b2, b3, n);
    Vec m2, n2, length2, mn, b1n, b12, b32, constant, cosine0;
    dot(m, m, m2);
    dot(n, n, n2);
    dot(b2, b2, length2);
    dot(m, n, mn);
    dot(b1, n, b1n);
    dot(b1, b2, b12);
    dot(b3, b2, b32);
    load(torsions.constant, constant);
    load(torsions.cosine[0], cosine0);
    const Vec inverse = 1.0 / __builtin_elementwise_sqrt(m2 * n2), length = __builtin_elementwise_sqrt(length2);
    const Vec cosine = mn * inverse, sine = length * b1n * inverse;
    Vec cn = cosine * 0.0 + 1.0, sn = cosine * 0.0, derivative = sn;
    energy += constant + cosine0;
    for (int k = 1; k <= torsions.periodicity; k++) {
      const Vec next = cn * cosine - sn * sine;
      sn = sn * cosine + cn * sine;
      cn = next;
      Vec byCosine, bySine;
      load(torsions.cosine[k], byCosine);
      load(torsions.sine[k], bySine);
      energy += byCosine * cn + bySine * sn;
      derivative += double(k) * (bySine * cn - byCosine * sn);
    }
    const Vec along = derivative * length, over = 1.0 / length2;
    Vec3 f1, f2, f3, f4, shift;
    scaled(along / m2, m, f1);
    scaled(-along / n2, n, f4);
    const Vec share1 = b12 * over, share4 = b32 * over;
    shift.x = share4 * f4.x - share1 * f1.x;
    shift.y = share4 * f4.y - share1 * f1.y;
    shift.z = share4 * f4.z - share1 * f1.z;
    difference(shift, f1, f2);
    f3.x = -f4.x - shift.x;
    f3.y = -f4.y - shift.y;
    f3.z = -f4.z - shift.z;
    scatter(s, torsions.atoms[0], f1);
    scatter(s, torsions.atoms[1], f2);
    scatter(s, torsions.atoms[2], f3);
    scatter(s, torsions.atoms[3], f4);
  }
  return sum(energy);
}
