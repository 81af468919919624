"""One's own recordings and pictures as sources: read by `avsep_lib.separation`, seen through the profile's encoder."""

from __future__ import annotations

import math
import re
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from avsep_lib.errors import DataError
from avsep_lib.explorer.sources import SHOWN, Source
from avsep_lib.separation.inputs import Recording, at_rate, read_image, read_recording
from avsep_lib.settings import AudioSettings

if TYPE_CHECKING:
    from avsep_lib.encoders.base import ImageEncoder

LARGEST = 50_000_000  # bytes of an uploaded file
LONGEST = 60_000_000  # samples times channels once decoded, 11 minutes in stereo: 240 MB of memory
MOST_PIXELS = 50_000_000
MARGIN_S = 0.5  # heard beyond a mixture's end, so that resampling knows what follows


def own_source(
    key: str,
    sound: tuple[str, bytes],
    picture: tuple[str, bytes],
    encoder: ImageEncoder,
    audio: AudioSettings,
) -> Source:
    """A source from an uploaded recording and an uploaded picture.

    Parameters
    ----------
    key : str
    sound, picture : (str, bytes)
        File name and contents.
    encoder : ImageEncoder
        The one whose embeddings the runs were trained on.
    audio : AudioSettings
        The first ``n_samples`` of the recording are used, channels averaged, at their own level.

    Raises
    ------
    DataError
        For what cannot be read, is silent, or too large.
    """
    recording = _read(sound, partial(read_recording, most=LONGEST))
    image = _read(picture, partial(read_image, most=MOST_PIXELS))
    name = shown_name(sound[0])
    waveform, remarks = fitted(recording, name, audio)
    shown = np.asarray(Image.fromarray(image).resize((SHOWN, SHOWN), Image.Resampling.BICUBIC))
    label = Path(name).stem[:26] or "own recording"
    return Source(key, label, waveform, shown, encoder.encode(image[None])[0], tuple(remarks))


def fitted(recording: Recording, name: str, audio: AudioSettings) -> tuple[np.ndarray, list[str]]:
    """Waveform (n_samples,) of a recording, and what was done to it."""
    remarks = [f"{name} is no clip of the dataset: the network has met nothing like it unless you know better"]
    if recording.sample_rate != audio.sample_rate:
        remarks.append(f"{name} was resampled from {recording.sample_rate:,} to {audio.sample_rate:,} Hz")
    needed = math.ceil((audio.n_samples / audio.sample_rate + MARGIN_S) * recording.sample_rate)
    heard = recording.samples[:, :needed]
    mono = at_rate(heard, recording.sample_rate, audio.sample_rate).mean(axis=0).astype(np.float32)
    seconds = recording.seconds
    if len(mono) < audio.n_samples:
        remarks.append(f"{name} lasts {seconds:.2f} s, shorter than a mixture: zeros follow it")
        mono = np.pad(mono, (0, audio.n_samples - len(mono)))
    elif len(mono) > audio.n_samples:
        remarks.append(f"of {name}, the first {audio.n_samples / audio.sample_rate:.2f} s are used")
    return np.clip(mono[: audio.n_samples], -1, 1), remarks


def shown_name(name: str) -> str:
    """A file name as a page may say it: without folders and control characters, and not long."""
    return re.sub(r"[^\w .()+,@&-]", "_", re.split(r"[/\\]", name)[-1])[-80:]


def suffix_of(name: str) -> str:
    """A plain suffix such as ``.mp3``, or none."""
    suffix = Path(name).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""


def _read(upload: tuple[str, bytes], read):
    """Hand an upload to a reader of files; the file exists only while it is read, and outside the project.

    What it is, its content says: of its name only the suffix is kept, because MP3 is known by nothing else.
    """
    name, content = shown_name(upload[0]), bytes(upload[1])
    if len(content) > LARGEST:
        raise DataError(f"{name} has {len(content) / 1e6:.0f} MB; upload less than {LARGEST / 1e6:.0f} MB")
    with tempfile.TemporaryDirectory(prefix="avsep-") as folder:
        path = Path(folder) / f"upload{suffix_of(name)}"
        path.write_bytes(content)
        try:
            return read(path)
        except DataError as error:
            raise DataError(str(error).replace(str(path), name)) from None
