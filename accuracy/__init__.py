"""The accuracy of a model, and of other methods, on MD snapshots with known phases and on generated structures.

`npm run accuracy` runs every section and writes docs/accuracy/. Each file has one idea:

systems        snapshots and the true class of each atom
synthetic      generated structures
sites          ideal sites of a crystal with thermal displacements
measurements   results of the model for a frame, through the cache
peers          OVITO's structure identification on the same frame
tally          counts of correct labels
metrics        figures of merit
report, plots  pages, verdicts, pictures
sections/      one page each
simulations/   additional snapshots by LAMMPS
"""
