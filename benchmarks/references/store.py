"""A textbook dataset of mixtures: every item reads its crops from sound files and computes its spectrograms.

Resampling is done already, so the files are at the model's rate; with it the reference would be slower still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch.nn import functional

from avsep_lib.settings import AudioSettings


@dataclass(frozen=True)
class Crop:
    """One source of a mixture: where it is read, from which sample on, and how loud it is."""

    path: Path
    start: int
    gain: float


class Mixtures(torch.utils.data.Dataset):
    """Mixture by number, as dictionaries of tensors; see `torch.utils.data.default_collate` for batches.

    Parameters
    ----------
    items : sequence of sequences of Crop
    images : Tensor, shape (items, n, 512)
    teacher : Tensor, shape (items, 512)
    audio : AudioSettings
    """

    def __init__(
        self, items: Sequence[Sequence[Crop]], images: torch.Tensor, teacher: torch.Tensor, audio: AudioSettings
    ) -> None:
        self.items, self.images, self.teacher, self.audio = items, images, teacher, audio
        rows = (21.0 ** torch.linspace(0, 1, audio.n_rows, dtype=torch.float64) - 1) / 20 * 2 - 1
        frames = torch.linspace(-1, 1, audio.n_frames, dtype=torch.float64)
        self.grid = torch.stack(torch.meshgrid(frames, rows, indexing="xy"), dim=-1)[None].float()
        self.window = torch.hann_window(audio.n_fft)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> dict[str, torch.Tensor]:
        crops = self.items[i]
        sources = torch.stack([torch.from_numpy(self._waveform(crop)) for crop in crops]) / len(crops)
        return {
            "mixture": self._spectrogram(sources.sum(dim=0), floor=1e-10)[None],
            "sources": torch.stack([self._spectrogram(source) for source in sources]),
            "teacher": self.teacher[i],
            "visual": self.images[i],
        }

    def _waveform(self, crop: Crop) -> np.ndarray:
        stop = crop.start + self.audio.n_samples
        samples, _ = soundfile.read(crop.path, start=crop.start, stop=stop, dtype="float32")
        return np.clip(samples * np.float32(crop.gain), -1, 1)

    def _spectrogram(self, waveform: torch.Tensor, floor: float = 0.0) -> torch.Tensor:
        spectrum = torch.stft(
            waveform, self.audio.n_fft, self.audio.hop_length, window=self.window, return_complex=True
        )
        magnitude = (spectrum.abs() + floor)[None, None]
        return functional.grid_sample(magnitude, self.grid, mode="bilinear", align_corners=True)[0, 0]
