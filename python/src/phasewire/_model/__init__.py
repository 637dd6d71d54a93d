"""Models: their files, shapes and classes."""
