"""Small mixtures with their truth, and how far a method gets with one of them: what the tests of all methods share."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np
import torch

from avsep_lib.audio import LOG_FLOOR, mix, warped_magnitudes
from avsep_lib.methods.base import Query
from avsep_lib.methods.references import IdealBinaryMask
from avsep_lib.methods.registry import network_class
from avsep_lib.metrics import si_sdr
from avsep_lib.settings import AudioSettings, ModelSettings, RunConfig, TrainingSettings

AUDIO = AudioSettings(sample_rate=8000, n_samples=8191, n_fft=256, hop_length=128, n_rows=64)  # 64 x 64 masks, 1 s
MODEL = ModelSettings(channels=(8, 16, 32, 32), n_maps=16, embedding_dim=32, mid_dim_hierarchical=32, frame_size=32)
TRAINING = TrainingSettings(steps=1, batch_size=1)
CLASSES = ("bell", "flute", "snare", "viola")


def config(method: str, seed: int = 0, model: ModelSettings = MODEL, **options: object) -> RunConfig:
    """A small run of a method."""
    return RunConfig(f"{method}-s{seed}", seed, False, AUDIO, model, TRAINING, method, options)


def network(method: str, seed: int = 0, **options: object) -> torch.nn.Module:
    """A network of a method with seeded weights."""
    torch.manual_seed(seed)
    return network_class(method)(config(method, seed, **options), CLASSES)


@lru_cache
def sounds(n: int = 2) -> torch.Tensor:
    """Solos (n, n_samples) that hardly overlap: partials of other pitches, each with its own beats; the third is noise."""
    time = np.arange(AUDIO.n_samples) / AUDIO.sample_rate
    rng = np.random.default_rng(1)
    made = []
    for i, pitch in enumerate((220.0, 587.0, 0.0, 1310.0)[:n]):
        beats = 0.55 + 0.45 * np.sign(np.sin(2 * np.pi * (1.5 + i) * time))
        tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in (1, 2, 3)) if pitch else rng.normal(size=len(time))
        made.append(0.3 * beats * tone)
    return torch.tensor(np.stack(made), dtype=torch.float32)


def batch(n: int = 2, size: int = 1) -> dict[str, torch.Tensor]:
    """A batch with all that any network reads (see `avsep_lib.methods.network.Network`); item k has other gains."""
    generator = torch.Generator().manual_seed(3)
    gains = 1 - 0.3 * torch.arange(size)[:, None, None] / max(size, 2)
    mixture, scaled = mix(sounds(n) * gains)
    shown = torch.rand((n, 3, MODEL.frame_size, MODEL.frame_size), generator=generator)
    labels = torch.eye(len(CLASSES))[:n]
    return {
        "mixture": warped_magnitudes(mixture, AUDIO, LOG_FLOOR)[:, None],
        "sources": warped_magnitudes(scaled, AUDIO),
        "teacher": torch.randn((size, MODEL.embedding_dim), generator=generator),
        "images": torch.randn((n, MODEL.embedding_dim), generator=generator).expand(size, -1, -1),
        "frames": shown.expand(size, -1, -1, -1, -1),
        "films": shown[:, None].expand(size, -1, 2, -1, -1, -1),
        "labels": labels.expand(size, -1, -1),
        "waveforms": scaled,
    }


def conditions(net: torch.nn.Module, values: dict[str, torch.Tensor]) -> torch.Tensor | None:
    """Of a batch, what tells the network which source is meant."""
    return None if net.conditions == "none" else values[net.conditions]


def loss_of(net: torch.nn.Module, values: dict[str, torch.Tensor]) -> torch.Tensor:
    """The training loss, of nothing but the tensors that the network says it reads."""
    return sum(net({name: values[name] for name in net.reads}).values())


def overfitted(
    net: torch.nn.Module, values: dict[str, torch.Tensor], steps: int, rate: float = 3e-3
) -> torch.nn.Module:
    """The network after some steps on one batch, in evaluation mode."""
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    net.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(net, values)
        assert torch.isfinite(loss)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    return net.eval()


def settle(net: torch.nn.Module, values: dict[str, torch.Tensor], passes: int = 60) -> torch.nn.Module:
    """Running statistics of batch norm that have followed the weights; a few hundred steps leave them behind."""
    net.train()
    with torch.no_grad():
        for _ in range(passes):
            loss_of(net, values)
    return net.eval()


def gain(estimates: np.ndarray, n: int = 2) -> float:
    """Mean SI-SDR improvement in dB over the mixture of `sounds`, of estimates (n, n_output)."""
    mixture, scaled = mix(sounds(n))
    references = scaled.numpy()[:, : AUDIO.n_output]
    floor = si_sdr(references, np.repeat(mixture.numpy()[None, : AUDIO.n_output], n, axis=0))
    return float(np.mean(si_sdr(references, estimates) - floor))


def ideal_gain(n: int = 2) -> float:
    """The same of ideal binary masks."""
    mixture, scaled = mix(sounds(n))
    queries = [Query("audio", source) for source in scaled.numpy()]
    return gain(IdealBinaryMask(AUDIO).estimate(mixture.numpy(), queries)["binary"], n)


def separated(net: torch.nn.Module, values: dict[str, torch.Tensor], shuffled: bool = False) -> np.ndarray:
    """Estimates (n, n_output) of the first mixture of a batch; `shuffled` asks for each source by another's query."""
    asked = conditions(net, values)
    if asked is not None:
        asked = asked[:1].roll(1, dims=1) if shuffled else asked[:1]
    with torch.no_grad():
        return net.separate(values["waveforms"][:1].sum(dim=1), asked)[0].numpy()


def small(settings: object, **changes: object) -> object:
    """A settings object with some fields changed."""
    return dataclasses.replace(settings, **changes)
