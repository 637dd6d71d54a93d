"""Modules that the examples share: a live view in the terminal and a picture at the end."""

from show.interrupt import Interrupt
from show.picture import draw_picture
from show.progress import Progress
from show.terminal import TerminalView

__all__ = ["Interrupt", "Progress", "TerminalView", "draw_picture"]
