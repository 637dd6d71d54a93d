"""Golden files are in double precision, which JAX must be told before it is imported."""

import os

os.environ["JAX_ENABLE_X64"] = "1"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
