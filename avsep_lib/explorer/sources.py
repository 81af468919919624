"""The two sources of a mixture: what each sounds like, looks like, and how a network is asked for it."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from avsep_lib.clips import ClipStore
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.manifest import is_solo
from avsep_lib.mixtures import crop_start
from avsep_lib.pictures import load_frame
from avsep_lib.settings import AudioSettings

THUMBNAIL = 96  # pixels
SHOWN = 192  # pixels of the picture beside a mask


@dataclass(frozen=True)
class Source:
    """One source.

    Attributes
    ----------
    key : str
        A clip_id, or the key of an upload.
    label : str
        Its class, or the name of the uploaded file.
    waveform : ndarray, float32, shape (n_samples,)
        As in its recording; the mixture has half of it.
    picture : ndarray, uint8, shape (height, width, 3)
    embedding : ndarray, float32, shape (512,)
        Of the frozen image encoder.
    remarks : tuple of str
        What a listener must know about it.
    """

    key: str
    label: str
    waveform: np.ndarray
    picture: np.ndarray
    embedding: np.ndarray
    remarks: tuple[str, ...] = ()


def test_solos(store: ClipStore, audio: AudioSettings) -> list[str]:
    """Ids of the test clips of one class that last as long as a mixture, in the order of the manifest."""
    table = store.table
    chosen = (table.split == "test") & is_solo(table) & (table.n_samples >= audio.n_samples)
    return table.clip_id[chosen].tolist()


def centre(store: ClipStore, clip_id: str, audio: AudioSettings) -> tuple[float, int]:
    """Start in seconds and frame number of a clip's centre crop: where every test pair hears and sees it."""
    row = store.row(clip_id)
    duration_s = float(row.duration_s)
    start_s = round(max(duration_s - audio.n_samples / audio.sample_rate, 0) / 2, 4)
    return start_s, min(int(duration_s / 2 * float(row.fps)), int(row.n_frames) - 1)


def clip_source(store: ClipStore, images: EmbeddingStore, clip_id: str, audio: AudioSettings) -> Source:
    """A clip of the dataset as a source; DataError when it is unknown or too short."""
    start_s, frame = centre(store, clip_id, audio)
    first = crop_start(store, clip_id, start_s, audio)
    waveform = np.clip(store.crop(clip_id, first, audio.n_samples), -1, 1)
    picture = load_frame(store, clip_id, frame, SHOWN).transpose(1, 2, 0)
    return Source(clip_id, store.row(clip_id).labels, waveform, picture, images.frame(clip_id, frame))


def frame_for_network(store: ClipStore, clip_id: str, size: int, audio: AudioSettings) -> np.ndarray:
    """The same frame, as a trained visual network reads it: uint8 (3, size, size)."""
    return load_frame(store, clip_id, centre(store, clip_id, audio)[1], size)


def thumbnail(store: ClipStore, clip_id: str, audio: AudioSettings) -> bytes:
    """The centre frame of a clip as a small JPEG."""
    frame = load_frame(store, clip_id, centre(store, clip_id, audio)[1], THUMBNAIL).transpose(1, 2, 0)
    return jpeg(frame)


def jpeg(picture: np.ndarray, quality: int = 82) -> bytes:
    """A picture (height, width, 3) as JPEG."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality)
    return stream.getvalue()
