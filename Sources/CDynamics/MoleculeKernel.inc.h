// The built-in kernel's loops over pairs, for one instruction set: included once per set by MoleculeProvider.cpp, inside a
// namespace of its own. No include guard, no includes.

/// What a neck adds to the descreening integral, twice, and to its slope.
BM_INLINE void addNecks(const MoleculeParameters &p, int i, int j, const Vec &r, const Vec &inverse, Vec &term, Vec &slope) {
  const size_t at = size_t(i) * p.width + j;
  Vec distance, height, radius;
  load(&p.neckDistance[at], distance);
  load(&p.neckHeight[at], height);
  load(&p.radius[j], radius);
  const Int near = r <= radius + (p.radius[i] + p.neckReach);
  height = near ? height : height * 0.0;
  const Vec x = r - distance, x2 = x * x, x4 = x2 * x2;
  const Vec over = 1.0 / (1.0 + 100.0 * x2 + 0.3e6 * x4 * x2);
  const Vec neck = height * over;
  term += 2.0 * neck;
  slope += neck * over * x * (200.0 + 1.8e6 * x4) * inverse;
}

/// Distances of all pairs, and with generalised Born the radii and what their derivatives need.
BM_INLINE void distancesAndRadii(const MoleculeParameters &p, MoleculeScratch &s, const bool cut, const bool extended) {
  for (int i = 0; i < p.count; i++) {
    const double xi = s.x[i], yi = s.y[i], zi = s.z[i];
    const double rhoI = p.hasBorn ? p.offsetRadius[i] : 0;
    Vec total = {};
    for (int j = 0; j < p.width; j += lanes) {
      const size_t at = size_t(i) * p.width + j;
      Vec x, y, z, pair;
      load(&s.x[j], x);
      load(&s.y[j], y);
      load(&s.z[j], z);
      load(&p.isPair[at], pair);
      const Vec dx = x - xi, dy = y - yi, dz = z - zi;
      // a particle and itself, and the padding, are kept apart at 1 nm and then masked
      const Vec r2 = dx * dx + dy * dy + dz * dz + (1.0 - pair);
      const Vec r = __builtin_elementwise_sqrt(r2);
      const Vec inverse = 1.0 / r;
      store(inverse, &s.inverse[at]);
      store(r2, &s.squared[at]);
      if (p.hasBorn) {
        Vec scaled;
        load(&p.scaledRadius[j], scaled);
        const Vec outer = r + scaled;
        const Vec gap = __builtin_elementwise_abs(r - scaled);
        const Vec inner = gap > rhoI ? gap : (Vec)(gap * 0.0 + rhoI);
        const Vec product = 1.0 / (inner * outer);
        const Vec l = outer * product, u = inner * product;  // 1/inner and 1/outer
        Vec ratio;
        logarithm(inner * u, ratio);
        const Vec l2u2 = l * l - u * u, scaled2 = scaled * scaled, inverse2 = inverse * inverse;
        Vec term = l - u - 0.25 * r * l2u2 + 0.5 * inverse * ratio + 0.25 * scaled2 * inverse * l2u2;
        Vec slope = (0.125 * (1.0 + scaled2 * inverse2) * l2u2 + 0.25 * ratio * inverse2) * inverse;
        const Int inside = rhoI < scaled - r;
        if (p.hasEngulfment) {
          const Vec engulfed = 2.0 * (1.0 / rhoI - l);
          term += inside ? engulfed : engulfed * 0.0;
        } else {
          // the inner radius then grows as the pair approaches, which that term would balance
          const Vec growth = l * l * inverse;
          slope -= inside ? growth : growth * 0.0;
        }
        Int reached = rhoI < outer;
        if (cut) reached &= r2 < p.squaredBornCutoff;
        term = reached ? term * pair : term * 0.0;
        slope = reached ? slope * pair : slope * 0.0;
        if (extended && p.hasNeck) addNecks(p, i, j, r, inverse, term, slope);
        total += term;
        store(slope, &s.slope[at]);
      }
    }
    s.bornSum[i] = sum(total);
  }
}

