"""Reading model files (models/FORMAT.md, format 1) and the list of shipped models."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import operator
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

import numpy as np
from numpy.typing import NDArray

from phasewire._contract import limits
from phasewire._contract.tables import read_table
from phasewire._model.data import data_file, data_folder
from phasewire._model.shape import CLASS_COUNTS, ModelShape
from phasewire.errors import make_error, refusal, show

_FORMAT = read_table("model")
FORMAT_NAME: str = _FORMAT["format"]
FORMAT_VERSION: int = _FORMAT["version"]
_FIRST_CLASS: str = _FORMAT["firstClass"]
_HEADER_LIMIT: int = _FORMAT["mostHeaderBytes"]
_CONSTANTS: dict[str, dict[str, Any]] = _FORMAT["constants"]
_ITEM_BYTES: dict[str, int] = _FORMAT["itemBytes"]
# White space as JavaScript counts it, and the separators of lists of classes.
_NOT_IN_NAMES = frozenset(
    "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff,="
)
# Whole numbers below this are exact in double precision.
_EXACT = 2**53
_MOST_CLASS_SPECIES = limits.whole("core", "mostClassSpecies")


@dataclass(frozen=True)
class ModelInfo:
    """An entry of ``manifest.json``: a model that ships with the package."""

    name: str
    file: Path
    sha256: str
    class_count: int
    description: str


@dataclass(frozen=True)
class PhaseClass:
    """A phase that a model knows, with all its names.

    Attributes
    ----------
    name : str
        Its name in results.
    aliases : tuple of str
        Other names, which `phasewire.fraction` and similar functions accept as well.
    prototype : str
        What the model was trained on: a substance, or a structure file.
    strukturbericht, pearson, aflow : str or None
        Strukturbericht designation, Pearson symbol, AFLOW prototype label; None if there is none or the model file
        does not give it.
    space_group : int, str or None
        Number or symbol.
    water : str or None
        Its name if the analysed atoms are the oxygens of water: ``ice-Ih`` for ``hexdiamond``.
    model : str
        Name of the model.
    number : int
        The class number, as in ``Result.labels``.
    species_count : int
        Species that the prototype has around each of its sites: 2 for ``B2``. An atom with fewer species around it
        never gets this label.
    """

    name: str
    aliases: tuple[str, ...]
    prototype: str
    strukturbericht: str | None
    pearson: str | None
    aflow: str | None
    space_group: int | str | None
    water: str | None
    model: str
    number: int
    species_count: int = 1


@dataclass(frozen=True, eq=False)
class Model:
    """A model file, checked.

    Attributes
    ----------
    name : str
        The model's own name.
    classes : tuple of PhaseClass
        The classes in the order of the labels; class 0 is ``disordered``.
    settings : Mapping
        The numbers stored with the weights: ``cutoff``, ``basisFirst``, ``logitLength``, ... in units of a0.
    tensors : Mapping of str to float32 array
        The weights by their names in models/FORMAT.md, read-only.
    sha256 : str
        SHA-256 of the whole file.
    path : Path
        Path of the file.
    """

    name: str
    classes: tuple[PhaseClass, ...] = field(repr=False)
    settings: Mapping[str, Any] = field(repr=False)
    tensors: Mapping[str, NDArray[np.float32]] = field(repr=False)
    sha256: str = field(repr=False)
    path: Path

    @cached_property
    def phases(self) -> tuple[str, ...]:
        """Class names in the order of the labels."""
        return tuple(phase.name for phase in self.classes)

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Other names of classes, such as ``ice-Ih`` for ``hexdiamond``."""
        return {alias: phase.name for phase in self.classes for alias in phase.aliases}

    @cached_property
    def water_names(self) -> Mapping[str, str]:
        """Names of classes if the atoms are the oxygens of water, by class name."""
        return {phase.name: phase.water for phase in self.classes if phase.water is not None}

    @cached_property
    def shape(self) -> ModelShape:
        """The sizes that determine the shapes of the tensors."""
        return ModelShape.of(self.settings)

    @property
    def stacked_class(self) -> int:
        """Number of the class that counts only where it is surrounded by itself, or 0."""
        name = _FORMAT["stackedClass"]
        return self.phases.index(name) if name in self.phases else 0

    @property
    def species_counts(self) -> NDArray[np.int32]:
        """Species that each class needs around an atom, shape ``(C,)``."""
        return np.array([phase.species_count for phase in self.classes], dtype=np.int32)

    @property
    def ideal_logits(self) -> NDArray[np.float64]:
        """Logit of each class on its own ideal prototype, shape ``(C,)``."""
        return np.array(self.settings["idealLogits"], dtype=np.float64)


