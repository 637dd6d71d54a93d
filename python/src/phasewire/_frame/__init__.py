"""Frames as they come in, and results as they go out."""
