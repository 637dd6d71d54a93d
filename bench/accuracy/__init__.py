"""Accuracy of the shipped model on MD snapshots with known phases, template matching beside it."""