def shipped_models() -> list[ModelInfo]:
    """List the models that ship with the package, the default one first."""
    manifest = _read_manifest()
    infos = [_manifest_entry(entry) for entry in manifest["models"]]
    return sorted(infos, key=lambda info: info.name != manifest["default"])


def classes(model: str | Path | None = None) -> list[PhaseClass]:
    """List the classes of a model, with all their names.

    Parameters
    ----------
    model : str or Path, optional
        Name of a shipped model (`shipped_models`) or path of a ``.safetensors`` file. Default: the default model.

    Raises
    ------
    ModelError
        As for `load_model`.

    Examples
    --------
    >>> [phase.name for phase in phasewire.classes() if phase.space_group == 225]  # doctest: +SKIP
    ['fcc', 'B1', ...]
    """
    return list(load_model(model).classes)


def load_model(model: str | Path | None = None) -> Model:
    """Load a model and check it.

    Parameters
    ----------
    model : str or Path, optional
        Name of a shipped model or path of a ``.safetensors`` file. Default: the default model.

    Raises
    ------
    ModelError
        ``MODEL_NOT_FOUND``, ``MODEL_FORMAT``, ``MODEL_HASH``, ``MODEL_VERSION``, ``MODEL_SHAPE`` or
        ``MODEL_NON_FINITE``, with the tensor or key at fault in ``field``.
    """
    if model is not None and (isinstance(model, Path) or str(model).endswith(".safetensors") or "/" in str(model)):
        return read_model(Path(model))
    infos = shipped_models()
    if model is None:
        info = infos[0]
    else:
        found = [info for info in infos if info.name == model]
        if not found:
            names = ", ".join(info.name for info in infos)
            raise refusal("unknownModel", name=show(model), names=names, value=str(model))
        info = found[0]
    return read_model(info.file, expected_sha256=info.sha256)


def read_model(path: Path, *, expected_sha256: str | None = None) -> Model:
    """Read a model file.

    Parameters
    ----------
    path : Path
        The ``.safetensors`` file.
    expected_sha256 : str, optional
        SHA-256 that the whole file must have (from the manifest).
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise make_error(
            "MODEL_NOT_FOUND",
            f"the model file cannot be read: {error.strerror}",
            field="model",
            value=str(path),
            remedy="check the path, or leave the model out to use the one that ships",
        ) from error
    header, data = _split(content, path)
    metadata = header.pop("__metadata__", {})
    described = metadata.get("phasewire")
    if described is None:
        raise refusal("notAModel", source=str(path))
    settings = _settings(described, path)
    stored_hash = metadata.get("sha256")
    computed = hashlib.sha256(_utf8(described) + data).hexdigest()
    file_hash = hashlib.sha256(content).hexdigest()
    if stored_hash != computed:
        raise refusal("modelContents", source=str(path), found=computed, stated=stored_hash or "none", value=computed)
    if expected_sha256 is not None and file_hash != expected_sha256:
        raise refusal("modelHash", source=path.name, found=file_hash, stated=expected_sha256, value=file_hash)
    if not isinstance(settings.get("name"), str) or not settings["name"]:
        _key_error(path, "name", settings.get("name"), "a text")
    classes = _classes(settings, path)
    _check_numbers(settings, path)
    return Model(
        name=settings["name"],
        classes=classes,
        settings=settings,
        tensors=_tensors(header, data, settings, path),
        sha256=file_hash,
        path=path,
    )


def _split(content: bytes, path: Path) -> tuple[dict[str, Any], bytes]:
    size = len(content)
    if size < 8:
        _format_error(path, f"the file has {size} bytes; a safetensors file starts with an 8-byte header length")
    length = int.from_bytes(content[:8], "little")
    if length > _HEADER_LIMIT:
        _format_error(path, f"the header claims {length} bytes; at most {_HEADER_LIMIT} are read")
    if 8 + length > size:
        _format_error(path, f"the header claims {length} bytes, but the file ends after {size}; it is truncated")
    try:
        header = _read_json(content[8 : 8 + length].decode())
    except ValueError:
        _format_error(path, "the header is not JSON in UTF-8")
    if not isinstance(header, dict):
        _format_error(path, "the header is not a JSON object")
    data = content[8 + length :]
    _check_metadata(header.get("__metadata__", {}), path)
    _check_ranges({name: entry for name, entry in header.items() if name != "__metadata__"}, len(data), path)
    return header, data


def _read_json(text: str) -> Any:
    """Read JSON as JavaScript does, so that both languages refuse the same: all numbers are doubles.

    Raises
    ------
    ValueError
        Also for NaN and infinity, which JSON lacks, and for values nested too deeply.
    """

    def number(digits: str) -> float:
        value = float(digits)
        return int(value) if value.is_integer() and abs(value) < _EXACT else value

    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(text, parse_int=number, parse_float=number, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("the values are nested too deeply") from error


def _utf8(text: str) -> bytes:
    """Encode text; halves of surrogate pairs become replacement characters."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _check_metadata(metadata: Any, path: Path) -> None:
    if not isinstance(metadata, dict):
        _format_error(path, "__metadata__ is not an object")
    for key, text in metadata.items():
        if not isinstance(text, str):
            _format_error(path, f"__metadata__.{key} is not a string")


