"""The file of an inverter: named tensors and notes in one safetensors file, with a checksum of both."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save as packed
from torch import Tensor
from torch import uint8 as byte

from fwi.files import require_regular, write_whole

FILE = "inverter.safetensors"
"""Name of the inverter in the folder of a run."""
FORMAT = "1"
"""Version of the file's layout."""


def write(path: Path, notes: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
    """Write notes and tensors, whole or not at all.

    Args:
        path: the file.
        notes: text by name; ``format`` and ``sha256`` are added.
        tensors: tensors by name, of any shape.
    """
    notes = {"format": FORMAT, **notes}
    write_whole(path, packed(dict(tensors), {**notes, "sha256": _checksum(notes, tensors)}))


def read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read notes and tensors. Nothing of the file is run.

    Raises:
        ValueError: the file has another format, or its content has changed.
        SafetensorError: it is no safetensors file.
    """
    require_regular(path)
    with safe_open(path, "pt") as file:
        notes: dict[str, str] = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    if notes.get("format") != FORMAT:
        written = notes.get("format")
        raise ValueError("it has no format" if written is None else f"its format is {written}, not {FORMAT}")
    if notes.pop("sha256", None) != _checksum(notes, tensors):
        raise ValueError("its checksum differs")
    return notes, tensors


def read_notes(path: Path) -> dict[str, str]:
    """Read the notes alone, at once and without comparing checksums.

    Raises:
        SafetensorError: it is no safetensors file.
    """
    require_regular(path)
    with safe_open(path, "pt") as file:
        notes: dict[str, str] = file.metadata() or {}
    return notes


def _checksum(notes: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Compute the SHA-256 of the content, in a fixed order."""
    content = hashlib.sha256(json.dumps(notes, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content.update(tensor.reshape(-1).view(byte).numpy().data)
    return content.hexdigest()
