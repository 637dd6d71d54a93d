"""One colour per phase, for the terminal and for pictures."""

from __future__ import annotations

PHASE_COLOURS = {
    "disordered": "#aeb4bd",
    "fcc": "#2a9d6f",
    "hcp": "#d1495b",
    "bcc": "#3066be",
    "sc": "#8d6b94",
    "diamond": "#119da4",
    "hexdiamond": "#e58e26",
    "B1": "#7b4b94",
    "B2": "#1b4f8f",
    "B3": "#0b6e75",
    "B4": "#b5651d",
    "L1_2": "#7fb800",
}
OTHER_COLOUR = "#444444"


def colour_of(phase: str) -> str:
    """Return the hexadecimal colour of a phase."""
    return PHASE_COLOURS.get(phase, OTHER_COLOUR)


def terminal_colour(phase: str) -> str:
    """Return the escape sequence that sets the colour of a phase on a terminal with 24-bit colour."""
    value = int(colour_of(phase)[1:], 16)
    return f"\x1b[38;2;{value >> 16};{value >> 8 & 255};{value & 255}m"
