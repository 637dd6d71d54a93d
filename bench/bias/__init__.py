"""What biasing a run costs it."""
