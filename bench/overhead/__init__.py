"""What watching a run costs it."""
