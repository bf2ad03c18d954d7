#pragma once
#include <memory>
#include <vector>

#include "Guard.h"

namespace boltzmill {

/// Lanes of the vectors that the pair loops run over.
constexpr int lanes = 8;

/// The parameters of a small molecule without cutoff, laid out for the built-in kernel.
///
/// Pair tables have a row of `width` numbers per particle (`width` is `count` rounded up to whole vectors), and zeros where
/// there is no pair; exclusions and exceptions are folded into them.
struct MoleculeParameters {
  struct Bond {
    int atoms[2];
    double length, forceConstant;
  };
  struct Angle {
    int atoms[3];
    double angle, forceConstant;
  };
  /// All periodic terms of one quadruple: sum over n of constant + cosine[n] cos(n phi) + sine[n] sin(n phi).
  struct Torsion {
    static constexpr int largestPeriodicity = 6;
    int atoms[4];
    int periodicity = 0;  // the largest in use
    double constant = 0;
    double cosine[largestPeriodicity + 1] = {}, sine[largestPeriodicity + 1] = {};
  };

  int count = 0, width = 0;
  std::vector<Bond> bonds;
  std::vector<Angle> angles;
  std::vector<Torsion> torsions;

  std::vector<double> coulomb, c6, c12;  // [count, width]: kJ/mol nm, kJ/mol nm^6, kJ/mol nm^12
  std::vector<double> isPair;            // [count, width]: 1 for j != i below count

  // Generalised Born; source: Onufriev, Bashford and Case, Proteins 55, 383 (2004), model II, with the surface term of
  // Schaefer, Bartels and Karplus, J. Mol. Biol. 284, 835 (1998).
  bool hasBorn = false;
  std::vector<double> bornCharge;                  // [count, width]: prefactor times charges, zero where padded
  std::vector<double> radius, offsetRadius, scaledRadius;  // [width], nm
  std::vector<double> surface;                     // [width], kJ/mol
};

/// The kernel's parameters of a System, or null where the System has a force, a cutoff or a setting that it does not know.
std::shared_ptr<const MoleculeParameters> moleculeParameters(const OpenMM::System &system);

}  // namespace boltzmill
