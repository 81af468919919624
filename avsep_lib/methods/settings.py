"""What each method can be told, as frozen dataclasses: standard library only, so that planning needs no torch.

A method is a file of this package; its name is a value of the column `method` of ``config/runs.csv``. A profile sets its
fields under ``methods:``, a row of ``runs.csv`` switches them. Defaults are those of the original at paper size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from avsep_lib.errors import ConfigError

STRICT = {"extra": "forbid", "strict": True}  # as in avsep_lib.settings


def _at_least(settings: Any, **least: float) -> None:
    """ConfigError unless each named field is at least so large."""
    for name, low in least.items():
        if not getattr(settings, name) >= low:
            raise ConfigError(f"{name} = {getattr(settings, name)}; choose a value of at least {low:g}")


@dataclass(frozen=True)
class NoSettings:
    """A method that has none of its own."""

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class RPCASettings:
    """Robust principal component analysis by the inexact augmented Lagrangian (`avsep_lib.methods.rpca`)."""

    rpca_iterations: int = 100
    rpca_tolerance: float = 1e-7  # of ||X - L - S||_F / ||X||_F
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _at_least(self, rpca_iterations=1, rpca_tolerance=0)


@dataclass(frozen=True)
class NMFSettings:
    """Non-negative matrix factorisation (`avsep_lib.methods.nmf`, `avsep_lib.methods.nmf_mfcc`)."""

    components: int = 20  # of the whole mixture, clustered into its sources
    nmf_iterations: int = 200
    beta: Literal["kullback-leibler", "frobenius"] = "kullback-leibler"
    n_mels: int = 40  # NMF-MFCC
    n_mfcc: int = 13  # NMF-MFCC; coefficients 1 to 13
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _at_least(self, components=2, nmf_iterations=1, n_mels=2, n_mfcc=1)
        if self.n_mfcc >= self.n_mels:  # the zeroth is left out
            raise ConfigError(
                f"n_mfcc = {self.n_mfcc}; n_mels = {self.n_mels} bands have {self.n_mels - 1} coefficients above the zeroth"
            )


@dataclass(frozen=True)
class SoundOfPixelsSettings:
    """Sound-of-Pixels' own reading of a clip (`avsep_lib.methods.sound_of_pixels`)."""

    n_frames: int = 3  # of a clip, pooled over time and space together
    frame_stride: int = 24  # frames between them: 3 s at 8 fps
    frozen_backbone: bool = False  # CLIPSep's reading: ResNet-18 frozen, pooled, one linear layer; needs weights
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _at_least(self, n_frames=1, frame_stride=1)


@dataclass(frozen=True)
class EarlySettings:
    """CLIPSep's early fusion (`avsep_lib.methods.clipsep_early`)."""

    early_dim: int = 32
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _at_least(self, early_dim=1)


@dataclass(frozen=True)
class NITSettings:
    """Noise-invariant training (`avsep_lib.methods.clipsep_nit`)."""

    noise_weight: float = 0.1  # of the regulariser
    noise_level: float = 0.25  # mean of the summed noise masks above which it acts
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _at_least(self, noise_weight=0, noise_level=0)


@dataclass(frozen=True)
class LabelSettings:
    """Learnt class embeddings in place of pictures (`avsep_lib.methods.label_sep`)."""

    label_dim: int = 512
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _at_least(self, label_dim=1)


@dataclass(frozen=True)
class OutputsSettings:
    """Separators without queries (`avsep_lib.methods.pit`, `mixit`, `mixpit`)."""

    n_outputs: int = 2
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _at_least(self, n_outputs=2)


@dataclass(frozen=True)
class MixITSettings:
    """Mixture-invariant training (`avsep_lib.methods.mixit`)."""

    n_outputs: int = 4  # twice the sources of a mixture
    snr_cap_db: float = 30.0  # soft threshold of the negative SNR
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _at_least(self, n_outputs=2, snr_cap_db=0)


@dataclass(frozen=True)
class WaveUNetSettings:
    """Wave-U-Net (`avsep_lib.methods.wave_u_net`)."""

    n_outputs: int = 2
    wave_levels: int = 12
    wave_filters: int = 24  # more filters per level
    down_kernel: int = 15
    up_kernel: int = 5
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _at_least(self, n_outputs=2, wave_levels=1, wave_filters=1, down_kernel=1, up_kernel=1)
        for name in ("down_kernel", "up_kernel"):
            if getattr(self, name) % 2 == 0:
                raise ConfigError(f"{name} = {getattr(self, name)}; choose an odd one, which has a centre")


