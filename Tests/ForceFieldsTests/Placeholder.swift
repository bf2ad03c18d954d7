// ForceFields