def _check_ranges(entries: Mapping[str, Any], size: int, path: Path) -> None:
    """Refuse gaps and overlaps between tensors: every byte of the file has exactly one meaning."""
    ranges = []
    for name, entry in entries.items():
        begin, end = _range_of(name, entry, path)
        if end > size:
            section = f"the data section, which has {size} bytes"
            _format_error(path, f"tensor {name} ends at byte {end} of {section}; the file is truncated")
        ranges.append((begin, end, name))
    covered = 0
    for begin, end, name in sorted(ranges):
        if begin != covered:
            _format_error(path, f"tensor {name} starts at byte {begin}; {covered} was expected")
        covered = end
    if covered != size:
        _format_error(path, f"{size - covered} bytes after the last tensor belong to no tensor")


def _range_of(name: str, entry: Any, path: Path) -> tuple[int, int]:
    """Return the offsets of a tensor, which agree with its dtype and shape."""
    if not isinstance(entry, dict):
        _format_error(path, f"the entry of tensor {name} is not an object")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _ITEM_BYTES:
        _format_error(path, f"tensor {name} has the unknown dtype {json.dumps(dtype)}")
    if not _are_counts(shape):
        _format_error(path, f"tensor {name} has no valid shape")
    if not _are_counts(offsets) or len(offsets) != 2:
        _format_error(path, f"tensor {name} has no valid data_offsets")
    begin, end = offsets
    # In double precision: exact up to any real size, and quick however many numbers a shape has.
    items = functools.reduce(operator.mul, map(float, shape), 1.0)
    needed = _ITEM_BYTES[dtype] * items
    if end - begin != needed:
        _format_error(path, f"tensor {name} of shape {shape} needs {needed:.0f} bytes; its offsets span {end - begin}")
    return begin, end


