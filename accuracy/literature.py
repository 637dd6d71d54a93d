"""Figures published by others or obtained with their published network. This suite quotes them, it does not measure."""

from __future__ import annotations

# Share of atoms that DC4 labels correctly at the melting point, on the frames of ../shared/data (2025; the published
# network, raw, without its steps for amorphous and outlying atoms).
DC4_AT_MELTING = {("Al", "fcc"): 0.994, ("Fe", "bcc"): 0.933, ("Mg", "hcp"): 0.986, ("W", "bcc"): 0.999}

# The same for DC3 (Chung et al., Phys. Rev. Materials 6, 043801, 2022) on their own snapshots of the same substances.
DC3_AT_MELTING = {
    ("Al", "fcc"): 0.975,
    ("Ar", "fcc"): 0.982,
    ("Fe", "bcc"): 0.852,
    ("Li", "bcc"): 0.842,
    ("Ti", "hcp"): 0.889,
    ("Mg", "hcp"): 0.972,
    ("Si", "diamond"): 0.988,
    ("Ge", "diamond"): 0.9996,
    ("NaCl", "B1"): 0.956,
}
