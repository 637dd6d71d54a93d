"""Prototypes, synthetic disorder, model, losses, training, export and evaluation (JAX)."""
