"""Files of weights as files: where they lie, whether they are whole, what tensors they name. Loads neither tensor nor torch."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from avsep_lib.encoders.shapes import Shapes
from avsep_lib.errors import WeightsError
from avsep_lib.files import sha256_file
from avsep_lib.paths import project_root

MAX_HEADER = 100_000_000  # bytes, the limit of the format
SAFE = ".safetensors"


def located(place: str | Path) -> Path:
    """A path of a profile: relative ones start at the checkout, ``~`` is the home folder."""
    path = Path(place).expanduser()
    return path if path.is_absolute() else project_root() / path


def weights_file(place: str | Path, names: tuple[str, ...], way_out: str) -> Path:
    """The safetensors file that `place` means.

    Parameters
    ----------
    place : str or Path
        A file; or a folder that holds one of `names`; or a model's folder in the cache of the Hugging Face hub.
    names : tuple of str
        File names accepted in a folder, the first one found is taken.
    way_out : str
        Last words of the message.

    Raises
    ------
    WeightsError
        Nothing there, a folder without such a file, or a file that is no safetensors file by its name.
    """
    path = located(place)
    if path.is_dir():
        folder = _snapshot(path)
        found = [folder / name for name in names if (folder / name).exists()]
        if not found:
            raise WeightsError(f"{folder} is a folder{''.join(f' without {name}' for name in names)}. {way_out}")
        path = found[0]
    if not path.is_file():
        raise WeightsError(f"{path} is missing. {way_out}")
    if path.suffix != SAFE:
        raise WeightsError(f"{path} is not a safetensors file, and pickles are not opened here. {way_out}")
    return path


def _snapshot(folder: Path) -> Path:
    """The revision that a folder of the hub's cache points to; another folder as it is."""
    main = folder / "refs" / "main"
    return folder / "snapshots" / main.read_text().strip() if main.is_file() else folder


def read_header(path: Path, way_out: str) -> tuple[Shapes, dict[str, str]]:
    """Shapes and metadata of a safetensors file, from its first kilobytes.

    Raises
    ------
    WeightsError
        When the file is shorter than its header promises, or no safetensors file.
    """
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length)) if 2 <= length <= MAX_HEADER else None
        metadata, shapes, end = _parsed(header)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}). {way_out}") from None
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        raise WeightsError(f"{path} is truncated or not a safetensors file. {way_out}") from None
    missing = 8 + length + end - path.stat().st_size
    if missing > 0:
        raise WeightsError(f"{path} is truncated: the last {missing:,} bytes are missing. {way_out}")
    return shapes, metadata


def _parsed(header: Any) -> tuple[dict[str, str], Shapes, int]:
    """Metadata, shapes and the end of the last tensor in bytes."""
    metadata = header.pop("__metadata__", {})
    shapes = {name: tuple(int(size) for size in entry["shape"]) for name, entry in header.items()}
    return metadata, shapes, max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)


def digest(path: Path) -> str:
    """Hex SHA-256 of a file; WeightsError when it cannot be read."""
    try:
        return sha256_file(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); look at its permissions") from None


def check_sha256(path: Path, expected: str, setting: str) -> None:
    """WeightsError unless `expected` is empty or the SHA-256 of the file."""
    if expected and (found := digest(path)) != expected.lower():
        raise WeightsError(
            f"{path} has the SHA-256 {found}, and {setting} says {expected}: it is another file, or it was changed. "
            f"Fetch it again, or correct {setting} if you know the file"
        )


def n_values(shapes: Shapes) -> int:
    """Number of values in all tensors."""
    return sum(math.prod(shape) for shape in shapes.values())
