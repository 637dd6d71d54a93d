"""CPU time of an analysis beside native structure identification on the same frames."""
