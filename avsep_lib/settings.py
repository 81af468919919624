"""The sections of a profile that numerical code reads: frozen dataclasses, standard library only.

`avsep_lib.config` checks them against the YAML (unknown key or wrong type stops before the first job); the modules
that compute receive the checked objects and need no schema library. Defaults here are HFRA's released values; where
the paper differs, the comment gives both (``paper/deviations.md`` is the full ledger).
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass, field
from typing import Any, Literal

from avsep_lib.errors import ConfigError
from avsep_lib.methods.settings import METHOD_SETTINGS

Fusion = Literal["late", "middle", "hierarchical"]
Backbone = Literal["clip", "resnet18"]

# Read by pydantic when a dataclass is a field of a model: a misspelt key is an error, "64" is not an integer.
STRICT = {"extra": "forbid", "strict": True}
INFINITY = float("inf")
LARGEST = 2**62  # of any number; what is larger fits neither an array nor a float
POSITIVE = 1e-12  # smallest value of what must not be 0


def _limits(settings: Any, **limits: tuple[float, float]) -> None:
    """ConfigError unless each named field lies within its limits, both included."""
    for name, (low, high) in limits.items():
        value = getattr(settings, name)
        values = value if isinstance(value, tuple) else (value,)
        if not all(low <= v <= min(high, LARGEST) for v in values):
            unbounded = high == INFINITY and not any(v > LARGEST for v in values)
            wanted = f"at least {low:g}" if unbounded else f"from {low:g} to {min(high, LARGEST):g}"
            raise ConfigError(f"{name} = {value}; choose a value {wanted}")


@dataclass(frozen=True)
class AudioSettings:
    """Signal front end (paper section 4.1; systems with other values are switches, not other code).

    `n_samples` and not seconds is the clip length: 65,535 samples at hop 256 give the 256 frames the U-Net needs,
    5 s at 11,625 Hz (the paper's text) would give 228.
    """

    sample_rate: int = 11_625  # Hz, paper and code; Sound-of-Pixels has 11,025, CLIPSep 16,000
    n_samples: int = 65_535
    n_fft: int = 1024  # window = n_fft, Hann
    hop_length: int = 256
    n_rows: int = 256  # log-frequency rows after the warp
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _limits(self, sample_rate=(1, 1_000_000), n_fft=(2, INFINITY), n_rows=(2, INFINITY))
        _limits(self, hop_length=(1, self.n_fft / 2), n_samples=(self.n_fft, INFINITY))  # overlap; one whole window

    @property
    def n_bins(self) -> int:
        """Linear-frequency bins of the STFT."""
        return self.n_fft // 2 + 1

    @property
    def n_frames(self) -> int:
        """STFT columns (centred): 1 + floor(n_samples / hop_length)."""
        return 1 + self.n_samples // self.hop_length

    @property
    def n_output(self) -> int:
        """Samples that an inverse STFT of `n_frames` columns gives back."""
        return (self.n_frames - 1) * self.hop_length


@dataclass(frozen=True)
class MixtureSettings:
    """Who is mixed with whom (training pool; validation and test pairs are matchings)."""

    pool_size: int = 1600
    gain_low: float = 0.5  # uniform, independent per source; Sound-of-Pixels lineage
    gain_high: float = 1.5
    use_duets: bool = True  # the released training list holds 111 duets in 484 rows
    same_class: bool = False  # the lineage allows same-class partners; here only as a switch
    fewest_sources: int = 2  # of a mixture, in all three lists
    most_sources: int = 2  # FUSS has mixtures of 1 to 4
    seed: int = 7
    features: Literal["stored", "streamed"] = "stored"  # spectrograms of the pool: on disk, or computed while training
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _limits(self, pool_size=(1, INFINITY), seed=(0, INFINITY))
        _limits(self, gain_low=(POSITIVE, self.gain_high), gain_high=(POSITIVE, INFINITY))
        _limits(self, fewest_sources=(1, self.most_sources), most_sources=(2, 8))

    @property
    def of_pairs(self) -> bool:
        """Whether every mixture has two sources."""
        return self.fewest_sources == self.most_sources == 2


@dataclass(frozen=True)
class ModelSettings:
    """Separator: one U-Net, three places for the visual condition (paper Eqs. 1, 2, 5)."""

    fusion: Fusion = "hierarchical"
    channels: tuple[int, ...] = (64, 128, 256, 512, 512, 512, 512)  # encoder widths, outermost first
    n_maps: int = 32  # K of the late inner product
    embedding_dim: int = 512
    mid_dim_hierarchical: int = 512  # released HFRA
    mid_dim_middle: int = 32  # CLIPSep's middle fusion
    mid_condition: Literal["own", "last"] = "own"  # "last": the released forward, see paper/deviations.md
    bottleneck: Literal["learned", "teacher"] = "learned"  # "teacher": its mixture embedding instead (section 1)
    backbone: Backbone = "clip"
    frame_size: int = 64  # pixels; only a trained backbone (resnet18) reads frames
    backbone_weights: str = ""  # ResNet-18 starts from: a safetensors file, "imagenet" (hub: online), empty: random
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        sizes = ("channels", "n_maps", "embedding_dim", "mid_dim_hierarchical", "mid_dim_middle", "frame_size")
        _limits(self, **dict.fromkeys(sizes, (1, INFINITY)))
        if len(self.channels) < 2:
            raise ConfigError(f"channels = {self.channels}; the U-Net needs at least two levels")
        if self.backbone == "resnet18" and self.fusion != "late":
            raise ConfigError(
                f"backbone resnet18 makes late queries only, not fusion {self.fusion!r}; set fusion to late"
            )

    def mid_dim(self) -> int:
        """Channels of the bottleneck condition; 0 for late fusion."""
        return {"late": 0, "middle": self.mid_dim_middle, "hierarchical": self.mid_dim_hierarchical}[self.fusion]


@dataclass(frozen=True)
class TrainingSettings:
    """Optimisation; the defaults are the released code's, `schedule: paper` is the text's."""

    steps: int = 200_000
    batch_size: int = 32
    loss: Literal["bce_binary", "l1_mag"] = "bce_binary"  # code | paper Eq. 4
    alignment_weight: float = 1.0  # lambda of Eq. 8; unspecified in the paper, 1 in the code
    schedule: Literal["code", "paper", "tenths", "constant"] = "code"  # tenths: Sound-of-Pixels; constant: SGN
    optimizer: Literal["adam", "sgd"] = "adam"  # sgd, with momentum 0.9: Sound-of-Pixels, SGN
    weight_decay: float = 0.0  # of sgd; Sound-of-Pixels has 1e-4
    learning_rate: float = 1e-3  # code; the paper's schedule has its own 1e-4
    warmup_fraction: float = 0.025  # 5,000 of 200,000 steps
    decay_end_fraction: float = 0.5  # linear to 0.1x at step 100,000, constant after
    clip_norm: float = 1.0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    validations: int = 8  # evenly spaced, each leaves a resumable state; the best by SI-SDR is the result
    devices: int = 1  # processes that share each batch of batch_size; batch norm is their own, hence a setting
    sync_batch_norm: bool = False  # on GPUs: statistics of the whole batch, whatever devices
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _limits(self, steps=(1, INFINITY), batch_size=(1, INFINITY), validations=(1, INFINITY))
        _limits(self, devices=(1, self.batch_size))
        if self.batch_size % self.devices:
            raise ConfigError(f"batch_size = {self.batch_size} cannot be shared equally by devices = {self.devices}")
        _limits(
            self,
            alignment_weight=(0, INFINITY),
            weight_decay=(0, INFINITY),
            warmup_fraction=(0, 1),
            decay_end_fraction=(0, 1),
        )
        _limits(self, learning_rate=(POSITIVE, INFINITY), clip_norm=(POSITIVE, INFINITY))


@dataclass(frozen=True)
class EvaluationSettings:
    """Intervals."""

    n_bootstrap: int = 2000  # resamples over mixtures; intervals are 95 %
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _limits(self, n_bootstrap=(40, INFINITY))


@dataclass(frozen=True)
class RunConfig:
    """Everything one training job depends on, besides its input files.

    `options` are the method's own settings, of the class that `avsep_lib.methods.settings` has for it.
    """

    run_id: str
    seed: int
    alignment: bool
    audio: AudioSettings = field(default_factory=AudioSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    method: str = "hfra"
    options: Any = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in METHOD_SETTINGS:
            raise ConfigError(f"method = {self.method!r}; known: {', '.join(METHOD_SETTINGS)}")
        if not dataclasses.is_dataclass(self.options):
            options = from_dict(METHOD_SETTINGS[self.method], self.options, f"options of {self.method}")
            object.__setattr__(self, "options", options)


def _check_type(value: Any, expected: Any, place: str) -> Any:
    """`value` as the field type `expected`, or ConfigError; a small, strict subset of typing."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if expected is Any:  # checked by the class that owns the field
        return value
    if dataclasses.is_dataclass(expected):
        return from_dict(expected, value, place)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{place}: {value!r} is not one of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_check_type(item, arguments[0], f"{place}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise ConfigError(f"{place}: key {odd[0]!r} is no text; write it in quotes")
        return {k: _check_type(v, arguments[1], f"{place}.{k}") for k, v in value.items()}
    if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:  # NaN is not, either
        raise ConfigError(f"{place}: {value!r} is no number to compute with; write a finite one")
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(expected, type) and isinstance(value, expected) and isinstance(value, bool) == (expected is bool):
        return value
    raise ConfigError(
        f"{place}: expected {getattr(expected, '__name__', expected)}, got {value!r} of type {type(value).__name__}"
    )


def from_dict(cls: type, data: Any, place: str = "") -> Any:
    """Build a settings dataclass from plain data, strictly.

    Parameters
    ----------
    cls : type
        A dataclass of this module (or one like it).
    data : dict
        Plain values, e.g. parsed JSON or YAML. Missing keys take the default.
    place : str
        Where the data come from; the first words of any error.

    Raises
    ------
    ConfigError
        For an unknown key (the known ones are listed), a missing required key, a wrong type or an impossible value.
    """
    place = place or cls.__name__
    if not isinstance(data, dict):
        raise ConfigError(f"{place}: expected a mapping, got {data!r}")
    types = typing.get_type_hints(cls)
    names = {f.name: f for f in dataclasses.fields(cls)}
    if unknown := sorted(set(data) - set(names), key=str):
        raise ConfigError(
            f"{place}: unknown key {', '.join(map(repr, unknown))}; known keys: {', '.join(sorted(names))}"
        )
    required = {n for n, f in names.items() if f.default is f.default_factory is dataclasses.MISSING}
    if missing := sorted(required - set(data)):
        raise ConfigError(f"{place}: missing key {', '.join(map(repr, missing))}")
    values = {key: _check_type(value, types[key], f"{place}.{key}") for key, value in data.items()}
    try:
        return cls(**values)
    except (ConfigError, TypeError, ValueError) as error:
        raise ConfigError(f"{place}: {error}") from None


def to_dict(settings: Any) -> dict[str, Any]:
    """Plain JSON-ready values of a settings dataclass (tuples become lists)."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, list | tuple) else value

    return plain(dataclasses.asdict(settings))
