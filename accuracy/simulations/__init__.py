"""Additional MD snapshots with known phases, only for evaluation: `python -m accuracy.simulations --out FOLDER`."""