BM_INLINE void bornRadii(const MoleculeParameters &p, MoleculeScratch &s, const bool extended) {
  for (int i = 0; i < p.width; i += lanes) {
    Vec total, rho, radius;
    load(&s.bornSum[i], total);
    load(&p.offsetRadius[i], rho);
    load(&p.radius[i], radius);
    if (extended && p.isPlainRadius) {
      store(1.0 / (1.0 / rho - 0.5 * total), &s.born[i]);
      store(rho * 0.0 + 1.0, &s.chain[i]);
      continue;
    }
    if (extended && p.hasShapes) {
      Vec alpha, beta, gamma, growth;
      load(&p.linear[i], alpha);
      load(&p.quadratic[i], beta);
      load(&p.cubic[i], gamma);
      const Vec psi = 0.5 * rho * total, psi2 = psi * psi;
      exponential(2.0 * psi * (alpha - beta * psi + gamma * psi2), growth);
      const Vec tangent = 1.0 - 2.0 / (growth + 1.0);
      store(1.0 / (1.0 / rho - tangent / radius), &s.born[i]);
      store((1.0 - tangent * tangent) * rho * (alpha - 2.0 * beta * psi + 3.0 * gamma * psi2) / radius, &s.chain[i]);
      continue;
    }
    const Vec psi = 0.5 * rho * total, psi2 = psi * psi, cubic = p.bornCubic * psi2;
    Vec grown;
    exponential(2.0 * (p.bornLinear * psi - p.bornQuadratic * psi2 + cubic * psi), grown);
    const Vec tangent = 1.0 - 2.0 / (grown + 1.0);
    store(1.0 / (1.0 / rho - tangent / radius), &s.born[i]);
    store((1.0 - tangent * tangent) * rho * (p.bornLinear - 2.0 * p.bornQuadratic * psi + 3.0 * cubic) / radius, &s.chain[i]);
  }
}

/// Coulomb, Lennard-Jones and generalised Born between all pairs; the derivatives by the Born radii are left in `bornForce`.
BM_INLINE double pairForces(const MoleculeParameters &p, MoleculeScratch &s, const bool cut, const bool extended) {
  Vec energy = {};
  double selfEnergy = 0;
  if (p.hasBorn) {
    for (int i = 0; i < p.count; i++) {
      const double born = s.born[i], ratio = p.radius[i] / born, ratio3 = ratio * ratio * ratio;
      const double area = p.surface[i] * ratio3 * ratio3;
      if (extended && p.hasSalt) {
        const double screening = p.saltOutside * std::exp(-p.kappa * born), medium = p.saltInside - screening;
        selfEnergy += area + p.bornSelf[i] * medium / born;
        s.bornForce[i] = -6 * area / born + p.bornSelf[i] * (p.kappa * screening - medium / born) / born;
        continue;
      }
      const double self = p.bornSelf[i] / born;
      selfEnergy += area + self;
      s.bornForce[i] = -6 * area / born - self / born;
    }
    for (int i = p.count; i < p.width; i++) s.bornForce[i] = 0;
  }
  for (int i = 0; i < p.count; i++) {
    const double xi = s.x[i], yi = s.y[i], zi = s.z[i], bornI = p.hasBorn ? s.born[i] : 0;
    Vec fx = {}, fy = {}, fz = {}, ofRadius = {};
    const Int index = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int j = i / lanes * lanes; j < p.width; j += lanes) {
      const size_t at = size_t(i) * p.width + j;
      Vec inverse, squared, charges, c6, c12, pair, x, y, z;
      load(&s.inverse[at], inverse);
      load(&s.squared[at], squared);
      load(&p.coulomb[at], charges);
      load(&p.c6[at], c6);
      load(&p.c12[at], c12);
      load(&p.isPair[at], pair);
      load(&s.x[j], x);
      load(&s.y[j], y);
      load(&s.z[j], z);
      const Vec upper = (index + j) > int64_t(i) ? pair : pair * 0.0;  // every pair once
      const Vec inverse2 = inverse * inverse, inverse6 = inverse2 * inverse2 * inverse2;
      const Vec coulomb = charges * inverse, repulsion = c12 * inverse6 * inverse6, dispersion = c6 * inverse6;
      Vec pairEnergy = coulomb + repulsion - dispersion;
      Vec radial = (coulomb + 12.0 * repulsion - 6.0 * dispersion) * inverse2;
      if (cut && !p.isCut.empty()) {
        Vec isCut;
        load(&p.isCut[at], isCut);
        const Vec field = charges * isCut;
        pairEnergy += field * (p.fieldK * squared - p.fieldC);
        radial -= 2.0 * p.fieldK * field;
        const Int gone = (squared > p.squaredCutoff) & (isCut > 0.0);
        pairEnergy = gone ? pairEnergy * 0.0 : pairEnergy;
        radial = gone ? radial * 0.0 : radial;
      }
      if (p.hasBorn) {
        Vec born, bornCharge, decay;
        load(&s.born[j], born);
        load(&p.bornCharge[at], bornCharge);
        if (cut) bornCharge = squared < p.squaredBornCutoff ? bornCharge : bornCharge * 0.0;
        const Vec product = bornI * born;
        const Vec d = squared / (4.0 * product);
        exponential(-d, decay);
        const Vec inverseSquare = 1.0 / (squared + product * decay);
        Vec polar = bornCharge * __builtin_elementwise_sqrt(inverseSquare);
        if (extended && p.hasSalt) {
          // from here on `polar` stands for -f dE/df, which without salt is the energy itself
          Vec screening;
          const Vec f = 1.0 / __builtin_elementwise_sqrt(inverseSquare);
          exponential(-p.kappa * f, screening);
          screening *= p.saltOutside;
          const Vec energyHere = polar * (p.saltInside - screening);
          pairEnergy += energyHere;
          polar = energyHere - p.kappa * screening * bornCharge;
        } else {
          pairEnergy += polar - p.bornShift * bornCharge;
        }
        radial += polar * (1.0 - 0.25 * decay) * inverseSquare;
        const Vec byProduct = -0.5 * polar * decay * (1.0 + d) * inverseSquare * upper;
        ofRadius += byProduct * born;
        Vec other;
        load(&s.bornForce[j], other);
        store(other + byProduct * bornI, &s.bornForce[j]);
      }
      energy += pairEnergy * upper;
      radial *= upper;
      const Vec gx = radial * (x - xi), gy = radial * (y - yi), gz = radial * (z - zi);
      fx -= gx;
      fy -= gy;
      fz -= gz;
      Vec ox, oy, oz;
      load(&s.fx[j], ox);
      load(&s.fy[j], oy);
      load(&s.fz[j], oz);
      store(ox + gx, &s.fx[j]);
      store(oy + gy, &s.fy[j]);
      store(oz + gz, &s.fz[j]);
    }
    s.fx[i] += sum(fx);
    s.fy[i] += sum(fy);
    s.fz[i] += sum(fz);
    if (p.hasBorn) s.bornForce[i] += sum(ofRadius);
  }
  return sum(energy) + selfEnergy;
}

