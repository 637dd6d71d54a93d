"""An instance of the compiled core: its memory and its functions (docs/core-abi.md).

Memory grows but never moves. Arrays that this module returns are views of it; later calls may overwrite them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import wasmtime
from numpy.typing import DTypeLike, NDArray
from wasmtime import _ffi as ffi

from phasewire._contract import limits
from phasewire._core.build import compile_core
from phasewire.errors import PhasewireError, make_error, refusal

ABI_VERSION = limits.whole("core", "abiVersion")
_PAGE = 65536


class _SharedMemory(wasmtime.SharedMemory):
    """A shared memory that can be imported: wasmtime-py passes one pointer too many (docs/core-abi.md)."""

    def _as_extern(self) -> Any:
        return ffi.wasmtime_extern_t(
            ffi.WASMTIME_EXTERN_SHAREDMEMORY, ffi.wasmtime_extern_union(sharedmemory=self.ptr())
        )


class Instance:
    """The compiled core on the calling thread, without a model.

    Parameters
    ----------
    wasm : Path
        The compiled core.

    Attributes
    ----------
    constants : Mapping of str to int
        The numbers that the core exports.
    end : int
        Address of the first unused byte.

    Raises
    ------
    ModelError
        ``MODEL_FORMAT`` if the file is not WebAssembly that runs here, ``MODEL_VERSION`` if it has another interface
        version.
    """

    def __init__(self, wasm: Path) -> None:
        engine, module = compile_core(wasm)
        self._store = wasmtime.Store(engine)
        memory_type = module.imports[0].type
        assert isinstance(memory_type, wasmtime.MemoryType)
        self._memory = _SharedMemory(engine, memory_type)
        self._memory_bytes: NDArray[np.uint8] | None = None
        instance = wasmtime.Instance(self._store, module, [self._memory])
        self._exports: Mapping[str, Any] = dict(instance.exports(self._store).items())
        self.constants: Mapping[str, int] = {
            name: export.value(self._store)
            for name, export in self._exports.items()
            if isinstance(export, wasmtime.Global)
        }
        version = self.constants.get("ABI_VERSION")
        if version != ABI_VERSION:
            raise make_error(
                "MODEL_VERSION",
                f"the compiled core has interface version {version}, this package needs {ABI_VERSION}",
                field="wasm",
                value=str(wasm),
                remedy="build the core and install the package from the same release",
            )
        # Faster with Cranelift, the compiler of wasmtime (docs/core-abi.md).
        self.call("splatNumbers", 1)
        self._status_names = {
            value: name.removeprefix("STATUS_") for name, value in self.constants.items() if name.startswith("STATUS_")
        }
        self.end = int(self.call("heapBase"))

    def call(self, name: str, *arguments: float) -> Any:
        """Call a function of the core."""
        try:
            return self._exports[name](self._store, *arguments)
        except KeyError:
            raise make_error(
                "INTERNAL",
                f"the core has no function {name}",
                field="wasm",
                remedy="build the core and install the package from the same release",
            ) from None
        except wasmtime.Trap as error:
            raise make_error(
                "INTERNAL",
                f"the core stopped in {name}: {error}",
                field=name,
                remedy="please report this with the frame that shows it",
            ) from error

    def pause(self) -> None:
        """Do nothing. Long computations call this between their slices, and it may raise to end them."""

    def status_name(self, status: int) -> str:
        """Return the name of a status without its prefix."""
        return self._status_names.get(status, str(status))

    def grow(self, end: int, atom_count: int | None = None) -> None:
        """Make sure that the memory reaches up to an address, for a frame with this many atoms.

        Raises
        ------
        InputError
            ``TOO_LARGE`` if it cannot.
        """
        missing = end - self._memory.data_len()
        if missing <= 0:
            return
        try:
            self._memory.grow(-(-missing // _PAGE))
        except wasmtime.WasmtimeError as error:
            raise too_large(atom_count) from error
        finally:
            self._memory_bytes = None

    def view(self, address: int, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return the numbers at an address."""
        kind = np.dtype(dtype)
        flat = self._bytes()[address : address + math.prod(shape) * kind.itemsize].view(kind)
        return flat if len(shape) == 1 else flat.reshape(shape)

    def address_of(self, array: NDArray[Any]) -> int:
        """Return the address of an array in this memory."""
        return array.ctypes.data - self._bytes().ctypes.data

    def holds(self, array: NDArray[Any]) -> bool:
        """Return whether an array lies in this memory, in the order that functions of the core read."""
        return 0 <= self.address_of(array) < len(self._bytes()) and array.flags.c_contiguous

    def _bytes(self) -> NDArray[np.uint8]:
        """Return the whole memory. Making this view takes longer than using it, so it is kept."""
        if self._memory_bytes is None:
            self._memory_bytes = np.ctypeslib.as_array(self._memory.data_ptr(), shape=(self._memory.data_len(),))
        return self._memory_bytes


class Fields:
    """A context in the memory of an instance: a block of named fields.

    Parameters
    ----------
    instance : Instance
    address : int
        Start of the block.
    prefix : str
        Start of the names of its fields, after their kind: ``VARIABLES_`` or nothing.
    """

    def __init__(self, instance: Instance, address: int, prefix: str = "") -> None:
        self.address = address
        self._instance = instance
        self._prefix = prefix

    def array(self, name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return the array that an address points to."""
        return self._instance.view(int(self._field("ADDRESS", name, np.uint32)[0]), dtype, shape)

    def point(self, name: str, address: int) -> None:
        """Set an address."""
        self._field("ADDRESS", name, np.uint32)[0] = address

    def values(self, name: str, count: int = 1) -> NDArray[np.float64]:
        """Return a field of one or more numbers."""
        return self._field("VALUE", name, np.float64, count)

    def count(self, name: str) -> int:
        """Return a whole number."""
        return int(self._field("COUNT", name, np.int32)[0])

    def set_count(self, name: str, value: int) -> None:
        """Set a whole number."""
        self._field("COUNT", name, np.int32)[0] = value

    def integer(self, name: str) -> NDArray[np.int32]:
        """Return a whole number in place, as an array of one."""
        return self._field("COUNT", name, np.int32)

    def _field(self, kind: str, name: str, dtype: DTypeLike, count: int = 1) -> NDArray[Any]:
        offset = self._instance.constants[f"{kind}_{self._prefix}{name}"]
        return self._instance.view(self.address + offset, dtype, (count,))


def too_large(atom_count: int | None) -> PhasewireError:
    """Build the error for a frame that does not fit into memory."""
    return refusal("tooLargeForCore", value=atom_count)
