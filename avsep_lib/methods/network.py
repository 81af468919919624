"""What training, validation and scoring ask of a separator that learns; one file per method implements it.

A method's file ends in ``NETWORK = ItsClass`` (or, where nothing is learnt, ``METHOD = ItsClass``; see
`avsep_lib.methods.closed_form`). The family late, middle and hierarchical is older and has a file of its own kind,
`avsep_lib.methods.hfra`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import nn

from avsep_lib.audio import LOG_FLOOR, apply_mask, stft, warp
from avsep_lib.settings import RunConfig
from avsep_lib.training_data import Batch

Conditions = Literal["images", "frames", "films", "labels", "none"]


class Network(nn.Module, ABC):
    """A separator that learns.

    Parameters
    ----------
    config : RunConfig
        `config.audio`, `config.model` and the method's own `config.options`.
    classes : tuple of str
        Names of the training clips' classes, sorted: what the last axis of ``labels`` means.

    Notes
    -----
    Tensors of a training batch, B mixtures of n sources; a method gets those that `reads` names:

    - ``mixture`` (B, 1, R, T), ``sources`` (B, n, R, T): warped magnitudes (linear);
    - ``teacher`` (B, 512): the frozen audio encoder's embedding of the mixture;
    - ``images`` (B, n, 512): frozen image embeddings, not normalised;
    - ``frames`` (B, n, 3, H, W), ``films`` (B, n, F, 3, H, W): pictures in [0, 1];
    - ``labels`` (B, n, C): 1 for each class that a source (a duet has two) holds, else 0; all 0 where a slot is empty;
    - ``waveforms`` (B, n, n_samples): the sources as they are in the mixture, which is their sum.
    """

    reads: ClassVar[tuple[str, ...]] = ("mixture", "sources")
    conditions: ClassVar[Conditions] = "images"  # what says which source is meant; "none": nothing does

    def __init__(self, config: RunConfig, classes: tuple[str, ...]) -> None:
        super().__init__()
        self.config, self.classes = config, classes
        self.audio = config.audio

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Terms of the training loss by name, each with its weight; one is ``separation``. Their sum is minimised."""

    @abstractmethod
    def separate(self, waveform: torch.Tensor, conditions: torch.Tensor | None) -> torch.Tensor:
        """Mixtures (B, n_samples) and conditions (B, n, ...) to estimates (B, m, n_output); soft where there are masks.

        m is n; where `conditions` is ``"none"``, it is the number of outputs.
        """

    def parameter_groups(self) -> list[dict]:
        """Groups of parameters for the optimiser, each with its `share` of the learning rate; by default one, 1."""
        return [{"params": list(self.parameters()), "share": 1.0}]

    def measures(self, val: Batch) -> dict[str, float]:
        """Further numbers about the validation mixtures, always the same names; they become columns of ``history.csv``."""
        return {}


class MaskNetwork(Network):
    """A network whose outputs are masks on the warped grid."""

    @abstractmethod
    def masks(self, log_magnitude: torch.Tensor, conditions: torch.Tensor | None) -> torch.Tensor:
        """log(|X| + 1e-10), warped, (B, 1, R, T), and conditions (B, n, ...) to masks (B, m, R, T) in [0, 1]."""

    def separate(self, waveform: torch.Tensor, conditions: torch.Tensor | None) -> torch.Tensor:
        """See `Network.separate`."""
        spectrum = stft(waveform, self.audio)
        masks = self.masks(torch.log(warp(spectrum.abs() + LOG_FLOOR, self.audio))[:, None], conditions)
        return apply_mask(spectrum[:, None], masks.float(), self.audio)


class WaveNetwork(Network):
    """A network whose outputs are sound; it has no masks, so that nothing is binarised."""
