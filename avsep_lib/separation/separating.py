"""From a file and pictures to stems: the one function behind the command and the notebook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from avsep_lib.errors import ConfigError
from avsep_lib.separation.inputs import Recording, at_rate, read_image, read_recording
from avsep_lib.separation.windows import window_starts

if TYPE_CHECKING:
    from avsep_lib.methods.base import Query
    from avsep_lib.separation.models import Model
    from avsep_lib.separation.result import Separation
    from avsep_lib.settings import AudioSettings


def separate(
    mixture: str | Path,
    *,
    run: str,
    images: Sequence[str | Path] | None = None,
    crops: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    mask: Literal["soft", "binary"] = "soft",
    start: float = 0.0,
    seconds: float | None = None,
    encoder: str | Path | None = None,
    audio_encoder: str | Path | None = None,
) -> Separation:
    """Separate a recording into one source per picture.

    The sound is brought to the run's sample rate. The network hears the mean of the channels, in windows of the length
    it was trained on that overlap by half; its masks are cross-faded and applied to every channel alike, which keeps
    the stereo picture. A recording shorter than a window is followed by zeros, and a warning says so. The level is left
    alone. Estimates are as long as the recording and are not clipped.

    Parameters
    ----------
    mixture : path
        An audio or video file.
    run : str
        ``<profile>/<run_id>``, or the path of a ``model.safetensors``.
    images : sequence of path
        A picture per source, used for the whole recording.
    crops : sequence of str
        Instead of `images`, for a video: a rectangle per source, ``"x,y,w,h"`` in pixels or as fractions from 0 to 1;
        each window is shown the picture at its centre.
    names : sequence of str
        What to call the sources; by default the pictures' file names, or "source 1" and so on.
    mask : {"soft", "binary"}
        Binary masks are the soft ones above 0.5.
    start, seconds : float
        The part of the recording to separate, in seconds.
    encoder, audio_encoder : path
        Only with the path of a run: see `avsep_lib.separation.models.open_model`.

    Returns
    -------
    Separation
        With `show` and `save`.

    Raises
    ------
    ConfigError, DataError, WeightsError
        Arguments that contradict each other, files that cannot be used, a run that is unknown or not there yet.
    """
    names = source_names(images, crops, names)
    if mask not in ("soft", "binary"):
        raise ConfigError(f"mask {mask!r} is not known; choose soft or binary")
    from avsep_lib.separation.footage import Crop

    rectangles = [Crop.parse(text) for text in crops or ()]
    recording = read_recording(mixture, start, seconds)  # first what is quick to refuse
    pictures = [read_image(path)[None] for path in images or ()]
    from avsep_lib.separation.models import open_model

    model = open_model(run, encoder, audio_encoder)
    if rectangles:
        pictures = _pictures_of(Path(mixture), rectangles, recording, model.method.audio)
    return _separated(Path(mixture), recording, model, pictures, names, mask)


def source_names(
    images: Sequence[str | Path] | None, crops: Sequence[str] | None, names: Sequence[str] | None
) -> list[str]:
    """A different name for every source; ConfigError when pictures, crops and names do not fit together."""
    for what, given in (("images", images), ("crops", crops), ("names", names)):
        if isinstance(given, str | Path):
            raise ConfigError(f"{what} is {str(given)!r}; give a list, with one entry per source")
    if bool(images) == bool(crops):
        raise ConfigError("give either images (a picture per source) or crops (a rectangle of the video per source)")
    count = len(images or crops or ())
    if names and len(names) != count:
        raise ConfigError(f"{len(names)} names for {count} sources; there is one source per image or crop")
    if names:
        found = [str(name).strip() for name in names]
    else:
        found = [Path(path).stem for path in images] if images else [f"source {i + 1}" for i in range(count)]
    if not all(found) or (names and len(set(found)) < count):
        raise ConfigError(f"names {', '.join(map(repr, found))} must differ and must not be empty")
    return found if len(set(found)) == count else [f"{name} {i + 1}" for i, name in enumerate(found)]


def _pictures_of(path: Path, crops: list, recording: Recording, audio: AudioSettings) -> list[np.ndarray]:
    """What each source looks like at the centre of each window: arrays (n_windows, height, width, 3)."""
    from avsep_lib.separation.footage import read_crops

    n_samples = round(recording.seconds * audio.sample_rate)
    half = min(audio.n_samples, n_samples) / 2
    centres = [(first + half) / audio.sample_rate for first in window_starts(n_samples, audio)]
    return read_crops(path, crops, [recording.start_s + centre for centre in centres])


def _separated(
    path: Path, recording: Recording, model: Model, pictures: list[np.ndarray], names: list[str], mask: str
) -> Separation:
    from avsep_lib.separation.apply import masked, recording_masks
    from avsep_lib.separation.models import masks_of
    from avsep_lib.separation.remarks import warnings_of
    from avsep_lib.separation.result import Separation

    audio = model.method.audio
    samples = at_rate(recording.samples, recording.sample_rate, audio.sample_rate)
    queries = _queries(model, pictures)
    masks = recording_masks(
        samples.mean(axis=0), audio, lambda k, window: masks_of(model.method, window, queries[min(k, len(queries) - 1)])
    )
    estimates = np.stack([masked(channel, masks, audio, mask) for channel in samples], axis=1)
    return Separation(
        mixture=samples, estimates=estimates, masks=masks, names=names, audio=audio, mask=mask,
        pictures=[shown[len(shown) // 2] for shown in pictures], run=model.run, model_sha256=model.sha256,
        encoder_key=model.encoder.key if model.encoder else "", source=path.name, start_s=recording.start_s,
        warnings=[*model.remarks, *warnings_of(recording, samples, estimates, masks, pictures, names, audio)],
    )  # fmt: skip


def _queries(model: Model, pictures: list[np.ndarray]) -> list[list[Query]]:
    """The queries of each window; a single entry where one picture per source serves all windows."""
    return list(map(list, zip(*(model.queries(shown) for shown in pictures))))
