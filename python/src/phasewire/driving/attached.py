"""Biases that are attached to the run of an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from phasewire.driving.driver import Driver
from phasewire.errors import make_error

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from phasewire.bias import BiasPotential
    from phasewire.driving.driver import DriverOptions


class AttachedBias(ABC):
    """Biases attached to a run (docs/engine-contract.md); a context manager that closes itself.

    Attributes
    ----------
    driver : Driver
        Holds values, energies and failures, and writes checkpoints.
    """

    driver: Driver

    def _take(self, biases: Driver | Sequence[BiasPotential] | BiasPotential, **options: Unpack[DriverOptions]) -> None:
        """Take a driver, or make one of biases, which is closed with this object."""
        self._owned = not isinstance(biases, Driver)
        self._stopped: BaseException | None = None
        if options and isinstance(biases, Driver):
            name, value = next(iter(options.items()))
            raise make_error(
                "BAD_OPTION",
                "a driver already has its options",
                field=name,
                value=value,
                remedy="give them to the driver",
            )
        self.driver = biases if isinstance(biases, Driver) else Driver(biases, **options)

    @property
    def stopped(self) -> BaseException | None:
        """The error that stopped a run, until `resume`: a `PhasewireError`, an error in a bias, or an interrupt."""
        return self._stopped

    @abstractmethod
    def resume(self) -> None:
        """Allow runs after a step without forces. Until then they are refused with the error that stopped them."""

    @abstractmethod
    def close(self) -> None:
        """Remove the biases from the engine; later runs have none. May be called more than once."""

    def _close_driver(self) -> None:
        """Close the driver if it was made here."""
        if self._owned:
            self.driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
