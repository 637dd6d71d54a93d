"""The driver of biases and its restarts."""
