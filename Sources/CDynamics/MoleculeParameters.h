#pragma once
#include <limits>
#include <memory>
#include <vector>

#include "Guard.h"

namespace boltzmill {

/// Lanes of the vectors that the pair loops run over.
constexpr int lanes = 8;

/// The parameters of a small molecule, laid out for the built-in kernel.
///
/// Pair tables have a row of `width` numbers per particle (`width` is `count` rounded up to whole vectors), and zeros where
/// there is no pair; exclusions and exceptions are folded into them.
struct MoleculeParameters {
  // Bonded terms come in vectors of `lanes`; the last is filled up with terms that exert no force.
  struct Bonds {
    int atoms[2][lanes];
    double length[lanes], forceConstant[lanes];
  };
  struct Angles {
    int atoms[3][lanes];
    double angle[lanes], forceConstant[lanes];
  };
  /// All periodic terms of one quadruple: constant + sum over n of cosine[n] cos(n phi) + sine[n] sin(n phi).
  struct Torsions {
    static constexpr int largestPeriodicity = 6;
    int atoms[4][lanes];
    int periodicity = 0;  // the largest in use
    double constant[lanes] = {};
    double cosine[largestPeriodicity + 1][lanes] = {}, sine[largestPeriodicity + 1][lanes] = {};
  };

  int count = 0, width = 0;
  std::vector<Bonds> bonds;
  std::vector<Angles> angles;
  std::vector<Torsions> torsions;

  std::vector<double> coulomb, c6, c12;  // [count, width]: kJ/mol nm, kJ/mol nm^6, kJ/mol nm^12
  std::vector<double> isPair;            // [count, width]: 1 for j != i below count

  /// Whether any interaction ends at a distance. Those that do drop to zero there; exceptions never do.
  bool hasCutoff = false;
  double squaredCutoff = std::numeric_limits<double>::infinity();      // nm^2, of Coulomb and Lennard-Jones
  double squaredBornCutoff = std::numeric_limits<double>::infinity();  // nm^2, of descreening and polarisation
  /// Coulomb pairs within a cutoff have the reaction field of Tironi et al., J. Chem. Phys. 102, 5451 (1995): 1/r + k r^2 - c.
  double fieldK = 0, fieldC = 0;  // 1/nm^3, 1/nm
  std::vector<double> isCut;      // [count, width]: 1 where the pair ends at the cutoff; empty without cutoff

  // Generalised Born: descreening after Hawkins, Cramer and Truhlar, J. Phys. Chem. 100, 19824 (1996); radii after Onufriev,
  // Bashford and Case, Proteins 55, 383 (2004), models I and II; surface term after Schaefer, Bartels and Karplus, J. Mol.
  // Biol. 284, 835 (1998).
  bool hasBorn = false;
  std::vector<double> bornCharge;  // [count, width]: prefactor times charges, zero where padded
  std::vector<double> bornSelf;    // [width]: self energy times Born radius, kJ/mol nm
  double bornShift = 0;            // 1/nm, taken from 1/f of every pair
  std::vector<double> radius, offsetRadius, scaledRadius;  // [width], nm
  std::vector<double> surface;                             // [width], kJ/mol
  /// 1/radius = 1/rho - tanh(linear psi - quadratic psi^2 + cubic psi^3)/r
  double bornLinear = 1, bornQuadratic = 0.8, bornCubic = 4.85;
  /// Whether the descreening has the term of a particle inside another.
  bool hasEngulfment = true;

  /// Whether any of what follows is in use; without, the loops do not ask.
  bool isExtended() const { return isPlainRadius || hasNeck || hasSalt || hasShapes; }
  bool isPlainRadius = false;  // 1/radius = 1/rho - integral: Hawkins, Cramer and Truhlar's own
  /// alpha, beta and gamma of single particles, in place of linear, quadratic and cubic.
  bool hasShapes = false;
  std::vector<double> linear, quadratic, cubic;  // [width]
  /// Necks after Mongan et al., J. Chem. Theory Comput. 3, 156 (2007): height/(1 + 100 x^2 + 0.3e6 x^6) is added to the integral, x =
  /// distance - neckDistance, where the distance is below neckReach plus both radii.
  bool hasNeck = false;
  double neckReach = 0;
  std::vector<double> neckDistance, neckHeight;  // [count, width]: nm, 1/nm; height zero where there is no pair
  /// Salt after Srinivasan et al., Theor. Chem. Acc. 101, 426 (1999): polarisation by prefactor (inside - outside exp(-kappa f)), where the
  /// prefactor is in bornCharge and bornSelf.
  bool hasSalt = false;
  double kappa = 0, saltInside = 0, saltOutside = 0;  // 1/nm, reciprocal dielectric constants

  /// Energies over two torsions each, on a grid with bicubic patches (CMAP).
  struct Map {
    int size;
    std::vector<double> coefficients;  // [size, size, 16]: the second torsion first; of da^i db^j at 4 i + j
  };
  struct MappedTorsions {
    int first[4], second[4], map;
  };
  std::vector<Map> maps;
  std::vector<MappedTorsions> mapped;

  /// Room for the generalised Born terms, harmless where padded.
  void makeBornRoom() {
    hasBorn = true;
    bornCharge.assign(size_t(count) * width, 0);
    for (auto *list : {&radius, &offsetRadius, &scaledRadius}) list->assign(width, 1);
    for (auto *list : {&bornSelf, &surface}) list->assign(width, 0);
  }
};

/// Adds a generalised Born force; false where it is none that the kernel knows.
bool addBorn(MoleculeParameters &, const OpenMM::GBSAOBCForce &);
bool addBorn(MoleculeParameters &, const OpenMM::CustomGBForce &);

/// The kernel's parameters of a System, or null where the System has a force or a setting that it does not know: `why` says which.
std::shared_ptr<const MoleculeParameters> moleculeParameters(const OpenMM::System &system, std::string *why = nullptr);

}  // namespace boltzmill
