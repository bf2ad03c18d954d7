// Molecules
