"""Further MD snapshots with known phases, for evaluation alone: `python -m bench.accuracy.simulations --out FOLDER`."""
