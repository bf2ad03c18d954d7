// OpenMM's headers are C++ and are included where they are used. This target is for what pkg-config tells of the library.
