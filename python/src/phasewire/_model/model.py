"""Reading model files (models/FORMAT.md, format 1) and the list of shipped models."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from phasewire._contract.tables import read_table
from phasewire._model.data import data_file, data_folder
from phasewire._model.shape import CLASS_COUNTS, ModelShape
from phasewire.errors import make_error, plain

_FORMAT = read_table("model")
FORMAT_NAME: str = _FORMAT["format"]
FORMAT_VERSION: int = _FORMAT["version"]
_FIRST_CLASS: str = _FORMAT["firstClass"]
_HEADER_LIMIT: int = _FORMAT["mostHeaderBytes"]
_CONSTANTS: dict[str, dict[str, Any]] = _FORMAT["constants"]
_REEXPORT = "export the model again with training/export.py, or use a model made for this release"
_COPY_AGAIN = "the file was damaged or cut short: copy or download it again"


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
            raise make_error(
                "MODEL_NOT_FOUND",
                f"no shipped model is called {model!r}; there are: {', '.join(info.name for info in infos)}",
                field="model",
                value=str(model),
                remedy="give one of these names, or the path of a .safetensors file",
            )
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
    metadata = header.pop("__metadata__", None)
    described = metadata.get("phasewire") if isinstance(metadata, dict) else None
    if not isinstance(described, str):
        _format_error(path, "its header has no phasewire metadata, so it is not a phasewire model")
    stored_hash = metadata.get("sha256")
    computed = hashlib.sha256(described.encode() + data).hexdigest()
    file_hash = hashlib.sha256(content).hexdigest()
    if stored_hash != computed:
        _hash_error(path, f"its content has SHA-256 {computed}, its header states {stored_hash}")
    if expected_sha256 is not None and file_hash != expected_sha256:
        _hash_error(path, f"the file has SHA-256 {file_hash}, the manifest states {expected_sha256}")
    settings = _settings(described, path)
    tensors = _tensors(header, data, settings, path)
    return Model(
        name=settings["name"],
        classes=_classes(settings, path),
        settings=settings,
        tensors=tensors,
        sha256=file_hash,
        path=path,
    )


def _split(content: bytes, path: Path) -> tuple[dict[str, Any], bytes]:
    if len(content) < 8:
        _format_error(path, f"{len(content)} bytes are too few for a safetensors file")
    length = int.from_bytes(content[:8], "little")
    if length > _HEADER_LIMIT or 8 + length > len(content):
        _format_error(path, f"its header claims {length} bytes, the file has {len(content)}")
    try:
        header = json.loads(content[8 : 8 + length])
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        _format_error(path, f"its header is not JSON: {error}")
    if not isinstance(header, dict):
        _format_error(path, "its header is not a JSON object")
    return header, content[8 + length :]


def _settings(described: str, path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(described)
    except json.JSONDecodeError as error:
        _format_error(path, f"its phasewire metadata is not JSON: {error}")
    if not isinstance(settings, dict):
        _format_error(path, "its phasewire metadata is not a JSON object")
    found = (settings.get("format"), settings.get("version"))
    if found != (FORMAT_NAME, FORMAT_VERSION):
        raise make_error(
            "MODEL_VERSION",
            f"{path} is {found[0]!r} version {found[1]!r}; this release reads {FORMAT_NAME!r} version {FORMAT_VERSION}",
            field="version",
            value=found[1],
            remedy=_REEXPORT,
        )
    if not isinstance(settings.get("name"), str) or not settings["name"]:
        _format_error(path, "its metadata must name the model", "name")
    listed = settings.get("classes")
    least, most = CLASS_COUNTS
    if not isinstance(listed, list) or not least <= len(listed) <= most:
        _format_error(path, f"its metadata must list {least} to {most} classes", "classes")
    for key in (*_CONSTANTS, "basisCount"):
        _require_number(settings.get(key), key, path)
    wrong = ModelShape.of(settings).find_bad_size()
    if wrong is not None:
        name, size, expected = wrong
        _shape_error(path, name, size, expected)
    for key, constant in _CONSTANTS.items():
        if constant["isPositive"] and settings[key] <= 0:
            _format_error(path, f"{key} must be greater than 0", key)
    ideal = settings.get("idealLogits")
    if not isinstance(ideal, list) or len(ideal) != len(listed):
        _shape_error(path, "idealLogits", ideal, f"{len(listed)} numbers are needed, one per class")
    for number in ideal:
        _require_number(number, "idealLogits", path)
    return settings


def _classes(settings: Mapping[str, Any], path: Path) -> tuple[PhaseClass, ...]:
    found = tuple(
        _phase_class(entry, settings["name"], number, path) for number, entry in enumerate(settings["classes"])
    )
    if found[0].name != _FIRST_CLASS:
        _format_error(path, f"its first class is {found[0].name!r} instead of {_FIRST_CLASS!r}", "classes[0].name")
    names = Counter(name for phase in found for name in (phase.name, *phase.aliases))
    name, count = names.most_common(1)[0]
    if count > 1:
        _format_error(path, f"{name!r} stands for two classes", "classes")
    return found


def _phase_class(entry: Any, model: str, number: int, path: Path) -> PhaseClass:
    where = f"classes[{number}]"
    if not isinstance(entry, dict):
        _format_error(path, f"{where} is not a JSON object", where)
    name, aliases, prototype = entry.get("name"), entry.get("aliases"), entry.get("prototype")
    if not isinstance(name, str) or not name or any(letter.isspace() or letter in ",=" for letter in name):
        _format_error(
            path, f"{where}.name must be a text without white space, commas and equals signs", f"{where}.name"
        )
    aliases = [] if aliases is None else aliases
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        _format_error(path, f"{where}.aliases must be a list of texts", f"{where}.aliases")
    texts = {key: entry.get(key) for key in ("strukturbericht", "pearson", "aflow", "water")}
    for key, text in texts.items():
        if text is not None and not (isinstance(text, str) and text):
            _format_error(path, f"{where}.{key} must be a text or null", f"{where}.{key}")
    if texts["water"] not in (None, name, *aliases):
        _format_error(path, f"{where}.water must be the name, one of the aliases or null", f"{where}.water")
    space_group = entry.get("spaceGroup")
    return PhaseClass(
        name=name,
        aliases=tuple(aliases),
        prototype=prototype if isinstance(prototype, str) else name,
        space_group=space_group if isinstance(space_group, (int, str)) else None,
        model=model,
        number=number,
        **texts,
    )


def _tensors(header: Mapping[str, Any], data: bytes, settings: Mapping[str, Any], path: Path) -> dict[str, Any]:
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, shape in ModelShape.of(settings).tensor_shapes().items():
        entry = header.get(name)
        if not isinstance(entry, dict):
            _shape_error(path, name, "missing", "the tensor is missing")
        if entry.get("dtype") != "F32" or tuple(entry.get("shape") or ()) != shape:
            found = f"{entry.get('dtype')} {entry.get('shape')}"
            _shape_error(path, name, found, f"the tensor must be F32 {list(shape)}")
        offsets = entry.get("data_offsets")
        byte_count = 4 * math.prod(shape)
        if (
            not isinstance(offsets, list)
            or len(offsets) != 2
            or not all(isinstance(offset, int) for offset in offsets)
            or not 0 <= offsets[0] <= offsets[1] <= len(data)
            or offsets[1] - offsets[0] != byte_count
        ):
            _format_error(path, f"tensor {name} claims the bytes {offsets} of {len(data)}", name)
        tensor = np.frombuffer(data, "<f4", count=byte_count // 4, offset=offsets[0]).reshape(shape)
        if not np.isfinite(tensor).all():
            _non_finite_error(path, name, tensor[~np.isfinite(tensor)][0])
        tensors[name] = tensor
    flat = tensors["network2.weight1"][0]
    if flat.any():
        expected = "row 0 must be zero, or the logit of class 0 would not be constant"
        _shape_error(path, "network2.weight1", float(flat[flat != 0][0]), expected)
    return tensors


def _read_manifest() -> dict[str, Any]:
    path = data_file("manifest.json")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not manifest["models"] or manifest["default"] not in [entry["name"] for entry in manifest["models"]]:
            raise ValueError("the default model is not in the list")
    except (ValueError, KeyError, TypeError) as error:
        _format_error(path, f"the list of models is damaged: {error}")
    return manifest


def _manifest_entry(entry: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo(
        name=str(entry["name"]),
        file=data_folder() / str(entry["file"]),
        sha256=str(entry["sha256"]),
        class_count=int(entry["classCount"]),
        description=str(entry.get("description", "")),
    )


def _require_number(value: Any, key: str, path: Path) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        _format_error(path, f"{key} is {value!r}; a number is needed", key)
    if not math.isfinite(value):
        _non_finite_error(path, key, value)


def _format_error(path: Path, problem: str, name: str = "model") -> NoReturn:
    raise make_error(
        "MODEL_FORMAT", f"{path} cannot be used: {problem}", field=name, value=str(path), remedy=_COPY_AGAIN
    )


def _hash_error(path: Path, problem: str) -> NoReturn:
    raise make_error(
        "MODEL_HASH",
        f"{path} was changed or damaged: {problem}",
        field="sha256",
        value=str(path),
        remedy="copy the file or export the model again",
    )


def _shape_error(path: Path, name: str, value: Any, expected: str) -> NoReturn:
    raise make_error("MODEL_SHAPE", f"{path}: {name}: {expected}", field=name, value=value, remedy=_REEXPORT)


def _non_finite_error(path: Path, name: str, value: float) -> NoReturn:
    raise make_error(
        "MODEL_NON_FINITE",
        f"{path}: {name} holds {plain(float(value))}",
        field=name,
        value=float(value),
    )
