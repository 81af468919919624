"""What a separator is made of, read from the object itself: layers, shapes and parameters of one traced forward pass.

Nothing is allocated or computed: the model lives on torch's meta device, where only shapes exist, so the paper's size
costs no more than the smallest one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import nn

from avsep_lib.models.separator import Separator, count_parameters, released_extra_parameters
from avsep_lib.settings import AudioSettings, ModelSettings

N_SOURCES = 2
PARTS = {  # first words of a parameter's name, and the part of the network it belongs to
    "unet.input_norm": "input norm",
    "unet.down": "encoder",
    "unet.up": "decoder",
    "unet.out": "output maps",
    "mid_projection": "mid condition",
    "late_projection": "late head",
    "scale": "late head",
    "bias": "late head",
    "visual": "visual network",
}


@dataclass(frozen=True)
class Layer:
    """One traced module.

    Attributes
    ----------
    name : str
        Its name in the model, e.g. ``unet.down.3``.
    shape : tuple of int
        Of its output for one mixture (one source), without the batch axis.
    n_parameters : int
    """

    name: str
    shape: tuple[int, ...]
    n_parameters: int


@dataclass(frozen=True)
class Anatomy:
    """A separator taken apart.

    Attributes
    ----------
    settings : ModelSettings
    audio : AudioSettings
    layers : dict of str to Layer
        In the order in which they run first.
    masks : tuple of int
        Shape of the masks of one mixture, (sources, rows, frames).
    bottleneck : tuple of int
        Shape of the aligned feature.
    """

    settings: ModelSettings
    audio: AudioSettings
    layers: dict[str, Layer]
    masks: tuple[int, ...]
    bottleneck: tuple[int, ...]

    def group(self, prefix: str) -> list[Layer]:
        """Layers whose name is `prefix` and a number, by number."""
        numbered = {name.rpartition(".")[2]: layer for name, layer in self.layers.items() if name.startswith(prefix)}
        return [numbered[number] for number in sorted(numbered, key=int)]


def _is_part(name: str) -> bool:
    """Modules that are drawn: the levels and projections, not the convolutions inside them."""
    parent, _, number = name.rpartition(".")
    return (number.isdigit() and parent in ("unet.down", "unet.up")) or name in (*PARTS, "unet.out")


@contextmanager
def _recording(model: nn.Module, layers: dict[str, Layer]) -> Iterator[None]:
    """Note each drawn module's output while the block runs; the hooks are removed afterwards."""

    def note(name: str):
        def hook(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
            count = sum(p.numel() for p in module.parameters())
            layers.setdefault(name, Layer(name, tuple(output.shape[1:]), count))

        return hook

    hooks = [m.register_forward_hook(note(name)) for name, m in model.named_modules() if _is_part(name)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def trace(settings: ModelSettings, audio: AudioSettings) -> Anatomy:
    """Run a separator on shapes only and note what each part gives.

    Parameters
    ----------
    settings : ModelSettings
    audio : AudioSettings
        Gives the size of the spectrogram.
    """
    with torch.device("meta"):
        model = Separator(settings).eval()
        mixture = torch.empty(1, 1, audio.n_rows, audio.n_frames)
        size = (settings.embedding_dim,) if settings.backbone == "clip" else (3, *2 * (settings.frame_size,))
        visual = torch.empty(1, N_SOURCES, *size)
    layers: dict[str, Layer] = {}
    with _recording(model, layers), torch.no_grad():
        output = model(mixture, visual)
    out = model.unet.out  # folded with the head, hence never called by itself
    shape = (out.out_channels, audio.n_rows, audio.n_frames)
    layers["unet.out"] = Layer("unet.out", shape, sum(p.numel() for p in out.parameters()))
    return Anatomy(settings, audio, layers, tuple(output.masks.shape[1:]), tuple(output.bottleneck.shape[1:]))


def parameters_by_part(settings: ModelSettings) -> dict[str, int]:
    """Trainable parameters of each part of the network; zero for a part it does not have."""
    with torch.device("meta"):
        model = Separator(settings)
    counts = dict.fromkeys(PARTS.values(), 0)
    for name, parameter in model.named_parameters():
        counts[next(part for start, part in PARTS.items() if name.startswith(start))] += parameter.numel()
    return counts


def parameter_table(settings: ModelSettings) -> pd.DataFrame:
    """Parameters of the three fusions at one size, part by part.

    Returns
    -------
    DataFrame
        One column per fusion; one row per part that some fusion has, then *used* (all that take part in the forward
        pass), *built but unused* (what the released models also allocate) and *released*, their sum.
    """
    fusions = {fusion: replace(settings, fusion=fusion) for fusion in ("late", "middle", "hierarchical")}
    table = pd.DataFrame({fusion: parameters_by_part(values) for fusion, values in fusions.items()})
    table = table[(table > 0).any(axis=1)]
    table.loc["used"] = [count_parameters(values) for values in fusions.values()]
    table.loc["built but unused"] = [released_extra_parameters(values) for values in fusions.values()]
    table.loc["released"] = table.loc["used"] + table.loc["built but unused"]
    return table.rename_axis("part")
