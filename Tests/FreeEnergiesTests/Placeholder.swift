// FreeEnergies
