"""safetensors files that are larger than memory: written piece by piece, byte for byte what `save_file` would write.

Only writing needs this. `safetensors.torch.load_file` maps a file and reads what is used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np

from avsep_lib.errors import DataError
from avsep_lib.files import atomic_path

# In the format's own order: its writer sorts tensors by type, the widest first, and then by name.
TYPES = {"int64": "I64", "float64": "F64", "float32": "F32", "int32": "I32", "uint8": "U8"}
LARGEST_HEADER = 100_000_000  # bytes; safetensors opens no file with a larger one

Layout = Mapping[str, tuple[str, tuple[int, ...]]]  # {name: (type, shape)}


def _in_file_order(layout: Layout) -> list[str]:
    return sorted(layout, key=lambda name: (list(TYPES).index(layout[name][0]), name))


def header(layout: Layout, metadata: Mapping[str, str] | None = None) -> bytes:
    """First bytes of a safetensors file, up to its data.

    Raises
    ------
    DataError
        When the metadata are larger than the format allows.
    """
    entries: dict = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in _in_file_order(layout):
        kind, shape = layout[name]
        start, end = end, end + prod(shape) * np.dtype(kind).itemsize
        entries[name] = {"dtype": TYPES[kind], "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LARGEST_HEADER:
        raise DataError(
            f"an index of {len(text) / 1e6:.0f} MB is more than a safetensors file can have "
            f"({LARGEST_HEADER / 1e6:.0f} MB); split the dataset into several"
        )
    return len(text).to_bytes(8, "little") + text


def _reserve(file: int, size: int, path: Path) -> None:
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, size)
        else:
            os.truncate(file, size)
    except OSError as error:
        raise DataError(f"{path} needs {size / 1e9:.1f} GB ({error.strerror}); free disk space and run again") from None


@contextmanager
def create_tensors(
    path: str | Path, layout: Layout, metadata: Mapping[str, str] | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """Writable, memory-mapped arrays of a new file; it appears, complete, when the block ends without an error.

    Parameters
    ----------
    path : str or Path
    layout : mapping
        Type (``"float32"``) and shape of each tensor.
    metadata : mapping, optional
        Text to text, as in `save_file`.

    Raises
    ------
    DataError
        The disk has no room for the file (said now: writing to a mapped file that cannot grow would kill the process).
    """
    first = header(layout, metadata)
    size = len(first) + sum(prod(shape) * np.dtype(kind).itemsize for kind, shape in layout.values())
    with atomic_path(path) as temporary:
        with temporary.open("wb") as stream:
            stream.write(first)
            _reserve(stream.fileno(), size, Path(path))
        arrays, offset = {}, len(first)
        for name in _in_file_order(layout):
            kind, shape = layout[name]
            arrays[name] = np.memmap(temporary, kind, "r+", offset, shape) if prod(shape) else np.zeros(shape, kind)
            offset += arrays[name].nbytes
        yield arrays
        for array in arrays.values():
            if isinstance(array, np.memmap):
                array.flush()
        arrays.clear()
