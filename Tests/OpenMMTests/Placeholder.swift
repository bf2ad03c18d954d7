// OpenMM
