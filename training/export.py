"""Model files: safetensors with a self-verifying header (models/FORMAT.md)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save

from .model import ModelConfig

TENSORS = (
    "radial.mix",
    "invariants.mix",
    "standard.mean",
    "standard.scale",
    "network1.weight0",
    "network1.bias0",
    "network1.weight1",
    "network1.bias1",
    "network2.weight0",
    "network2.bias0",
    "network2.weight1",
    "network2.bias1",
)


def _split(blob: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and tensor data section of a safetensors file."""
    size = int.from_bytes(blob[:8], "little")
    return json.loads(blob[8 : 8 + size]), blob[8 + size :]


def write_model(
    path: Path,
    config: ModelConfig,
    params: dict[str, Any],
    class_info: list[dict[str, Any]],
    ideal_logits: np.ndarray,
    training: dict[str, Any],
) -> str:
    """Write one model file and return the SHA-256 of the whole file."""
    tensors = {name: np.array(params[name], dtype="<f4", order="C") for name in TENSORS}
    tensors["network2.weight1"][0] = 0.0
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} holds non-finite weights; refusing to export")
    header = json.dumps(
        {
            "format": "phasewire-model",
            "version": 1,
            "name": path.stem,
            "classes": class_info,
            "cutoff": config.cutoff,
            "basisCount": config.basis_count,
            "basisFirst": config.basis_first,
            "basisLast": config.basis_last,
            "basisWidth": config.basis_width,
            "epsilon": config.epsilon,
            "logitLength": config.logit_length,
            "idealLogits": [float(value) for value in ideal_logits],
            "channels": config.channels,
            "lmax": config.lmax,
            "skippedDegree": config.skipped_degree,
            "innerWidth": config.inner_width,
            "hiddenWidth": config.hidden_width,
            "messageWidth": config.message_width,
            "outerWidth": config.outer_width,
            "training": training,
        }
    )
    _write(path, tensors, header)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_model(path: Path) -> tuple[ModelConfig, dict[str, np.ndarray], dict[str, Any]]:
    """Config, weights and header object of a model file. Raises ValueError if the hash does not match."""
    header, data = _split(path.read_bytes())
    metadata = header["__metadata__"]
    digest = hashlib.sha256(metadata["phasewire"].encode() + data).hexdigest()
    if digest != metadata["sha256"]:
        raise ValueError(f"{path}: sha256 is {digest}, but the header states {metadata['sha256']}")
    info = json.loads(metadata["phasewire"])
    config = ModelConfig(
        classes=tuple(entry["name"] for entry in info["classes"]),
        cutoff=info["cutoff"],
        basis_count=info["basisCount"],
        basis_first=info["basisFirst"],
        basis_last=info["basisLast"],
        basis_width=info["basisWidth"],
        epsilon=info["epsilon"],
        logit_length=info["logitLength"],
        channels=info["channels"],
        lmax=info["lmax"],
        skipped_degree=info.get("skippedDegree", 0),
        inner_width=info.get("innerWidth", 64),
        hidden_width=info.get("hiddenWidth", 32),
        message_width=info.get("messageWidth", 32),
        outer_width=info.get("outerWidth", 64),
    )
    return config, load_file(path), info


def add_known(path: Path, tensors: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """Give a model file a network of known surroundings, or another one.

    `about` describes how the network was made. All other numbers of the file stay as they are. The file gets another
    hash, which the manifest and the golden files next to it then state.
    """
    _, kept, info = read_model(path)
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} holds non-finite weights; refusing to export")
    info["knownWidth"] = len(tensors["known.bias0"])
    info["training"] = {**info["training"], "known": about}
    _write(path, {**{name: kept[name] for name in TENSORS}, **tensors}, json.dumps(info))
    manifest_path = path.parent / "manifest.json"
    manifest = json.loads(manifest_path.read_text())
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    for entry in manifest["models"]:
        if entry["file"] == path.name:
            entry["sha256"] = sha256
    manifest_path.write_text(json.dumps(manifest, indent=2) + "\n")
    for golden_path in sorted((path.parent / "golden").glob("*.json")):
        record = json.loads(golden_path.read_text())
        if record["model"] == path.stem:
            golden_path.write_text(json.dumps(record | {"modelSha256": sha256}) + "\n")


def _write(path: Path, tensors: dict[str, np.ndarray], header: str) -> None:
    """Write tensors and the header object, with the hash of both."""
    # The data section does not depend on the metadata, so its hash can go into the metadata of a second write.
    _, data = _split(save(tensors))
    digest = hashlib.sha256(header.encode() + data).hexdigest()
    blob = save(tensors, metadata={"phasewire": header, "sha256": digest})
    if _split(blob)[1] != data:
        raise RuntimeError("safetensors changed the order of tensors between two writes")
    path.write_bytes(blob)


def update_manifest(folder: Path, path: Path, class_count: int, description: str, default: bool = False) -> None:
    """Enter a model file of `folder` into its manifest, as the default if it is the first or `default` is set."""
    manifest_path = folder / "manifest.json"
    manifest: dict[str, Any] = {"default": path.stem, "models": []}
    if manifest_path.exists():
        manifest = json.loads(manifest_path.read_text())
    if default:
        manifest["default"] = path.stem
    entry = {
        "name": path.stem,
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "classCount": class_count,
        "description": description,
    }
    others = [model for model in manifest["models"] if model["name"] != path.stem]
    manifest["models"] = sorted([*others, entry], key=lambda model: model["name"])
    manifest_path.write_text(json.dumps(manifest, indent=2) + "\n")
