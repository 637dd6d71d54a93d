"""Golden files are in double precision. JAX must be set to it before it is imported."""

import os

os.environ["JAX_ENABLE_X64"] = "1"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
