"""The cost of biasing a run."""
