"""The network parts of the encoders, built from open_clip's and laion_clap's own classes.

laion_clap is never imported as a package: doing so asks a model hub for three tokenizers (and offline silently builds
broken ones), loads wandb and edits ``sys.path``. Its HTS-AT module is loaded from the installed files under a private
name instead, which costs 1.5 s rather than 6 s.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Callable
from functools import cache, lru_cache, partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn
from torchlibrosa.augmentation import SpecAugmentation

from avsep_lib.encoders.base import EMBEDDING_DIM
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.errors import WeightsError
from avsep_lib.files import read_json

if TYPE_CHECKING:
    from open_clip.modified_resnet import AttentionPool2d

CONTEXT_LENGTH = 24  # tokens; our captions have at most 14
LANES = (
    8  # PyTorch's batch norm of channels_last tensors takes so many channels at once, or one by one: ten times as long
)
_ALIAS = "_avsep_clap_module"


@cache
def htsat_module() -> ModuleType:
    """laion_clap's HTS-AT module, without running the package's ``__init__``."""
    spec = importlib.util.find_spec("laion_clap")  # finds, does not import
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError("the audio encoder needs laion_clap 1.1.7; run `make env`, which installs the lock")
    package = types.ModuleType(_ALIAS)
    package.__path__ = [str(Path(spec.submodule_search_locations[0]) / "clap_module")]
    sys.modules[_ALIAS] = package
    return importlib.import_module(f"{_ALIAS}.htsat")


def clap_config(model: str) -> dict:
    """Audio configuration of a CLAP model name (``HTSAT-tiny``), as laion_clap ships it."""
    htsat_module()
    folder = Path(sys.modules[_ALIAS].__path__[0])
    return read_json(folder / "model_configs" / f"{model}.json")


class AudioTower(nn.Module):
    """HTS-AT and CLAP's two-layer projection; the parameter names are those of a CLAP checkpoint."""

    def __init__(self, branch: nn.Module, width: int) -> None:
        super().__init__()
        self.audio_branch = branch
        self.audio_projection = nn.Sequential(
            nn.Linear(width, EMBEDDING_DIM), nn.ReLU(), nn.Linear(EMBEDDING_DIM, EMBEDDING_DIM)
        )

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Unit vectors (B, 512) of waveforms (B, samples) at the branch's sample rate."""
        features = self.audio_branch({"waveform": waveforms}, device=waveforms.device)["embedding"]
        return F.normalize(self.audio_projection(features), dim=-1)


def _built(constructor: Callable[..., nn.Module], *values: Any, **named: Any) -> nn.Module:
    """Call a constructor of laion_clap without the deprecation warning of its `meshgrid` call."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.meshgrid")
        return constructor(*values, **named)


def clap_tower(model: str) -> AudioTower:
    """The full-size audio tower of `model`, randomly initialised."""
    config = clap_config(model)
    branch = _built(htsat_module().create_htsat_model, SimpleNamespace(**config["audio_cfg"]))
    return AudioTower(branch, config["embed_dim"])


def mini_audio_tower(settings: AudioEncoderSettings, sample_rate: int) -> AudioTower:
    """A small HTS-AT that hears `settings.n_samples` at `sample_rate` (Hz).

    The hop is the shortest whole number of samples that fits the clip into the square; SpecAugment stripes scale with
    it (at most an eighth of the frames and of the mel bands), and stochastic depth is off, the model being shallow.
    """
    n_frames = settings.spec_size * (settings.spec_size // settings.n_mels)
    config = SimpleNamespace(
        mel_bins=settings.n_mels,
        sample_rate=sample_rate,
        window_size=settings.n_fft,
        hop_size=settings.n_samples // n_frames + 1,
        fmin=50,
        fmax=sample_rate // 2,
    )
    branch = _built(
        htsat_module().HTSAT_Swin_Transformer,
        spec_size=settings.spec_size,
        num_classes=1,  # the tagging head is not used
        embed_dim=settings.embed_dim,
        depths=list(settings.depths),
        num_heads=list(settings.heads),
        drop_path_rate=0.0,
        config=config,
    )
    branch.spectrogram_extractor = PowerSpectrogram(config.window_size, config.hop_size)
    branch.spec_augmenter = Stripes(n_frames // 8, 2, settings.n_mels // 8, 2)
    return AudioTower(branch, branch.num_features)


class PowerSpectrogram(nn.Module):
    """What torchlibrosa computes by convolutions with sines and cosines, by FFT: a tenth of a training step less."""

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """``(B, samples)`` to ``(B, 1, frames, n_fft / 2 + 1)``."""
        spectrum = torch.stft(waveforms, self.n_fft, self.hop, window=self.window, return_complex=True)
        return torch.view_as_real(spectrum).square().sum(-1).mT[:, None]


class Stripes(SpecAugmentation):
    """SpecAugment as one product: zeros written into the spectrogram itself cost two copies each in the backward pass."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Zero the stripes of ``(B, 1, frames, bands)``."""
        return x * super().forward(torch.ones_like(x, requires_grad=False))


