"""Prototypes, synthetic disorder, the model in JAX, its losses, training, export and checks."""
