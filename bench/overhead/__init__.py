"""The cost of watching a run."""
