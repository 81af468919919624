"""A trained run with the encoders it needs, found by name in a profile's results or by path."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from avsep_lib.audio import stft
from avsep_lib.config import Profile, find_run, load_profile, resolve
from avsep_lib.encoders.base import AudioEncoder, ImageEncoder, load_audio_encoder, load_image_encoder
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.encoders.weights import read_config
from avsep_lib.errors import ConfigError, DataError, WeightsError
from avsep_lib.files import sha256_file
from avsep_lib.inputs import require, require_data
from avsep_lib.methods.base import Query
from avsep_lib.methods.hfra import HFRA
from avsep_lib.paths import data_root
from avsep_lib.settings import from_dict
from avsep_lib.trained import load_trained

BATCH = 64  # pictures per pass of the encoder: bounds memory
HEARD = 12  # class names in a warning
FOLDER = "An encoder's folder lies at results/<profile>/data/<dataset>/encoders"


@dataclass(frozen=True)
class Model:
    """A run, ready for pictures.

    Attributes
    ----------
    run : str
        As it was asked for.
    method : HFRA
    encoder : ImageEncoder or None
        None where the run's own visual network reads the pictures.
    sha256 : str
        Of ``model.safetensors``.
    remarks : list of str
        What a listener must know about this model.
    """

    run: str
    method: HFRA
    encoder: ImageEncoder | None
    sha256: str
    remarks: list[str] = field(default_factory=list)

    def queries(self, pictures: np.ndarray) -> list[Query]:
        """A query per picture; pictures are uint8 RGB (n, height, width, 3)."""
        if self.encoder is None:
            size = self.method.config.model.frame_size
            return [Query("image", _squeezed(picture, size)) for picture in pictures]
        rows = [self.encoder.encode(pictures[i : i + BATCH]) for i in range(0, len(pictures), BATCH)]
        return [Query("image", row) for row in np.concatenate(rows)]


def _squeezed(picture: np.ndarray, size: int) -> np.ndarray:
    """A picture as `avsep_lib.pictures.load_frame` reads it for training: uint8 (3, size, size)."""
    resized = Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))


def open_model(run: str, encoder: str | Path | None = None, audio_encoder: str | Path | None = None) -> Model:
    """Open a run.

    Parameters
    ----------
    run : str
        ``<profile>/<run_id>``, or the path of a ``model.safetensors`` or of the folder that holds one.
    encoder : path, optional
        Only with a path: the image encoder it was trained with, a mini encoder's folder or CLIP's safetensors file.
    audio_encoder : path, optional
        Only with a path, and only for runs that hear through the audio encoder: as `encoder`, with CLAP's file.

    Raises
    ------
    ConfigError, DataError, WeightsError
        Unknown profile or run (the known ones are listed); results that are not there yet; weights that are missing,
        damaged or of another model.
    """
    path = Path(run)
    path = path / "model.safetensors" if (path / "model.safetensors").is_file() else path
    if path.suffix == ".safetensors":
        return _by_path(run, path, encoder, audio_encoder)
    if encoder is not None or audio_encoder is not None:
        raise ConfigError(f"run {run!r} belongs to a profile, which names its encoders; leave --encoder out")
    return _by_name(run)


def _by_path(run: str, path: Path, encoder: str | Path | None, audio_encoder: str | Path | None) -> Model:
    teacher = _audio_encoder(Path(audio_encoder)) if audio_encoder is not None else None
    try:
        method = HFRA.load(path, teacher)
    except WeightsError as error:
        if teacher is None and "hears through" in str(error):
            raise WeightsError(f"{error}: name it with --audio-encoder. {FOLDER}/audio") from None
        raise
    reads_frames = method.config.model.backbone == "resnet18"
    if encoder is None and not reads_frames:
        raise WeightsError(
            f"{path} needs the image encoder it was trained with: name it with --encoder. {FOLDER}/image"
        )
    image = None if reads_frames else _image_encoder(Path(encoder))
    remarks = ["the model was named by path: nobody has checked that it was trained with this image encoder"]
    return Model(run, method, image, sha256_file(path), [] if reads_frames else remarks)


def _image_encoder(path: Path) -> ImageEncoder:
    if path.suffix == ".safetensors":
        return load_image_encoder(ImageEncoderSettings(kind="clip", weights=str(path.resolve())), path.parent)
    return load_image_encoder(_settings(path, "image", ImageEncoderSettings), path)


def _audio_encoder(path: Path) -> AudioEncoder:
    if path.suffix == ".safetensors":
        return load_audio_encoder(AudioEncoderSettings(kind="clap", weights=str(path.resolve())), path.parent)
    return load_audio_encoder(_settings(path, "audio", AudioEncoderSettings), path)


def _settings(folder: Path, modality: str, cls: type) -> Any:
    """Settings in the ``config.json`` of a mini encoder's folder."""
    way_out = f"{FOLDER}/{modality}"
    try:
        return from_dict(cls, read_config(folder, modality, way_out)["settings"], str(folder / "config.json"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise WeightsError(f"{folder} is not the folder of an encoder ({error!r}). {way_out}") from None


def _by_name(name: str) -> Model:
    profile_name, slash, run_id = name.partition("/")
    if not slash or not run_id:
        raise ConfigError(
            f"run {name!r}: write <profile>/<run_id>, for example demo/hier-s0, or the path of a model.safetensors"
        )
    profile = load_profile(profile_name)
    run = find_run(profile, run_id)
    (path,) = require(profile.name, f"runs/{run_id}/model.safetensors")
    if profile.hub == "online":
        os.environ["HF_HUB_OFFLINE"] = "0"
    method = load_trained(profile, run_id)
    frames = resolve(profile, run).model.backbone == "resnet18"
    encoder = None if frames else _profile_encoder(profile, run.dataset)
    return Model(name, method, encoder, sha256_file(path), [trained_on(profile, run_id)])


def _profile_encoder(profile: Profile, dataset: str) -> ImageEncoder:
    """The frozen image encoder of a dataset, the very one whose embeddings its runs were trained on."""
    folder = data_root(profile.name, dataset) / "encoders" / "image"
    encoder = load_image_encoder(profile.encoders_for(dataset).image, folder)
    (stored,) = require_data(profile.name, dataset, "embeddings/images.safetensors")
    EmbeddingStore.open(stored).check(encoder.key)
    return encoder


def trained_on(profile: Profile, run_id: str) -> str:
    """What a run has heard in training, as one sentence."""
    import pandas as pd

    run = find_run(profile, run_id)
    listed = data_root(profile.name, run.dataset) / "clips" / "clips.csv"
    try:
        table = pd.read_csv(listed, usecols=["labels", "split"], dtype=str)
    except (OSError, ValueError) as error:
        raise DataError(f"{listed} cannot be read ({error}); run `make figures PROFILE={profile.name}`") from None
    labels = sorted({label for text in table.labels[table.split == "train"] for label in text.split("|")})
    spoken = [label.replace("_", " ") for label in labels]
    more = f" and {len(labels) - HEARD} more" if len(labels) > HEARD else ""
    seconds = resolve(profile, run).audio.n_samples / resolve(profile, run).audio.sample_rate
    kind = "recordings" if profile.is_recorded(run.dataset) else "rendered sounds and drawn pictures"
    return (
        f"the model was trained on mixtures of 2 sources, {seconds:.1f} s long, of dataset {run.dataset!r}: {kind} of "
        f"{', '.join(spoken[:HEARD])}{more}; it has met nothing else"
    )


def masks_of(method: HFRA, samples: np.ndarray, queries: list[Query]) -> np.ndarray:
    """Masks (n, n_rows, n_frames) of one window, mono float32 (n_samples,)."""
    with torch.no_grad():
        return method.masks(stft(torch.from_numpy(np.ascontiguousarray(samples)), method.audio), queries).numpy()
