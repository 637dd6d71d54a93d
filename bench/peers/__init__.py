"""A run of copper in LAMMPS and the native methods that analyse its frames, for `npm run bench -- --only peers`."""