def pooled(pool: AttentionPool2d, x: torch.Tensor) -> torch.Tensor:
    """open_clip's attention pooling, ``(B, C, H, W)`` to (B, output), for the one query whose answer it returns."""
    x = x.flatten(2).permute(2, 0, 1)
    x = torch.cat([x.mean(dim=0, keepdim=True), x]) + pool.positional_embedding[:, None]
    projected = (pool.q_proj(x[:1]), pool.k_proj(x), pool.v_proj(x))
    heads = (part.unflatten(-1, (pool.num_heads, -1)).permute(1, 2, 0, 3) for part in projected)
    return pool.c_proj(F.scaled_dot_product_attention(*heads).flatten(1))


class MiniClip(nn.Module):
    """Small CLIP: open_clip's ResNet with attention pooling, and its text transformer.

    The ResNet member of the CLIP family, because a dozen videos per class teach a vision transformer nothing within a
    minute (tried: it stays at chance for 400 steps).
    """

    def __init__(self, settings: ImageEncoderSettings) -> None:
        super().__init__()
        from open_clip import CLIP, CLIPTextCfg, CLIPVisionCfg

        self.clip = CLIP(
            EMBEDDING_DIM,
            CLIPVisionCfg(image_size=settings.image_size, width=settings.width, layers=settings.layers, head_width=32),
            CLIPTextCfg(context_length=CONTEXT_LENGTH, width=settings.text_width, heads=2, layers=settings.text_layers),
            quick_gelu=True,
        )
        self.clip.token_embedding.requires_grad_(False)  # see MiniClap
        for module in self.clip.visual.modules():
            if isinstance(module, nn.BatchNorm2d) and module.num_features < LANES:
                module.register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(),))
        self.clip.visual.attnpool.forward = partial(pooled, self.clip.visual.attnpool)

    @property
    def logit_scale(self) -> torch.Tensor:
        """Logarithm of the inverse temperature."""
        return self.clip.logit_scale

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Raw features (B, 512) of normalised images (B, 3, size, size)."""
        return self.clip.encode_image(images)

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        """Unit vectors (B, 512) of tokens (B, context)."""
        return self.clip.encode_text(tokens, normalize=True)


class MiniClap(nn.Module):
    """Small CLAP: HTS-AT and a text transformer of its own, shared with nothing visual."""

    def __init__(self, settings: AudioEncoderSettings, sample_rate: int) -> None:
        super().__init__()
        from open_clip.transformer import TextTransformer

        self.audio = mini_audio_tower(settings, sample_rate)
        self.text = TextTransformer(
            context_length=CONTEXT_LENGTH,
            width=settings.text_width,
            heads=2,
            layers=settings.text_layers,
            output_dim=EMBEDDING_DIM,
        )
        # A few dozen words need no learned vocabulary: the 49,408 token vectors stay at their random values, which
        # takes a third off a training step.
        self.text.token_embedding.requires_grad_(False)
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def encode(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Unit vectors (B, 512) of waveforms (B, n_samples), whatever their level: the mean power is set to one."""
        rms = waveforms.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-8)
        return self.audio(waveforms / rms)

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        """Unit vectors (B, 512) of tokens (B, context)."""
        return F.normalize(self.text(tokens), dim=-1)


@cache
def _tokenizer(context_length: int):
    from open_clip import SimpleTokenizer

    return SimpleTokenizer(context_length=context_length)


@lru_cache(maxsize=65_536)
def _tokens(caption: str, context_length: int) -> torch.Tensor:
    return _tokenizer(context_length)(caption)[0]


def tokenize(captions: list[str], context_length: int = CONTEXT_LENGTH) -> torch.Tensor:
    """Byte-pair tokens (B, context) from the vocabulary that open_clip bundles; nothing is fetched."""
    return torch.stack([_tokens(caption, context_length) for caption in captions])
