"""The driver of biases and its restart files."""