def _are_counts(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _settings(described: str, path: Path) -> dict[str, Any]:
    try:
        settings = _read_json(described)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        _format_error(path, "the metadata entry phasewire is not a JSON object")
    found = (settings.get("format"), settings.get("version"))
    if found != (FORMAT_NAME, FORMAT_VERSION) or isinstance(found[1], bool):
        raise refusal(
            "modelVersion",
            source=str(path),
            format=show(found[0]),
            version=show(found[1]),
            known=show(FORMAT_NAME),
            newest=FORMAT_VERSION,
            value=found[1],
        )
    return settings


def _check_numbers(settings: Mapping[str, Any], path: Path) -> None:
    count = len(settings["classes"])
    wrong = ModelShape.of(settings).find_bad_size()
    if wrong is not None:
        name, size, expected = wrong
        _key_error(path, name, size, expected, "modelSize")
    for key, constant in _CONSTANTS.items():
        _require_number(settings.get(key), key, path)
        least, most = constant["least"], constant["most"]
        if not least <= settings[key] <= most:
            _key_error(path, key, settings[key], f"a number from {show(least)} to {show(most)}")
    ideal = settings.get("idealLogits")
    if not isinstance(ideal, list) or len(ideal) != count or not all(_is_number(number) for number in ideal):
        _key_error(path, "idealLogits", ideal, f"a list of {count} numbers", "modelSize")
    for item, number in enumerate(ideal):
        if not math.isfinite(number):
            _item_error(path, "idealLogits", item, number)


def _classes(settings: Mapping[str, Any], path: Path) -> tuple[PhaseClass, ...]:
    listed = settings.get("classes")
    least, most = CLASS_COUNTS
    if not isinstance(listed, list) or not least <= len(listed) <= most:
        _key_error(path, "classes", listed, f"a list of {least} to {most} classes")
    found = tuple(_phase_class(entry, settings["name"], number, path) for number, entry in enumerate(listed))
    if found[0].name != _FIRST_CLASS:
        _key_error(path, "classes[0].name", found[0].name, _FIRST_CLASS)
    names = Counter(name for phase in found for name in (phase.name, *phase.aliases))
    name, count = names.most_common(1)[0]
    if count > 1:
        _key_error(path, "classes", name, "names and aliases that differ")
    return found


def _phase_class(entry: Any, model: str, number: int, path: Path) -> PhaseClass:
    where = f"classes[{number}]"
    if not isinstance(entry, dict):
        _key_error(path, where, entry, "an object")
    name, aliases, prototype = entry.get("name"), entry.get("aliases", []), entry.get("prototype")
    if not isinstance(name, str) or not name or any(letter in _NOT_IN_NAMES for letter in name):
        _key_error(path, f"{where}.name", name, "a text without white space, commas and equals signs")
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        _key_error(path, f"{where}.aliases", aliases, "a list of texts")
    texts = {key: entry.get(key) for key in ("strukturbericht", "pearson", "aflow", "water")}
    for key, text in texts.items():
        if text is not None and not (isinstance(text, str) and text):
            _key_error(path, f"{where}.{key}", text, "a text or null")
    if texts["water"] not in (None, name, *aliases):
        _key_error(path, f"{where}.water", texts["water"], "the name, one of the aliases or null")
    species_count = 1 if entry.get("species") is None else entry["species"]
    if not _is_species_count(species_count):
        _key_error(path, f"{where}.species", species_count, f"a whole number from 1 to {_MOST_CLASS_SPECIES}")
    space_group = entry.get("spaceGroup")
    return PhaseClass(
        name=name,
        aliases=tuple(aliases),
        prototype=prototype if isinstance(prototype, str) else name,
        space_group=space_group if isinstance(space_group, (int, str)) else None,
        model=model,
        number=number,
        species_count=species_count,
        **texts,
    )


def _tensors(header: Mapping[str, Any], data: bytes, settings: Mapping[str, Any], path: Path) -> dict[str, Any]:
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, shape in ModelShape.of(settings).tensor_shapes().items():
        entry = header.get(name)
        if not isinstance(entry, dict):
            _tensor_error(path, name, "missing", shape)
        if entry["dtype"] != "F32" or tuple(entry["shape"]) != shape:
            _tensor_error(path, name, f"{entry['dtype']} {entry['shape']}", shape)
        tensor = np.frombuffer(data, "<f4", count=math.prod(shape), offset=entry["data_offsets"][0]).reshape(shape)
        if not np.isfinite(tensor).all():
            item = int(np.argmin(np.isfinite(tensor)))
            _item_error(path, name, item, float(tensor.flat[item]))
        tensors[name] = tensor
    flat = tensors["network2.weight1"][0]
    if flat.any():
        raise refusal("modelClassZero", source=str(path), value=float(flat[flat != 0][0]))
    return tensors


def _read_manifest() -> dict[str, Any]:
    path = data_file("manifest.json")
    try:
        manifest = _read_json(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        _format_error(path, f"the list of models is damaged: {error}")
    models = manifest.get("models") if isinstance(manifest, dict) else None
    if not isinstance(models, list) or not all(_is_manifest_entry(entry) for entry in models):
        _format_error(path, "the list of models is damaged")
    if manifest.get("default") not in [entry["name"] for entry in models]:
        _format_error(path, "the default model is not in the list of models")
    return {"default": manifest["default"], "models": models}


def _is_manifest_entry(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    texts = [entry.get(key) for key in ("name", "file", "sha256", "description")]
    if not all(isinstance(text, str) for text in texts) or type(entry.get("classCount")) is not int:
        return False
    return not any(separator in entry["file"] for separator in "/\\")


def _manifest_entry(entry: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo(
        name=entry["name"],
        file=data_folder() / entry["file"],
        sha256=entry["sha256"],
        class_count=entry["classCount"],
        description=entry["description"],
    )


def _require_number(value: Any, key: str, path: Path) -> None:
    if not _is_number(value):
        _key_error(path, key, value, "a number")
    if not math.isfinite(value):
        raise refusal("modelNumber", source=str(path), field=key, number=value, value=value)


def _is_species_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_CLASS_SPECIES


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _format_error(path: Path, problem: str) -> NoReturn:
    raise refusal("modelFile", source=str(path), problem=problem, value=str(path))


def _key_error(path: Path, key: str, value: Any, expected: str, reason: str = "modelKey") -> NoReturn:
    found = "missing" if value is None else show(value)
    raise refusal(reason, source=str(path), field=key, found=found, expected=expected, value=value)


def _tensor_error(path: Path, name: str, found: str, shape: tuple[int, ...]) -> NoReturn:
    wanted = f"F32 {list(shape)}"
    raise refusal("modelTensor", source=str(path), field=name, found=found, expected=wanted, value=found)


def _item_error(path: Path, name: str, item: int, number: float) -> NoReturn:
    raise refusal("modelItem", source=str(path), item=item, field=name, number=number, value=number)
