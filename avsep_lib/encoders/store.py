"""Embeddings of clips on disk: one safetensors file with its index inside, read lazily by clip.

The file holds one flat float32 tensor ``embeddings`` (sum of rows, 512). Its metadata entry ``index`` is JSON: the
modality, the encoder's key, and per clip the first row, the number of rows and a content key over the encoder's key
and the clip's input. Weights, input and embedding therefore cannot drift apart unnoticed.

A file is written block by block beside its place (`StoreWriter`), which bounds memory and survives a kill.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from avsep_lib.encoders.base import EMBEDDING_DIM
from avsep_lib.errors import DataError, WeightsError
from avsep_lib.files import sha256_text, writing
from avsep_lib.tensor_file import create_tensors

ROW_BYTES = 4 * EMBEDDING_DIM
REBUILD = "Write it again: `python -m avsep_lib.encoders.embed`, or delete it and run `make figures`."


@dataclass(frozen=True)
class Entry:
    """Rows of one clip, shape (n, 512), and the key of what they were computed from."""

    clip_id: str
    rows: np.ndarray
    key: str


class StoreWriter:
    """Writes a store block by block; the blocks lie in ``<name>.part`` beside it until the file is complete.

    A block is one or more clips that are embedded together, named by their content keys, which cover the encoder. A
    writer that is opened again after a kill has the finished blocks and asks for no other embedding of them.

    Parameters
    ----------
    path : str or Path
        The store to write.
    modality, encoder_key : str
    """

    def __init__(self, path: str | Path, modality: str, encoder_key: str) -> None:
        self.path, self.modality, self.encoder_key = Path(path), modality, encoder_key
        self.folder = self.path.with_suffix(".part")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._index: dict[str, list] = {}  # clip_id: [first row of the store, rows, key]
        self._order: list[tuple[int, int]] = []  # (first row in the part file, rows) of each block
        self._n_rows = 0
        self._found: dict[str, tuple[int, int]] = {}  # block: span in the part file
        self._n_logged = 0  # rows of the part file
        rows, log = self.folder / "rows.f32", self.folder / "blocks.jsonl"
        self._rows, self._log = rows.open("a+b"), log.open("ab")
        complete = self._read_log(log)
        self._rows.truncate(self._n_logged * ROW_BYTES)
        self._log.truncate(complete)

    def _read_log(self, log: Path) -> int:
        """Find the blocks that a killed writer has left whole; returns how many bytes of the log hold."""
        complete = 0
        self._rows.seek(0)
        for line in log.read_bytes().splitlines(keepends=True):
            try:
                block, start, count, checksum = json.loads(line)
            except (ValueError, TypeError):
                break  # the line that was being written
            rows = self._rows.read(count * ROW_BYTES)
            whole = line.endswith(b"\n") and len(rows) == count * ROW_BYTES and start == self._n_logged
            if not whole or zlib.crc32(rows) != checksum:
                break
            self._found[block], self._n_logged = (start, count), start + count
            complete += len(line)
        return complete

    @staticmethod
    def _name(keys: list[str]) -> str:
        return sha256_text(" ".join(keys))

    def holds(self, keys: list[str]) -> bool:
        """Whether a killed writer has left the block of these keys."""
        return self._name(keys) in self._found

    def add(self, entries: list[Entry]) -> None:
        """Append a block.

        Raises
        ------
        DataError
            A repeated clip, or rows that are not finite float32 (n, 512); the clip is named.
        """
        for entry in entries:
            _check_rows(entry)
        start, counts = self._n_logged, [len(entry.rows) for entry in entries]
        self._enter([e.clip_id for e in entries], counts, [e.key for e in entries], start)
        with writing(self.folder):
            checksum = 0
            for entry in entries:
                rows = np.ascontiguousarray(entry.rows).data
                self._rows.write(rows)
                checksum = zlib.crc32(rows, checksum)
            self._rows.flush()
            self._n_logged += sum(counts)
            block = [self._name([e.key for e in entries]), start, sum(counts), checksum]
            self._log.write(json.dumps(block).encode() + b"\n")
            self._log.flush()

    def keep(self, clip_ids: list[str], keys: list[str]) -> None:
        """Take a block over that `holds` has found; its clips have equally many rows."""
        start, count = self._found[self._name(keys)]
        self._enter(clip_ids, [count // len(clip_ids)] * len(clip_ids), keys, start)

    def _enter(self, clip_ids: list[str], counts: list[int], keys: list[str], start: int) -> None:
        for clip_id, count, key in zip(clip_ids, counts, keys):
            if clip_id in self._index:
                raise DataError(f"clip {clip_id!r} was embedded twice; clip ids must be unique in the manifest")
            self._index[clip_id] = [self._n_rows, count, key]
            self._n_rows += count
        self._order.append((start, sum(counts)))

    def finish(self) -> None:
        """Write the store and remove the blocks; DataError when there is no clip."""
        self._close()
        if not self._index:
            raise DataError(f"no clip to embed for {self.path}; the manifest has pretraining clips only")
        header = {"modality": self.modality, "encoder_key": self.encoder_key, "clips": self._index}
        parts = np.memmap(self.folder / "rows.f32", np.float32, "r").reshape(-1, EMBEDDING_DIM)
        layout = {"embeddings": ("float32", (self._n_rows, EMBEDDING_DIM))}
        with create_tensors(self.path, layout, {"index": json.dumps(header)}) as tensors:
            end = 0
            for start, count in self._order:
                tensors["embeddings"][end : end + count] = parts[start : start + count]
                end += count
        self.discard()

    def discard(self) -> None:
        """Remove the blocks."""
        self._close()
        shutil.rmtree(self.folder)

    def _close(self) -> None:
        for stream in (self._rows, self._log):
            with contextlib.suppress(OSError):  # on a full disk: told by the write before
                stream.close()


def write_store(path: str | Path, modality: str, encoder_key: str, entries: Iterable[Entry]) -> None:
    """Write entries in the given order, atomically and one at a time; an error leaves nothing behind.

    Raises
    ------
    DataError
        No entry, a repeated clip, or rows that are not finite float32 (n, 512); the clip is named.
    """
    writer = StoreWriter(path, modality, encoder_key)
    try:
        for entry in entries:
            writer.add([entry])
        writer.finish()
    except BaseException:
        writer.discard()
        raise


def _check_rows(entry: Entry) -> None:
    rows = entry.rows
    if rows.ndim != 2 or rows.shape[1] != EMBEDDING_DIM or rows.dtype != np.float32 or not np.isfinite(rows).all():
        raise DataError(
            f"embedding of clip {entry.clip_id!r} is {rows.dtype} {rows.shape}; finite float32 (n, {EMBEDDING_DIM}) "
            "is needed"
        )


def _check_header(header: dict[str, Any], shape: list[int], dtype: str) -> None:
    """ValueError unless the clips of an index lie one after the other in a tensor of this shape, and fill it."""
    end = 0
    for start, count, key in header["clips"].values():
        if not (type(start) is type(count) is int and start == end and count > 0 and isinstance(key, str)):
            raise ValueError(f"its index has a clip of {count!r} rows from row {start!r}, {end} was expected")
        end += count
    if dtype != "F32" or list(shape) != [end, EMBEDDING_DIM] or not end:
        raise ValueError(f"{dtype} {shape}, F32 ({end}, {EMBEDDING_DIM}) by its index")
    if not isinstance(header["modality"], str) or not isinstance(header["encoder_key"], str):
        raise ValueError("its index names no encoder")


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
            _check_header(header, tensor.get_shape(), tensor.get_dtype())
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
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
        return self._finite(self._tensor[start : start + count], clip_id)

    def frame(self, clip_id: str, index: int) -> np.ndarray:
        """Row `index` of a clip, float32 (512,), without reading the others; DataError when there is none."""
        start, count, _ = self._entry(clip_id)
        if not 0 <= index < count:
            raise DataError(f"clip {clip_id!r} has {count} embeddings in {self.path}, frame {index} is none of them")
        return self._finite(self._tensor[start + index : start + index + 1], clip_id)[0]

    def _finite(self, rows: np.ndarray, clip_id: str) -> np.ndarray:
        if not np.isfinite(rows).all():
            raise DataError(f"embedding of clip {clip_id!r} in {self.path} holds NaN or infinity. {REBUILD}")
        return rows

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
