"""Files that the package writes and reads."""
