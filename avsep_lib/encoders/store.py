"""Embeddings of clips on disk: one safetensors file with its index inside, read lazily by clip.

The file holds one flat float32 tensor ``embeddings`` (sum of rows, 512). Its metadata entry ``index`` is JSON: the
modality, the encoder's key, and per clip the first row, the number of rows and a content key over the encoder's key
and the clip's input. Weights, input and embedding therefore cannot drift apart unnoticed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from avsep_lib.encoders.base import EMBEDDING_DIM
from avsep_lib.errors import DataError, WeightsError
from avsep_lib.files import atomic_path

REBUILD = "Write it again: `python -m avsep_lib.encoders.embed`, or delete it and run `make figures`."


@dataclass(frozen=True)
class Entry:
    """Rows of one clip, shape (n, 512), and the key of what they were computed from."""

    clip_id: str
    rows: np.ndarray
    key: str


def write_store(path: str | Path, modality: str, encoder_key: str, entries: list[Entry]) -> None:
    """Write entries in the given order, atomically.

    Raises
    ------
    DataError
        No entry, a repeated clip, or rows that are not finite float32 (n, 512); the clip is named.
    """
    index, start = {}, 0
    for entry in entries:
        if entry.clip_id in index:
            raise DataError(f"clip {entry.clip_id!r} was embedded twice; clip ids must be unique in the manifest")
        _check_rows(entry)
        index[entry.clip_id] = [start, len(entry.rows), entry.key]
        start += len(entry.rows)
    if not index:
        raise DataError(f"no clip to embed for {path}; the manifest has pretraining clips only")
    header = {"modality": modality, "encoder_key": encoder_key, "clips": index}
    with atomic_path(path) as temporary:
        save_file({"embeddings": np.concatenate([e.rows for e in entries])}, temporary, {"index": json.dumps(header)})


def _check_rows(entry: Entry) -> None:
    rows = entry.rows
    if rows.ndim != 2 or rows.shape[1] != EMBEDDING_DIM or rows.dtype != np.float32 or not np.isfinite(rows).all():
        raise DataError(
            f"embedding of clip {entry.clip_id!r} is {rows.dtype} {rows.shape}; finite float32 (n, {EMBEDDING_DIM}) "
            "is needed"
        )


class EmbeddingStore:
    """Read access to a file written by `write_store`; use `EmbeddingStore.open`."""

    def __init__(self, path: Path, header: dict[str, Any], tensor: Any) -> None:
        self.path = path
        self.modality: str = header["modality"]
        self.encoder_key: str = header["encoder_key"]
        self._clips: dict[str, tuple[int, int, str]] = header["clips"]
        self._tensor = tensor

    @classmethod
    def open(cls, path: str | Path) -> EmbeddingStore:
        """Open a store; DataError when it is missing, truncated or has no index."""
        path = Path(path)
        if not path.is_file():
            raise DataError(f"embeddings {path} are missing. {REBUILD}")
        try:
            file = safe_open(path, framework="numpy")
            header = json.loads(file.metadata()["index"])
            tensor = file.get_slice("embeddings")
        except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise DataError(f"embeddings {path} are truncated or of another format ({error}). {REBUILD}") from None
        return cls(path, header, tensor)

    @property
    def clip_ids(self) -> list[str]:
        """Clips in the order of the file."""
        return list(self._clips)

    def __contains__(self, clip_id: str) -> bool:
        return clip_id in self._clips

    def _entry(self, clip_id: str) -> tuple[int, int, str]:
        try:
            return self._clips[clip_id]
        except KeyError:
            raise DataError(f"clip {clip_id!r} has no embedding in {self.path}. {REBUILD}") from None

    def key(self, clip_id: str) -> str:
        """Content key of a clip's embedding."""
        return self._entry(clip_id)[2]

    def frames(self, clip_id: str) -> np.ndarray:
        """All rows of a clip, float32 (n_frames, 512); DataError naming the clip when it is absent."""
        start, count, _ = self._entry(clip_id)
        return self._tensor[start : start + count]

    def vector(self, clip_id: str) -> np.ndarray:
        """The embedding of a clip that has one row, float32 (512,); DataError when it has several."""
        rows = self.frames(clip_id)
        if len(rows) != 1:
            raise DataError(f"clip {clip_id!r} has {len(rows)} embeddings in {self.path}; ask for frames() and choose")
        return rows[0]

    def check(self, encoder_key: str) -> None:
        """WeightsError unless the store was made with the encoder of this key."""
        if encoder_key != self.encoder_key:
            raise WeightsError(
                f"{self.path} was embedded with encoder {self.encoder_key[:12]}, not {encoder_key[:12]}. {REBUILD}"
            )
