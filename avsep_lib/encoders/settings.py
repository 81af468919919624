"""Settings of the two frozen encoders: the `encoders` section of a profile.

They are read with `avsep_lib.settings.from_dict` (unknown key or wrong type: `ConfigError`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from avsep_lib.errors import ConfigError
from avsep_lib.settings import INFINITY, POSITIVE, STRICT, _limits

Padding = Literal["repeat", "repeatpad", "pad"]
TRAINING_LIMITS = {
    "text_layers": (0, INFINITY),
    "learning_rate": (POSITIVE, INFINITY),
    "weight_decay": (0, INFINITY),
    "warmup": (0, INFINITY),
    "seed": (0, INFINITY),
}
CLAP_FRONT_END = {"rate": 48_000, "band": (50, 14_000)}


@dataclass(frozen=True)
class ImageEncoderSettings:
    """Image encoder: `mini` is trained here, `clip` is open_clip's ViT-B-32-quickgelu with OpenAI's weights.

    `clip` reads only `weights` and `sha256`. `weights` is a safetensors file in open_clip's naming or a folder as
    open_clip writes it (relative paths start at the checkout); empty: fetched by tag, where the profile says
    `hub: online`. Where `sha256` is given, another file is refused.
    `groups` contrast groups make one training step; every class occurs once in a group, so that no two captions of
    a group mean the same. Where a dataset has many classes, a group holds `group_size` of them, drawn anew each time.
    """

    kind: Literal["mini", "clip"] = "mini"
    image_size: int = 96  # pixels; at 64 flute, clarinet and trumpet look alike
    width: int = 8  # channels of the stem; the last stage has 32 times as many
    layers: tuple[int, ...] = (1, 1, 1, 1)  # bottleneck blocks per stage; CLIP's RN50 has 3, 4, 6, 3
    text_width: int = 64
    text_layers: int = 1
    groups: int = 3
    group_size: int = 0  # classes of a group; 0: every class
    steps: int = 700
    learning_rate: float = 1.5e-3
    warmup: int = 150  # steps; with 40 the captions collapse to one point and hundreds of steps are lost
    weight_decay: float = 0.05
    seed: int = 0
    weights: str = ""
    sha256: str = ""  # of the file of weights, hexadecimal; empty: not compared
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _check_positive("image", self, ("image_size", "width", "text_width", "groups", "steps"))
        _limits(self, layers=(1, INFINITY), **TRAINING_LIMITS)
        _check_group_size("image", self.group_size)
        _check_sha256("image", self.sha256)
        if self.image_size % 32:
            raise ConfigError(
                f"image encoder: image_size {self.image_size} is not a multiple of 32, the network's stride"
            )
        if len(self.layers) != 4:
            raise ConfigError(f"image encoder: layers {self.layers} has {len(self.layers)} stages, 4 are needed")


@dataclass(frozen=True)
class AudioEncoderSettings:
    """Audio encoder: `mini` is trained here, `clap` is the HTS-AT audio tower of a LAION CLAP checkpoint.

    `clap` reads `n_samples`, `model` and what follows; see `avsep_lib.encoders.clap`. `n_samples` is the length of a
    mixture, which is what the encoder hears. A training step sees `groups` times every class alone and `mixtures`
    different pairs of classes, or `group_size` random classes and pairs of these.
    As in HTS-AT, ``spec_size**2 / n_mels`` spectrogram frames are folded into a square of `spec_size`.
    """

    kind: Literal["mini", "clap"] = "mini"
    n_samples: int = 32_767
    spec_size: int = 64
    n_mels: int = 64
    n_fft: int = 512
    embed_dim: int = 24
    depths: tuple[int, ...] = (1, 1, 2, 1)
    heads: tuple[int, ...] = (2, 4, 8, 16)
    text_width: int = 32
    text_layers: int = 1
    groups: int = 2
    group_size: int = 0  # classes of a group; 0: every class
    mixtures: int = 11
    steps: int = 500
    learning_rate: float = 1.5e-3
    warmup: int = 120  # steps
    weight_decay: float = 0.05
    seed: int = 0
    model: Literal["HTSAT-tiny", "HTSAT-base", "HTSAT-large"] = "HTSAT-tiny"
    weights: str = ""  # safetensors file, or a folder with clap.safetensors; relative paths start at the checkout
    sha256: str = ""  # of the file of weights, hexadecimal; empty: not compared
    padding: Padding = "repeat"  # of clips shorter than 10 s; laion_clap's own is repeatpad
    rate: int = 48_000  # Hz that CLAP hears, fixed by its checkpoints
    band: tuple[int, ...] = (50, 14_000)  # Hz of its mel filters, fixed by its checkpoints
    tokenizer: str = ""  # folder of RoBERTa's vocabulary, for CLAP's text tower; empty: audio tower alone
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _limits(self, depths=(1, INFINITY), heads=(1, INFINITY), mixtures=(0, INFINITY), **TRAINING_LIMITS)
        _check_positive(
            "audio", self, ("text_width", "n_samples", "spec_size", "n_mels", "n_fft", "embed_dim", "groups", "steps")
        )
        _check_group_size("audio", self.group_size)
        _check_sha256("audio", self.sha256)
        for name, value in CLAP_FRONT_END.items():
            if getattr(self, name) != value:
                raise ConfigError(
                    f"audio encoder: {name} = {getattr(self, name)}; CLAP's checkpoints were trained with {value}, and "
                    "another value would be other weights"
                )
        if self.spec_size % self.n_mels:
            raise ConfigError(f"audio encoder: spec_size {self.spec_size} is not a multiple of n_mels {self.n_mels}")
        if len(self.depths) != len(self.heads):
            raise ConfigError(f"audio encoder: depths {self.depths} and heads {self.heads} differ in length")


def _check_positive(place: str, settings: object, names: tuple[str, ...]) -> None:
    for name in names:
        if getattr(settings, name) < 1:
            raise ConfigError(f"{place} encoder: {name} = {getattr(settings, name)}; it must be at least 1")


def _check_group_size(place: str, group_size: int) -> None:
    if group_size != 0 and group_size < 2:
        raise ConfigError(
            f"{place} encoder: group_size = {group_size}; contrast needs at least 2 classes, 0 takes every class"
        )


def _check_sha256(place: str, sha256: str) -> None:
    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ConfigError(f"{place} encoder: sha256 = {sha256!r}; write 64 hexadecimal digits, or nothing")
