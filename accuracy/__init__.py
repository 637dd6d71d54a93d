"""The accuracy of a model on MD snapshots with known phases and on structures made here, other methods beside it.

`npm run accuracy` runs every section and writes docs/accuracy/. One idea a file:

systems        snapshots and the true class of each atom
synthetic      structures made here
sites          ideal sites of a crystal that thermal motion displaced
measurements   what the model says of a frame, through the cache
peers          OVITO's structure identification on the same frame
tally          counts of right labels
metrics        figures of merit
report, plots  pages, verdicts, pictures
sections/      one page each
simulations/   further snapshots by LAMMPS
"""
