"""An earlier name of `phasewire.files.colvars`."""

from phasewire.files.colvars import Columns, ColumnWriter, back_up, cut_after, read_columns

__all__ = ["ColumnWriter", "Columns", "back_up", "cut_after", "read_columns"]
