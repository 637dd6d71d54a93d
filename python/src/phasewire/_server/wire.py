"""Messages of the protocol: a MessagePack header and raw array parts (bridge/PROTOCOL.md, sections 4 and 5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeGuard

import msgpack
import numpy as np
from numpy.typing import NDArray

from phasewire._contract import limits
from phasewire._contract.tables import read_table
from phasewire._frame.frame import Frame
from phasewire._frame.options import Options
from phasewire._frame.result import FIELD_DTYPES, Result, field_shape
from phasewire._server.shared import HEAD_BYTES, SharedArrays, aligned
from phasewire._server.zmtp import MOST_HEADER_BYTES, Part
from phasewire.errors import make_error

_PROTOCOL = read_table("protocol")
PROTOCOL_VERSION: int = _PROTOCOL["version"]
MAX_DEPTH = limits.whole("message", "deepest")
MAX_VALUES = limits.whole("message", "mostValues")
MAX_ARRAYS = limits.whole("message", "mostArrays")
MAX_EXTENTS = limits.whole("message", "mostExtents")
MAX_EXTENT = 2**53 - 1
DTYPES: dict[str, np.dtype[Any]] = {name: np.dtype(f"<{name[0]}{size}") for name, size in _PROTOCOL["dtypes"].items()}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
# Longest name in a header, in bytes (bridge/PROTOCOL.md, section 4).
_LONGEST_NAME = limits.whole("message", "longestName")
_SAME_RELEASE = "install the same release of phasewire on both sides"

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Message:
    """A decoded message; no other message uses the memory of its ``arrays``."""

    header: Mapping[str, Any]
    arrays: Mapping[str, Array]

    @property
    def type(self) -> str:
        """Type of the message."""
        return str(self.header["type"])

    @property
    def sequence(self) -> int | None:
        """Number of the message that this one answers, if it answers one."""
        return _sequence(self.header)


def wire_order(array: Array) -> Array:
    """Return the array in the byte order of the wire; contiguous little-endian arrays are not copied."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def encode(
    header: Mapping[str, Any], arrays: Mapping[str, Array] | None = None, offsets: Mapping[str, int] | None = None
) -> list[Part]:
    """Encode a message.

    Parameters
    ----------
    header : Mapping
        Without ``arrays``; keys with the value None are left out.
    arrays : Mapping of str to array, optional
        Of dtype float32, float64, int32, uint16 or uint8. Contiguous little-endian arrays are not copied.
    offsets : Mapping of str to int, optional
        Offsets of the arrays that are in the shared file instead of in the message.
    """
    body = {key: value for key, value in header.items() if value is not None}
    parts: list[Part] = []
    descriptors: list[dict[str, Any]] = []
    for name, array in (arrays or {}).items():
        ordered = wire_order(array)
        descriptor: dict[str, Any] = {"name": name, "dtype": _NAMES[ordered.dtype], "shape": list(ordered.shape)}
        if offsets is not None and name in offsets:
            descriptor |= {"source": "shared", "offset": offsets[name]}
        else:
            parts.append(ordered.data.cast("B") if ordered.size else b"")
        descriptors.append(descriptor)
    if descriptors:
        body["arrays"] = descriptors
    try:
        packed = msgpack.packb(body, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise make_error(
            "BAD_OPTION",
            f"the message {body.get('type')!r} holds a value that cannot be sent: {error}",
            field="header",
            remedy="give names as text without halves of surrogate pairs, and numbers that fit into 64 bits",
        ) from error
    # More values than this take more bytes.
    values = _count(body) if len(packed) > MAX_VALUES else 0
    if len(packed) > MOST_HEADER_BYTES or values > MAX_VALUES:
        raise make_error(
            "TOO_LARGE",
            f"the header of the message takes {len(packed)} bytes and {values} values; "
            f"at most {MOST_HEADER_BYTES} and {MAX_VALUES} are allowed",
            field="header",
            value=len(packed),
            remedy="name fewer species, variables or classes",
        )
    return [packed, *parts]


def _count(value: Any) -> int:
    """Return the number of values in a header, keys included."""
    if isinstance(value, Mapping):
        return 1 + sum(1 + _count(child) for child in value.values())
    return 1 + sum(map(_count, value)) if isinstance(value, (list, tuple)) else 1


def decode(parts: Sequence[Part], shared: SharedArrays | None = None) -> Message:
    """Decode a message.

    Parameters
    ----------
    parts : sequence of bytes
    shared : SharedArrays, optional
        The file that may hold arrays. Arrays of a frame that was given up are left out.

    Raises
    ------
    ProtocolError
        ``MESSAGE_FORMAT``, ``MESSAGE_SHAPE``, ``MESSAGE_LENGTH`` or ``SHARED_MEMORY``; no memory is
        allocated for an array before its number of bytes has been compared with its shape and dtype.
    """
    if not parts:
        _refuse("MESSAGE_FORMAT", "the message has no parts", "header", 0)
    header = _decode_header(parts[0])
    descriptors = header.get("arrays")
    if descriptors is None:
        descriptors = []
    if not isinstance(descriptors, list) or len(descriptors) > MAX_ARRAYS:
        _refuse("MESSAGE_FORMAT", f"arrays must be a list of at most {MAX_ARRAYS} descriptors", "arrays", descriptors)
    checked = [_read_descriptor(item, f"arrays[{index}]", shared is not None) for index, item in enumerate(descriptors)]
    in_parts = sum(descriptor.offset is None for descriptor in checked)
    if in_parts != len(parts) - 1:
        _refuse(
            "MESSAGE_LENGTH",
            f"{in_parts} arrays are announced, {len(parts) - 1} parts arrived",
            "arrays",
            len(parts) - 1,
        )
    remaining = iter(parts[1:])
    arrays: dict[str, Array] = {}
    for index, descriptor in enumerate(checked):
        if any(other.name == descriptor.name for other in checked[:index]):
            _refuse("MESSAGE_FORMAT", "two arrays have the same name", f"arrays[{index}].name", descriptor.name)
        if descriptor.offset is None:
            arrays[descriptor.name] = _copy_part(descriptor, next(remaining))
            continue
        assert shared is not None
        array = shared.load(_sequence(header), descriptor.offset, descriptor.dtype, descriptor.shape)
        if array is not None:
            arrays[descriptor.name] = array.astype(descriptor.dtype.newbyteorder("="), copy=False)
    return Message(header, arrays)


def analyse_message(frame: Frame, options: Options) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the header, without its mode, and the arrays of an ``analyse`` message."""
    arrays: dict[str, Array] = {"positions": frame.positions}
    if frame.cell is not None:
        arrays["cell"] = frame.cell
    if frame.species is not None:
        arrays["species"] = frame.species
    header = {
        "type": "analyse",
        "step": frame.step,
        "time": frame.time if frame.time is not None and math.isfinite(frame.time) else None,
        "periodic": list(frame.periodic),
        "lengthScale": options.length_scale,
        "denoise": options.denoise or None,
        "fields": list(options.fields),
        "classes": None if options.classes is None else dict(options.classes),
        "speciesNames": None if frame.names is None else list(frame.names),
        "selection": None if frame.selected is None else _clipped(frame.selected),
    }
    return header, arrays


def check_limits(arrays: Mapping[str, Array], limits: Mapping[str, int]) -> None:
    """Raise ``TOO_LARGE`` if the server would close the connection over a message of this size."""
    if "positions" not in arrays:
        return
    count = len(arrays["positions"])
    largest = max(array.nbytes for array in arrays.values())
    if count > limits.get("maxAtoms", count) or largest > limits.get("maxFrameBytes", largest):
        raise make_error(
            "TOO_LARGE",
            f"the server takes {limits.get('maxAtoms')} atoms, and arrays of {limits.get('maxFrameBytes')} bytes",
            field="positions",
            value=count,
            remedy="analyse a part of the system at a time, or start the server with higher limits",
        )


def result_space(fields: Sequence[str], atom_count: int, class_count: int) -> int:
    """Return the bytes that the arrays of a result take in shared memory."""
    sizes = {name: math.prod(field_shape(name, atom_count, class_count)) for name in fields}
    return sum(aligned(FIELD_DTYPES[name].itemsize * sizes[name]) for name in fields)


def forces_space(atom_count: int) -> int:
    """Return the bytes that forces and virial take in shared memory."""
    return aligned(24 * atom_count) + aligned(72)


def require_answer_to(frame: Frame, message: Message) -> None:
    """Raise ``MESSAGE_FORMAT`` unless a ``result`` message is about a frame."""
    for key, value in (("step", frame.step), ("atomCount", len(frame))):
        if _integer(message.header, key) != value:
            _refuse("MESSAGE_FORMAT", f"the frame that was sent has the {key} {value}", key, message.header.get(key))


def result_from_message(
    message: Message, phases: Sequence[str], aliases: Mapping[str, str], dropped: int | None = None
) -> Result:
    """Build a `Result` from a ``result`` message, after checking every shape against its number of atoms."""
    header = message.header
    count = _integer(header, "atomCount")
    fields: dict[str, Any] = {}
    for name, dtype in FIELD_DTYPES.items():
        if name in message.arrays:
            _require_shape(message.arrays[name], name, dtype, field_shape(name, count, len(phases)))
            fields[name] = message.arrays[name]
    if "labels" in fields and count and int(fields["labels"].max()) >= len(phases):
        _refuse("MESSAGE_FORMAT", f"there are {len(phases)} classes", "labels", int(fields["labels"].max()))
    fractions = header.get("fractions")
    if not isinstance(fractions, dict) or not set(fractions) <= set(phases):
        _refuse("MESSAGE_FORMAT", "fractions must map classes of the model to shares", "fractions", fractions)
    denoising = header.get("denoising") or {}
    time = header.get("time")
    return Result(
        phases=tuple(phases),
        aliases=aliases,
        fractions={name: _number(fractions, name) if name in fractions else 0.0 for name in phases},
        log_density=_number(header, "logDensity"),
        mean_log_density=_number(header, "meanLogDensityPerAtom"),
        mean_margin=_number(header, "meanMargin"),
        length_scale=_number(header, "lengthScale"),
        atom_count=count,
        step=_integer(header, "step"),
        time=None if time is None else _number(header, "time"),
        seconds=_number(header, "seconds"),
        dropped=_integer(header, "dropped") if dropped is None else dropped,
        denoising_steps=_integer(denoising, "steps") if denoising else 0,
        mean_displacement=_number(denoising, "meanDisplacement") if denoising else 0.0,
        **fields,
    )


def logits_from_message(
    message: Message, atom_count: int, class_count: int, length_scale: float | None
) -> tuple[Array, float]:
    """Return the logits, float32 of shape ``(N, C)``, and the a0 of a ``result`` message.

    Parameters
    ----------
    message : Message
    atom_count, class_count : int
        N and C of the request.
    length_scale : float or None
        a0 of the request, if given.

    Raises
    ------
    ProtocolError
        ``MESSAGE_SHAPE`` or ``MESSAGE_FORMAT`` if it does not match the request, or a number is not finite.
    """
    used = _used_length_scale(message, length_scale)
    return _finite_array(message, "logits", FIELD_DTYPES["logits"], (atom_count, class_count)), used


def forces_from_message(message: Message, atom_count: int, length_scale: float) -> tuple[Array, Array]:
    """Return forces, float64 of shape ``(N, 3)``, and virial ``(3, 3)`` of a ``result`` message; errors as above."""
    _used_length_scale(message, length_scale)
    forces = _finite_array(message, "forces", DTYPES["f64"], (atom_count, 3))
    return forces, _finite_array(message, "virial", DTYPES["f64"], (3, 3))


def _used_length_scale(message: Message, wanted: float | None) -> float:
    used = _number(message.header, "lengthScale")
    if not used > 0 or (wanted is not None and used != wanted):
        _refuse("MESSAGE_FORMAT", f"the length scale of the request is {wanted}", "lengthScale", used)
    return used


def _finite_array(message: Message, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    if name not in message.arrays:
        _refuse("MESSAGE_SHAPE", f"the array {name} is missing", name, None)
    array = message.arrays[name]
    _require_shape(array, name, dtype, shape)
    if not np.isfinite(array).all():
        _refuse("MESSAGE_FORMAT", f"{name} holds NaN or infinity", name, None)
    return array


def _clipped(name: str) -> str:
    """Return a name, cut to the length that a header may hold."""
    return name.encode()[:_LONGEST_NAME].decode(errors="ignore")


def _sequence(header: Mapping[str, Any]) -> int | None:
    sequence = header.get("sequence")
    return None if sequence is None else int(sequence)


def _decode_header(part: Part) -> dict[str, Any]:
    if len(part) > MOST_HEADER_BYTES:
        _refuse("MESSAGE_FORMAT", f"the header must have at most {MOST_HEADER_BYTES} bytes", "header", len(part))
    try:
        header = msgpack.unpackb(part, raw=False, strict_map_key=True, ext_hook=_no_extension, timestamp=0)
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException) as error:
        _refuse("MESSAGE_FORMAT", f"the header is not a MessagePack map: {error}", "header", None)
    if not isinstance(header, dict):
        _refuse("MESSAGE_FORMAT", "the header must be a MessagePack map", "header", type(header).__name__)
    _check_tree(header, 1, [0])
    if not isinstance(header.get("type"), str):
        _refuse("MESSAGE_FORMAT", "the header has no type", "type", header.get("type"))
    sequence = header.get("sequence")
    if sequence is not None and (isinstance(sequence, bool) or not _is_whole(sequence) or sequence < 0):
        _refuse("MESSAGE_FORMAT", "sequence must be a whole number of at least 0", "sequence", sequence)
    return header


def _no_extension(code: int, data: bytes) -> NoReturn:
    raise ValueError(f"extension type {code} is not allowed")


def _check_tree(value: Any, depth: int, count: list[int]) -> None:
    count[0] += 1
    if count[0] > MAX_VALUES:
        _refuse("MESSAGE_FORMAT", f"the header must have at most {MAX_VALUES} values", "header", count[0])
    if isinstance(value, float) and not math.isfinite(value):
        _refuse("MESSAGE_FORMAT", "NaN and infinities are not allowed in a header", "header", str(value))
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if children and depth > MAX_DEPTH:
        _refuse("MESSAGE_FORMAT", f"the header is nested more than {MAX_DEPTH} deep", "header", depth)
    if isinstance(value, (bytes, bytearray)) or type(value) is msgpack.Timestamp:
        _refuse("MESSAGE_FORMAT", "binary values are not allowed in a header", "header", type(value).__name__)
    for child in children:
        _check_tree(child, depth + 1, count)


@dataclass(frozen=True)
class _Descriptor:
    """The description of an array in a message; ``offset`` is None for an array in a part."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int | None


def _read_descriptor(descriptor: Any, where: str, may_share: bool) -> _Descriptor:
    if not isinstance(descriptor, dict) or not isinstance(descriptor.get("name"), str):
        _refuse("MESSAGE_FORMAT", "an array descriptor needs a name, a dtype and a shape", where, None)
    source = descriptor.get("source")
    shared = may_share and source == "shared"
    if not shared and source not in (None, "part"):
        _refuse("MESSAGE_FORMAT", "no such source of arrays was agreed on", f"{where}.source", source)
    name, shape = descriptor["name"], descriptor.get("shape")
    dtype = DTYPES.get(str(descriptor.get("dtype")))
    if dtype is None:
        _refuse(
            "MESSAGE_SHAPE", f"the dtype must be one of {', '.join(DTYPES)}", f"{where}.dtype", descriptor.get("dtype")
        )
    if not isinstance(shape, list) or len(shape) > MAX_EXTENTS or not all(_is_extent(extent) for extent in shape):
        expected = f"a list of at most {MAX_EXTENTS} whole numbers from 0 to {MAX_EXTENT}"
        _refuse("MESSAGE_SHAPE", f"the shape must be {expected}", f"{where}.shape", shape)
    extents = tuple(int(extent) for extent in shape)
    # An array with a 0 has no bytes, but numpy makes none of this size.
    if 0 in extents and math.prod(max(extent, 1) for extent in extents) > MAX_EXTENT:
        _refuse("MESSAGE_SHAPE", "numpy cannot make an array of this shape", f"{where}.shape", shape)
    if not shared:
        return _Descriptor(name, dtype, extents, None)
    offset = descriptor.get("offset")
    if not (_is_extent(offset) and offset >= HEAD_BYTES):
        _refuse(
            "MESSAGE_FORMAT", f"the offset must be a whole number of at least {HEAD_BYTES}", f"{where}.offset", offset
        )
    return _Descriptor(name, dtype, extents, int(offset))


def _copy_part(descriptor: _Descriptor, part: Part) -> Array:
    name, dtype, shape = descriptor.name, descriptor.dtype, descriptor.shape
    expected = math.prod(shape) * dtype.itemsize
    if len(part) != expected:
        _refuse("MESSAGE_LENGTH", f"{name} should have {expected} bytes and has {len(part)}", name, len(part))
    array = np.frombuffer(part, dtype).reshape(shape)
    # Memory that may be written to belongs to this message alone.
    usable = array.flags.writeable and array.flags.aligned
    return array.astype(dtype.newbyteorder("="), copy=not usable)


def _is_extent(value: Any) -> TypeGuard[int | float]:
    return _is_whole(value) and not isinstance(value, bool) and 0 <= value <= MAX_EXTENT


def _require_shape(array: Array, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        _refuse(
            "MESSAGE_SHAPE", f"{name} must be {dtype} of shape {shape}", name, f"{array.dtype} of shape {array.shape}"
        )


def _is_whole(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _number(header: Mapping[str, Any], key: str) -> float:
    value = header.get(key)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        _refuse("MESSAGE_FORMAT", f"{key} must be a number", key, value)
    return float(value)


def _integer(header: Mapping[str, Any], key: str) -> int:
    value = header.get(key)
    if isinstance(value, bool) or not _is_whole(value):
        _refuse("MESSAGE_FORMAT", f"{key} must be a whole number", key, value)
    return int(value)


def _refuse(code: str, message: str, field: str, value: Any) -> NoReturn:
    raise make_error(code, message, field=field, value=value, remedy=_SAME_RELEASE)
