"""Further MD snapshots with known phases, for evaluation alone: `python -m accuracy.simulations --out FOLDER`."""
