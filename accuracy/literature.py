"""Figures that others published or that their published network gave: quoted, not measured by this suite."""

from __future__ import annotations

# Share of atoms right at the melting point by DC4 (2025; the published network, raw, without its
# steps for amorphous and outlying atoms) on the frames of ../shared/data.
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
