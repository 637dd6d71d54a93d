"""Frames, the options of an analysis, and results."""