@dataclass(frozen=True)
class ResUNetSettings:
    """ResUNetDecouple+ (`avsep_lib.methods.resunet_decouple`)."""

    n_outputs: int = 2
    resunet_channels: tuple[int, ...] = (32, 64, 128, 256, 384, 384)  # of the levels, outermost first
    resunet_blocks: int = 4  # residual convolution blocks of a stack; one stack per level
    resunet_centre: int = 4  # stacks at the bottom
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _at_least(self, n_outputs=2, resunet_blocks=1, resunet_centre=1)
        if not self.resunet_channels or min(self.resunet_channels) < 1:
            raise ConfigError(f"resunet_channels = {self.resunet_channels}; name at least one level, each at least 1")


@dataclass(frozen=True)
class MPNetSettings:
    """MP-Net, MinusPlus (`avsep_lib.methods.mp_net`)."""

    minus_maps: int = 16
    plus_levels: int = 5  # of the Plus network: the first widths of `model.channels`
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _at_least(self, minus_maps=1, plus_levels=2)


@dataclass(frozen=True)
class AVMixSettings:
    """AV-Mix-and-Separate of the co-separation line of work (`avsep_lib.methods.av_mix_separate`)."""

    picture_dim: int = 128  # channels of the 1x1 convolution behind the visual trunk
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _at_least(self, picture_dim=1)


@dataclass(frozen=True)
class SGNSettings:
    """Semantic grouping network (`avsep_lib.methods.sgn`; SGN section 2 and appendix A.1)."""

    dim: int = 256  # D of tokens and of the U-Net's output maps
    patch: int = 16  # pixels of a side
    depth: int = 6  # self-attention layers
    heads: int = 8  # not printed; standard layers are read into the text
    tokens: bool = True  # learnable class tokens among the patches, and their loss (Table 3, SCT)
    grouping: bool = True  # category-aware grouping (Table 3, CAG)
    assignment: Literal["soft", "hard"] = "soft"  # softmax, or Gumbel-softmax, straight-through (Table 4)
    attention: Literal["standard", "literal"] = "standard"  # literal: softmax(X X^T / sqrt(D)) X, as printed
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _at_least(self, dim=1, patch=1, depth=1, heads=1)
        if self.dim % self.heads:
            raise ConfigError(f"dim = {self.dim} cannot be shared by heads = {self.heads}")
        if self.assignment == "hard" and not self.grouping:
            raise ConfigError("assignment = 'hard' without grouping: nothing is assigned; set grouping, or soft")


FAMILY = "hfra"  # late, middle and hierarchical fusion, with and without alignment: CLIPSep's and HFRA's rows
METHOD_SETTINGS: dict[str, type] = {
    FAMILY: NoSettings,
    "rpca": RPCASettings,
    "nmf": NMFSettings,
    "nmf_mfcc": NMFSettings,
    "sound_of_pixels": SoundOfPixelsSettings,
    "clipsep_early": EarlySettings,
    "clipsep_nit": NITSettings,
    "label_sep": LabelSettings,
    "pit": OutputsSettings,
    "mixit": MixITSettings,
    "mixpit": OutputsSettings,
    "wave_u_net": WaveUNetSettings,
    "resunet_decouple": ResUNetSettings,
    "mp_net": MPNetSettings,
    "av_mix_separate": AVMixSettings,
    "sgn": SGNSettings,
}
UNTRAINED = ("rpca", "nmf", "nmf_mfcc")  # nothing is learnt; their runs hold a configuration and no weights
FIXED_OUTPUTS = (
    "rpca",
    "pit",
    "mixpit",
    "wave_u_net",
    "resunet_decouple",
)  # separate as many sources as they have outputs
NEEDS_CLIPS = ("sound_of_pixels", "mixit", "mixpit", "wave_u_net", "resunet_decouple")  # train on what is not stored


def method_module(method: str) -> str:
    """Dotted name of a method's file."""
    return f"avsep_lib.methods.{method}"
