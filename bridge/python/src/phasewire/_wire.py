"""Messages of the protocol: a MessagePack header and raw array parts (bridge/PROTOCOL.md, sections 4 and 5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import msgpack
import numpy as np
from numpy.typing import NDArray

from phasewire._result import FIELD_DTYPES, Evaluation, Result
from phasewire.errors import make_error

PROTOCOL_VERSION = 2
MAX_HEADER_BYTES = 262144
MAX_DEPTH = 8
MAX_VALUES = 32768
MAX_ARRAYS = 16
DTYPES: dict[str, np.dtype[Any]] = {
    "f32": np.dtype("<f4"),
    "f64": np.dtype("<f8"),
    "i32": np.dtype("<i4"),
    "u16": np.dtype("<u2"),
    "u8": np.dtype("u1"),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_SAME_RELEASE = "install the same release of phasewire on both sides"

Array = NDArray[Any]
Part = bytes | memoryview


@dataclass(frozen=True, eq=False)
class Message:
    """A decoded message; ``arrays`` are copies of its array parts."""

    header: Mapping[str, Any]
    arrays: Mapping[str, Array]

    @property
    def type(self) -> str:
        """Type of the message."""
        return str(self.header["type"])

    @property
    def sequence(self) -> int | None:
        """Number of the message that this one answers, if it answers one."""
        sequence = self.header.get("sequence")
        return None if sequence is None else int(sequence)


def encode(header: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> list[Part]:
    """Encode a message.

    Parameters
    ----------
    header : Mapping
        Without ``arrays``; keys whose value is None are left out.
    arrays : Mapping of str to array, optional
        Of dtype float32, float64, int32, uint16 or uint8. Contiguous little-endian arrays are not copied.
    """
    body = {key: value for key, value in header.items() if value is not None}
    parts: list[Part] = []
    descriptors = []
    for name, array in (arrays or {}).items():
        ordered = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        descriptors.append({"name": name, "dtype": _NAMES[ordered.dtype], "shape": list(ordered.shape)})
        parts.append(ordered.data.cast("B") if ordered.size else b"")
    if descriptors:
        body["arrays"] = descriptors
    return [msgpack.packb(body, use_bin_type=True), *parts]


def decode(parts: Sequence[bytes]) -> Message:
    """Decode a message.

    Raises
    ------
    ProtocolError
        ``MESSAGE_FORMAT``, ``MESSAGE_SHAPE`` or ``MESSAGE_LENGTH``; nothing is allocated for an array before its shape,
        dtype and byte length agree.
    """
    if not parts:
        _refuse("MESSAGE_FORMAT", "the message has no parts", "header", 0)
    header = _decode_header(parts[0])
    descriptors = header.get("arrays")
    if descriptors is None:
        descriptors = []
    if not isinstance(descriptors, list) or len(descriptors) > MAX_ARRAYS:
        _refuse("MESSAGE_FORMAT", f"arrays must be a list of at most {MAX_ARRAYS} descriptors", "arrays", descriptors)
    if len(descriptors) != len(parts) - 1:
        _refuse(
            "MESSAGE_LENGTH",
            f"{len(descriptors)} arrays are announced, {len(parts) - 1} parts came",
            "arrays",
            len(parts) - 1,
        )
    arrays: dict[str, Array] = {}
    for index, (descriptor, part) in enumerate(zip(descriptors, parts[1:], strict=True)):
        name, array = _decode_array(descriptor, part, f"arrays[{index}]")
        if name in arrays:
            _refuse("MESSAGE_FORMAT", "two arrays have the same name", f"arrays[{index}].name", name)
        arrays[name] = array
    return Message(header, arrays)


def result_from_message(
    message: Message, phases: Sequence[str], aliases: Mapping[str, str], dropped: int | None = None
) -> Result:
    """Build a `Result` from a ``result`` message, after checking every shape against its number of atoms."""
    header = message.header
    count = _integer(header, "atomCount")
    widths: dict[str, tuple[int, ...]] = dict.fromkeys(FIELD_DTYPES, ())
    widths |= dict.fromkeys(("probabilities", "logits"), (len(phases),)) | dict.fromkeys(("denoised", "score"), (3,))
    fields = {}
    for name, dtype in FIELD_DTYPES.items():
        if name in message.arrays:
            _require_shape(message.arrays[name], name, dtype, (count, *widths[name]))
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


def evaluation_from_message(message: Message, variable_count: int) -> Evaluation:
    """Build an `Evaluation` from a ``result`` message that carries variables."""
    header = message.header
    count = _integer(header, "atomCount")
    values = header.get("values")
    if not isinstance(values, list) or len(values) != variable_count:
        _refuse("MESSAGE_FORMAT", f"{variable_count} values were asked for", "values", values)
    for name, shape in (("forces", (count, 3)), ("virial", (3, 3))):
        if name not in message.arrays:
            _refuse("MESSAGE_SHAPE", f"the array {name} is missing", name, None)
        _require_shape(message.arrays[name], name, DTYPES["f64"], shape)
    return Evaluation(
        values=np.array([_number({"values": value}, "values") for value in values]),
        energy=_number(header, "energy"),
        forces=message.arrays["forces"],
        virial=message.arrays["virial"],
        length_scale=_number(header, "lengthScale"),
        step=_integer(header, "step"),
        seconds=_number(header, "seconds"),
    )


def _decode_header(part: bytes) -> dict[str, Any]:
    if len(part) > MAX_HEADER_BYTES:
        _refuse("MESSAGE_FORMAT", f"the header must have at most {MAX_HEADER_BYTES} bytes", "header", len(part))
    try:
        header = msgpack.unpackb(part, raw=False, strict_map_key=True, ext_hook=_no_extension, timestamp=0)
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException) as error:
        _refuse("MESSAGE_FORMAT", f"the header is no MessagePack map: {error}", "header", None)
    if not isinstance(header, dict):
        _refuse("MESSAGE_FORMAT", "the header must be a MessagePack map", "header", type(header).__name__)
    _check_tree(header, 1, [0])
    if not isinstance(header.get("type"), str):
        _refuse("MESSAGE_FORMAT", "the header has no type", "type", header.get("type"))
    sequence = header.get("sequence")
    if sequence is not None and (isinstance(sequence, bool) or not _is_whole(sequence) or sequence < 0):
        _refuse("MESSAGE_FORMAT", "sequence must be a whole number from 0 on", "sequence", sequence)
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


def _decode_array(descriptor: Any, part: bytes, where: str) -> tuple[str, Array]:
    if not isinstance(descriptor, dict) or not isinstance(descriptor.get("name"), str):
        _refuse("MESSAGE_FORMAT", "an array descriptor needs a name, a dtype and a shape", where, None)
    if descriptor.get("source") not in (None, "part"):
        _refuse("MESSAGE_FORMAT", "arrays must come as message parts", f"{where}.source", descriptor["source"])
    name, shape = descriptor["name"], descriptor.get("shape")
    dtype = DTYPES.get(str(descriptor.get("dtype")))
    if dtype is None:
        _refuse(
            "MESSAGE_SHAPE", f"the dtype must be one of {', '.join(DTYPES)}", f"{where}.dtype", descriptor.get("dtype")
        )
    if not isinstance(shape, list) or not all(
        _is_whole(extent) and not isinstance(extent, bool) and extent >= 0 for extent in shape
    ):
        _refuse("MESSAGE_SHAPE", "the shape must be a list of whole numbers from 0 on", f"{where}.shape", shape)
    extents = tuple(int(extent) for extent in shape)
    expected = math.prod(extents) * dtype.itemsize
    if len(part) != expected:
        _refuse("MESSAGE_LENGTH", f"{name} should have {expected} bytes and has {len(part)}", name, len(part))
    return name, np.frombuffer(part, dtype).reshape(extents).astype(dtype.newbyteorder("="), copy=True)


def _require_shape(array: Array, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        _refuse(
            "MESSAGE_SHAPE", f"{name} must be {dtype} of shape {shape}", name, f"{array.dtype} of shape {array.shape}"
        )


def _is_whole(value: Any) -> bool:
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
    return int(value)  # type: ignore[arg-type]


def _refuse(code: str, message: str, field: str, value: Any) -> NoReturn:
    raise make_error(code, message, field=field, value=value, remedy=_SAME_RELEASE)
