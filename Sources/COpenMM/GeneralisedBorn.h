#pragma once
#include <memory>

#include "Guard.h"

namespace boltzmill {

/// Radii along each side of the tables of the neck correction.
constexpr int neckSizes = 21;
extern const double neckDistances[neckSizes * neckSizes], neckHeights[neckSizes * neckSizes];

/// The force of the terms' generalised Born model; null where they have none.
std::unique_ptr<OpenMM::Force> makeGeneralisedBorn(const bm_system_terms &terms);

}  // namespace boltzmill
