"""The two builds of the core, and their compilation (docs/core-abi.md).

``baseline`` gives the same bits on any machine; ``relaxed`` uses relaxed SIMD, that is a fused multiply-add if the
machine has one: it is faster, and its last bits may differ between machines.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

import wasmtime

from phasewire._model.data import data_file
from phasewire.errors import make_error, refusal, show

Build = Literal["auto", "baseline", "relaxed"]
BUILDS: tuple[Build, ...] = ("auto", "baseline", "relaxed")
_FILES = {"baseline": "phasewire.wasm", "relaxed": "phasewire-relaxed.wasm"}
# A module with one function, f32x4.relaxed_madd.
_RELAXED_MODULE = bytes.fromhex("0061736d010000000108016003 7b7b7b017b 03020100 0a0d010b00 200020012002fd8502 0b")

Compiled = tuple[wasmtime.Engine, wasmtime.Module]
_compiled: dict[tuple[Path, int, int], Compiled] = {}
_compiling = threading.Lock()


def choose_build(build: Build) -> str:
    """Return ``"baseline"`` or ``"relaxed"``; ``"auto"`` is the latter if wasmtime accepts it.

    Raises
    ------
    InputError
        ``BAD_OPTION`` if there is no such build, or if relaxed SIMD was requested and is not available.
    """
    if build not in BUILDS:
        raise refusal("build", found=show(build), choices=", ".join(BUILDS), value=build)
    if build == "baseline":
        return "baseline"
    if accepts_relaxed():
        return "relaxed"
    if build == "auto":
        return "baseline"
    raise make_error(
        "BAD_OPTION",
        "the relaxed build of the core needs relaxed SIMD, which wasmtime does not have here",
        field="build",
        value=build,
        remedy='give build="auto" or "baseline", or install a newer wasmtime',
    )


def accepts_relaxed() -> bool:
    """Return whether wasmtime accepts relaxed SIMD here."""
    if not hasattr(wasmtime.Config, "wasm_relaxed_simd"):
        return False
    try:
        wasmtime.Module.validate(_engine(), _RELAXED_MODULE)
    except wasmtime.WasmtimeError:
        return False
    return True


def build_file(build: str) -> Path:
    """Return the compiled core of a build."""
    return data_file(_FILES[build])


def compile_core(path: Path) -> Compiled:
    """Return the compiled core, compiled once per file for all cores of this process.

    Raises
    ------
    ModelError
        ``MODEL_FORMAT`` if the file is not WebAssembly that runs here.
    """
    try:
        state = path.stat()
        key = (path.resolve(), state.st_mtime_ns, state.st_size)
        with _compiling:
            if key not in _compiled:
                engine = _engine()
                _compiled[key] = (engine, wasmtime.Module.from_file(engine, str(path)))
            return _compiled[key]
    except (wasmtime.WasmtimeError, OSError) as error:
        raise make_error(
            "MODEL_FORMAT",
            f"the compiled core cannot be used: {error}",
            field="wasm",
            value=str(path),
            remedy="build it again with `npm run build`",
        ) from error


def _engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.wasm_threads = True
    config.shared_memory = True
    if hasattr(wasmtime.Config, "wasm_relaxed_simd"):
        config.wasm_relaxed_simd = True
    return wasmtime.Engine(config)
