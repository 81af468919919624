"""Train one mini encoder on the pretraining split: ``python -m avsep_lib.encoders.train image|audio``.

Image and audio are two separate models with separate text towers, seeds and objectives; nothing here ever sees a frame
and a waveform together, or the modality gap of the paper's Table 5 would be closed by construction.
"""

from __future__ import annotations

import argparse
import math
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from avsep_lib.cli import json_argument, run_main
from avsep_lib.clips import ClipStore
from avsep_lib.encoders.base import load_audio_encoder, load_image_encoder
from avsep_lib.encoders.frames import normalise
from avsep_lib.encoders.sampling import FrameSampler, WaveformSampler
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.encoders.towers import MiniClap, MiniClip, tokenize
from avsep_lib.encoders.weights import best_device, save_weights
from avsep_lib.errors import AvsepError
from avsep_lib.files import atomic_path, write_json
from avsep_lib.settings import from_dict, to_dict

MAX_LOGIT_SCALE = math.log(100)  # CLIP's bound on the inverse temperature
HISTORY_COLUMNS = ["step", "learning_rate", "loss", "accuracy"]
LEARNED_FROM = "learned_from.json"

Draw = Callable[[np.random.Generator], tuple[torch.Tensor, list[str]]]


def contrastive_loss(
    features: torch.Tensor, texts: torch.Tensor, logit_scale: torch.Tensor, groups: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Symmetric cross-entropy within each contrast group.

    Parameters
    ----------
    features, texts
        Embeddings (groups * B, 512), row i of one belonging to row i of the other.
    logit_scale
        Logarithm of the inverse temperature.
    groups
        Number of groups; entries of different groups are not compared.

    Returns
    -------
    loss, accuracy
        Scalars; accuracy is the share of inputs whose own caption is the nearest of the group.

    References
    ----------
    Radford et al. 2021, arXiv:2103.00020, section 2.3.
    """
    left = F.normalize(features, dim=-1).view(groups, -1, features.shape[-1])
    right = F.normalize(texts, dim=-1).view(groups, -1, texts.shape[-1])
    logits = logit_scale.exp() * left @ right.transpose(1, 2)
    target = torch.arange(logits.shape[1], device=logits.device).expand(groups, -1)
    loss = (F.cross_entropy(logits.mT, target) + F.cross_entropy(logits, target)) / 2
    return loss, (logits.argmax(-1) == target).float().mean()


def learning_rate_factor(step: int, warmup: int, steps: int) -> float:
    """Linear warm-up, then half a cosine to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def fit(model: nn.Module, draw: Draw, settings: ImageEncoderSettings | AudioEncoderSettings) -> pd.DataFrame:
    """Train `model` in place for `settings.steps` steps; one row per step comes back.

    The result depends on the settings, the clips, the device and the number of threads only.
    """
    rng = np.random.default_rng([settings.seed, 1])
    device = next(model.parameters()).device
    learned = [p for p in model.parameters() if p.requires_grad]
    decayed, other = [p for p in learned if p.ndim > 1], [p for p in learned if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": other, "weight_decay": 0.0}],
        lr=settings.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, settings.warmup, settings.steps)
    )
    model.train()
    rows = []
    for step in range(settings.steps):
        inputs, captions = draw(rng)
        features, texts = model.encode(inputs.to(device)), model.encode_text(tokenize(captions).to(device))
        loss, accuracy = contrastive_loss(features, texts, model.logit_scale, settings.groups)
        if not torch.isfinite(loss):
            raise AvsepError(f"encoder training: the loss is {loss.item()} at step {step}; lower learning_rate")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        rows.append((step, schedule.get_last_lr()[0], loss.item(), accuracy.item()))
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=MAX_LOGIT_SCALE)
    return pd.DataFrame(rows, columns=HISTORY_COLUMNS)


def torch_seed(modality: str, seed: int) -> None:
    """Different initial weights for the two encoders, whatever their seeds."""
    torch.manual_seed(zlib.crc32(f"{modality} encoder {seed}".encode()))


def train_image(settings: ImageEncoderSettings, clips: ClipStore) -> tuple[MiniClip, pd.DataFrame, list[str]]:
    """Fit the mini CLIP on frames and captions of the pretraining split; with its history and the clips it learned from."""
    sampler = FrameSampler(clips, settings.image_size)
    torch_seed("image", settings.seed)
    model = MiniClip(settings).to(best_device(), memory_format=torch.channels_last)  # a quarter faster on CPUs

    def draw(rng: np.random.Generator) -> tuple[torch.Tensor, list[str]]:
        images, captions = sampler.draw(rng, settings.groups, settings.group_size)
        return normalise(images), captions

    return model, fit(model, draw, settings), sampler.clip_ids


def train_audio(settings: AudioEncoderSettings, clips: ClipStore) -> tuple[MiniClap, pd.DataFrame, list[str]]:
    """Fit the mini CLAP on solos, mixtures and captions of that split; with its history and the clips it learned from."""
    sampler = WaveformSampler(clips, settings.n_samples)
    torch_seed("audio", settings.seed)
    model = MiniClap(settings, clips.sample_rate).to(best_device())

    def draw(rng: np.random.Generator) -> tuple[torch.Tensor, list[str]]:
        return sampler.draw(rng, settings.groups, settings.mixtures, settings.group_size)

    return model, fit(model, draw, settings), sampler.clip_ids


def write_encoder(
    folder: Path,
    modality: str,
    settings: ImageEncoderSettings | AudioEncoderSettings,
    sample_rate: int,
    model: nn.Module,
    history: pd.DataFrame,
) -> None:
    """Write model.safetensors, history.csv and, last, config.json, which makes the folder complete."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").unlink(missing_ok=True)
    save_weights(folder / "model.safetensors", model)
    with atomic_path(folder / "history.csv") as path:
        history.to_csv(path, index=False, float_format="%.6g")
    write_json(
        folder / "config.json", {"modality": modality, "sample_rate": sample_rate, "settings": to_dict(settings)}
    )


def train(modality: str, values: dict, clips_folder: Path, out: Path) -> None:
    """Train (`mini`) or check (`clip`, `clap`) one encoder and write its folder."""
    cls = {"image": ImageEncoderSettings, "audio": AudioEncoderSettings}[modality]
    settings = from_dict(cls, values, f"{modality} encoder")
    clips = ClipStore.open(clips_folder)
    if settings.kind == "mini":
        model, history, learned_from = {"image": train_image, "audio": train_audio}[modality](settings, clips)
        write_json(out / LEARNED_FROM, {"clips": learned_from})  # for the canaries; no embedding depends on it
        write_encoder(out, modality, settings, clips.sample_rate, model, history)
        last = history.tail(20).mean()
        print(f"{modality} encoder: {settings.steps} steps, loss {last.loss:.3f}, accuracy {last.accuracy:.3f}")
        return
    # Pretrained weights stay as they come. Opening them now makes a missing file stop the workflow here, and the copy
    # gives every kind of encoder the same files.
    encoder = (load_image_encoder if modality == "image" else load_audio_encoder)(settings, out)
    write_encoder(out, modality, settings, clips.sample_rate, encoder.model, pd.DataFrame(columns=HISTORY_COLUMNS))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modality", choices=("image", "audio"))
    parser.add_argument("--settings", type=json_argument, required=True, help="JSON text or file")
    parser.add_argument("--clips", type=Path, required=True, help="folder written by avsep_lib.clips")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1, help="the result depends on it (default: 1)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train(arguments.modality, arguments.settings, arguments.clips, arguments.out)


if __name__ == "__main__":
    run_main(main)