/// What the Born radii's dependence on the positions adds to the forces.
BM_INLINE void bornRadiusForces(const MoleculeParameters &p, MoleculeScratch &s) {
  for (int i = 0; i < p.count; i++) {
    const double weight = s.bornForce[i] * s.born[i] * s.born[i] * s.chain[i];
    const double xi = s.x[i], yi = s.y[i], zi = s.z[i];
    Vec fx = {}, fy = {}, fz = {};
    for (int j = 0; j < p.width; j += lanes) {
      Vec slope, x, y, z, ox, oy, oz;
      load(&s.slope[size_t(i) * p.width + j], slope);
      load(&s.x[j], x);
      load(&s.y[j], y);
      load(&s.z[j], z);
      const Vec radial = weight * slope;
      const Vec gx = radial * (x - xi), gy = radial * (y - yi), gz = radial * (z - zi);
      fx -= gx;
      fy -= gy;
      fz -= gz;
      load(&s.fx[j], ox);
      load(&s.fy[j], oy);
      load(&s.fz[j], oz);
      store(ox + gx, &s.fx[j]);
      store(oy + gy, &s.fy[j]);
      store(oz + gz, &s.fz[j]);
    }
    s.fx[i] += sum(fx);
    s.fy[i] += sum(fy);
    s.fz[i] += sum(fz);
  }
}

/// Everything between pairs: energy returned, forces added to the scratch's.
BM_INLINE double computePairs(const MoleculeParameters &p, MoleculeScratch &s, const bool cut, const bool extended) {
  distancesAndRadii(p, s, cut, extended);
  if (p.hasBorn) bornRadii(p, s, extended);
  const double energy = pairForces(p, s, cut, extended);
  if (p.hasBorn) bornRadiusForces(p, s);
  return energy;
}

/// Everything: energy returned, forces added to the scratch's.
static double computeForces(const MoleculeParameters &p, MoleculeScratch &s) {
  const double pairs = p.isExtended() ? (p.hasCutoff ? computePairs(p, s, true, true) : computePairs(p, s, false, true))
                       : p.hasCutoff  ? computePairs(p, s, true, false)
                                      : computePairs(p, s, false, false);
  return pairs + addBonds(p, s) + addAngles(p, s) + addTorsions(p, s);
}

#undef BM_INLINE
